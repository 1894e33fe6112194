"""A limit must not take the API down: while nothing can be counted everybody passes, soon, and the log says so."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from keyportal import limits
from keyportal.apps import requests_can_be_counted
from keyportal.counter_file import FileCounters
from keyportal.counter_redis import RedisCounters
from keyportal.limits import FailingOpen
from keyportal.tally import DIGEST_SIZE, Limit
from tests.redis_server import RedisServer

LIMIT = Limit("test", 1)
SUBJECT = b"s" * DIGEST_SIZE


def impatient(counters: limits.Counters) -> FailingOpen:
    failing_open = FailingOpen(counters)
    failing_open.REST = 0.2  # type: ignore[misc]
    return failing_open


def passes(counters: FailingOpen) -> bool | None:
    standing = counters.hit(SUBJECT, LIMIT)
    return standing.passes if standing else None


def until_counted(counters: FailingOpen) -> bool | None:
    deadline = time.monotonic() + 10
    while (counted := passes(counters)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return counted


def test_while_redis_is_away_all_pass_and_afterwards_it_counts_again(own_redis: RedisServer) -> None:
    counters = impatient(RedisCounters(own_redis.url))
    assert [passes(counters), passes(counters)] == [True, False]
    own_redis.stop()
    assert [passes(counters), counters.look(SUBJECT, LIMIT), counters.forget(SUBJECT)] == [None] * 3
    own_redis.start()
    assert until_counted(counters) is True
    assert passes(counters) is False


def test_a_redis_that_hangs_delays_one_request_by_less_than_a_second_and_the_next_not_at_all(own_redis: RedisServer) -> None:
    counters = FailingOpen(RedisCounters(own_redis.url))
    assert passes(counters) is True
    own_redis.hang()
    try:
        started = time.monotonic()
        assert passes(counters) is None
        assert time.monotonic() - started < 1
        started = time.monotonic()
        assert [passes(counters) for _ in range(100)] == [None] * 100
        assert time.monotonic() - started < 0.2
    finally:
        own_redis.go_on()


def test_a_redis_that_may_not_be_written_lets_all_pass(own_redis: RedisServer) -> None:
    redis.Redis(port=own_redis.port).config_set("min-replicas-to-write", 1)
    assert passes(impatient(RedisCounters(own_redis.url))) is None


def test_a_redis_that_has_forgotten_the_script_is_told_again(own_redis: RedisServer) -> None:
    counters = impatient(RedisCounters(own_redis.url))
    assert passes(counters) is True
    redis.Redis(port=own_redis.port).script_flush()
    assert passes(counters) is False


def test_redis_forgets_a_subject_when_its_time_is_over(own_redis: RedisServer) -> None:
    RedisCounters(own_redis.url).hit(SUBJECT, Limit("test", 1, kept=30), 0)
    client = redis.Redis(port=own_redis.port)
    (name,) = client.keys()
    assert 30 * 60 <= client.ttl(name) <= 31 * 60


def test_the_log_says_it_once_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    counters = FailingOpen(FileCounters(tmp_path))  # a folder is no file
    counters.REST = 0  # type: ignore[misc]
    with caplog.at_level(logging.ERROR, "keyportal.limits"):
        for _ in range(20):
            assert passes(counters) is None
    assert [record.message for record in caplog.records] == [
        f"Requests are not counted, so no limit holds: [Errno 21] Is a directory: '{tmp_path}'"
    ]
    counters._silent_until -= 60
    passes(counters)
    assert len(caplog.records) == 2


def test_what_is_no_failure_of_the_counters_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        FailingOpen(FileCounters(tmp_path / "limits")).hit("no bytes", LIMIT)  # type: ignore[arg-type]


# Which counters, and what stands in their way


def test_the_settings_say_where_is_counted(settings: Any, tmp_path: Path) -> None:
    settings.LIMITS_FILE = tmp_path / "limits"
    backend = limits.counters().counters
    assert isinstance(backend, FileCounters)
    assert backend.path == settings.LIMITS_FILE
    assert limits.counters() is limits.counters()
    django_redis = "django.core.cache.backends.redis.RedisCache"
    for locations in ("redis://127.0.0.1:1/3", "redis://127.0.0.1:1/3;redis://127.0.0.1:2/3", ["redis://127.0.0.1:1/3"]):
        settings.CACHES = {"default": {"BACKEND": django_redis, "LOCATION": locations}}
        backend = limits.counters().counters
        assert isinstance(backend, RedisCounters)
        where = backend._redis.connection_pool.connection_kwargs
        assert (where["port"], where["db"]) == (1, 3)


def obstacles(settings: Any, path: Path, most: int = 1) -> list[str]:
    settings.LIMITS_FILE, settings.API_REQUESTS_PER_MINUTE = path, most
    return [warning.msg for warning in requests_can_be_counted(None)]


def test_a_system_check_warns_where_nothing_can_be_counted_and_makes_nothing(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new" / "folder" / "limits"
    assert obstacles(settings, new) == []
    assert list(tmp_path.iterdir()) == []
    assert obstacles(settings, tmp_path) == [f"Requests can’t be counted: {tmp_path} is no file."]
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK | os.W_OK)  # root may write anywhere
    assert obstacles(settings, new) == [f"Requests can’t be counted: {tmp_path} is not writable."]
    assert obstacles(settings, new, most=0) == []
