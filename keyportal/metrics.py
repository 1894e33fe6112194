"""What a monitoring system reads: how many keys were asked about, with what outcome, and how long the check took.

Each process counts for itself and leaves its counts in a file of its own, a second later at most; whichever process is
asked adds them up. What processes that have ended leave behind is added to one file, so that no counter ever goes back.
Counting is off unless METRICS_TOKEN is set.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

# Upper bounds of the check's duration, in seconds. The default hash takes some 20 µs, one for passwords 20 ms.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_PAST = "past.json"


class Metrics:
    """The counts of this process. Names are "checks.<outcome>", "took.<number of the bucket>" and "microseconds"."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, outcome: str) -> None:
        """One more question about a key."""
        if settings.METRICS_TOKEN:
            with self._lock:
                self._counts[f"checks.{outcome}"] += 1

    def observe(self, seconds: float) -> None:
        """One more check, which took so long."""
        with self._lock:
            self._counts[f"took.{bisect_left(BOUNDS, seconds)}"] += 1
            self._counts["microseconds"] += round(seconds * 1e6)

    def write(self) -> None:
        """Leave the counts where other processes find them. A full disk stops no server: they are kept for the next time."""
        with self._lock:  # to the end, lest an older count replace a newer one
            if not self._counts:
                return
            try:
                _replace(_folder() / _name_of(os.getpid()), self._counts)
            except OSError as error:
                logger.warning("The metrics could not be written: %s", error)

    def begin_anew(self) -> None:
        """In a forked process, which has counted nothing."""
        self.__init__()  # type: ignore[misc]


metrics = Metrics()
os.register_at_fork(after_in_child=metrics.begin_anew)


def of_all_processes() -> Counter[str]:
    """The sum over all processes of this host, those that have ended included. Raises OSError where it can't be read."""
    metrics.write()
    folder = _folder()
    with _locked(folder):
        past = _read(folder / _PAST)
        present: Counter[str] = Counter()
        for file in folder.glob("[0-9]*.json"):
            if _has_ended(file) and file.name in past:  # whoever moved it was stopped before deleting it
                file.unlink()
            elif _has_ended(file):
                past += _read(file)
                _replace(folder / _PAST, past | {file.name: 1})
                file.unlink()
                _replace(folder / _PAST, past)
            else:
                present += _read(file)
        return past + present


def _name_of(pid: int) -> str:
    """The file of a process: its ID may be given to another one day, and may be another's in another container."""
    return f"{_container()}-{pid}-{_birth(pid)}.json"


def _has_ended(file: Path) -> bool:
    container, pid, birth = file.stem.split("-")
    return container == _container() and birth != _birth(int(pid))


def _container() -> str:
    """What tells the processes of one container from those of others, which can't see them."""
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _folder() -> Path:
    folder: Path = settings.METRICS_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _birth(pid: int) -> str:
    """When the process began, in the kernel's ticks: its ID may be given to another one day. "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _read(file: Path) -> Counter[str]:
    try:
        return Counter(json.loads(file.read_text()))
    except FileNotFoundError:
        return Counter()
    except ValueError:  # half a file, after a power failure
        logger.warning("%s can’t be read: counting goes on without it.", file)
        return Counter()


def _replace(file: Path, counts: dict[str, int]) -> None:
    """Whole or not at all: somebody may be reading."""
    new = file.with_suffix(f".{threading.get_ident()}.new")
    new.write_text(json.dumps(counts))
    new.replace(file)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time moves what has ended."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
