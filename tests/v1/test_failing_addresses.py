"""What an address may get wrong: so many failures a minute, whoever asks, except for keys that were good lately."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from tests import factories
from tests.statements import statements

pytestmark = pytest.mark.usefixtures("limited")

ME = "/v1/accounts/me"
Call = Callable[..., Any]

FAILURES = 3


def rate_limit(response: Any) -> tuple[str | None, ...]:
    return tuple(response.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset"))


def test_an_address_that_fails_too_often_is_refused_before_the_database_is_asked(
    cast: factories.Cast, call_api: Call, clock: time_machine.Traveller
) -> None:
    unknown = factories.another_secret_of(factories.service_key(cast.acme)[1])
    for _ in range(FAILURES):
        assert call_api(ME, unknown).status_code == 401
    with statements() as queries:
        refused = call_api(ME, unknown)
    assert queries == []
    assert (refused.status_code, rate_limit(refused)) == (429, ("3", "0", "65"))
    assert refused["Retry-After"] == "65"
    assert refused.json()["message"] == (
        "Too many requests without a valid API key came from this address. Try again in 65 seconds."
    )
    clock.shift(64)
    assert call_api(ME, unknown).json()["message"].endswith("Try again in 1 second.")
    clock.shift(1)
    assert call_api(ME, unknown).status_code == 401


def test_whatever_is_answered_with_401_is_a_failure_and_nothing_else_is(cast: factories.Cast, ask: Call) -> None:
    row, dead = factories.service_key(cast.acme)
    row.revoke(by=cast.actor(cast.olivia, cast.acme))
    good = factories.user_key(cast.rob)[1]
    for number, wrong in enumerate((None, "", "garbage", factories.another_secret_of(good), dead)):
        address = f"192.0.2.{number}"
        assert ask(wrong, FAILURES + 1, REMOTE_ADDR=address) == [401] * FAILURES + [429]
    assert ask(good, 4) == [400] * 4
    assert ask(None) == 401


def test_each_address_has_a_count_of_its_own_and_a_whole_64_is_one(cast: factories.Cast, ask: Call) -> None:
    ask("garbage", FAILURES, REMOTE_ADDR="2001:db8:1:2::1")
    assert ask("garbage", REMOTE_ADDR="2001:db8:1:2:ffff:ffff:ffff:ffff") == 429
    assert ask("garbage", REMOTE_ADDR="2001:db8:1:3::1") == 401
    ask("garbage", FAILURES, REMOTE_ADDR="192.0.2.1")
    assert ask("garbage", REMOTE_ADDR="::ffff:192.0.2.1") == 429
    assert ask("garbage", REMOTE_ADDR="192.0.2.2") == 401
    ask("garbage", FAILURES, REMOTE_ADDR="")
    assert ask("garbage", REMOTE_ADDR="") == 429


def test_behind_a_proxy_it_is_the_client_who_fails(cast: factories.Cast, ask: Call, settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    proxy = {"REMOTE_ADDR": "10.0.0.1"}
    for forged in range(FAILURES):
        ask("garbage", headers={"X-Forwarded-For": f"6.6.6.{forged}, 192.0.2.1"}, **proxy)
    assert ask("garbage", headers={"X-Forwarded-For": "6.6.6.9, 192.0.2.1"}, **proxy) == 429
    assert ask("garbage", headers={"X-Forwarded-For": "192.0.2.2"}, **proxy) == 401


def test_a_key_that_was_good_lately_passes_whatever_fails_at_its_address(
    cast: factories.Cast, ask: Call, clock: time_machine.Traveller
) -> None:
    used, new = (factories.service_key(cast.acme)[1] for _ in range(2))
    assert ask(used) == 200
    clock.shift(timedelta(hours=20))
    assert ask("garbage", FAILURES + 1)[-1] == 429
    assert ask(used) == 200
    assert ask(factories.another_secret_of(used)) == 429
    assert ask(new) == 429
    assert ask(new, REMOTE_ADDR="192.0.2.9") == 200
    assert ask(new) == 200
    clock.shift(timedelta(hours=25))
    ask("garbage", FAILURES)
    assert ask(used) == 429


def test_a_key_that_was_deleted_waits_like_all_others(cast: factories.Cast, ask: Call, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 100
    row, key = factories.service_key(cast.acme)
    assert ask(key, 2) == [200, 200]
    row.revoke(by=cast.actor(cast.olivia, cast.acme))
    assert ask(key, FAILURES + 2) == [401] * FAILURES + [429] * 2


STRANGE = ["Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer a, Bearer b", "bearer \xff", "x" * 8000, "\x00", "Bearer é"]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value[:12]))
def test_strange_headers_are_401_until_they_are_429(cast: factories.Cast, ask: Call, value: str) -> None:
    answers = ask(None, FAILURES + 1, HTTP_AUTHORIZATION=value)
    assert answers == [401] * FAILURES + [429]
