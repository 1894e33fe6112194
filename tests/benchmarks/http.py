"""The same contenders over HTTP: one and two workers, connections kept alive, load by wrk; and nginx in front of the gateway."""

from __future__ import annotations

import http.client
import shutil
import statistics
import time
from collections.abc import Iterable
from contextlib import ExitStack

from tests.benchmarks.contenders import ALL, BASE, BY_NAME, CHECK, ME, VERIFY, Contender
from tests.benchmarks.databases import Setup
from tests.benchmarks.nginx import BEHIND, nginx_in_front
from tests.benchmarks.process import Wrong, used_just_now
from tests.benchmarks.rounds import interleaved, ratio
from tests.benchmarks.seed import Asked
from tests.benchmarks.server import served
from tests.benchmarks.table import say
from tests.benchmarks.wrk import MISSING, Wrk

CONNECTIONS = 8  # for each worker
SECONDS = 1  # of load for one contender in a round
# Slow by far, as every whole run shows. Their answers are proven all the same.
LEFT_OUT_WHEN_SHORT = [one.name for one in ALL if one.kind == "password" or "oauth" in one.path or "introspect" in one.path]


def measure(setup: Setup) -> None:
    if not shutil.which("wrk"):
        print(f"HTTP IS LEFT OUT: {MISSING}", flush=True)
        return
    for workers in (1,) if setup.short else (1, 2):
        _measure(setup, workers)


def _measure(setup: Setup, workers: int) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(served(setup.folder, workers))
        ports = dict.fromkeys(ALL, server.port)
        if port := stack.enter_context(nginx_in_front(setup.folder, server.port)):
            ports[BEHIND] = port
        for contender, port in ports.items():
            verify(contender, port, setup.asked[:: 50 * contender.costs])
        loads = {
            contender.name: Wrk.of(setup.folder, port, [contender], setup.asked)
            for contender, port in ports.items()
            if not setup.short or contender.name not in LEFT_OUT_WHEN_SHORT
        }
        rounds = 1 if setup.short else 4
        bursts = {name: lambda name=name, load=load: rate(name, load, workers) for name, load in loads.items()}
        samples = interleaved(bursts, rounds, lambda: used_just_now(setup.asked))
    _report(setup, workers, samples)


def _report(setup: Setup, workers: int, samples: dict[str, list[float]]) -> None:
    part = f"HTTP, {workers} worker{'s' * (workers > 1)}, rate"
    verify_base = ("≥", 1.5) if workers == 1 else None
    for name, rates in samples.items():
        aim = verify_base if name == VERIFY else None
        say(part, name, ratio(samples, name, BASE), "×", aim, f"{statistics.median(rates):,.0f} a second")
    peers = [name for name, contender in BY_NAME.items() if contender.kind == "peer" and name in samples]
    fastest = max(peers, key=lambda name: statistics.median(samples[name]))
    aims = {VERIFY: 5 if setup.vendor == "sqlite" else 3.5, CHECK: 2, ME: 1, BEHIND.name: 3}
    for name, aim in aims.items():
        if name in samples:
            note = f"the fastest peer is {fastest}"
            say(part, f"{name} / fastest peer", ratio(samples, name, fastest), "×", ("≥", aim) if workers == 1 else None, note)


def rate(name: str, load: Wrk, workers: int) -> float:
    """Requests a second. Raises Wrong unless all were answered, and well."""
    # Where one request takes all cores for long, those that are under way when wrk leaves would burden the next one's turn.
    is_slow = name in BY_NAME and BY_NAME[name].costs > 1
    measured = load.run(SECONDS, workers if is_slow else CONNECTIONS * workers)
    time.sleep(1 if is_slow else 0.05)
    if measured.refused or measured.broken:
        raise Wrong(f"{name} refused {measured.refused} of {measured.requests} good requests and broke {measured.broken}.")
    return measured.rate


def verify(contender: Contender, port: int, asked: Iterable[Asked]) -> None:
    """As in process: the right body for good credentials, a refusal for a wrong one."""
    good = list(asked)
    for one in good:
        status, body = answer(contender, port, one)
        if not contender.is_right(status, body, one):
            raise Wrong(f"{contender.name} answered {status} {body[:200]!r} over HTTP to a good credential.")
    if contender.wrong:
        status, body = answer(contender, port, contender.wrong(good[0]))
        if not contender.is_refusal(status, body):
            raise Wrong(f"{contender.name} answered {status} {body[:200]!r} over HTTP to a wrong credential.")


def answer(contender: Contender, port: int, asked: Asked) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = contender.form(asked) if contender.form else None
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request("POST" if body else "GET", contender.path, body, contender.headers(asked) | form)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
