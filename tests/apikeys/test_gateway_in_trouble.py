"""The gateways' question when addresses fail, databases break and keys are used: what is counted, noted and healed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection

from apikeys import gateway
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests import factories
from tests.apikeys.conftest import Verify
from tests.apikeys.databases import connection_parameters, database_away, database_in_a_file
from tests.apikeys.test_key_check import unknown_key

FAILURES = 3


# Limits


@pytest.mark.usefixtures("clock")
def test_beyond_the_limit_of_failures_an_address_gets_401_until_its_minute_is_over(
    cast: factories.Cast, verify: Verify, limited: Any, clock: time_machine.Traveller
) -> None:
    """429 would become 500 in nginx."""
    used, new = (factories.service_key(cast.acme)[1] for _ in range(2))
    assert verify("", used).status == 200
    assert [verify("", "garbage").status for _ in range(FAILURES)] == [401] * FAILURES
    refused = verify("", new)
    assert refused.status == 401
    assert refused.json()["message"].startswith("Too many requests without a valid API key came from this address.")
    assert verify("", used).status == 200
    assert verify("", new, REMOTE_ADDR="192.0.2.9").status == 200
    clock.shift(66)
    assert verify("", factories.service_key(cast.acme)[1]).status == 200


@pytest.mark.usefixtures("clock")
def test_a_key_that_was_good_at_one_door_passes_at_the_other_whatever_fails(
    cast: factories.Cast, verify: Verify, call_api: Any, limited: Any
) -> None:
    at_the_api, at_the_gateway, new = (factories.service_key(cast.acme)[1] for _ in range(3))
    # Used at the API just now, so that its last use is fresh when it comes to the gateway.
    assert call_api("/v1/accounts/me", at_the_api).status_code == verify("", at_the_gateway).status == 200
    for _ in range(FAILURES):
        verify("", "garbage")
    assert [verify("", key).status for key in (at_the_api, at_the_gateway, new)] == [200, 200, 401]
    assert [call_api("/v1/accounts/me", key).status_code for key in (at_the_api, at_the_gateway, new)] == [200, 200, 429]


@pytest.mark.usefixtures("clock")
def test_behind_a_gateway_it_is_the_client_who_fails(cast: factories.Cast, verify: Verify, limited: Any) -> None:
    limited.TRUSTED_PROXY_COUNT = 1
    for _ in range(FAILURES):
        verify("", "garbage", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.1"})
    statuses = [
        verify("", factories.service_key(cast.acme)[1], headers={"X-Forwarded-For": f"192.0.2.{n}"}).status for n in (1, 2)
    ]
    assert statuses == [401, 200]


@pytest.mark.usefixtures("clock")
def test_a_key_is_asked_about_as_often_as_need_be(cast: factories.Cast, verify: Verify, call_api: Any, limited: Any) -> None:
    """And what a gateway asks takes nothing from what the key may ask of the API."""
    key = factories.service_key(cast.acme)[1]
    assert [verify("", key).status for _ in range(20)] == [200] * 20
    answers = [call_api("/v1/accounts/me", key) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0]["RateLimit-Remaining"] == "4"
    assert verify("", key).status == 200


@pytest.mark.usefixtures("clock")
def test_a_refusal_for_want_of_a_right_is_no_failure(cast: factories.Cast, verify: Verify, limited: Any) -> None:
    weak, new = (factories.service_key(cast.acme, role)[1] for role in (Role.READ_ONLY, Role.ADMIN))
    assert [verify("/admin", weak).status for _ in range(FAILURES + 1)] == [403] * (FAILURES + 1)
    assert verify("/admin", new).status == 200


# The record of use


def test_the_use_is_noted_once_a_minute_for_refusals_too(cast: factories.Cast, verify: Verify) -> None:
    row, key = factories.service_key(cast.acme, Role.READ_ONLY)
    start = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def use(seconds: int, level: str, status: int, agent: str) -> tuple[datetime | None, str | None, str]:
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            assert verify(level, key, headers={"User-Agent": agent}, REMOTE_ADDR="192.0.2.1").status == status
        row.refresh_from_db()
        return row.last_used_at, row.last_used_address, row.last_used_client

    first = (start, "192.0.2.1", "curl")
    assert use(0, "/admin", 403, "curl/8.5") == first
    assert use(59, "/read", 200, "Terraform/1") == first
    assert use(60, "/read", 200, "Terraform/1") == (start + timedelta(seconds=60), "192.0.2.1", "Terraform")


def test_a_wrong_secret_is_no_use(cast: factories.Cast, verify: Verify) -> None:
    row, key = factories.service_key(cast.acme)
    assert verify("", factories.another_secret_of(key)).status == 401
    row.refresh_from_db()
    assert row.last_used_at is None


def test_a_key_is_hashed_again_when_the_settings_ask_for_more(cast: factories.Cast, verify: Verify, higher_cost: Any) -> None:
    row, key = factories.service_key(cast.acme)
    dead_row, dead = factories.service_key(cast.acme)
    dead_row.revoke(by=cast.actor(cast.olivia, cast.acme))
    higher_cost()
    assert (verify("", key).status, verify("", dead).status) == (200, 401)
    hashes = {one.pk: one.secret_hash for one in ApiKey.objects.all()}
    assert ",t=2," in hashes[row.pk]
    assert hashes[dead_row.pk] == dead_row.secret_hash
    assert verify("", key).status == 200


# A database in trouble


@pytest.mark.django_db(transaction=True)
def test_a_database_away_is_503_for_every_key_and_never_401_or_403(verify: Verify, caplog: pytest.LogCaptureFixture) -> None:
    cast = factories.make_cast()
    keys = [factories.user_key(cast.rob)[1], factories.service_key(cast.acme, Role.ADMIN)[1], unknown_key()]
    with database_away():
        for key in keys:
            answer = verify("/admin", key, cast.acme)
            assert (answer.status, answer.header("Retry-After"), answer.json()["statusCode"]) == (503, "5", 503)
        assert verify("", "garbage").status == 401
    assert "could not be answered" in caplog.text
    assert verify("", keys[0], cast.acme).status == 200


@contextmanager
def broken_connection(tmp_path: Path) -> Iterator[None]:
    """Inside, the connection that the last request left behind is dead, and does not know it."""
    if connection.vendor == "sqlite":
        with database_in_a_file(tmp_path / "copy.sqlite3"):
            connection.ensure_connection()
            connection.connection.close()
            yield
    else:
        pid = connection.connection.info.backend_pid
        with psycopg.connect(**connection_parameters()) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)
        yield


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_heals_by_itself(
    verify: Verify, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cast = factories.make_cast()
    key = factories.service_key(cast.acme)[1]
    with broken_connection(tmp_path), caplog.at_level(logging.ERROR):
        statuses = [verify("", key).status for _ in range(3)]
        assert statuses[0] in (200, 503)
        assert statuses[1:] == [200, 200]
    # PostgreSQL says that the connection is gone, and is asked again at once; SQLite does not.
    assert statuses[0] == (503 if connection.vendor == "sqlite" else 200)


def test_a_bug_of_ours_is_503_and_no_right(
    cast: factories.Cast, verify: Verify, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*arguments: Any) -> Any:
        raise RuntimeError("crashed on purpose")

    monkeypatch.setattr(gateway.connection, "close", lambda: None)  # the test's own transaction lives on it
    monkeypatch.setattr(gateway.policy, "can_call", crash)
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    answer = verify("", key)
    assert (answer.status, answer.header("KeyportalAccount")) == (503, None)
    assert "crashed on purpose" in caplog.text
    assert key[16:32] not in caplog.text
