"""Contenders called as WSGI applications in this process: an environ in, the whole body out, close() called."""

from __future__ import annotations

import gc
import io
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.utils import timezone

from tests.benchmarks.contenders import ALL, BASE, BY_NAME, CHECK, VERIFY, Contender
from tests.benchmarks.databases import Setup
from tests.benchmarks.rounds import interleaved, ratio
from tests.benchmarks.seed import Asked
from tests.benchmarks.table import say


class Wrong(AssertionError):
    """An answer that no figure excuses: it fails the run."""


class Caller:
    """Sends one contender's requests, each with the next of the asked credentials."""

    def __init__(self, contender: Contender, asked: list[Asked]) -> None:
        self.contender = contender
        self.environs: Iterator[dict[str, Any]] = map(self.environ, itertools.cycle(asked))

    def environ(self, asked: Asked) -> dict[str, Any]:
        """A request as a server hands it over."""
        body = self.contender.form(asked).encode() if self.contender.form else b""
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.contender.headers(asked).items()}
        posted = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))} if body else {}
        return {
            "REQUEST_METHOD": "POST" if body else "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": self.contender.path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_USER_AGENT": "benchmark/1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            **posted,
            **headers,
        }

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        statuses: list[str] = []
        body = _call(self.environ(asked), lambda status, *_: statuses.append(status))
        return int(statuses[0][:3]), body

    def burst(self, calls: int, status: str = "200 OK") -> float:
        """Seconds a request, over that many. Raises Wrong unless every one of them is answered with `status`."""
        environs = [*itertools.islice(self.environs, calls)]
        statuses: set[str] = set()

        def start_response(status: str, *_: Any) -> None:
            statuses.add(status)

        gc.collect()
        gc.disable()
        started = time.perf_counter()
        for environ in environs:
            _call(environ, start_response)
        elapsed = time.perf_counter() - started
        gc.enable()
        if statuses != {status}:
            raise Wrong(f"{self.contender.name} answered {statuses}, not {status}.")
        return elapsed / calls


def _call(environ: dict[str, Any], start_response: Callable[..., Any]) -> bytes:
    from tests.benchmarks.wsgi import application

    response: Iterable[bytes] = application(environ, start_response)
    try:
        return b"".join(response)
    finally:
        if close := getattr(response, "close", None):
            close()


def used_just_now(asked: list[Asked]) -> None:
    """Marks the keys as used, so that rounds are about keys in steady use. What a first use costs is a row of its own."""
    from apikeys.models import ApiKey

    ApiKey.objects.filter(public_id__in=[one["public_id"] for one in asked]).update(last_used_at=timezone.now())


def verify_all(contenders: Iterable[Contender], asked: list[Asked]) -> None:
    """Every contender allows each of the credentials, with the right body, and refuses a wrong one. It warms all up."""
    for contender in contenders:
        caller = Caller(contender, asked)
        for one in asked[:: contender.costs]:
            status, body = caller.answer(one)
            if not contender.is_right(status, body, one):
                raise Wrong(f"{contender.name} answered {status} {body[:200]!r} to a good credential.")
        if contender.wrong:
            status, body = caller.answer(contender.wrong(asked[0]))
            if not contender.is_refusal(status, body):
                raise Wrong(f"{contender.name} answered {status} {body[:200]!r} to a wrong credential.")


def measure(setup: Setup) -> None:
    """All contenders in rounds."""
    gc.collect()
    gc.freeze()
    callers = {contender.name: Caller(contender, setup.asked) for contender in ALL}
    bursts = {
        name: lambda caller=caller: caller.burst(max(2, setup.calls // caller.contender.costs))
        for name, caller in callers.items()
    }
    samples = interleaved(bursts, setup.rounds, lambda: used_just_now(setup.asked))
    aims = {CHECK: 1.5, VERIFY: 0.65 if setup.vendor == "sqlite" else 0.75}
    for name in BY_NAME:
        microseconds = f"{min(samples[name]) * 1e6:,.0f} µs at best"
        aim = ("≤", aims[name]) if name in aims else None
        say("in process, time a request", name, ratio(samples, name, BASE), "×", aim, microseconds)
