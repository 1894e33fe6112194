"""Whatever operation of the API is refused, and for whatever reason, the answer has the contract's shape."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account
from keyportal.policy import Role
from tests.apikeys.databases import database_away
from tests.proof.test_matrix_of_keys import BODIES, LOWEST, ROWS, Row, json_of, knock, same_place
from tests.proof.world import World, make_world, rows
from tests.v1.test_errors import assert_shaped

GUARDED = [row for row in ROWS if row[3] != "public"]
IN_AN_ACCOUNT = [row for row in GUARDED if row[3] != "any"]


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def _nothing_changes(request: pytest.FixtureRequest) -> Iterator[None]:
    """A refusal leaves every table as it was."""
    if "world" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("world")
    before = rows()
    yield
    assert rows() == before


def ask(
    world: World, row: Row, client: Client, body: bytes | None = None, content_type: str = "application/json", **values: Any
) -> Any:
    name, method, path, _, _ = row
    sent = (json_of(BODIES[name]) if name in BODIES else b"") if body is None else body
    return client.generic(method, path.format(**world.values() | values), sent, content_type)


@pytest.mark.parametrize("machine", ["none", "gone", "deleted", "expired", "sdeleted"])
def test_without_a_key_that_works_it_is_401_and_names_the_scheme(world: World, machine: str) -> None:
    challenge = "Bearer" if machine == "none" else 'Bearer error="invalid_token"'
    for row in GUARDED:
        answer = knock(world, machine, row)
        assert_shaped(answer, 401)
        assert answer["WWW-Authenticate"] == challenge, row


def test_a_refused_key_is_not_told_what_is_wrong_with_its_body(world: World) -> None:
    for row in GUARDED:
        for client, status in ((Client(), 401), (world.machine("out"), 200 if row[3] == "any" else 403)):
            answer = ask(world, row, client, b"{", "text/plain")
            assert answer.status_code == status, row
            assert "JSON" not in answer.content.decode()


def test_a_stranger_s_key_is_403_in_the_same_bytes_whether_the_account_is_there_or_not(world: World) -> None:
    for row in IN_AN_ACCOUNT:
        foreign, absent = world.machine("out"), world.machine("out")
        absent.defaults["HTTP_X_CHECKLY_ACCOUNT"] = unknown = str(uuid.uuid4())
        answers = ask(world, row, foreign), ask(world, row, absent, account_id=unknown)
        assert_shaped(answers[0], 403)
        assert answers[0].content == answers[1].content, row
        assert b"no access to this account" in answers[0].content


def test_too_low_a_role_is_403_and_named(world: World) -> None:
    for row in IN_AN_ACCOUNT:
        if LOWEST.get(row[3]) is Role.READ_ONLY:
            continue
        for machine in ("RO", "sREAD_ONLY"):
            message = assert_shaped(knock(world, machine, row), 403)
            assert ("Read & Write" if row[3] == "write" else "may not manage members") in message, row


def test_a_suspended_account_is_403_and_says_why(world: World) -> None:
    Account.objects.filter(pk=world.cast.acme.pk).update(suspended_at="2026-01-01T00:00Z")
    for row in IN_AN_ACCOUNT:
        for machine in ("O", "sADMIN"):
            assert "suspended" in assert_shaped(knock(world, machine, row), 403), row
    Account.objects.filter(pk=world.cast.acme.pk).update(suspended_at=None)


def test_a_user_key_that_names_no_account_is_400_and_told_which_header(world: World) -> None:
    nameless = world.machine("O")
    del nameless.defaults["HTTP_X_CHECKLY_ACCOUNT"]
    for row in IN_AN_ACCOUNT:
        if "{account_id}" in row[2]:
            continue
        assert "X-Checkly-Account" in assert_shaped(ask(world, row, nameless), 400), row


@pytest.mark.parametrize("machine", ["none", "O"])
def test_another_method_is_405_and_says_which_are_there(world: World, machine: str) -> None:
    for row in ROWS:
        there = {method for _, method, path, _, _ in ROWS if same_place(path, row[2])}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - there:
            answer = knock(world, machine, row, method)
            assert_shaped(answer, 405)
            assert set(answer["Allow"].replace(" ", "").split(",")) == there, row


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in BODIES], ids=lambda row: row[0])
def test_a_body_that_is_not_taken_is_told_in_shape(world: World, row: Row) -> None:
    if row[3] == "people":
        Account.objects.filter(pk=world.cast.acme.pk).update(keys_manage_members=True)
    admin = world.machine("sADMIN")
    assert_shaped(ask(world, row, admin, b"{}", "text/plain"), 415)
    assert_shaped(ask(world, row, admin, b"{"), 400)
    assert_shaped(ask(world, row, admin, b"[]"), 400)
    assert_shaped(ask(world, row, admin, b'"%s"' % (b"x" * 1_100_000)), 413)
    Account.objects.filter(pk=world.cast.acme.pk).update(keys_manage_members=False)


ABSENT = {"key": "NONE", "check": uuid.uuid4(), "check_id": uuid.uuid4(), "group_id": 10**9, "user_id": uuid.uuid4()}


def test_what_is_not_there_is_404_with_a_sentence(world: World) -> None:
    Account.objects.filter(pk=world.cast.acme.pk).update(keys_manage_members=True)
    named = {f"{{{name}}}" for name in ABSENT}
    asked = [row for row in IN_AN_ACCOUNT if row[2].endswith(tuple(named))]
    assert len(asked) == 14
    for row in asked:
        message = assert_shaped(ask(world, row, world.machine("sADMIN"), **ABSENT), 404)
        assert "does not exist" in message or "not a member" in message, row
    assert_shaped(Client().get("/v1/runtimes/none"), 404)
    Account.objects.filter(pk=world.cast.acme.pk).update(keys_manage_members=False)


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_it_is_503_and_never_401_and_what_needs_none_is_served(transactional_db: None) -> None:
    world = make_world()
    clients = [world.machine("O"), world.machine("sADMIN"), world.machine("deleted")]
    with database_away():
        for row in ROWS:
            for client in clients:
                answer = ask(world, row, client)
                if row[3] == "public":
                    assert answer.status_code == 200
                    continue
                assert_shaped(answer, 503)
                assert 0 < int(answer["Retry-After"]) <= 10
                assert "WWW-Authenticate" not in answer
