"""Keys that are no good, at the gateway: what they cost, what they do to the good ones beside them, what they write to the log.

Limits count on, out of reach, so that each is judged as if it were its address's first.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import connection

from tests.benchmarks import contenders
from tests.benchmarks.contenders import BY_NAME, ME, VERIFY, Contender
from tests.benchmarks.databases import POSTGRES, Setup
from tests.benchmarks.http import SECONDS, answer
from tests.benchmarks.process import Caller, Wrong, used_just_now
from tests.benchmarks.rounds import Figure, interleaved, ratio
from tests.benchmarks.seed import Asked
from tests.benchmarks.server import Server, served
from tests.benchmarks.table import say
from tests.benchmarks.wrk import MISSING, Wrk, outcome

PART = "flood, rate in process"
KINDS: dict[str, tuple[Callable[[Asked], Asked], float]] = {
    "malformed keys": (contenders.malformed, 4),
    "unknown IDs": (contenders.unknown, 0.9),
    "right IDs, wrong secrets": (contenders.wrong_secret, 0.85),
}
REFUSED = "401 Unauthorized"
BESIDE = 4  # connections of the good, and as many of the flood
HASHES = ("argon2_verify", "argon2_hash")  # the names of the C functions, whoever calls them


def measure(setup: Setup) -> None:
    gateway = BY_NAME[VERIFY]
    callers = {kind: Caller(gateway, [spoil(one) for one in setup.asked]) for kind, (spoil, _) in KINDS.items()}
    good = Caller(gateway, setup.asked)
    _count_work(setup, good, callers["malformed keys"])
    bursts: dict[str, Callable[[], float]] = {"good": lambda: good.burst(setup.calls)}
    bursts |= {kind: lambda caller=caller: caller.burst(setup.calls, REFUSED) for kind, caller in callers.items()}
    rates = {
        kind: [1 / seconds for seconds in sample]
        for kind, sample in interleaved(bursts, setup.rounds, lambda: used_just_now(setup.asked)).items()
    }
    for kind, (_, aim) in KINDS.items():
        say(PART, f"{kind} / good keys", ratio(rates, kind, "good"), "×", ("≥", aim))
    with served(setup.folder, 1) as server:
        for contender in (gateway, BY_NAME[ME]):
            for kind, (spoil, _) in KINDS.items():
                _count_log_lines(server, contender, kind, [spoil(one) for one in setup.asked])
        if shutil.which("wrk"):
            _good_beside_bad(setup, server.port)
        else:
            print(f"GOOD KEYS BESIDE A FLOOD ARE LEFT OUT: {MISSING}", flush=True)


def _count_work(setup: Setup, good: Caller, malformed: Caller) -> None:
    """Malformed keys cost neither a query nor a hash. Good ones show that the counting sees both."""
    seen = _work_of(lambda: good.burst(setup.calls))
    if not seen["queries"] or seen["hashes"] != setup.calls:
        raise Wrong(f"The counters saw {dict(seen)} for {setup.calls} good keys: they count nothing that can be trusted.")
    wasted = _work_of(lambda: malformed.burst(setup.calls, REFUSED))
    for what in ("queries", "hashes"):
        say("flood, counted", f"{what} for {setup.calls} malformed keys", wasted[what], "", ("≤", 0))
        if wasted[what]:
            raise Wrong(f"{setup.calls} malformed keys cost {wasted[what]} {what} or more.")


def _work_of(act: Callable[[], Any]) -> Counter[str]:
    counted: Counter[str] = Counter()

    def count(_frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and getattr(called, "__name__", "") in HASHES:
            counted["hashes"] += 1

    with _queries(counted):
        sys.setprofile(count)
        try:
            act()
        finally:
            sys.setprofile(None)
    return counted


@contextmanager
def _queries(counted: Counter[str]) -> Iterator[None]:
    """What the database itself saw of this connection: SQLite tells of each statement, PostgreSQL whether there was one."""
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(lambda _: counted.update(queries=1))
        yield
        connection.connection.set_trace_callback(None)
        return
    import psycopg

    backend = connection.connection.info.backend_pid
    with psycopg.connect(POSTGRES, autocommit=True) as other:
        ask = "SELECT query_start, state_change FROM pg_stat_activity WHERE pid = %s"
        before = other.execute(ask, [backend]).fetchone()
        yield
        counted["queries"] += other.execute(ask, [backend]).fetchone() != before


def _count_log_lines(server: Server, contender: Contender, kind: str, bad: list[Asked]) -> None:
    before = server.log_lines()
    for one in bad:
        status, _ = answer(contender, server.port, one)
        if status != 401:
            raise Wrong(f"{contender.name} answered {status} to {kind}.")
    say(
        "flood, lines in the log for 1,000 refusals",
        f"{contender.name}, {kind}",
        (server.log_lines() - before) / len(bad) * 1000,
    )


def _good_beside_bad(setup: Setup, port: int) -> None:
    """The p99 of good keys, alone and with as many connections of a flood beside them, one worker, all flat out."""
    rounds = 1 if setup.short else 3
    gateway = BY_NAME[VERIFY]
    good = Wrk.of(setup.folder, port, [gateway], setup.asked)
    for kind, (spoil, _) in KINDS.items():
        bad = Wrk.of(setup.folder, port, [replace(gateway, name=kind)], [spoil(one) for one in setup.asked])
        ratios, beside = [], 0.0
        for _ in range(rounds):
            used_just_now(setup.asked)
            quiet = good.run(SECONDS, BESIDE)
            flood = bad.start(SECONDS + 1, BESIDE)
            disturbed = good.run(SECONDS, BESIDE)
            flooded = outcome(flood)
            if quiet.refused or disturbed.refused or quiet.broken or disturbed.broken:
                raise Wrong(f"Good keys were refused beside {kind}.")
            if flooded.refused != flooded.requests:
                raise Wrong(f"{flooded.requests - flooded.refused} of {flooded.requests} {kind} were allowed.")
            ratios.append(disturbed.p99 / quiet.p99)
            beside = disturbed.p99 * 1000
        note = f"{beside:.1f} ms at last"
        say("flood, p99 of good keys over HTTP", f"beside {kind} / quiet", Figure.of(ratios), "×", ("≤", 2), note)
