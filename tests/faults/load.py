"""The load: everybody who asks has a thread, and every answer is judged, true or away or neither."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

PAUSE = 0.03  # between two requests of one thread: the machine is to have time for the fault
PATIENCE = 45  # longer than the database's own limits, so that what takes longer hangs
UNTOUCHED = 20  # true answers in a row, after which somebody has noticed the end of the fault


class Verdict(Enum):
    TRUE = "true"
    AWAY = "503"
    RESET = "reset"  # the connection was refused, reset or closed
    WRONG = "wrong"


@dataclass(frozen=True)
class Asker:
    """Who asks for what, and the one true answer: a status, and what stands in its head or body."""

    name: str
    path: str
    headers: dict[str, str]
    status: int
    mark: str = ""
    method: str = "GET"
    body: str | None = None
    keeps: bool = True


@dataclass(frozen=True)
class Answer:
    asker: Asker
    begun: float
    sent: float | None
    ended: float
    verdict: Verdict
    said: str


def askers(facts: dict[str, str]) -> list[Asker]:
    """Good keys on kept and on fresh connections, keys that are no good, a key that was deleted, a page, and one who writes."""
    account = {"X-Checkly-Account": facts["account"]}
    key = {name: {"Authorization": f"Bearer {facts[name]}", **account} for name in _KEYS}
    verify, me, page = "/gateway/verify", "/v1/accounts/me", "/settings/user/api-keys"
    listed: list[Asker] = []
    for name in ("user", "service"):
        for keeps in (True, False):
            kept = "kept" if keeps else "fresh"
            listed.append(Asker(f"verify, {name} key, {kept}", verify, key[name], 200, facts["account"], keeps=keeps))
            listed.append(Asker(f"me, {name} key, {kept}", me, key[name], 200, facts["account"], keeps=keeps))
    listed += [Asker(f"verify, {name} key", verify, key[name], 401) for name in ("deleted", "unknown", "wrong")]
    listed.append(Asker("me, deleted key", me, key["deleted"], 401))
    listed.append(Asker("page, signed in", page, {"Cookie": facts["cookie"]}, 200, "Laptop CLI"))
    listed.append(Asker("page, signed in, fresh", page, {"Cookie": facts["cookie"]}, 200, "Laptop CLI", keeps=False))
    listed.append(Asker("page, a stranger", page, {"Cookie": facts["stranger"]}, 302, "/login"))
    json = {"Content-Type": "application/json"}
    value = '{"key": "REGION", "value": "eu-west-1"}'
    listed.append(Asker("write, service key", "/v1/variables/REGION", key["service"] | json, 200, "REGION", "PUT", value))
    return listed


_KEYS = ("user", "service", "deleted", "unknown", "wrong")


@dataclass
class Load:
    """All who ask, until it stops."""

    port: int
    asked_by: list[Asker]
    answers: list[Answer] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        threads = [threading.Thread(target=self._ask, args=(asker,)) for asker in self.asked_by]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def until_untouched(self, since: float, patience: float) -> bool:
        """Wait until everybody got so many true answers in a row, to questions begun after `since`. False when it is not to be."""
        deadline, first = time.monotonic() + patience, len(self.answers)
        while time.monotonic() < deadline:
            if min(self._in_a_row(self.answers[first:], since).values()) >= UNTOUCHED:
                return True
            time.sleep(0.1)
        return False

    def _in_a_row(self, answers: list[Answer], since: float) -> dict[str, int]:
        """How many true answers everybody got since the last one that was not."""
        rows = {asker.name: 0 for asker in self.asked_by}
        for answer in answers:
            if answer.begun >= since:
                rows[answer.asker.name] = rows[answer.asker.name] + 1 if answer.verdict is Verdict.TRUE else 0
        return rows

    def _ask(self, asker: Asker) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stopped.wait(PAUSE):
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            answer, goes_on = Pending(connection, asker).answer()
            self.answers.append(answer)
            if not (goes_on and asker.keeps):
                connection.close()
                connection = None


class Pending:
    """One question, sent when this is made; its answer is to be read later."""

    def __init__(self, connection: http.client.HTTPConnection, asker: Asker) -> None:
        self._connection, self._asker = connection, asker
        self._begun = time.monotonic()
        self._sent: float | None = None
        self._failed: Exception | None = None
        try:
            connection.request(asker.method, asker.path, asker.body, asker.headers)
            self._sent = time.monotonic()
        except (OSError, http.client.HTTPException) as error:
            self._failed = error

    def answer(self) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be used again."""
        try:
            if self._failed:
                raise self._failed
            response = self._connection.getresponse()
            body = response.read().decode(errors="replace")
        except TimeoutError:
            return self._answer(Verdict.WRONG, f"with nothing for {PATIENCE} s"), False
        except (OSError, http.client.HTTPException) as error:
            return self._answer(Verdict.RESET, repr(error)), False
        return self._answer(*_judged(self._asker, response, body)), not response.will_close

    def _answer(self, verdict: Verdict, said: str) -> Answer:
        return Answer(self._asker, self._begun, self._sent, time.monotonic(), verdict, said)


def _judged(asker: Asker, response: Any, body: str) -> tuple[Verdict, str]:
    said = f"{response.status} {body[:200]}"
    if response.status == 503:
        return (Verdict.AWAY if response.headers.get("Retry-After") else Verdict.WRONG), said
    if response.status == asker.status and asker.mark in f"{response.headers}{body}":
        return Verdict.TRUE, said
    return Verdict.WRONG, said
