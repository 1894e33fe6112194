"""The check of a key: one query, one verification, the same refusal for every wrong key, and a note of the use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse

from accounts.access import person
from apikeys import secret
from apikeys.models import ApiKey
from apikeys.use import LastUse, Recorder
from keyportal.policy import Role
from tests import factories
from tests.apikeys.conftest import written_later
from tests.apikeys.databases import database_away
from tests.statements import statements

ME = "/v1/accounts/me"
Call = Callable[..., Any]


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each Argon2 verification."""
    done: list[str] = []
    verify = secret.verify_secret

    def counting(*arguments: Any) -> bool:
        done.append("once")
        return verify(*arguments)

    monkeypatch.setattr(secret, "verify_secret", counting)
    return done


def unknown_key(prefix: str = "cu") -> str:
    body = f"{prefix}_{'0' * 12}_{'1' * 43}"
    return body + secret.checksum(body)


def answered(response: HttpResponse) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, without what differs between any two answers."""
    headers = {name: value for name, value in response.items() if name not in ("X-Request-ID", "Date")}
    return response.status_code, headers, response.content


# One query, one verification


def test_a_request_with_a_key_costs_one_query(cast: factories.Cast, call_api: Call) -> None:
    for key in (factories.user_key(cast.rob)[1], factories.service_key(cast.acme)[1]):
        call_api(ME, key, cast.acme)
        with statements() as queries:
            assert call_api(ME, key, cast.acme).status_code == 200
        assert len(queries) == 1, queries


def test_a_refusal_costs_at_most_one_query_and_is_nowhere_noted(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    for wrong in (factories.another_secret_of(key), unknown_key()):
        with statements() as queries:
            assert call_api(ME, wrong, cast.acme).status_code == 401
        assert len(queries) == 1
    row.refresh_from_db()
    assert row.last_used_at is None


def test_every_key_that_parses_costs_one_verification(cast: factories.Cast, call_api: Call, verifications: list[str]) -> None:
    secret.dummy_hash()
    key = factories.user_key(cast.rob)[1]
    deleted, dead = factories.user_key(cast.rob)
    deleted.revoke(by=person(cast.rob))
    for credential in (key, factories.another_secret_of(key), unknown_key(), unknown_key("sv"), dead):
        verifications.clear()
        call_api(ME, credential, cast.acme)
        assert verifications == ["once"], credential[:15]


def test_what_does_not_parse_costs_neither_query_nor_verification(db: None, call_api: Call, verifications: list[str]) -> None:
    with statements() as queries:
        for credential in ("", "x", "cu_", unknown_key()[:-1], unknown_key()[:-1] + "!", "sk_" + "0" * 62):
            assert call_api(ME, credential).status_code == 401
    assert (queries, verifications) == ([], [])


# One refusal


def test_malformed_unknown_and_wrong_secret_are_refused_with_the_same_bytes(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    service = factories.service_key(cast.acme)[1]
    wrong = [
        "",
        "garbage",
        key[:-1],
        unknown_key(),
        factories.another_secret_of(key),
        factories.another_secret_of(service),
    ]
    answers = [answered(call_api(ME, credential, cast.acme)) for credential in wrong]
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][1]["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    # Who sends nothing is told what to send, and no more.
    nothing = call_api(ME, None, cast.acme)
    assert (nothing.status_code, nothing["WWW-Authenticate"]) == (401, "Bearer")
    assert nothing.json() == call_api(ME, "garbage", cast.acme).json()


def test_a_wrong_secret_does_not_tell_that_the_key_was_deleted_suspended_or_expired(
    cast: factories.Cast, call_api: Call
) -> None:
    now = datetime.now(UTC)
    unknown = answered(call_api(ME, unknown_key(), cast.acme))
    for changes in ({"revoked_at": now}, {"suspended_at": now}, {"expires_at": now}):
        key = factories.user_key(cast.rob, **changes)[1]
        assert answered(call_api(ME, factories.another_secret_of(key), cast.acme)) == unknown
        told = call_api(ME, key, cast.acme)
        assert told.status_code == 401
        assert told.json()["message"] != "Bad Token"


# What a caller who proved the secret is told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revoked_at": datetime(2026, 1, 1, tzinfo=UTC)}, "This API key was deleted."),
        ({"suspended_at": datetime(2026, 1, 1, tzinfo=UTC)}, "This API key is suspended."),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "This API key has expired."),
    ],
)
def test_a_dead_key_is_401_and_says_why(
    cast: factories.Cast, call_api: Call, changes: dict[str, datetime], message: str
) -> None:
    for key in (factories.user_key(cast.rob, **changes)[1], factories.service_key(cast.acme, **changes)[1]):
        response = call_api(ME, key, cast.acme)
        assert response.status_code == 401
        assert response.json()["message"].startswith(message)
        assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_key_that_expires_exactly_now_is_dead(cast: factories.Cast, call_api: Call) -> None:
    end = datetime(2030, 5, 5, 23, 59, 59, tzinfo=UTC)
    key = factories.user_key(cast.rob, expires_at=end)[1]
    for moment, status in ((end - timedelta(microseconds=1), 200), (end, 401), (end + timedelta(seconds=1), 401)):
        with time_machine.travel(moment, tick=False):
            assert call_api(ME, key, cast.acme).status_code == status, moment


# New parameters of the hash


def test_a_key_is_hashed_again_when_the_settings_ask_for_more(
    cast: factories.Cast, call_api: Call, higher_cost: Callable[[], None]
) -> None:
    row, key = factories.user_key(cast.rob)
    old = row.secret_hash
    call_api(ME, key, cast.acme)
    row.refresh_from_db()
    assert row.secret_hash == old
    higher_cost()
    assert call_api(ME, factories.another_secret_of(key), cast.acme).status_code == 401
    row.refresh_from_db()
    assert row.secret_hash == old
    assert call_api(ME, key, cast.acme).status_code == 200
    row.refresh_from_db()
    assert ",t=2," in row.secret_hash
    assert row.secret_hash != old
    renewed = row.secret_hash
    assert call_api(ME, key, cast.acme).status_code == 200
    row.refresh_from_db()
    assert row.secret_hash == renewed


def test_a_deleted_key_is_never_hashed_again(cast: factories.Cast, call_api: Call, higher_cost: Callable[[], None]) -> None:
    row, key = factories.user_key(cast.rob)
    row.revoke(by=person(cast.rob))
    old = row.secret_hash
    higher_cost()
    assert call_api(ME, key, cast.acme).json()["message"] == "This API key was deleted."
    row.refresh_from_db()
    assert row.secret_hash == old


def test_a_key_deleted_between_answer_and_renewal_keeps_its_hash(
    cast: factories.Cast, call_api: Call, higher_cost: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    row, key = factories.user_key(cast.rob)
    old = row.secret_hash
    higher_cost()
    with written_later():
        assert call_api(ME, key, cast.acme).status_code == 200
        row.revoke(by=person(cast.rob))
    row.refresh_from_db()
    assert row.secret_hash == old
    # Passed over by the statement itself: the database's own guard against it was not needed.
    assert "could not be written" not in caplog.text


# The record of use


def test_the_use_is_not_written_by_the_request(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    with written_later():
        assert call_api(ME, key, cast.acme).status_code == 200
        row.refresh_from_db()
        assert row.last_used_at is None
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_the_use_is_noted_with_address_and_client_once_a_minute(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    start = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def use(seconds: int, address: str, agent: str) -> tuple[datetime | None, str | None, str]:
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            response = call_api(ME, key, cast.acme, REMOTE_ADDR=address, headers={"User-Agent": agent})
        assert response.status_code == 200
        row.refresh_from_db()
        return row.last_used_at, row.last_used_address, row.last_used_client

    first = (start, "192.0.2.1", "curl")
    assert use(0, "192.0.2.1", "curl/8.5") == first
    assert use(59, "192.0.2.2", "Terraform/1") == first
    assert use(60, "2001:db8::1", "Terraform/1") == (start + timedelta(seconds=60), "2001:db8::1", "Terraform")


def test_two_workers_that_note_one_use_at_once_write_it_once(cast: factories.Cast) -> None:
    row = factories.user_key(cast.rob)[0]
    start = datetime(2030, 1, 1, 12, tzinfo=UTC)
    workers = [Recorder(), Recorder()]
    for seconds, worker in zip((1, 30), workers, strict=True):
        worker.set_last_use(row.public_id, LastUse(start + timedelta(seconds=seconds), "192.0.2.1", "curl"))
    for worker in workers:
        worker.write()
    row.refresh_from_db()
    assert row.last_used_at == start + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"X-Checkly-Source": "CLI", "User-Agent": "axios/1.7"}, "checkly-cli"),
        ({"X-Checkly-Source": "TF"}, "terraform"),
        ({"X-Checkly-Source": "<script>", "User-Agent": "python-requests/2"}, "python-requests"),
        ({"User-Agent": "=cmd|' /C calc'!A1"}, ""),
        ({"User-Agent": "x" * 5000}, "x" * 60),
    ],
)
def test_the_client_is_known_by_its_own_name(cast: factories.Cast, call_api: Call, headers: dict[str, str], name: str) -> None:
    row, key = factories.user_key(cast.rob)
    assert call_api(ME, key, cast.acme, headers=headers).status_code == 200
    row.refresh_from_db()
    assert row.last_used_client == name


def test_a_key_without_the_right_is_noted_too(cast: factories.Cast, call_api: Call) -> None:
    """The key was proven, and its owner should see that somebody tries it elsewhere."""
    row, key = factories.user_key(cast.rob)
    assert call_api(ME, key, cast.globex).status_code == 403
    row.refresh_from_db()
    assert row.last_used_at is not None


# A database that does not answer


@pytest.mark.django_db(transaction=True)
def test_a_database_away_is_503_and_never_401_or_403(call_api: Call) -> None:
    cast = factories.make_cast()
    keys = [factories.user_key(cast.rob)[1], factories.service_key(cast.acme, Role.ADMIN)[1], unknown_key()]
    with database_away():
        for key in keys:
            response = call_api(ME, key, cast.acme)
            assert response.status_code == 503
            assert response["Retry-After"].isdigit()
            assert response.json()["statusCode"] == 503
        assert call_api(ME, "garbage").status_code == 401
    assert call_api(ME, keys[0], cast.acme).status_code == 200
    assert ApiKey.objects.count() == 2
