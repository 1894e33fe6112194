"""A limited API, for the tests of its limits: every other test runs without. A thread for who waits, and a real server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from keyportal import limits
from tests.browser.server import Server

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


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """gunicorn, for what only a socket shows, with the demo data and without limits."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    off = {"API_REQUESTS_PER_MINUTE": "0", "API_FAILURES_PER_MINUTE": "0"}
    server = Server.start(tmp_path_factory.mktemp("served"), shared / "demo", **off)
    yield server
    server.stop()


@pytest.fixture
def key(server: Server) -> dict[str, str]:
    """The headers of a user key that may do everything in the account of the demo."""
    return {"Authorization": f"Bearer {server.facts['user_key']}", "X-Checkly-Account": server.account_id}
