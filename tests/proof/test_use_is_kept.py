"""The record of use as it is served: no lock delays an answer, a stop loses nothing, and a kill a second at most."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.db.models import Sum

from apikeys.models import ApiKey
from apikeys.usage import Usage
from tests import factories
from tests.apikeys.databases import connection_parameters
from tests.browser.server import Server
from tests.proof.serving import served

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return factories.service_key(factories.make_cast().acme)[1]


@pytest.fixture
def server(key: str, tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, WEB_WORKERS="2") as server:
        yield server


def ask(server: Server, key: str, times: int) -> None:
    for _ in range(times):
        request = urllib.request.Request(f"{server.url}/gateway/verify", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def counted() -> int:
    return Usage.objects.aggregate(all=Sum("requests", default=0))["all"]


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.05)


@contextmanager
def locked(lock: str) -> Iterator[None]:
    """Inside, somebody else has `lock`; on SQLite, the write lock of the whole file."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(**connection_parameters())
        other.execute(lock)
    try:
        yield
    finally:
        other.rollback()
        other.close()


@pytest.mark.parametrize("lock", ["SELECT 1 FROM apikeys_apikey FOR UPDATE", "LOCK TABLE apikeys_apikey IN EXCLUSIVE MODE"])
def test_a_lock_delays_no_answer_and_loses_no_count(server: Server, key: str, lock: str) -> None:
    with locked(lock):
        started = time.monotonic()
        ask(server, key, 10)
        assert time.monotonic() - started < 3, "the answers waited for the lock"
        time.sleep(1.5)  # the writers come, and have to wait
        ask(server, key, 10)
        assert ApiKey.objects.get().last_used_at is None
    ask(server, key, 5)
    wait_for(lambda: counted() == 25)
    wait_for(lambda: ApiKey.objects.get().last_used_at is not None)


def test_a_server_that_is_stopped_loses_nothing(server: Server, key: str) -> None:
    ask(server, key, 60)
    server.stop()
    assert counted() == 60
    assert ApiKey.objects.get().last_used_at is not None


def test_a_worker_that_is_killed_loses_its_last_second_at_most(server: Server, key: str) -> None:
    ask(server, key, 40)
    wait_for(lambda: counted() == 40)
    for worker in server.workers:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: len(server.workers) == 2)
    ask(server, key, 20)
    wait_for(lambda: counted() == 60)
