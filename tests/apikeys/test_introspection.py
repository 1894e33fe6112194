"""Introspection, RFC 7662: a service key asks about a key; what does not work in its account is inactive, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.test import Client

from accounts.access import operator_at_shell, person
from apikeys import introspection, secret
from apikeys.usage import Outcome, Usage
from keyportal.policy import GRANTABLE_ROLES, Role
from tests import factories
from tests.apikeys.databases import database_away
from tests.apikeys.test_key_check import unknown_key
from tests.proof.hunt import Hunt

PATH = "/gateway/introspect"
FORM = "application/x-www-form-urlencoded"
INACTIVE = b'{"active": false}'
SCOPES = {
    Role.OWNER: "read run write admin",
    Role.ADMIN: "read run write admin",
    Role.READ_WRITE: "read run write",
    Role.READ_RUN: "read run",
    Role.READ_ONLY: "read",
}

Ask = Callable[..., Any]


@pytest.fixture
def service(cast: factories.Cast) -> str:
    """The key of the service that asks."""
    return factories.service_key(cast.acme, Role.READ_ONLY, name="Orders service")[1]


@pytest.fixture
def ask(client: Client, service: str) -> Ask:
    """POST a form, as the service unless another key is named."""
    client.raise_request_exception = False

    def ask(token: str | None, by: str | None = service, *, content_type: str = FORM, body: Any = None, **headers: str) -> Any:
        if by is not None:
            headers["Authorization"] = f"Bearer {by}"
        return client.post(PATH, urlencode({"token": token}) if body is None else body, content_type, headers=headers)

    return ask


# What is active


@pytest.mark.parametrize("role", Role)
def test_a_member_s_user_key_is_active_with_the_scope_of_the_role(cast: factories.Cast, ask: Ask, role: Role) -> None:
    made = datetime(2030, 1, 1, 12, tzinfo=UTC)
    user = cast.member(role)
    row, key = factories.user_key(user, created_at=made)
    answer = ask(key)
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (
        200,
        "application/json",
        "no-store, private",
    )
    assert answer.json() == {
        "active": True,
        "token_type": "Bearer",
        "client_id": row.public_id,
        "sub": str(user.pk),
        "scope": SCOPES[role],
        "iat": int(made.timestamp()),
        "keyportal_account": str(cast.acme.pk),
        "keyportal_kind": "user",
        "keyportal_role": role.value,
    }


@pytest.mark.parametrize("role", GRANTABLE_ROLES)
def test_a_service_key_of_the_account_is_active_with_its_own_role(cast: factories.Cast, ask: Ask, role: Role) -> None:
    end = datetime(2099, 1, 1, 12, 30, 15, 999_999, tzinfo=UTC)
    row, key = factories.service_key(cast.acme, role, expires_at=end)
    told = ask(key).json()
    assert (told["active"], told["sub"], told["scope"], told["keyportal_kind"]) == (
        True,
        row.public_id,
        SCOPES[role],
        "service",
    )
    assert told["exp"] == int(end.timestamp())


def test_a_service_may_ask_about_its_own_key(ask: Ask, service: str) -> None:
    assert ask(service).json()["active"] is True


def test_a_hint_and_other_fields_make_no_difference(cast: factories.Cast, ask: Ask) -> None:
    body = urlencode({"token_type_hint": "access_token", "token": factories.user_key(cast.rob)[1], "x": "\x01"})
    assert ask(None, body=body).json()["active"] is True


# What is not


def dead_and_wrong(cast: factories.Cast) -> dict[str, str]:
    now = datetime.now(UTC)
    revoked, dead = factories.user_key(cast.rob)
    revoked.revoke(by=person(cast.rob))
    return {
        "empty": "",
        "malformed": "garbage",
        "with its scheme": f"Bearer {factories.user_key(cast.rob)[1]}",
        "not ASCII": "cu_é",
        "NUL": "\x00",
        "unknown": unknown_key(),
        "wrong secret": factories.another_secret_of(factories.user_key(cast.rob)[1]),
        "a foreign account's": factories.service_key(cast.globex, Role.ADMIN)[1],
        "revoked": dead,
        "expired": factories.service_key(cast.acme, expires_at=now)[1],
        "suspended": factories.service_key(cast.acme, suspended_at=now)[1],
        "no member's": factories.user_key(cast.eve)[1],
    }


def test_whatever_does_not_work_here_is_inactive_and_nothing_else(cast: factories.Cast, ask: Ask) -> None:
    answers = {what: ask(token) for what, token in dead_and_wrong(cast).items()}
    assert {what: (answer.status_code, answer.content) for what, answer in answers.items()} == dict.fromkeys(
        answers, (200, INACTIVE)
    )


def test_a_key_is_inactive_from_the_moment_on_at_which_its_right_ends(cast: factories.Cast, ask: Ask) -> None:
    rob, wendy = (factories.user_key(user)[1] for user in (cast.rob, cast.wendy))
    ending = factories.service_key(cast.acme, expires_at=datetime(2099, 1, 1, tzinfo=UTC))[1]
    assert all(ask(key).json()["active"] for key in (rob, wendy, ending))
    cast.acme.memberships.get(user=cast.rob).remove(by=cast.actor(cast.olivia, cast.acme))
    cast.wendy.deactivate(by=operator_at_shell(), reason="left")
    assert (ask(rob).content, ask(wendy).content) == (INACTIVE, INACTIVE)
    with time_machine.travel(datetime(2099, 1, 1, tzinfo=UTC), tick=False):
        assert ask(ending).content == INACTIVE
    with time_machine.travel(datetime(2099, 1, 1, tzinfo=UTC) - timedelta(seconds=1), tick=False):
        assert ask(ending).json()["active"] is True


# Who may ask


def test_only_a_usable_service_key_asks(cast: factories.Cast, ask: Ask, signed_in: Any) -> None:
    token, now = factories.user_key(cast.rob)[1], datetime.now(UTC)
    refused = ask(token, factories.user_key(cast.olivia)[1], **{"X-Checkly-Account": str(cast.acme.pk)})
    assert (refused.status_code, refused.json()["message"][:35]) == (403, "Introspection takes a service key: ")
    for nobody in (None, "garbage", factories.service_key(cast.acme, expires_at=now)[1]):
        answer = ask(token, nobody)
        assert (answer.status_code, answer.json()["statusCode"]) == (401, 401)
        assert answer["WWW-Authenticate"] == ('Bearer error="invalid_token"' if nobody else "Bearer")
    assert signed_in(cast.olivia).post(PATH, {"token": token}).status_code == 401
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    assert ask(token, key, **{"X-Checkly-Account": str(cast.globex.pk)}).status_code == 403


def test_a_suspended_account_s_service_is_refused(cast: factories.Cast, ask: Ask) -> None:
    token = factories.user_key(cast.rob)[1]
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    answer = ask(token)
    assert (answer.status_code, answer.json()["message"][:26]) == (403, "This account is suspended.")


@pytest.mark.usefixtures("clock", "limited")
def test_the_service_has_the_limit_of_the_api_and_what_it_asks_about_none(cast: factories.Cast, ask: Ask) -> None:
    answers = [ask("garbage") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0]["RateLimit-Remaining"] == "4"
    assert answers[-1]["Retry-After"].isdigit()
    assert ask("garbage", factories.service_key(cast.acme)[1]).status_code == 200


# How it is asked


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_other_method_is_405(client: Client, service: str, method: str) -> None:
    answer = client.generic(method, f"{PATH}?token={service}", headers={"Authorization": f"Bearer {service}"})
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_what_is_no_form_with_one_token_is_400(cast: factories.Cast, ask: Ask) -> None:
    key = factories.user_key(cast.rob)[1]
    boundary = f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{key}\r\n--b--\r\n'
    for content_type, body in (
        ("application/json", f'{{"token": "{key}"}}'),
        ("multipart/form-data; boundary=b", boundary),
        ("text/plain", urlencode({"token": key})),
        (FORM, urlencode({"key": key})),
        (FORM, urlencode({"token": key}) + "&token=x"),
        (FORM, ""),
    ):
        answer = ask(None, content_type=content_type, body=body)
        assert (answer.status_code, answer.json()["message"]) == (400, "Send the key as the form field “token”, once.")


def test_a_body_that_is_too_large_or_packed_is_refused_in_the_api_s_shape(ask: Ask) -> None:
    assert ask("x" * 300_000).status_code == 413
    assert ask("x", **{"Content-Encoding": "br"}).json()["statusCode"] == 415
    assert ask("x", **{"Content-Encoding": "gzip"}).json()["statusCode"] == 400


@pytest.mark.django_db(transaction=True)
def test_a_database_away_is_503_and_never_inactive(client: Client) -> None:
    service = factories.service_key(factories.make_cast().acme)[1]
    client.raise_request_exception = False
    with database_away():
        answer = client.post(PATH, urlencode({"token": service}), FORM, headers={"Authorization": f"Bearer {service}"})
    assert (answer.status_code, answer["Retry-After"], answer.json()["statusCode"]) == (503, "5", 503)


# What is noted, and what is not


def test_the_use_of_both_keys_is_noted(cast: factories.Cast, ask: Ask) -> None:
    """A key that works behind a service is not "never used"."""
    (asking, by), (row, key) = factories.service_key(cast.acme), factories.user_key(cast.rob)
    assert ask(key, by, **{"User-Agent": "orders/1"}).json()["active"] is True
    for used, client in ((asking, "orders"), (row, "")):
        used.refresh_from_db()
        assert (used.last_used_client, used.last_used_at is None) == (client, False)


def test_a_deleted_key_that_is_asked_about_counts_as_one_that_knocks(cast: factories.Cast, ask: Ask) -> None:
    row, key = factories.service_key(cast.acme)
    row.revoke(by=cast.actor(cast.olivia, cast.acme))
    assert ask(key).content == INACTIVE
    assert Usage.objects.get(public_id=row.public_id).outcome == Outcome.DELETED


def test_a_key_that_is_not_told_of_is_noted_nowhere(cast: factories.Cast, ask: Ask) -> None:
    row, key = factories.service_key(cast.globex)
    assert ask(key).content == INACTIVE
    row.refresh_from_db()
    assert row.last_used_at is None


def test_both_keys_are_hashed_again_when_the_settings_ask_for_more(
    cast: factories.Cast, ask: Ask, higher_cost: Callable[[], None]
) -> None:
    (asking, by), (row, key) = factories.service_key(cast.acme), factories.user_key(cast.rob)
    higher_cost()
    assert ask(key, by).json()["active"] is True
    for used in (asking, row):
        used.refresh_from_db()
        assert ",t=2," in used.secret_hash


@pytest.mark.parametrize("debug", [False, True])
def test_the_token_is_in_no_log_and_in_no_crash_report(
    cast: factories.Cast, ask: Ask, service: str, settings: Any, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    def crash(*arguments: Any) -> Any:
        raise RuntimeError("crashed on purpose")

    settings.DEBUG = debug
    key = factories.user_key(cast.rob)[1]
    with Hunt(plaintexts=[key, service]) as hunt:
        hunt.heard("a good answer", ask(key))
        hunt.heard("a refusal", ask(None, body=f"token={key}&token={key}"))
        for crashing in ("check_key", "_described"):
            with monkeypatch.context() as patch:
                patch.setattr(introspection, crashing, crash)
                assert hunt.heard("a crash", ask(key)).status_code == 500
        assert hunt.log.count("crashed on purpose") >= 2
        assert len(hunt.texts) > 12
        assert hunt.finds() == []


def test_a_token_that_is_no_key_of_ours_is_in_no_crash_report_either(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hunter2"[::-1]  # turned round, since a report quotes this source
    real = secret._kinds
    kinds = iter([real, lambda: 1 / 0])  # the service's own key is read first
    monkeypatch.setattr(secret, "_kinds", lambda: next(kinds)())  # noqa: PLW0108 - the next one each time
    with Hunt() as hunt:
        assert ask(token).status_code == 500
        assert "ZeroDivisionError" in hunt.log
        assert len(hunt.texts) == 4
        assert not [where for where, text in [*hunt.texts, ("log", hunt.log)] if token in text]


def test_where_the_asking_service_sits_is_not_where_the_key_was_used_from(cast: factories.Cast, ask: Ask) -> None:
    row, key = factories.user_key(cast.rob)
    assert ask(key).json()["active"] is True
    used = Usage.objects.get(public_id=row.public_id)
    row.refresh_from_db()
    assert (used.network, used.client, row.last_used_address, row.last_used_client) == ("", "", None, "")
