"""Who has asked how often: counters that all workers share, behind every limit of the API.

They stand in Redis where CACHE_URL names one, else in a file of this machine. A limit must not take the API down:
while counting fails everybody passes, and the log says so.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from keyportal.counter_file import FileCounters
from keyportal.tally import DIGEST_SIZE, Limit, Standing

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Counters(Protocol):
    """Where subjects are counted. A subject is a digest, a moment is in milliseconds since 1970."""

    failures: tuple[type[Exception], ...]

    def hit(self, subject: bytes, limit: Limit, now: int, *, only_known: bool = False) -> Standing | None:
        """Count one unless the limit is reached, and tell. With `only_known`, None for a subject that is not known."""

    def look(self, subject: bytes, limit: Limit, now: int) -> Standing:
        """What `hit` would tell, without counting."""

    def forget(self, subject: bytes) -> None: ...


class FailingOpen:
    """Counters that are asked for now, and answer None, which lets everybody pass, while they can't be reached.

    After a failure they are left alone for some seconds, so that a server that hangs delays few requests.
    """

    REST = 5.0
    SAID_EVERY = 60.0

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self._rests_until = self._silent_until = 0.0

    def hit(self, subject: bytes, limit: Limit, *, only_known: bool = False) -> Standing | None:
        return self._ask(lambda: self.counters.hit(subject, limit, _now(), only_known=only_known))

    def look(self, subject: bytes, limit: Limit) -> Standing | None:
        return self._ask(lambda: self.counters.look(subject, limit, _now()))

    def forget(self, subject: bytes) -> None:
        self._ask(lambda: self.counters.forget(subject))

    def _ask(self, question: Callable[[], Answer]) -> Answer | None:
        started = time.monotonic()
        if started < self._rests_until:
            return None
        try:
            return question()
        except self.counters.failures as error:
            self._rests_until = time.monotonic() + self.REST
            if started >= self._silent_until:
                self._silent_until = started + self.SAID_EVERY
                logger.error("Requests are not counted, so no limit holds: %s", error)
            return None


def counters() -> FailingOpen:
    """The counters that the settings name, opened once in each process."""
    place = _redis_servers() or settings.LIMITS_FILE
    if place not in _opened:
        _opened[place] = FailingOpen(_backend(place))
    return _opened[place]


def subject(name: str, text: str) -> bytes:
    """What stands for `text` in the limit of that name."""
    return hashlib.blake2b(text.encode(), key=digest_key(name), digest_size=DIGEST_SIZE).digest()


@functools.cache
def digest_key(name: str) -> bytes:
    """The installation's own key for the subjects of one limit: without it nobody can tell what was counted."""
    return salted_hmac("keyportal.limits", name, algorithm="sha256").digest()


def make_ready() -> None:
    """Make the file that counts, where one will. Raises OSError where it can't be had."""
    if _counts_in_file():
        with contextlib.closing(FileCounters(settings.LIMITS_FILE)) as counters:
            counters.look(subject("ready", ""), Limit("ready", 1), _now())


def obstacle() -> str:
    """Why the file can't be had, if so. Nothing is made: a command may run as somebody else than the server."""
    path: Path = settings.LIMITS_FILE
    if not _counts_in_file():
        return ""
    place = next(one for one in (path, *path.parents) if os.path.exists(one))
    if place == path and not path.is_file():
        return f"{path} is no file"
    return "" if os.access(place, os.R_OK | os.W_OK) else f"{place} is not writable"


_opened: dict[str | Path, FailingOpen] = {}


def _backend(place: str | Path) -> Counters:
    if isinstance(place, Path):
        return FileCounters(place)
    from keyportal.counter_redis import RedisCounters  # for those who have one: it takes a while to load

    return RedisCounters(re.split("[;,]", place)[0])  # of several servers the first is written to, as in Django


def _open_anew() -> None:
    """A file that is open in two processes by inheritance has one lock between them: each must open its own."""
    for counters in _opened.values():
        if isinstance(counters.counters, FileCounters):
            counters.counters.close()
    _opened.clear()


os.register_at_fork(after_in_child=_open_anew)


def counts_in_redis() -> bool:
    return bool(_redis_servers())


def _counts_in_file() -> bool:
    return bool(settings.API_REQUESTS_PER_MINUTE or settings.API_FAILURES_PER_MINUTE) and not counts_in_redis()


def _redis_servers() -> str:
    """The Redis of the default cache, if it is one: its URL, or several as the setting has them."""
    cache = settings.CACHES["default"]
    if cache["BACKEND"] != "django.core.cache.backends.redis.RedisCache":
        return ""
    return cache["LOCATION"] if isinstance(cache["LOCATION"], str) else ",".join(cache["LOCATION"])


def _now() -> int:
    return max(0, int(timezone.now().timestamp() * 1000))  # a clock that was never set
