"""Many at once: processes, threads and workers that count together lose nothing and let nobody through twice."""

from __future__ import annotations

import multiprocessing
import os
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keyportal.counter_file import FileCounters
from keyportal.counter_redis import RedisCounters
from keyportal.limits import Counters
from keyportal.tally import DIGEST_SIZE, MINUTE, Limit
from tests.browser.server import Server

NOON = 1_800_000_000_000 // MINUTE * MINUTE
PROCESSES, THREADS, HITS = 4, 4, 200
TOGETHER = multiprocessing.get_context("fork")

Opened = Callable[[], Counters]


@pytest.fixture(params=["file", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """What opens the same counters anew, in whatever process."""
    if request.param == "file":
        return lambda: FileCounters(tmp_path / "limits")
    url = request.getfixturevalue("redis_url")
    return lambda: RedisCounters(url)


def passed_at_once(opened: Opened, limit: Limit, subjects: list[bytes]) -> Counter[int]:
    """How often each subject passed, by its place, when all processes and threads count all subjects at the same time."""
    gate, results = TOGETHER.Barrier(PROCESSES * THREADS), TOGETHER.Queue()

    def work(counters: Counters, passed: list[int]) -> None:
        gate.wait(30)
        for _ in range(HITS):
            for number, subject in enumerate(subjects):
                standing = counters.hit(subject, limit, NOON)
                if standing and standing.passes:
                    passed.append(number)

    def process() -> None:
        counters, passed = opened(), []
        threads = [threading.Thread(target=work, args=(counters, passed)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results.put(passed)

    processes = [TOGETHER.Process(target=process) for _ in range(PROCESSES)]
    for one in processes:
        one.start()
    total = Counter(number for _ in processes for number in results.get(timeout=60))
    for one in processes:
        one.join(30)
    return total


def test_of_all_at_once_exactly_as_many_pass_as_the_limit_says(opened: Opened) -> None:
    subjects = [os.urandom(DIGEST_SIZE) for _ in range(2)]
    assert passed_at_once(opened, Limit("test", 777), subjects) == {0: 777, 1: 777}


def test_of_all_at_once_none_is_lost(opened: Opened) -> None:
    # Of one bucket, so that they write side by side.
    subjects = [b"same" + os.urandom(DIGEST_SIZE - 4) for _ in range(3)]
    total = PROCESSES * THREADS * HITS
    assert passed_at_once(opened, Limit("test", 0), subjects) == dict.fromkeys(range(3), total)
    counters = opened()
    assert [counters.look(one, Limit("test", total + 1), NOON).remaining for one in subjects] == [1, 1, 1]


# The server as people have it: two workers of four threads

LIMIT = 6
REQUESTS = 60


@pytest.fixture(params=["file", "redis"])
def serve(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    where = {"LIMITS_FILE": str(tmp_path / "limits")}
    if request.param == "redis":
        where["CACHE_URL"] = request.getfixturevalue("own_redis").url

    @contextmanager
    def serve(**environment: str) -> Iterator[Server]:
        server = Server.start(tmp_path, shared, **where, **environment)
        try:
            yield server
        finally:
            server.stop()
            assert (tmp_path / "limits").exists() == (request.param == "file")

    return serve


def ask(server: Server, key: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(f"{server.url}/v1/accounts/me", headers={"Authorization": f"Bearer {key}"})
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, dict(answer.headers)


def ask_at_once(server: Server, key: str) -> list[tuple[int, dict[str, str]]]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: ask(server, key), range(REQUESTS)))


def test_two_workers_let_exactly_the_limit_through_between_them(serve: Any) -> None:
    with serve(API_REQUESTS_PER_MINUTE=str(LIMIT)) as server:
        answers = ask_at_once(server, server.facts["service_key"])
    assert Counter(status for status, _ in answers) == {200: LIMIT, 429: REQUESTS - LIMIT}
    good = [headers for status, headers in answers if status == 200]
    assert sorted(int(headers["RateLimit-Remaining"]) for headers in good) == list(range(LIMIT))
    assert all(("Retry-After" in headers) == (status == 429) for status, headers in answers)


def test_two_workers_count_the_failures_of_an_address_together(serve: Any) -> None:
    with serve(API_FAILURES_PER_MINUTE=str(LIMIT)) as server:
        statuses = [ask(server, "sv_garbage")[0] for _ in range(LIMIT + 20)]
        assert statuses == [401] * LIMIT + [429] * 20
        # A key that was never seen to be good waits as well, whichever worker it meets.
        assert {ask(server, server.facts["service_key"])[0] for _ in range(5)} == {429}


def test_a_key_that_one_worker_knows_passes_a_failing_address_at_all(serve: Any) -> None:
    with serve(API_FAILURES_PER_MINUTE=str(LIMIT)) as server:
        assert ask(server, server.facts["service_key"])[0] == 200
        for _ in range(LIMIT + 1):
            ask(server, "sv_garbage")
        assert Counter(status for status, _ in ask_at_once(server, server.facts["service_key"])) == {200: REQUESTS}
