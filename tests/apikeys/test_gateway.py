"""The gateways' question: 200 with the identity, else exactly 401 or 403, whatever the rest of the request looks like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.access import operator_at_shell, person
from keyportal.policy import GRANTABLE_ROLES, Role
from tests import factories
from tests.apikeys.conftest import Verify
from tests.apikeys.test_key_check import unknown_key
from tests.statements import statements

LEVELS = ("", "/read", "/run", "/write", "/admin")
TABLE = """
            .    /read /run /write /admin
OWNER       200  200   200  200    200
ADMIN       200  200   200  200    200
READ_WRITE  200  200   200  200    403
READ_RUN    200  200   200  403    403
READ_ONLY   200  200   403  403    403
"""
EXPECTED = {Role(role): [int(status) for status in answers] for role, *answers in map(str.split, TABLE.split("\n")[2:-1])}
IDENTITY = ("KeyportalAccount", "KeyportalKey", "KeyportalKind", "KeyportalRole", "KeyportalUser")
NO_ACCESS = "This API key has no access to this account."


def key_of(cast: factories.Cast, role: Role, kind: str) -> tuple[Any, str]:
    return factories.user_key(cast.member(role)) if kind == "user" else factories.service_key(cast.acme, role)


# Who may


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", ["user", "service"])
def test_each_role_gets_the_answers_of_the_table(cast: factories.Cast, verify: Verify, role: Role, kind: str) -> None:
    if kind == "service" and role not in GRANTABLE_ROLES:
        return
    key = key_of(cast, role, kind)[1]
    assert [verify(level, key, cast.acme).status for level in LEVELS] == EXPECTED[role]


def test_a_refusal_says_which_role_is_needed(cast: factories.Cast, verify: Verify) -> None:
    refused = verify("/write", factories.service_key(cast.acme, Role.READ_RUN)[1])
    assert refused.json() == {
        "statusCode": 403,
        "error": "Forbidden",
        "message": "This needs the role Read & Write or higher. This API key has Read & Run.",
    }


def test_a_user_key_works_in_each_account_where_its_user_is_and_nowhere_else(cast: factories.Cast, verify: Verify) -> None:
    cast.globex.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    wendy, rob = (factories.user_key(user)[1] for user in (cast.wendy, cast.rob))
    assert [verify("/write", wendy, account).status for account in (cast.acme, cast.globex)] == [200, 403]
    assert [verify("/read", wendy, account).status for account in (cast.acme, cast.globex)] == [200, 200]
    assert [verify("/read", rob, account).status for account in (cast.acme, cast.globex)] == [200, 403]


STRANGE_ACCOUNTS = [
    "",
    "garbage",
    "00000000-0000-4000-8000-000000000000",
    "{acme}, {acme}",
    "{{acme}}",
    "{hex}",
    "{acme} x",
    "\x00",
]


@pytest.mark.parametrize("account", STRANGE_ACCOUNTS)
def test_an_account_that_is_unknown_or_none_is_403_with_the_bytes_of_a_foreign_one(
    cast: factories.Cast, verify: Verify, account: str
) -> None:
    named = account.replace("{acme}", str(cast.acme.pk)).replace("{hex}", cast.acme.pk.hex)
    for key in (factories.user_key(cast.olivia)[1], factories.service_key(cast.acme, Role.ADMIN)[1]):
        refused = verify("", key, named)
        assert (refused.status, refused.json()["message"]) == (403, NO_ACCESS)
        assert refused.body == verify("", key, cast.globex).body


def test_without_an_account_a_service_key_speaks_for_its_own_and_a_user_key_for_none(
    cast: factories.Cast, verify: Verify
) -> None:
    assert verify("/admin", factories.service_key(cast.acme, Role.ADMIN)[1]).status == 200
    refused = verify("/read", factories.user_key(cast.olivia)[1])
    assert (refused.status, refused.json()["message"]) == (403, NO_ACCESS)


def test_in_any_case_an_account_s_id_is_the_same(cast: factories.Cast, verify: Verify) -> None:
    answer = verify("", factories.user_key(cast.rob)[1], str(cast.acme.pk).upper())
    assert (answer.status, answer.header("KeyportalAccount")) == (200, str(cast.acme.pk))


def test_a_suspended_account_is_403_with_the_reason(cast: factories.Cast, verify: Verify) -> None:
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    refused = verify("/read", key)
    assert (refused.status, refused.json()["message"][:26]) == (403, "This account is suspended.")


# Who calls


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", ["user", "service"])
def test_the_identity_is_exact(cast: factories.Cast, verify_by_wsgi: Verify, role: Role, kind: str) -> None:
    if kind == "service" and role not in GRANTABLE_ROLES:
        return
    row, key = key_of(cast, role, kind)
    answer = verify_by_wsgi("/read", key, cast.acme)
    identity = {
        "KeyportalAccount": str(cast.acme.pk),
        "KeyportalKey": row.public_id,
        "KeyportalKind": kind,
        "KeyportalRole": role.value,
        "KeyportalUser": str(cast.member(role).pk) if kind == "user" else "",
    }
    assert sorted(answer.headers) == sorted(
        {
            **identity,
            "Content-Type": "application/json",
            "Content-Length": str(len(answer.body)),
            "Cache-Control": "no-store, private",
        }.items()
    )
    assert answer.json() == {name.removeprefix("Keyportal").lower(): value for name, value in identity.items()}


def test_both_doors_tell_the_same_identity(cast: factories.Cast, verify: Verify) -> None:
    row, key = factories.user_key(cast.olivia)
    answer = verify("/admin", key, cast.acme)
    told = {name: value for name, value in answer.headers if name in IDENTITY}
    assert told == {
        "KeyportalAccount": str(cast.acme.pk),
        "KeyportalKey": row.public_id,
        "KeyportalKind": "user",
        "KeyportalRole": "OWNER",
        "KeyportalUser": str(cast.olivia.pk),
    }


def test_a_refusal_tells_no_identity(cast: factories.Cast, verify: Verify) -> None:
    for refused in (verify("/admin", factories.user_key(cast.rob)[1], cast.acme), verify("", "garbage")):
        assert refused.status in (401, 403)
        assert not any(name.startswith("Keyportal") for name, _ in refused.headers)


# What is no key


def test_nothing_but_one_good_key_after_bearer_is_a_key(cast: factories.Cast, verify: Verify) -> None:
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    assert verify("", headers={"Authorization": f"bEARER {key}"}).status == 200
    for value in (
        f"Bearer {key}, Bearer {key}",
        f"Bearer {key},Bearer {key}",
        f"Bearer {key},",
        f"Bearer {key} {key}",
        f"Basic {key}",
        f"Token {key}",
        f"Bearer{key}",
        key,
        "Bearer",
        "",
    ):
        assert verify("", headers={"Authorization": value}).status == 401, value.replace(key, "KEY")
    elsewhere = {"X-API-Key": key, "Cookie": f"token={key}", "Proxy-Authorization": f"Bearer {key}"}
    assert verify(f"?token={key}&access_token={key}", headers=elsewhere).status == 401


def test_wrong_and_dead_keys_are_401(cast: factories.Cast, verify: Verify) -> None:
    good, now = factories.user_key(cast.rob)[1], datetime.now(UTC)
    deleted, dead = factories.user_key(cast.rob)
    deleted.revoke(by=person(cast.rob))
    ended = [factories.service_key(cast.acme, **change)[1] for change in ({"expires_at": now}, {"suspended_at": now})]
    for wrong in (None, unknown_key(), factories.another_secret_of(good), dead, *ended):
        answer = verify("", wrong, cast.acme)
        assert (answer.status, answer.json()["statusCode"]) == (401, 401)
        # RFC 6750, section 3: nothing more is said to who has sent nothing.
        assert answer.header("WWW-Authenticate") == ('Bearer error="invalid_token"' if wrong else "Bearer")
    cast.rob.deactivate(by=operator_at_shell(), reason="left")
    assert verify("", good, cast.acme).status == 401


# What makes no difference


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_the_method_makes_no_difference(cast: factories.Cast, verify: Verify, method: str) -> None:
    key = factories.service_key(cast.acme, Role.READ_RUN)[1]
    answers = [verify(level, key, method=method, body=b"{'broken").status for level in LEVELS]
    assert answers == EXPECTED[Role.READ_RUN]


@pytest.mark.parametrize(
    "rest",
    [
        "/",
        "/x",
        "/admin",
        "//admin",
        "/../admin",
        "/%2e%2e/admin",
        "/%FF",
        "?level=admin",
        "?/admin",
        "/x?a=%ED%A0%80",
        "/" * 50,
    ],
)
def test_whatever_follows_the_level_makes_no_difference(cast: factories.Cast, verify: Verify, rest: str) -> None:
    key = factories.service_key(cast.acme, Role.READ_RUN)[1]
    assert [verify(f"/{level}{rest}", key).status for level in ("read", "run", "write", "admin")] == [200, 200, 403, 403]


def test_neither_does_a_nul(cast: factories.Cast, verify_by_wsgi: Verify) -> None:
    key = factories.service_key(cast.acme, Role.READ_RUN)[1]
    assert [verify_by_wsgi(f"/{level}/%00", key).status for level in ("run", "write")] == [200, 403]


def test_a_body_makes_no_difference_whatever_it_is_said_to_be(cast: factories.Cast, verify: Verify) -> None:
    key = factories.service_key(cast.acme)[1]
    for content_type in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "x; charset=nonsense"):
        answer = verify("", key, method="POST", body=b"x" * 300_000, content_type=content_type)
        assert answer.status == 200, content_type


def test_other_paths_are_django_s(cast: factories.Cast, verify: Verify) -> None:
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    for path in ("x", "ed/read", "-read"):
        assert verify(path, key).status == 404


def test_whatever_a_caller_claims_to_be_is_not_repeated(cast: factories.Cast, verify: Verify) -> None:
    claimed = dict.fromkeys(IDENTITY, "forged")
    answer = verify("", factories.service_key(cast.acme)[1], headers=claimed)
    assert answer.status == 200
    assert "forged" not in repr(answer.headers) + answer.body.decode()


# What a gateway does not understand


def test_no_cookie_is_set_no_page_redirects_and_no_cache_keeps_the_answer(
    cast: factories.Cast, verify: Verify, settings: Any
) -> None:
    """With production's settings, over plain http, as gateways ask inside one network."""
    settings.SECURE_SSL_REDIRECT = True
    key = factories.service_key(cast.acme, Role.READ_ONLY)[1]
    for answer, status in ((verify("", key), 200), (verify("/admin/", key), 403), (verify("/"), 401)):
        assert answer.status == status
        assert answer.header("Cache-Control") == "no-store, private"
        assert not {"Set-Cookie", "Location"} & {name for name, _ in answer.headers}


def test_a_foreign_host_is_answered(cast: factories.Cast, verify_by_wsgi: Verify) -> None:
    """Some gateways ask under the name by which they were called."""
    key = factories.service_key(cast.acme)[1]
    for host in ("api.example.org", "x" * 300, "a b", "[::1"):
        assert verify_by_wsgi("", key, headers={"Host": host}).status == 200


def test_a_session_opens_nothing(cast: factories.Cast, signed_in: Any) -> None:
    assert signed_in(cast.olivia).get("/gateway/verify").status_code == 401


def test_it_costs_one_query(cast: factories.Cast, verify_by_wsgi: Verify) -> None:
    key = factories.user_key(cast.rob)[1]
    verify_by_wsgi("", key, cast.acme)
    with statements() as queries:
        assert verify_by_wsgi("/admin", key, cast.acme).status == 403
        assert verify_by_wsgi("", "garbage").status == 401
    assert len(queries) == 1


def test_a_level_that_there_is_none_of_is_refused_to_everybody(cast: factories.Cast, verify: Verify) -> None:
    """A slip in a gateway's configuration must not open what it meant to close."""
    key = factories.user_key(cast.olivia)[1]
    for level in (
        "/wirte",
        "/Write",
        "/WRITE",
        "/write*",
        "/write;x",
        "/write.",
        "/owner",
        "/orders/1",
        "/%20write",
        "/.",
        "/..",
    ):
        refused = verify(level, key, cast.acme)
        assert refused.status == 403, level
        assert refused.json()["message"] == (
            "There is no such level. Ask for /gateway/verify followed by /read, /run, /write, /admin, or nothing."
        )
    assert [verify(level, key, cast.acme).status for level in ("/", "//", "//write", "?wirte")] == [200] * 4
    assert verify("/wirte").status == 401
