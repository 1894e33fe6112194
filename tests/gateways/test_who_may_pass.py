"""Which keys each gateway lets pass, where and when; whoever is refused does not reach the application."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.access import person
from apikeys.allowlist import Mode
from keyportal.policy import GRANTABLE_ROLES, Role
from tests import factories
from tests.apikeys.test_key_check import unknown_key
from tests.browser.server import Server
from tests.clients.team import Team
from tests.gateways.application import Application
from tests.gateways.recipes import Gateway, Recipe, running

# How the recipes choose the level.
ASKS = {"read": ("GET", "/x"), "run": ("POST", "/run/x"), "write": ("POST", "/x"), "admin": ("GET", "/admin/x")}
TABLE = """
            read run  write admin
OWNER       200  200  200   200
ADMIN       200  200  200   200
READ_WRITE  200  200  200   403
READ_RUN    200  200  403   403
READ_ONLY   200  403  403   403
"""
EXPECTED = {Role(role): list(map(int, statuses)) for role, *statuses in map(str.split, TABLE.split("\n")[2:-1])}


@pytest.mark.parametrize("kind", ["user", "service"])
def test_each_role_passes_where_the_table_says_and_nowhere_else(
    gateway: Gateway, application: Application, acme: Team, kind: str
) -> None:
    for role in Role if kind == "user" else GRANTABLE_ROLES:
        key = acme.user_key(role) if kind == "user" else acme.service_key(role)
        application.received.clear()
        with gateway.caller(key, acme.id) as caller:
            statuses = [caller.send(*ask).status for ask in ASKS.values()]
        assert statuses == EXPECTED[role], role
        reached = [ask for ask, status in zip(ASKS.values(), statuses, strict=True) if status == 200]
        assert [(request.method, request.target) for request in application.received] == reached, role


def test_a_restricted_key_passes_from_its_addresses_alone_whatever_the_client_claims(
    gateway: Gateway, application: Application, acme: Team
) -> None:
    row, key = acme.kept_user_key(Role.READ_ONLY)
    row.allow_from(by=person(row.user), networks=["127.0.0.7"], mode=Mode.ENFORCE)
    claims = ("127.0.0.7", "127.0.0.7, 127.0.0.7", "::ffff:127.0.0.7")
    for address, status in (("127.0.0.7", 200), ("127.0.0.8", gateway.seen("the right is missing"))):
        application.received.clear()
        with gateway.caller(key, acme.id, address=address) as caller:
            for headers in (
                [],
                *([(name, claim)] for claim in claims for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded")),
            ):
                assert caller.get("/x", headers).status == status, (address, headers)
        assert bool(application.received) == (status == 200)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_get_and_head_are_reading(gateway: Gateway, application: Application, acme: Team, method: str) -> None:
    reading = method in ("GET", "HEAD")
    for role, status in ((Role.READ_RUN, 200 if reading else gateway.seen("the right is missing")), (Role.READ_WRITE, 200)):
        application.received.clear()
        with gateway.caller(acme.user_key(role), acme.id) as caller:
            assert caller.send(method, "/x?a=1&b=%20").status == status
        reached = [(request.method, request.target) for request in application.received]
        assert reached == ([(method, "/x?a=1&b=%20")] if status == 200 else [])


def test_no_other_method_passes_for_reading(gateway: Gateway, application: Application, acme: Team) -> None:
    for method in ("get", "Get", "GETX", "TRACE", "PROPFIND"):
        with gateway.caller(acme.service_key(Role.READ_RUN), acme.id) as caller:
            assert caller.send(method, "/x").status >= 400, method
    assert application.received == []


def test_nobody_without_a_key_that_works_passes(gateway: Gateway, application: Application, acme: Team) -> None:
    row, dead = acme.kept_user_key(Role.OWNER)
    row.revoke(by=person(acme.people[Role.OWNER]))
    good = acme.user_key(Role.OWNER)
    wrong = (None, "garbage", good[:-1], good + "x", unknown_key(), factories.another_secret_of(good), dead)
    for key in wrong:
        with gateway.caller(key, acme.id) as caller:
            for ask in ASKS.values():
                answer = caller.send(*ask)
                assert answer.status == gateway.seen("no key, or none that works")
                assert answer.header("WWW-Authenticate") == ('Bearer error="invalid_token"' if key else "Bearer")
                assert answer.header("KeyportalRole") is None
    assert application.received == []


@pytest.mark.parametrize(
    "scheme", ["Basic {key}", "{key}", "Bearer {key}, Bearer {key}", "Bearer {key},", "Bearer {key} {key}", ""]
)
def test_nothing_but_one_key_after_bearer_is_a_key(gateway: Gateway, application: Application, acme: Team, scheme: str) -> None:
    key = acme.service_key(Role.ADMIN)
    with gateway.caller(account=acme.id) as caller:
        sent = [("Authorization", scheme.replace("{key}", key)), ("Cookie", f"key={key}"), ("X-API-Key", key)]
        assert caller.get(f"/x?access_token={key}", sent).status == gateway.seen("no key, or none that works")
    assert application.received == []


def test_two_keys_are_none(gateway: Gateway, application: Application, acme: Team) -> None:
    good, other = acme.service_key(Role.ADMIN), acme.user_key(Role.READ_ONLY)
    for second in (f"Bearer {good}", f"Bearer {other}", "Bearer garbage", "Basic eDp5"):
        for name in ("Authorization", "authorization", "AUTHORIZATION"):
            with gateway.caller(good, acme.id) as caller:
                assert caller.get("/x", [(name, second)]).status == gateway.seen("two `Authorization` headers"), second
    assert application.received == []


def test_a_key_that_was_deleted_is_refused_on_the_next_request_of_an_open_connection(
    gateway: Gateway, application: Application, acme: Team
) -> None:
    row, key = acme.kept_user_key(Role.READ_WRITE)
    with gateway.caller(key, acme.id) as caller:
        assert [caller.get("/x").status, caller.send("POST", "/x").status] == [200, 200]
        row.revoke(by=person(acme.people[Role.READ_WRITE]))
        assert [caller.get("/x").status, caller.send("POST", "/x").status] == [401, 401]
    assert len(application.received) == 2


def test_a_removed_member_is_refused_on_the_next_request_of_an_open_connection(
    gateway: Gateway, application: Application, acme: Team
) -> None:
    with gateway.caller(acme.user_key(Role.READ_RUN), acme.id) as caller:
        assert caller.get("/x").status == 200
        acme.remove(acme.people[Role.READ_RUN])
        assert caller.get("/x").status == 403
    assert len(application.received) == 1


# Which account


def test_the_client_names_the_account(gateway: Gateway, application: Application, acme: Team, globex: Team) -> None:
    user, service = acme.user_key(Role.OWNER), acme.service_key(Role.ADMIN)
    missing = gateway.seen("the right is missing")
    for account, of_user, of_service in (
        (acme.id, 200, 200),
        (globex.id, missing, missing),
        ("garbage", missing, missing),
        (None, missing, 200),  # a service key has one account, and need not name it
    ):
        for key, status in ((user, of_user), (service, of_service)):
            application.received.clear()
            with gateway.caller(key, account) as caller:
                assert caller.get("/x").status == status, (account, key[:2])
            accounts = [request.all("KeyportalAccount") for request in application.received]
            assert accounts == ([[acme.id]] if status == 200 else [])


def test_two_accounts_are_none_and_an_underscore_names_none(
    gateway: Gateway, application: Application, acme: Team, globex: Team
) -> None:
    key = acme.user_key(Role.OWNER)
    for first, second in ((acme.id, globex.id), (globex.id, acme.id)):
        with gateway.caller(key, first) as caller:
            assert caller.get("/x", [("X-Checkly-Account", second)]).status == 403
    with gateway.caller(key) as caller:
        assert caller.get("/x", [("X_Checkly_Account", acme.id)]).status == 403
    assert application.received == []
    with gateway.caller(key, acme.id) as caller:
        assert caller.get("/x", [("X_Checkly_Account", globex.id), ("x_checkly_account", globex.id)]).status == 200
    assert [received.all("X-Checkly-Account") for received in application.received] == [[acme.id]]


def test_a_gateway_may_name_the_account_for_everybody(
    recipe: Recipe, server: Server, application: Application, acme: Team, globex: Team, tmp_path: Path
) -> None:
    """Whatever the client says: the line that pins an account is no longer a comment."""
    with running(recipe, tmp_path, server.port, application.port, account=acme.id) as gateway:
        claims = [[], *([("X-Checkly-Account", claim)] for claim in (acme.id, globex.id, "garbage"))]
        # Whoever takes the account away from the question would pass with a service key of any account.
        claims += [[("Connection", "X-Checkly-Account")], [*claims[2], ("Connection", "x-checkly-account, close")]]
        for claim in claims:
            for team, status in ((acme, 200), (globex, 403)):
                for key in (team.user_key(Role.ADMIN), team.service_key(Role.ADMIN)):
                    application.received.clear()
                    statuses = []
                    for method, path in ASKS.values():
                        with gateway.caller(key) as caller:
                            statuses.append(caller.send(method, path, claim).status)
                    assert statuses == [status] * len(ASKS), (claim, team.account.name, key[:2])
                    accounts = [request.all("KeyportalAccount") for request in application.received]
                    assert accounts == [[acme.id]] * statuses.count(200)
