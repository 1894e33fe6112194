"""Every operation of the API, asked with every kind of key: the answer is the one in the table, a refusal changes nothing.

An operation that is missing from the table fails the first test.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from keyportal.policy import GRANTABLE_ROLES, Level, Role
from keyportal.v1.api import api
from tests.proof.world import MACHINES, World, make_world, rows, undone

# Operation, method, path, whom it is for, and the answer to who may. "public" asks for no key; "any" works without
# access to the account named; the levels are those of roles; "people" is for keys that manage members, which
# Acme's owner has not allowed.
TABLE = """
list_accounts             GET    /v1/accounts                          any     200
get_my_account            GET    /v1/accounts/me                       read    200
get_account               GET    /v1/accounts/{account_id}             read    200
list_my_entitlements      GET    /v1/accounts/me/entitlements          read    200
list_entitlements         GET    /v1/accounts/{account_id}/entitlements read   200
list_my_members           GET    /v1/accounts/me/members               read    200
list_members              GET    /v1/accounts/{account_id}/members     read    200
update_my_member          PATCH  /v1/accounts/me/members/{user_id}     people  200
update_member             PATCH  /v1/accounts/{account_id}/members/{user_id} people 200
remove_my_member          DELETE /v1/accounts/me/members/{user_id}     people  204
remove_member             DELETE /v1/accounts/{account_id}/members/{user_id} people 204
next_list_accounts        GET    /next/accounts                        any     200
next_get_account          GET    /next/accounts/{account_id}           read    200
get_me                    GET    /next/users/me                        any     200
list_variables            GET    /v1/variables                         read    200
create_variable           POST   /v1/variables                         write   201
get_variable              GET    /v1/variables/{key}                   read    200
update_variable           PUT    /v1/variables/{key}                   write   200
delete_variable           DELETE /v1/variables/{key}                   write   204
list_checks               GET    /v1/checks                            read    200
get_check                 GET    /v1/checks/{check}                    read    200
create_check              POST   /v1/checks/{check_type}               write   201
update_check              PUT    /v1/checks/{check_type}/{check_id}    write   200
delete_check              DELETE /v1/checks/{check}                    write   204
list_check_groups         GET    /v1/check-groups                      read    200
create_check_group        POST   /v1/check-groups                      write   201
get_check_group           GET    /v1/check-groups/{group_id}           read    200
update_check_group        PUT    /v1/check-groups/{group_id}           write   200
update_check_group_v2     PUT    /v2/check-groups/{group_id}           write   200
delete_check_group        DELETE /v1/check-groups/{group_id}           write   204
list_runtimes             GET    /v1/runtimes                          public  200
get_runtime               GET    /v1/runtimes/{runtime_id}             public  200
list_locations            GET    /v1/locations                         public  200
list_v1_check_statuses    GET    /v1/check-statuses                    read    200
list_v1_check_alerts      GET    /v1/check-alerts                      read    200
list_v1_alert_channels    GET    /v1/alert-channels                    read    200
list_v1_snippets          GET    /v1/snippets                          read    200
list_v1_dashboards        GET    /v1/dashboards                        read    200
list_v1_maintenance_windows GET  /v1/maintenance-windows               read    200
list_v1_private_locations GET    /v1/private-locations                 read    200
list_v1_status_pages      GET    /v1/status-pages                      read    200
list_v1_status_pages_incidents GET /v1/status-pages/incidents          read    200
list_v1_status_pages_services GET /v1/status-pages/services            read    200
refuse_v1_projects_deploy POST   /v1/projects/deploy                   read    402
refuse_v1_projects_logical_id DELETE /v1/projects/{logical_id}         read    402
refuse_v1_test_sessions_run POST /v1/test-sessions/run                 read    402
refuse_next_test_sessions_trigger POST /next/test-sessions/trigger     read    402
refuse_next_checkly_storage_upload_code_bundle POST /next/checkly-storage/upload-code-bundle read 402
refuse_v2_check_sessions_trigger POST /v2/check-sessions/trigger       read    402
"""
Row = tuple[str, str, str, str, int]
ROWS: list[Row] = [
    (name, method, path, kind, int(good)) for name, method, path, kind, good in map(str.split, TABLE.strip().splitlines())
]

BODIES: dict[str, dict[str, Any]] = {
    "update_my_member": {"role": "READ_RUN"},
    "update_member": {"role": "READ_RUN"},
    "create_variable": {"key": "NEW", "value": "1"},
    "update_variable": {"value": "2"},
    "create_check": {"name": "New"},
    "update_check": {"name": "Changed"},
    "create_check_group": {"name": "New"},
    "update_check_group": {"name": "Changed"},
    "update_check_group_v2": {"name": "Changed"},
}

# The role that each machine has in Acme; the others have none, or no key that works.
ROLES = {"O": Role.OWNER, "A": Role.ADMIN, "RW": Role.READ_WRITE, "RR": Role.READ_RUN, "RO": Role.READ_ONLY} | {
    f"s{role.value}": role for role in GRANTABLE_ROLES
}
NO_KEY_THAT_WORKS = ("none", "gone", "deleted", "expired", "sdeleted")
LOWEST = {"read": Role.READ_ONLY, "write": Role.READ_WRITE}


def expected(machine: str, kind: str, good: int) -> int:
    if kind == "public":
        return good
    if machine in NO_KEY_THAT_WORKS:
        return 401
    if kind == "any":
        return good
    role = ROLES.get(machine)
    return good if role and kind in LOWEST and role.at_least(LOWEST[kind]) else 403


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def knock(world: World, machine: str, row: Row, method: str = "") -> Any:
    name, own_method, path, _, _ = row
    address = path.format(**world.values())
    return world.machine(machine).generic(
        method or own_method, address, b"" if name not in BODIES else json_of(BODIES[name]), "application/json"
    )


def json_of(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def row_id(row: Row) -> str:
    return f"{row[1]} {row[2]}"


def test_every_operation_stands_in_the_table() -> None:
    declared = {
        (method, f"{router.prefix.rstrip('/')}{path}".replace("{check}", "{}").replace("{check_type}", "{}"))
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }
    in_table = {(row[1], row[2].replace("{check}", "{}").replace("{check_type}", "{}")) for row in ROWS}
    assert in_table == declared


def test_every_level_is_asked_for() -> None:
    assert {Level(row[3]) for row in ROWS if row[3] in LOWEST} == {Level.READ, Level.WRITE}


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_machines_get_the_answer_of_the_table_and_a_refusal_changes_nothing(world: World, row: Row) -> None:
    before, wrong = rows(), []
    for machine in MACHINES:
        with undone():
            response, want = knock(world, machine, row), expected(machine, row[3], row[4])
            changed = rows() != before
            if response.status_code != want:
                wrong.append(f"{machine}: {response.status_code}, not {want}: {response.content[:200]!r}")
            if changed != (row[1] != "GET" and want in (200, 201, 204)):
                wrong.append(f"{machine}: changed {changed}")
    assert wrong == []


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_any_other_method_is_405_for_everybody(world: World, row: Row) -> None:
    declared = {method for _, method, path, _, _ in ROWS if same_place(path, row[2])}
    before = rows()
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - declared:
        for machine in ("none", "O", "sREAD_ONLY", "deleted"):
            response = knock(world, machine, row, method)
            assert response.status_code == 405, (method, machine)
            assert set(response["Allow"].replace(" ", "").split(",")) == declared
    assert rows() == before


def same_place(one: str, other: str) -> bool:
    return one.replace("{check_type}", "{check}") == other.replace("{check_type}", "{check}")


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_a_session_opens_no_operation(world: World, row: Row) -> None:
    name, method, path, kind, good = row
    before = rows()
    for person in ("O", "oper", "gone"):
        body = b"" if name not in BODIES else json_of(BODIES[name])
        response = world.browser(person).generic(method, path.format(**world.values()), body, "application/json")
        assert response.status_code == (good if kind == "public" else 401)
    assert rows() == before
