"""Check groups are made, changed by both versions of the API, found by filters, and deleted without their checks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction

from keyportal.policy import Role
from keyportal.v1.models import Check, CheckGroup
from tests import factories
from tests.v1.calls import Machine, everybody_in_acme, of_service, until_somebody_waits

GROUPS = "/v1/check-groups"
VERSIONS = (GROUPS, "/v2/check-groups")


@pytest.fixture
def machine(cast: factories.Cast) -> Machine:
    return of_service(cast.acme)


def make(machine: Machine, **fields: Any) -> dict[str, Any]:
    answer = machine.send("POST", GROUPS, {"name": "Shop"} | fields)
    assert answer.status_code == 201, answer.content
    return answer.json()  # type: ignore[no-any-return]


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [group["name"] for group in answer.json()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_is_made_read_changed_and_deleted(machine: Machine, version: str) -> None:
    made = make(machine, concurrency=3)
    assert type(made["id"]) is int
    one = f"{GROUPS}/{made['id']}"
    answer = machine.get(one)
    assert (answer.status_code, answer.json()) == (200, made)
    answer = machine.send("PUT", f"{version}/{made['id']}", {"name": "Other", "tags": ["a"]})
    assert (answer.status_code, answer.json()["name"], answer.json()["tags"]) == (200, "Other", ["a"])
    assert answer.json()["concurrency"] == 3
    assert machine.get(one).json() == answer.json()
    answer = machine.delete(one)
    assert (answer.status_code, answer.content) == (204, b"")
    assert machine.get(one).status_code == 404
    assert machine.delete(one).status_code == 404
    assert not CheckGroup.objects.exists()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
def test_the_second_version_has_the_one_call_that_clients_make(machine: Machine, method: str) -> None:
    made = make(machine)
    answer = machine.send(method, f"/v2/check-groups/{made['id']}", {"name": "Other"})
    assert (answer.status_code, answer["Allow"]) == (405, "PUT")
    assert machine.send(method, "/v2/check-groups", {"name": "Other"}).status_code == 404


@pytest.mark.parametrize("group_id", ["0", "-1", "1.0", "x", "+1", "%20", "9" * 18, "9" * 30, "9" * 5_000, "%D9%A1"])
def test_what_is_no_group_is_404(machine: Machine, group_id: str) -> None:
    make(machine)
    answers = [machine.send("PUT", f"{version}/{group_id}", {"name": "Other"}) for version in VERSIONS]
    for answer in (machine.get(f"{GROUPS}/{group_id}"), machine.delete(f"{GROUPS}/{group_id}"), *answers):
        assert answer.status_code == 404
        assert answer.json()["message"] == "This check group does not exist."
    assert names(machine.get(GROUPS)) == ["Shop"]


@pytest.mark.parametrize("concurrency", [0, 1001, "3", 1.5, True, None])
def test_a_concurrency_is_a_small_number(machine: Machine, concurrency: Any) -> None:
    answer = machine.send("POST", GROUPS, {"name": "Shop", "concurrency": concurrency})
    assert (answer.status_code, answer.json()["message"][:12]) == (400, "concurrency:")


@pytest.mark.parametrize("version", VERSIONS)
def test_only_read_and_write_and_above_change_and_delete(cast: factories.Cast, machine: Machine, version: str) -> None:
    made = make(machine)
    for role, machines in everybody_in_acme(cast).items():
        for asker in machines:
            assert asker.get(f"{GROUPS}/{made['id']}").status_code == 200
            answer = asker.send("PUT", f"{version}/{made['id']}", {"name": role})
            assert answer.status_code == (200 if role.at_least(Role.READ_WRITE) else 403)
            if not role.at_least(Role.READ_WRITE):
                assert asker.delete(f"{GROUPS}/{made['id']}").status_code == 403
    assert names(machine.get(GROUPS)) == [Role.OWNER]


def test_deleting_a_group_leaves_its_checks_in_none(cast: factories.Cast, machine: Machine) -> None:
    group, other = make(machine), make(machine)
    inside = machine.send("POST", "/v1/checks/api", {"name": "Inside", "groupId": group["id"]}).json()
    elsewhere = machine.send("POST", "/v1/checks/api", {"name": "Elsewhere", "groupId": other["id"]}).json()
    assert machine.delete(f"{GROUPS}/{group['id']}").status_code == 204
    assert machine.get("/v1/checks").json() == [inside | {"groupId": None}, elsewhere]
    changed = machine.send("PUT", f"/v1/checks/api/{inside['id']}", {"name": "Inside"}).json()
    assert changed["groupId"] is None


# The list


@pytest.fixture
def shops(machine: Machine) -> Machine:
    """Twelve groups, of which the first was changed into one that no filter below finds."""
    changed = make(machine, name="Shop", tags=["shop"])
    machine.send("PUT", f"{GROUPS}/{changed['id']}", {"name": "Changed", "tags": ["other"]})
    for number in range(1, 12):
        make(machine, name=f"Shop {number}", tags=["shop", f"n{number}"])
    return machine


def test_the_list_is_paged_from_the_oldest_with_total_and_ways_on(shops: Machine) -> None:
    pages = [shops.get(f"{GROUPS}?limit=5&page={page}") for page in (1, 2, 3, 4)]
    assert [name for page in pages for name in names(page)] == ["Changed", *(f"Shop {number}" for number in range(1, 12))]
    assert [page["content-range"] for page in pages] == ["0-4/12", "5-9/12", "10-11/12", "*/12"]
    assert 'page=2>; rel="next"' in pages[0]["link"]
    assert 'page=3>; rel="last"' in pages[0]["link"]
    assert 'rel="next"' not in pages[2]["link"]
    assert len(names(shops.get(GROUPS))) == 10


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=SHOP%201", ["Shop 1", "Shop 10", "Shop 11"]),
        ("name=%25", []),
        ("name=shop&tag=n2", ["Shop 2"]),
        ("tag=n2&tag=n3", ["Shop 2", "Shop 3"]),
        ("tag[]=n2&tag[]=n3", ["Shop 2", "Shop 3"]),
        ("tag=n", []),
        ("tag=N2", []),
        ("tag=other", ["Changed"]),
    ],
)
def test_filters(shops: Machine, query: str, expected: list[str]) -> None:
    answer = shops.get(f"{GROUPS}?{query}")
    assert names(answer) == expected
    assert answer["content-range"].rpartition("/")[2] == str(len(expected))


# At once, on PostgreSQL


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_check_that_is_put_into_a_group_while_it_is_deleted_is_told_that_there_is_none(
    transactional_db: None, background: ThreadPoolExecutor, method: str
) -> None:
    acme = factories.make_cast().acme
    group, check = factories.CheckGroupFactory(account=acme), factories.CheckFactory(account=acme)
    Check.objects.filter(pk=check.pk).update(group=group)
    path = {"POST": "/v1/checks/api", "PUT": f"/v1/checks/api/{check.pk}"}[method]
    writer, deleter = of_service(acme), of_service(acme)
    with transaction.atomic():
        # Deleting begins with this. Had the other locked its check first, each would wait for the other from then on.
        CheckGroup.objects.select_for_update().get()
        answer = background.submit(writer.send, method, path, {"name": "In it", "groupId": group.pk})
        until_somebody_waits()
        assert deleter.delete(f"{GROUPS}/{group.pk}").status_code == 204
    refused = answer.result(30)
    assert (refused.status_code, refused.json()["message"]) == (400, "groupId: this check group does not exist.")
    assert list(Check.objects.values_list("name", "group")) == [(check.name, None)]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_group_that_is_deleted_while_a_check_is_put_into_it_takes_the_check_out_again(
    transactional_db: None, background: ThreadPoolExecutor
) -> None:
    acme = factories.make_cast().acme
    group, deleter = factories.CheckGroupFactory(account=acme), of_service(acme)
    with transaction.atomic():
        assert of_service(acme).send("POST", "/v1/checks/api", {"name": "New", "groupId": group.pk}).status_code == 201
        answer = background.submit(deleter.delete, f"{GROUPS}/{group.pk}")
        until_somebody_waits()
    assert answer.result(30).status_code == 204
    assert list(Check.objects.values_list("name", "group")) == [("New", None)]
