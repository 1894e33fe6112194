"""Whether checks stay as fast when there are many more keys: databases of several sizes, asked in turn in one process."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import environ
from django.core.management import call_command
from django.db import connections

from tests.benchmarks import seed
from tests.benchmarks.contenders import BASE, BY_NAME, CHECK, VERIFY
from tests.benchmarks.databases import Setup, own_database
from tests.benchmarks.process import Caller, used_just_now, verify_all
from tests.benchmarks.rounds import Figure, interleaved
from tests.benchmarks.table import say

PART = "growth, in process"
NAMES = (BASE, CHECK, VERIFY)


def measure(setup: Setup) -> None:
    sizes = [500, 2_000] if setup.short else [1_000, 100_000, 1_000_000]
    if os.environ.get("BENCH_HUGE") == "1" and setup.vendor == "postgresql":
        sizes.append(10_000_000)
    usual = connections["default"]
    with ExitStack() as stack:
        stack.callback(connections.__setitem__, "default", usual)
        bursts: dict[str, Any] = {}
        for size in sizes:
            database, asked = usual, setup.asked
            if size != setup.keys:
                database = _another(usual, stack.enter_context(own_database(setup.vendor, setup.folder)))
                stack.callback(database.close)
            connections["default"] = database
            if size != setup.keys:
                call_command("migrate", verbosity=0)
                asked = seed.fill(size, setup.asks, peers=False)
            contenders = [BY_NAME[name] for name in NAMES]
            verify_all(contenders, asked)
            bursts |= {f"{one.name} {size}": _burst(Caller(one, asked), asked, database, setup.calls) for one in contenders}
        samples = interleaved(bursts, setup.rounds)
        _report(sizes, samples)


def _another(usual: Any, url: str) -> Any:
    """A connection like the usual one, to another database."""
    return type(usual)({**usual.settings_dict, **_place(url)}, "default")


def _place(url: str) -> dict[str, Any]:
    place = environ.Env.db_url_config(url)
    return {name: place[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}


def _burst(caller: Caller, asked: list[seed.Asked], database: Any, calls: int) -> Any:
    def burst() -> float:
        connections["default"] = database
        used_just_now(asked)
        return caller.burst(calls)

    return burst


def _report(sizes: list[int], samples: dict[str, list[float]]) -> None:
    """Each size in terms of the bare view with one SELECT at the same size, and that against the smallest."""
    terms = {
        (name, size): [one / base for one, base in zip(samples[f"{name} {size}"], samples[f"{BASE} {size}"], strict=True)]
        for name in (CHECK, VERIFY)
        for size in sizes
    }
    for name in (CHECK, VERIFY):
        for size in sizes:
            say(PART, f"{name}, {size:,} keys", Figure.of(terms[name, size]), "×", note="of the bare view with one SELECT")
    for size in sizes[1:]:
        small = sizes[0]
        grown = Figure.of([one / other for one, other in zip(terms[CHECK, size], terms[CHECK, small], strict=True)])
        say(PART, f"{CHECK}, {size:,} / {small:,} keys", grown, "×", ("≤", 1.1))
        more = Figure.of([one - other for one, other in zip(terms[VERIFY, size], terms[VERIFY, small], strict=True)])
        say(PART, f"{VERIFY}, {size:,} − {small:,} keys", more, "×", ("≤", 0.15), "of the bare view with one SELECT")
