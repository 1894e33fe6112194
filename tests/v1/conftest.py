"""A limited API, for the tests of its limits: every other test runs without. And a thread for who has to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from keyportal import limits

# A quarter past the minute.
START = datetime(2030, 1, 1, 12, 0, 15, tzinfo=UTC)


@pytest.fixture
def limited(settings: Any, tmp_path: Path) -> Iterator[Any]:
    """The settings, with limits that a test reaches: five requests a key, three failures an address."""
    settings.API_REQUESTS_PER_MINUTE, settings.API_FAILURES_PER_MINUTE = 5, 3
    settings.LIMITS_FILE = tmp_path / "limits"
    yield settings
    limits._opened.clear()


@pytest.fixture
def clock() -> Iterator[Any]:
    """A clock that stands still until a test shifts it."""
    import time_machine  # where it is not installed, no test that asks for a clock is collected

    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def ask(call_api: Callable[..., Any], limited: Any, clock: Any) -> Callable[..., Any]:
    """The status of the answer to a key; or the statuses, when it is asked several times."""

    def ask(key: str | None, times: int = 1, **extra: Any) -> Any:
        statuses = [call_api("/v1/accounts/me", key, **extra).status_code for _ in range(times)]
        return statuses if times > 1 else statuses[0]

    return ask


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """A thread with a connection of its own, closed at the end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool
        pool.submit(connections.close_all)
