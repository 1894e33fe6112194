"""The record of use: counted by the hour in bounded space, written apart from the answers, lost by nothing but a kill."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.test import RequestFactory

from accounts.access import operator_at_shell
from apikeys import usage, use
from apikeys.chart import HEIGHT, LEAST, chart_of
from apikeys.secret import checksum
from apikeys.usage import OTHERS, PLACES, Day, Outcome, Usage, Use
from apikeys.use import Recorder
from keyportal.policy import Role
from tests import factories
from tests.apikeys.conftest import Verify

ME = "/v1/accounts/me"
NOON = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
Call = Callable[..., Any]


def ledger(**of: Any) -> dict[str, int]:
    """How many requests of each outcome the ledger has."""
    counts: dict[str, int] = {}
    for row in Usage.objects.filter(**of):
        counts[row.outcome] = counts.get(row.outcome, 0) + row.requests
    return counts


def asked(address: str = "192.0.2.1", agent: str = "curl/8") -> Any:
    return RequestFactory().get("/", REMOTE_ADDR=address, headers={"User-Agent": agent})


# What is counted


def test_each_request_counts_under_its_hour_outcome_program_and_network(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.service_key(cast.acme, Role.READ_ONLY)
    with time_machine.travel(NOON, tick=False) as clock:
        for address, agent in (("192.0.2.1", "curl/8"), ("192.0.2.77", "curl/9"), ("2001:db8:1:2::3", "axios/1")):
            call_api(ME, key, REMOTE_ADDR=address, headers={"User-Agent": agent})
        clock.shift(timedelta(minutes=30))
        call_api(ME, key, REMOTE_ADDR="192.0.2.1", headers={"User-Agent": "curl/8"})
    rows = Usage.objects.filter(public_id=row.public_id).order_by("starts_at", "client")
    assert [(r.starts_at.hour, r.starts_at.minute, r.outcome, r.client, r.network, r.requests) for r in rows] == [
        (12, 0, "allowed", "axios", "2001:db8:1::/48", 1),
        (12, 0, "allowed", "curl", "192.0.2.0/24", 2),
        (13, 0, "allowed", "curl", "192.0.2.0/24", 1),
    ]


def test_every_refusal_of_a_key_that_exists_counts_under_its_reason(
    cast: factories.Cast, call_api: Call, verify: Verify
) -> None:
    now = datetime.now(UTC)
    dead = {
        Outcome.EXPIRED: factories.user_key(cast.rob, expires_at=now),
        Outcome.SUSPENDED: factories.user_key(cast.rob, suspended_at=now),
        Outcome.DELETED: factories.user_key(cast.rob, revoked_at=now),
    }
    for outcome, (row, key) in dead.items():
        assert call_api(ME, key, cast.acme).status_code == verify("", key, cast.acme).status == 401
        assert ledger(public_id=row.public_id) == {outcome: 2}

    row, key = factories.user_key(cast.rob)
    assert verify("/admin", key, cast.acme).status == 403
    assert call_api(ME, key, cast.globex).status_code == 403
    assert verify("", key).status == 403
    assert call_api(ME, factories.another_secret_of(key), cast.acme).status_code == 401
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    assert verify("", key, cast.acme).status == 403
    cast.rob.deactivate(by=operator_at_shell(), reason="left")
    assert verify("", key, cast.acme).status == 401
    assert ledger(public_id=row.public_id) == {
        Outcome.NO_RIGHT: 1,
        Outcome.NO_ACCESS: 2,
        Outcome.WRONG_SECRET: 1,
        Outcome.ACCOUNT_SUSPENDED: 1,
        Outcome.DEACTIVATED: 1,
    }


@pytest.mark.usefixtures("limited", "clock")
def test_requests_over_the_limit_count_too(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.service_key(cast.acme)
    statuses = [call_api(ME, key).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert ledger(public_id=row.public_id) == {Outcome.ALLOWED: 5, Outcome.TOO_MANY: 2}


def test_what_is_no_key_of_ours_counts_nowhere(cast: factories.Cast, call_api: Call) -> None:
    body = f"cu_{'0' * 12}_{'1' * 43}"
    for nothing in ("garbage", body + checksum(body), None):
        assert call_api(ME, nothing, cast.acme).status_code == 401
    assert ledger() == {}


# Bounded space


def test_a_key_that_is_used_from_everywhere_takes_bounded_room(cast: factories.Cast) -> None:
    row = factories.user_key(cast.rob)[0]
    recorder = Recorder()
    for number in range(5000):
        request = asked(f"10.{number % 250}.{number // 250}.1", f"agent{number}/1")
        recorder.count(row.public_id, Outcome.ALLOWED, NOON, request)
    recorder.write()
    assert Usage.objects.count() == PLACES + 1
    assert Usage.objects.get(client=OTHERS).requests == 5000 - PLACES
    assert ledger() == {Outcome.ALLOWED: 5000}
    # A place that had room keeps it.
    recorder.count(row.public_id, Outcome.ALLOWED, NOON, asked("10.0.0.1", "agent0/1"))
    recorder.write()
    assert Usage.objects.get(client="agent0").requests == 2


def test_wrong_secrets_fill_one_row_whatever_they_call_themselves(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    wrong = factories.another_secret_of(key)
    for number in range(30):
        call_api(ME, wrong, REMOTE_ADDR=f"10.0.{number}.1", headers={"User-Agent": f"agent{number}"})
    (only,) = Usage.objects.filter(public_id=row.public_id)
    assert (only.client, only.network, only.requests) == (OTHERS, OTHERS, 30)


def test_hours_become_days_after_35_days_and_days_end_after_400(cast: factories.Cast) -> None:
    now = datetime(2030, 6, 1, 5, tzinfo=UTC)
    key = "cu_0123456789AB"

    def row(days: int, hour: int, requests: int, client: str = "curl") -> usage.Row:
        start = datetime(2030, 6, 1, hour, tzinfo=UTC) - timedelta(days=days)
        return (key, "hour", start, "allowed", client, "192.0.2.0/24", requests)

    usage.add([row(34, 1, 1), row(35, 23, 1), row(36, 1, 2), row(36, 2, 3), row(36, 2, 5, "axios"), row(500, 1, 7)])
    usage.sum_up(now)
    kept = sorted((r.span, (now.date() - r.starts_at.date()).days, r.client, r.requests) for r in Usage.objects.all())
    assert kept == [("day", 36, "axios", 5), ("day", 36, "curl", 5), ("hour", 34, "curl", 1), ("hour", 35, "curl", 1)]
    before = list(Usage.objects.values_list())
    usage.sum_up(now)
    assert list(Usage.objects.values_list()) == before
    # An hour that comes late joins its day.
    usage.add([row(36, 3, 10)])
    usage.sum_up(now)
    assert Usage.objects.get(span="day", client="curl").requests == 15


# A database that is away


def test_counts_wait_for_a_database_that_is_away_and_a_full_memory_loses_the_newest(
    cast: factories.Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = factories.user_key(cast.rob)[0]
    recorder = Recorder()
    monkeypatch.setattr(use, "MOST", 10)
    monkeypatch.setattr(use, "BATCH", 3)

    def away(rows: Any) -> None:
        raise OperationalError("nobody there")

    with monkeypatch.context() as patch:
        patch.setattr(usage, "add", away)
        for number in range(15):
            recorder.count(row.public_id, Outcome.ALLOWED, NOON + timedelta(hours=number), asked())
        for _ in range(2):
            recorder.write()
        assert caplog.text.count("could not be written") == 1
        assert "nobody there" in caplog.text
    assert ledger() == {}
    recorder.write()
    assert ledger() == {Outcome.ALLOWED: 10}
    recorder.write()
    assert ledger() == {Outcome.ALLOWED: 10}


def test_what_two_workers_count_adds_up(cast: factories.Cast) -> None:
    row = factories.user_key(cast.rob)[0]
    workers = [Recorder(), Recorder()]
    for requests, worker in zip((3, 4), workers, strict=True):
        for _ in range(requests):
            worker.count(row.public_id, Outcome.ALLOWED, NOON, asked())
        worker.write()
    assert Usage.objects.get().requests == 7


def test_the_writer_goes_on_after_a_bug(cast: factories.Cast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.USE_IN_BACKGROUND = True
    monkeypatch.setattr(use, "WRITTEN_EVERY", 0.01)
    recorder, turns = Recorder(), threading.Semaphore(0)

    def crash(self: Recorder) -> None:
        turns.release()
        raise RuntimeError("crashed on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "write", crash)
        for _ in range(3):
            recorder.wake()
            assert turns.acquire(timeout=10)
        recorder.stop()


# The key's page


def test_the_page_shows_thirty_days_of_use_and_who_shares_in_it(cast: factories.Cast, signed_in: Call) -> None:
    row = factories.user_key(cast.rob)[0]
    factories.user_key(cast.rob)
    with time_machine.travel(NOON, tick=False):

        def hour(days: int, outcome: str, requests: int, client: str, network: str = "192.0.2.0/24") -> usage.Row:
            return (row.public_id, "hour", NOON.replace(minute=0) - timedelta(days=days), outcome, client, network, requests)

        usage.add([hour(0, "allowed", 1200, "curl"), hour(0, "no_right", 3, "curl"), hour(29, "allowed", 50, "axios")])
        usage.add([hour(29, "deleted", 7, "", ""), hour(30, "allowed", 999, "old"), hour(1, "wrong_secret", 2, "*", "*")])
        usage.add([(f"{row.public_id}x", *hour(0, "allowed", 5555, "other")[1:])])
        page = signed_in(cast.rob).get(row.get_absolute_url())
    use = page.context["use"]
    assert [(day.date.day, day.allowed, day.refused) for day in use.days if day.allowed or day.refused] == [
        (3, 50, 7),
        (31, 0, 2),
        (1, 1200, 3),
    ]
    assert [(share.name, share.allowed, share.refused) for share in use.clients] == [
        ("curl", 1200, 3),
        ("axios", 50, 0),
        ("", 0, 7),
        ("*", 0, 2),
    ]
    assert [(share.name, share.total) for share in use.refusals] == [
        ("Key deleted", 7),
        ("Role too low", 3),
        ("Wrong secret", 2),
    ]
    words = page.content.decode()
    assert "1,250 allowed, 12 refused" in words
    assert "most of them on 1 Jan" in words
    assert words.count("<title>") == 30 + 1
    assert "5,555" not in words


def test_a_key_without_use_says_so(cast: factories.Cast, signed_in: Call) -> None:
    page = signed_in(cast.rob).get(factories.user_key(cast.rob)[0].get_absolute_url())
    assert "No requests with this key in the last 30 days." in page.content.decode()


def test_every_day_with_requests_has_a_bar_that_is_seen_and_stays_inside() -> None:
    days = [
        Day(NOON.date(), *counts) for counts in ((0, 0), (1, 0), (0, 1), (1_000_000, 1), (1, 1_000_000), (500_000, 500_001))
    ]
    for bar in chart_of(Use(days)).bars:
        assert (bar.allowed_height >= LEAST) == bool(bar.day.allowed)
        assert (bar.refused_height >= LEAST) == bool(bar.day.refused)
        assert 0 <= bar.refused_y <= bar.allowed_y <= HEIGHT
        assert bar.refused_y + bar.refused_height <= bar.allowed_y + 0.1
