"""An ID of another account answers the same bytes as one that never was, in path, query and body, with every kind of key."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.access import operator_at_shell
from accounts.invitations import Invitation
from accounts.models import Membership
from keyportal.policy import GRANTABLE_ROLES, Role
from tests import factories
from tests.proof.test_matrix_of_keys import BODIES, ROWS, Row, row_id
from tests.proof.world import World, make_world, rows

# What Acme has, by the parameter that names it, beside one that nobody ever had. Names of the same length.
NEVER = {
    "account_id": str(uuid.UUID(int=1)),
    "user_id": str(uuid.UUID(int=2)),
    "check": str(uuid.UUID(int=3)),
    "check_id": str(uuid.UUID(int=3)),
    "group_id": "999999",
    "key": "NEVER_WAS",
}


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    world.variable.key = "ACME_ONLY"
    world.variable.save()
    world.cast.acme.let_keys_manage_members(True, by=world.cast.actor(world.cast.olivia, world.cast.acme))
    world.cast.globex.let_keys_manage_members(True, by=world.cast.actor(world.cast.eve, world.cast.globex))
    return world


def keys_of_globex(world: World) -> dict[str, str]:
    """A user key of each role there, and a service key of each."""
    globex = world.cast.globex
    keys = {"user OWNER": factories.user_key(world.cast.eve)[1]}
    for role in GRANTABLE_ROLES:
        somebody = factories.UserFactory()
        globex.add_member(somebody, role, by=operator_at_shell())
        keys[f"user {role}"] = factories.user_key(somebody)[1]
        keys[f"service {role}"] = factories.service_key(globex, role)[1]
    return keys


def seen(response: Any, *names: str) -> tuple[int, dict[str, str], str]:
    """All that a client gets, without the request's ID and the name that it has sent itself."""
    headers = {name: value for name, value in response.items() if name not in ("X-Request-ID", "Content-Length")}
    body = response.content.decode()
    for name in filter(lambda name: len(name) > 5, names):  # a number is never echoed, and stands in other words
        body = body.replace(name, "…")
        headers = {header: value.replace(name, "…") for header, value in headers.items()}
    return response.status_code, headers, body


def ask(world: World, key: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    client = Client(headers={"Authorization": f"Bearer {key}", "X-Checkly-Account": str(world.cast.globex.pk)})
    return client.generic(method, path, json.dumps(body) if body is not None else b"", "application/json")


FOREIGN_ROWS = [row for row in ROWS if any(f"{{{name}}}" in row[2] for name in NEVER)]


@pytest.mark.parametrize("row", FOREIGN_ROWS, ids=row_id)
def test_what_another_account_has_is_in_the_path_as_if_it_never_was(world: World, row: Row) -> None:
    name, method, path, _, _ = row
    acmes = {one: str(value) for one, value in world.values().items()}
    never = acmes | NEVER
    if "{account_id}" in path:  # a member of the foreign account, and of one that never was
        never["user_id"] = acmes["user_id"]
    keys, before = keys_of_globex(world), rows()
    for kind, key in keys.items():
        there, nowhere = (
            seen(ask(world, key, method, path.format(**values), BODIES.get(name)), *values.values())
            for values in (acmes, never)
        )
        assert there == nowhere, kind
        assert there[0] in (403, 404), kind
    assert rows() == before


def test_the_group_of_another_account_is_in_a_body_as_if_it_never_was(world: World) -> None:
    keys = keys_of_globex(world)
    own = factories.CheckFactory.create(account=world.cast.globex)
    before = rows()
    for kind, key in keys.items():
        for method, path in (("POST", "/v1/checks/api"), ("PUT", f"/v1/checks/api/{own.pk}")):
            there, nowhere = (
                seen(ask(world, key, method, path, {"name": "n", "groupId": group}), str(group))
                for group in (world.group.pk, int(NEVER["group_id"]))
            )
            assert there == nowhere, kind
            assert there[0] in (400, 403), kind
    assert rows() == before


def test_a_place_in_another_account_s_list_leads_nowhere_else_than_in_one_s_own(world: World) -> None:
    """A cursor is a place in an order, never a way in: what follows is of the asker's account alone."""
    keys = keys_of_globex(world)
    member = Membership.objects.filter(account=world.cast.acme).earliest("pk")
    invitation = Invitation.objects.get(account=world.cast.acme)
    for kind, key in keys.items():
        for cursor in (f"member.{member.pk}", f"invite.{invitation.pk}", f"invite.{uuid.UUID(int=0)}"):
            answer = ask(world, key, "GET", f"/v1/accounts/me/members?limit=100&nextId={cursor}")
            assert answer.status_code == 200, kind
            assert {one["accountId"] for one in answer.json()["members"]} <= {str(world.cast.globex.pk)}, kind


@pytest.mark.parametrize("query", ["search={acme}", "nextId={acme}", "tag={acme}", "name={acme}"])
@pytest.mark.parametrize("path", ["/v1/checks", "/v1/check-groups", "/v1/accounts/me/members", "/v1/variables"])
def test_an_id_in_the_query_finds_nothing_of_another_account(world: World, path: str, query: str) -> None:
    key = factories.service_key(world.cast.globex, Role.ADMIN)[1]
    for acmes, never in (
        (str(world.cast.acme.pk), NEVER["account_id"]),
        (str(world.check.pk), NEVER["check"]),
        (world.variable.key, NEVER["key"]),
    ):
        there, nowhere = (seen(ask(world, key, "GET", f"{path}?{query.format(acme=one)}"), one) for one in (acmes, never))
        assert there == nowhere
