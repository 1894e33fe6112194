"""What a key may ask of the API: so many requests a minute, judged before the database is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from apikeys import limited_check
from keyportal import limits
from keyportal.policy import Role
from tests import factories
from tests.statements import statements
from tests.v1.conftest import START

pytestmark = pytest.mark.usefixtures("limited")

ME = "/v1/accounts/me"
Call = Callable[..., Any]

KEYS, FAILURES = 5, 3


def rate_limit(response: Any) -> tuple[str | None, ...]:
    return tuple(response.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))


def test_each_good_answer_tells_how_the_key_stands_and_the_one_beyond_the_limit_is_429(
    cast: factories.Cast, call_api: Call, clock: time_machine.Traveller
) -> None:
    key = factories.service_key(cast.acme)[1]
    answers = [call_api(ME, key) for _ in range(KEYS + 1)]
    assert [answer.status_code for answer in answers] == [200] * KEYS + [429]
    assert [rate_limit(answer) for answer in answers] == [
        ("5", "4", "45"),
        ("5", "3", "45"),
        ("5", "2", "45"),
        ("5", "1", "45"),
        ("5", "0", "57"),
        ("5", "0", "57"),
    ]
    refused = answers[-1]
    assert refused["Retry-After"] == "57"
    assert refused["Content-Type"] == "application/json"
    assert refused["Cache-Control"] == "no-store, private"
    assert refused.json() == {
        "statusCode": 429,
        "error": "Too Many Requests",
        "message": "This API key may make 5 requests a minute. Try again in 57 seconds.",
        "attributes": {},
    }
    assert not any("Retry-After" in answer for answer in answers[:-1])


def test_beyond_the_limit_the_database_is_not_asked(cast: factories.Cast, ask: Call) -> None:
    key = factories.service_key(cast.acme)[1]
    ask(key, KEYS)
    with statements() as queries:
        assert ask(key) == 429
    assert queries == []


def test_who_comes_back_after_retry_after_passes_and_earlier_not(
    cast: factories.Cast, call_api: Call, clock: time_machine.Traveller
) -> None:
    key = factories.service_key(cast.acme)[1]
    for _ in range(KEYS):
        call_api(ME, key)
    wait = int(call_api(ME, key)["Retry-After"])
    clock.shift(wait - 1)
    assert call_api(ME, key)["Retry-After"] == "1"
    clock.shift(1)
    assert call_api(ME, key).status_code == 200
    assert call_api(ME, key).status_code == 429


def test_who_goes_on_asking_while_refused_does_not_wait_longer(
    cast: factories.Cast, ask: Call, clock: time_machine.Traveller
) -> None:
    key = factories.service_key(cast.acme)[1]
    ask(key, KEYS)
    for _ in range(56):
        clock.shift(1)
        assert ask(key) == 429
    clock.shift(1)
    assert ask(key) == 200


def test_the_turn_of_the_minute_gives_no_second_allowance(
    cast: factories.Cast, ask: Call, clock: time_machine.Traveller
) -> None:
    key = factories.service_key(cast.acme)[1]
    clock.move_to(START.replace(second=59))
    assert ask(key, KEYS) == [200] * KEYS
    clock.shift(2)
    assert ask(key) == 429
    clock.shift(timedelta(minutes=2))
    assert ask(key, KEYS + 1) == [200] * KEYS + [429]


def test_while_a_key_s_first_request_is_checked_others_cannot_slip_past_the_limit(
    cast: factories.Cast, ask: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, real, overtaken_by = factories.service_key(cast.acme)[1], limited_check.check_key, []

    def check_slowly(*args: Any) -> Any:
        monkeypatch.setattr(limited_check, "check_key", real)
        overtaken_by.extend(ask(key, KEYS))
        return real(*args)

    monkeypatch.setattr(limited_check, "check_key", check_slowly)
    assert (ask(key), overtaken_by) == (429, [200] * KEYS)


def test_one_request_counts_once_whatever_it_asks_for(
    cast: factories.Cast, call_api: Call, clock: time_machine.Traveller, settings: Any
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 100
    key = factories.user_key(cast.rob)[1]
    asked = [
        call_api("/v1/accounts", key),
        call_api(ME, key, cast.acme),
        call_api(f"/v1/accounts/{cast.acme.pk}", key),
        call_api("/v1/checks", key, cast.acme),
        call_api("/v1/checks?limit=0", key, cast.acme),
        call_api("/v1/checks", key),
        call_api("/v1/checks", key, cast.globex),
    ]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 200, 400, 400, 403]
    assert [answer["RateLimit-Remaining"] for answer in asked] == ["99", "98", "97", "96", "95", "94", "93"]


def test_what_needs_no_key_is_not_counted(cast: factories.Cast, call_api: Call, clock: time_machine.Traveller) -> None:
    key = factories.service_key(cast.acme)[1]
    for _ in range(10):
        for path in ("/v1/nothing", "/healthz", "/", "/settings/user/api-keys"):
            assert rate_limit(call_api(path, key)) == (None, None, None)
    assert rate_limit(call_api(ME, key))[1] == "4"


def test_each_key_has_an_allowance_of_its_own(cast: factories.Cast, ask: Call) -> None:
    keys = [factories.service_key(cast.acme, role)[1] for role in (Role.ADMIN, Role.READ_ONLY)]
    keys.append(factories.user_key(cast.wendy)[1])
    for key in keys:
        assert ask(key, KEYS + 1, account=cast.acme) == [200] * KEYS + [429]


def test_without_limits_nothing_is_counted(cast: factories.Cast, call_api: Call, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = settings.API_FAILURES_PER_MINUTE = 0
    key = factories.service_key(cast.acme)[1]
    for _ in range(20):
        answer = call_api(ME, key)
        assert (answer.status_code, rate_limit(answer)) == (200, (None, None, None))
        assert call_api(ME, "garbage").status_code == 401
    assert not settings.LIMITS_FILE.exists()


def test_either_limit_works_alone(cast: factories.Cast, ask: Call, settings: Any) -> None:
    key = factories.service_key(cast.acme)[1]
    settings.API_REQUESTS_PER_MINUTE = 0
    assert ask(key, 20) == [200] * 20
    assert ask("garbage", FAILURES + 1)[-1] == 429
    assert ask(key) == 200
    settings.API_REQUESTS_PER_MINUTE, settings.API_FAILURES_PER_MINUTE = KEYS, 0
    assert ask(factories.service_key(cast.acme)[1], KEYS + 1)[-1] == 429
    assert set(ask("garbage", 20)) == {401}


# Wrong secrets


def test_a_wrong_secret_uses_up_nobody_s_allowance(cast: factories.Cast, ask: Call, settings: Any) -> None:
    settings.API_FAILURES_PER_MINUTE = 0
    key = factories.service_key(cast.acme)[1]
    ask(key)
    assert set(ask(factories.another_secret_of(key), 50)) == {401}
    assert ask(key, KEYS) == [200] * (KEYS - 1) + [429]
    assert ask(factories.another_secret_of(key)) == 401


def test_a_made_up_key_takes_no_room(cast: factories.Cast, ask: Call, settings: Any) -> None:
    key = factories.service_key(cast.acme)[1]
    for wrong in (factories.another_secret_of(key), "garbage"):
        ask(wrong)
    used = sum(slot != bytes(32) for slot in slots(settings.LIMITS_FILE))
    assert used == 1  # the address
    ask(key)
    assert sum(slot != bytes(32) for slot in slots(settings.LIMITS_FILE)) == 2


def slots(path: Path) -> list[bytes]:
    table = path.read_bytes()[256:]
    return [table[start : start + 32] for start in range(0, len(table), 32)]


def test_neither_keys_nor_addresses_can_be_read_from_the_file(
    cast: factories.Cast, ask: Call, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands there is made with the installation's own key: another one makes something else of the same text."""
    row, key = factories.service_key(cast.acme)
    ask(key)
    ask("garbage", REMOTE_ADDR="192.0.2.77")
    written = settings.LIMITS_FILE.read_bytes()
    for text in (key, key[16:32], key[-20:], row.public_id, "192.0.2.77", "\xc0\x00\x02\x4d"):
        assert text.encode("latin-1") not in written
    mine = limits.subject("keys", key)
    assert mine in written
    limits.digest_key.cache_clear()
    settings.SECRET_KEY = "another-" * 10
    assert limits.subject("keys", key) != mine
    limits.digest_key.cache_clear()


def test_where_nothing_can_be_counted_all_pass(cast: factories.Cast, ask: Call, settings: Any, tmp_path: Path) -> None:
    settings.LIMITS_FILE = tmp_path
    key = factories.service_key(cast.acme)[1]
    assert set(ask(key, KEYS + 5)) == {200}
    assert set(ask("garbage", FAILURES + 5)) == {401}
