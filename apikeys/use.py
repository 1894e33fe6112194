"""The record of use: what keys were asked for is kept in mind for a second, then written in one batch.

So no answer waits for it, no request fails with it, and a key that is used ten thousand times a second costs as many
writes as one that is used once. A worker that is killed takes its last second with it; one that is stopped writes what
it has.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db import Error, connection, transaction

from apikeys import knocks, usage
from apikeys.authentication import NOTED_EVERY, CheckedKey
from apikeys.knocks import Noted
from apikeys.models import ApiKey
from apikeys.secret import needs_rehash
from apikeys.usage import OTHERS, PLACES, Outcome, Span
from keyportal.client import Request, client_address, client_name, network_of
from keyportal.metrics import metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long, in seconds, what was noted waits for more to be written with.
WRITTEN_EVERY = 1.0
SAID_EVERY = 60.0
# How much a worker keeps in mind: counts while the database is away, and the places of so many keys in this hour.
MOST = 50_000
# Rows in one transaction: nobody else waits long for it.
BATCH = 2_000


def note_use(checked: CheckedKey, outcome: Outcome, request: Request) -> None:
    """A key was found good, and was used, or tried for more than it may."""
    recorder.count(checked.secret.public_id, outcome, checked.at, request)
    if outcome is not Outcome.ALLOWED:
        recorder.keep_knock(checked.secret.public_id, outcome, checked.at, request)
    if checked.use_is_due:
        recorder.set_last_use(checked.secret.public_id, LastUse(checked.at, client_address(request), client_name(request)))
    if needs_rehash(checked.secret_hash):
        recorder.renew_hash(checked)
    recorder.wake()


def note_refusal(public_id: str, outcome: Outcome, at: datetime, request: Request) -> None:
    """A key that exists was refused before anybody could use it."""
    recorder.count(public_id, outcome, at, request)
    if outcome is not Outcome.WRONG_SECRET:
        recorder.keep_knock(public_id, outcome, at, request)
    recorder.wake()


def note_nothing(outcome: str) -> None:
    """What was sent is no key that exists: it counts in the metrics alone."""
    if settings.METRICS_TOKEN:
        metrics.count(outcome)
        recorder.wake()


def outcome_of_denial(checked: CheckedKey) -> Outcome:
    """Why the policy denies what a good key is tried for."""
    if checked.actor.role is None:
        return Outcome.NO_ACCESS
    return Outcome.ACCOUNT_SUSPENDED if checked.actor.account_suspended else Outcome.NO_RIGHT


class LastUse(NamedTuple):
    at: datetime
    address: str | None
    client: str


# What requests are counted by: public ID, hour since 1970, outcome, client, network.
_Counted = tuple[str, int, str, str, str]


class Recorder:
    """What this process has noted and not yet written. A thread of its own writes it; in tests, whoever notes."""

    def __init__(self) -> None:
        self._noting, self._writing = threading.Lock(), threading.Lock()
        self._awake, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._counts: dict[_Counted, int] = {}
        self._last_uses: dict[str, LastUse] = {}
        self._hashes: dict[str, tuple[str, str]] = {}
        self._places = _Places()
        self._knocks = Noted(MOST)
        self._lost = 0
        self._silent_until = 0.0

    def count(self, public_id: str, outcome: Outcome, at: datetime, request: Request) -> None:
        """One request more."""
        metrics.count(outcome.value)
        hour = int(at.timestamp()) // 3600
        place = _Places.OTHERS
        if outcome is not Outcome.WRONG_SECRET:  # which anybody may send, under any name
            place = client_name(request), network_of(client_address(request), 24, 48)
        with self._noting:
            counted = (public_id, hour, outcome.value, *place)
            if counted not in self._counts:
                counted = (public_id, hour, outcome.value, *self._places.of(public_id, hour, place))
            self._add(counted, 1)

    def set_last_use(self, public_id: str, last: LastUse) -> None:
        with self._noting:
            self._last_uses[public_id] = last

    def keep_knock(self, public_id: str, outcome: Outcome, at: datetime, request: Request) -> None:
        """Somebody with the true secret was refused."""
        with self._noting:
            self._knocks.add(public_id, outcome, at, request)

    def renew_hash(self, checked: CheckedKey) -> None:
        """Hash the key again, since the settings ask for other parameters by now."""
        public_id = checked.secret.public_id
        if public_id not in self._hashes:
            renewed = checked.secret.hash()
            with self._noting:
                self._hashes[public_id] = (renewed, checked.secret_hash)

    def wake(self) -> None:
        """Have what was noted written soon."""
        if not settings.USE_IN_BACKGROUND:
            self.write()
        elif not self._awake.is_set():
            self._awake.set()
            with self._noting:
                if self._thread is None:
                    self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="record-of-use", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no room for another thread: the next request tries again
            self._awake.clear()
            logger.error("The use of keys can’t be written: %s", error)
            return
        self._thread = thread
        atexit.register(self.close)

    def write(self) -> None:
        """Write all that was noted. Counts that the database does not take now are kept for the next time."""
        with self._writing:
            with self._noting:
                counts, self._counts = self._counts, {}
                last_uses, self._last_uses = self._last_uses, {}
                hashes, self._hashes = self._hashes, {}
                late_knocks = self._knocks.take()
            for batch in _batches(sorted(counts)):
                rows = [_row(counted, counts[counted]) for counted in batch]
                if not self._tried(lambda rows=rows: usage.add(rows)):  # type: ignore[misc]
                    self._keep({counted: counts[counted] for counted in batch})
            # These come again with the key's next use; late knocks that cannot be written now are lost.
            for uses in _batches(sorted(last_uses.items())):
                self._tried(lambda uses=uses: _write_last_uses(uses))  # type: ignore[misc]
            for refused in _batches(late_knocks):
                self._tried(lambda refused=refused: knocks.add(refused))  # type: ignore[misc]
            if hashes:
                self._tried(lambda: _write_hashes(hashes))

    def close(self) -> None:
        """Write what there is: the process ends."""
        self.stop()
        self.write()

    def stop(self) -> None:
        """End the thread, when it has written what it is writing."""
        self._stopped.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._awake.wait()
            self._stopped.wait(WRITTEN_EVERY)
            self._awake.clear()
            try:
                self.write()
                metrics.write()
                connection.close_if_unusable_or_obsolete()
            except Exception:  # a thread that ended would never write again
                logger.exception("The use of keys was not written.")

    def _add(self, counted: _Counted, requests: int) -> None:
        if counted in self._counts or len(self._counts) < MOST:
            self._counts[counted] = self._counts.get(counted, 0) + requests
        else:
            self._lost += requests

    def _keep(self, counts: dict[_Counted, int]) -> None:
        with self._noting:
            for counted, requests in counts.items():
                self._add(counted, requests)
        self._awake.set()

    def _tried(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except Error as error:
            if not connection.in_atomic_block:
                connection.close()
            if time.monotonic() >= self._silent_until:
                self._silent_until = time.monotonic() + SAID_EVERY
                logger.warning("The use of keys could not be written (%d counts lost so far): %s", self._lost, error)
            return False
        return True


class _Places:
    """The places, pairs of program and network, that are told apart for each key in this hour: so many, then OTHERS."""

    OTHERS = (OTHERS, OTHERS)

    def __init__(self) -> None:
        self._hour = 0
        self._of: dict[str, set[tuple[str, str]]] = {}

    def of(self, public_id: str, hour: int, place: tuple[str, str]) -> tuple[str, str]:
        """`place`, where there is room for it."""
        if hour > self._hour or len(self._of) >= MOST:  # the last of the hour before may come after the first of this one
            self._hour, self._of = hour, {}
        places = self._of.setdefault(public_id, set())
        if place in places or len(places) < PLACES:
            places.add(place)
            return place
        return self.OTHERS


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _row(counted: _Counted, requests: int) -> usage.Row:
    public_id, hour, outcome, client, network = counted
    return public_id, Span.HOUR.value, datetime.fromtimestamp(hour * 3600, UTC), outcome, client, network, requests


def _write_last_uses(uses: Sequence[tuple[str, LastUse]]) -> None:
    """Set the last use of each key, unless that was done within the last minute and since its rotation.

    Keys that somebody is changing are passed over.
    """
    passing_over = (
        connection.ops.for_update_sql(skip_locked=True) if connection.features.has_select_for_update_skip_locked else ""
    )
    adapt = connection.ops.adapt_datetimefield_value
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            f"""
            UPDATE apikeys_apikey SET last_used_at = %s, last_used_address = %s, last_used_client = %s
             WHERE id = (SELECT id FROM apikeys_apikey
                          WHERE public_id = %s AND (last_used_at IS NULL OR last_used_at <= %s
                                OR (last_used_at <= replaced_at AND replaced_at < %s)) {passing_over})
            """,  # nosec B608
            [
                (adapt(last.at), last.address, last.client, public_id, adapt(last.at - NOTED_EVERY), adapt(last.at))
                for public_id, last in uses
            ],
        )


def _write_hashes(hashes: dict[str, tuple[str, str]]) -> None:
    """Each new hash over the one that was read: a key that changed meanwhile keeps its change."""
    for public_id, (renewed, old) in sorted(hashes.items()):
        ApiKey.objects.filter(public_id=public_id, revoked_at=None, secret_hash=old).update(secret_hash=renewed)


recorder = Recorder()
# A forked process has nothing noted, no thread, and locks that nobody holds.
os.register_at_fork(after_in_child=recorder.__init__)  # type: ignore[misc]
