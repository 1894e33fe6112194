"""Counters in one file of 2 MiB, shared by all processes of this machine.

The file is a table of 65,536 slots in buckets of eight; the digest of a subject says which bucket is its own, and
is compared in full, so that no subject is ever counted as another. Where a bucket is full, the subject that passed
longest ago is forgotten, which gives it a fresh allowance and blocks nobody. With 20,000 subjects a minute that
befalls one in a thousand; take Redis for more.

One lock guards the whole table, for some microseconds: `flock` between processes, which the kernel releases when one
is killed, and a thread's lock between threads, which share the open file. A slot is written by one `pwrite`, whole or
not at all. The file is read and written, not mapped: who touches a mapped page of a file that was cut off, or that
a full disk has no room for, is killed by SIGBUS.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyportal.tally import DIGEST_SIZE, MINUTE, Limit, Standing, Tally

_SLOT = struct.Struct(f"<{DIGEST_SIZE}sIII")  # subject, minute, current, previous: 32 bytes
_SLOTS_IN_BUCKET = 8
_BUCKET_SIZE = _SLOTS_IN_BUCKET * _SLOT.size
_BUCKETS = 8192
_NAME = b"KeyPortal's counters\n"
_HEADER = (_NAME + b"1\n").ljust(_BUCKET_SIZE, b"\0")  # the number is the version of the layout
FILE_SIZE = len(_HEADER) + _BUCKETS * _BUCKET_SIZE


class FileCounters:
    """What `keyportal.limits.Counters` says, in the file at `path`. Raises OSError where the file can't be had."""

    failures: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._threads = threading.Lock()

    def hit(self, subject: bytes, limit: Limit, now: int, *, only_known: bool = False) -> Standing | None:
        with self._locked() as file:
            place, found = _find(file, subject, now)
            if only_known and not (found and found.is_known(limit, now)):
                return None
            tally, elapsed = (found or Tally(0, 0, 0)).at(now)
            passes = tally.has_room(limit, elapsed)
            if passes:
                tally = tally._replace(current=tally.current + 1)
                os.pwrite(file, _SLOT.pack(subject, *tally), place)
        return tally.standing(limit, elapsed, passes=passes)

    def look(self, subject: bytes, limit: Limit, now: int) -> Standing:
        """Without the lock, which would cost more than all the rest: a slot is written whole, and nothing follows from its neighbours.

        A file that was replaced is noticed with the next hit.
        """
        with self._threads:
            file = self._file
            bucket = _bucket(file, subject) if file is not None else None
        if bucket is None:
            with self._locked() as file:
                bucket = _bucket(file, subject)
        slot = _slot_in(bucket, subject)
        found = Tally(*_SLOT.unpack_from(bucket, slot)[1:]) if slot is not None else Tally(0, 0, 0)
        tally, elapsed = found.at(now)
        return tally.standing(limit, elapsed, passes=tally.has_room(limit, elapsed))

    def forget(self, subject: bytes) -> None:
        with self._locked() as file:
            place, found = _find(file, subject, 0)
            if found:
                os.pwrite(file, bytes(_SLOT.size), place)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, while no other thread and no other process has it."""
        with self._threads:
            file = self._lock()
            try:
                yield file
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

    def _lock(self) -> int:
        is_new = self._file is None
        if self._file is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        file = self._file
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            status = os.fstat(file)
            if status.st_nlink and (is_new or status.st_size != FILE_SIZE):
                _make_whole(file, self.path)
        except BaseException:
            self.close()
            raise
        if status.st_nlink:
            return file
        # Deleted or replaced meanwhile: everybody goes on with the one that others will open.
        self.close()
        return self._lock()


def _make_whole(file: int, path: Path) -> None:
    """Lay the table out anew unless it is there. Whoever is killed half-way leaves that to the next.

    A file that is somebody else's is left alone: the setting may name a wrong one.
    """
    header = os.pread(file, len(_HEADER), 0)
    if header == _HEADER and os.fstat(file).st_size == FILE_SIZE:
        return
    if not _NAME.startswith(header[: len(_NAME)].rstrip(b"\0")):
        raise FileExistsError(errno.EEXIST, "This file holds something else than counters", str(path))
    os.ftruncate(file, 0)
    # Room for all of it at once: a full disk shows at the start, not in the middle.
    os.posix_fallocate(file, 0, FILE_SIZE)
    os.pwrite(file, _HEADER, 0)


def _find(file: int, subject: bytes, now: int) -> tuple[int, Tally | None]:
    """Where in the file `subject` is or should be written, and its tally if it has one."""
    start, bucket = _start(subject), _bucket(file, subject)
    slot = _slot_in(bucket, subject)
    if slot is not None:
        return start + slot, Tally(*_SLOT.unpack_from(bucket, slot)[1:])
    slots = [Tally(*counts) for _, *counts in _SLOT.iter_unpack(bucket)]
    oldest = min(range(_SLOTS_IN_BUCKET), key=lambda number: _worth(slots[number], now))
    return start + oldest * _SLOT.size, None


def _start(subject: bytes) -> int:
    """Where in the file the bucket of `subject` begins."""
    return len(_HEADER) + int.from_bytes(subject[:4], "little") % _BUCKETS * _BUCKET_SIZE


def _bucket(file: int, subject: bytes) -> bytes:
    # What somebody has cut off at this very moment reads as empty.
    return os.pread(file, _BUCKET_SIZE, _start(subject)).ljust(_BUCKET_SIZE, b"\0")


def _slot_in(bucket: bytes, subject: bytes) -> int | None:
    """Where in its bucket `subject` is counted, if it is."""
    slot = bucket.find(subject)
    while slot % _SLOT.size:  # not at the start of a slot: -1, or bytes that look like it
        if slot < 0:
            return None
        slot = bucket.find(subject, slot + 1)
    return slot


def _worth(tally: Tally, now: int) -> tuple[int, int]:
    """By this the slot to give up is chosen, least first. A minute that is yet to come is garbage."""
    return (tally.minute if tally.minute <= now // MINUTE + 1 else 0, tally.current)
