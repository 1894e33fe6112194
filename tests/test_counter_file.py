"""The file of counters outlives whatever befalls it: cut off, deleted, garbage, full, forked, a worker killed inside."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keyportal import counter_file, limits
from keyportal.counter_file import FILE_SIZE, FileCounters
from keyportal.tally import DIGEST_SIZE, MINUTE, Limit

NOON = 1_800_000_000_000 // MINUTE * MINUTE
LIMIT = Limit("test", 100)
SUBJECT = b"s" * DIGEST_SIZE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "limits"


@pytest.fixture
def counters(path: Path) -> FileCounters:
    return FileCounters(path)


def hit(counters: FileCounters, subject: bytes = SUBJECT, now: int = NOON) -> int:
    """Count one, and tell how often `subject` has been counted."""
    standing = counters.hit(subject, LIMIT, now)
    assert standing is not None
    return LIMIT.most - standing.remaining


def in_a_child(act: Callable[[], object]) -> int:
    """Do it in a forked process. Its wait status: 0 if all went well, or the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def test_the_file_is_private_and_of_one_size_however_many_are_counted(counters: FileCounters, path: Path) -> None:
    for _ in range(500):
        hit(counters, os.urandom(DIGEST_SIZE))
    assert (path.stat().st_size, stat.S_IMODE(path.stat().st_mode)) == (FILE_SIZE, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_blocks * 512 >= FILE_SIZE  # no hole that a full disk would refuse to fill
    assert FILE_SIZE < 2.1 * 2**20


def test_two_that_have_it_open_count_together(counters: FileCounters, path: Path) -> None:
    other = FileCounters(path)
    assert [hit(one) for one in (counters, other, counters, other)] == [1, 2, 3, 4]


def test_a_new_process_finds_what_was_counted(counters: FileCounters, path: Path) -> None:
    hit(counters)
    counters.close()
    assert hit(FileCounters(path)) == 2


@pytest.mark.parametrize("size", [0, 1, 40, 256, 257, 4096, FILE_SIZE - 1, FILE_SIZE + 1])
def test_a_file_of_another_size_is_made_anew_while_it_is_open_and_when_it_is_opened(
    counters: FileCounters, path: Path, size: int
) -> None:
    hit(counters)
    os.truncate(path, size)
    assert [hit(counters), hit(counters)] == [1, 2]
    counters.close()
    os.truncate(path, size)
    assert [hit(counters), hit(FileCounters(path))] == [1, 2]
    assert path.stat().st_size == FILE_SIZE


def test_a_file_cut_off_in_the_middle_of_counting_reads_as_empty(
    counters: FileCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit(counters)
    real = os.pread

    def cut_off_and_read(file: int, length: int, start: int) -> bytes:
        os.truncate(path, start + 1)
        return real(file, length, start)

    monkeypatch.setattr(os, "pread", cut_off_and_read)
    assert hit(counters) == 1
    monkeypatch.undo()
    assert [hit(counters), hit(counters)] == [1, 2]
    assert path.stat().st_size == FILE_SIZE


@pytest.mark.parametrize("successor", [None, b""])
def test_after_deletion_or_replacement_all_go_on_with_the_same_new_file(path: Path, successor: bytes | None) -> None:
    early, late = FileCounters(path), FileCounters(path)
    hit(early)
    if successor is None:
        path.unlink()
    else:
        (path.parent / "new").write_bytes(successor)
        (path.parent / "new").rename(path)
    assert [hit(late), hit(early), hit(late), hit(FileCounters(path))] == [1, 2, 3, 4]


def test_garbage_inside_blocks_nobody_and_gives_its_room_back(counters: FileCounters, path: Path) -> None:
    hit(counters)
    header = len(counter_file._HEADER)
    garbage = random.Random(1).randbytes(FILE_SIZE - header)
    with path.open("r+b") as file:
        file.seek(header)
        file.write(garbage)
    people = [os.urandom(DIGEST_SIZE) for _ in range(2000)]
    assert {hit(counters, one) for one in people} == {1}
    assert sum(hit(counters, one) == 2 for one in people) > 1900


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"x" * 5000, b"precious", b"x" * FILE_SIZE])
def test_a_file_of_somebody_else_is_left_alone(counters: FileCounters, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(FileExistsError, match="something else than counters"):
            hit(counters)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_and_one_that_is_read_only_are_errors_that_name_it(tmp_path: Path) -> None:
    for impossible in (tmp_path, Path("/proc/nothing/limits")):
        with pytest.raises(OSError, match=str(impossible if impossible.is_dir() else "/proc/nothing")):
            hit(FileCounters(impossible))


def test_a_full_disk_is_an_error_and_no_crash_and_is_over_when_there_is_room(path: Path) -> None:
    def on_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE // 2, resource.RLIM_INFINITY))
        with pytest.raises(OSError):  # noqa: PT011 - a disk fails in many ways
            hit(FileCounters(path))

    assert in_a_child(on_a_full_disk) == 0
    assert [hit(FileCounters(path)), hit(FileCounters(path))] == [1, 2]


def of_one_bucket(number: int) -> list[bytes]:
    return [b"same" + bytes([one]) * (DIGEST_SIZE - 4) for one in range(1, number + 1)]


def test_subjects_that_share_a_bucket_are_never_mistaken_for_each_other(counters: FileCounters) -> None:
    people = of_one_bucket(8)
    for one in people:
        for expected in range(1, 31):
            assert hit(counters, one) == expected
    assert [hit(counters, one) for one in people] == [31] * 8


def test_in_a_full_bucket_the_one_that_passed_longest_ago_is_forgotten_and_nobody_is_blocked(counters: FileCounters) -> None:
    *people, newcomer = of_one_bucket(9)
    for minute, one in enumerate(people):
        for _ in range(5):
            hit(counters, one, NOON + minute * MINUTE)
    now = NOON + 7 * MINUTE
    assert hit(counters, newcomer, now) == 1
    kept = Limit("test", 100, kept=60)
    assert [counters.hit(one, kept, now, only_known=True) is not None for one in people] == [False] + [True] * 7
    assert hit(counters, newcomer, now) == 2


def test_slots_of_a_minute_yet_to_come_are_given_up_first(counters: FileCounters) -> None:
    *people, newcomer = of_one_bucket(9)
    for number, one in enumerate(people):
        hit(counters, one, NOON + (1000 * MINUTE if number == 4 else 0))
    hit(counters, newcomer)
    assert [hit(counters, one) for one in people if one != people[4]] == [2] * 7


# Killed, forked


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_while_it_counts_leaves_neither_a_lock_nor_half_a_count(path: Path, when: str) -> None:
    counters = FileCounters(path)
    hit(counters)
    real = os.pwrite

    def killed(file: int, data: bytes, place: int) -> int:
        if when == "after":
            real(file, data, place)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def work() -> None:
        os.pwrite = killed  # type: ignore[assignment] - in the child alone
        hit(FileCounters(path))

    assert in_a_child(work) == signal.SIGKILL
    assert hit(counters) == (2 if when == "before" else 3)


def test_a_worker_killed_while_it_makes_the_file_leaves_it_to_the_next(path: Path) -> None:
    def work() -> None:
        os.posix_fallocate = lambda *args: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        hit(FileCounters(path))

    assert in_a_child(work) == signal.SIGKILL
    assert path.stat().st_size == 0
    assert hit(FileCounters(path)) == 1


def test_workers_killed_at_any_moment_lose_at_most_their_last_count(path: Path) -> None:
    counters, unlimited, told = FileCounters(path), Limit("test", 0), 0
    for round_ in range(20):
        reader, writer = os.pipe()

        def work(writer: int = writer) -> None:
            mine = FileCounters(path)
            while True:
                mine.hit(SUBJECT, unlimited, NOON)
                os.write(writer, b".")

        child = os.fork()
        if child == 0:
            work()
        os.close(writer)
        for _ in range(5 + round_):
            os.read(reader, 1)
            told += 1
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while rest := os.read(reader, 65536):
            told += len(rest)
        os.close(reader)
    counted = told + 20 - counters.look(SUBJECT, Limit("test", told + 20), NOON).remaining
    assert told <= counted <= told + 20


@pytest.fixture
def shared(path: Path, settings: object) -> Iterator[limits.FailingOpen]:
    settings.LIMITS_FILE = path  # type: ignore[attr-defined]
    yield limits.counters()
    limits._opened.pop(path)


def test_a_forked_process_opens_the_file_for_itself_and_keeps_no_lock_of_its_parent(
    shared: limits.FailingOpen, path: Path
) -> None:
    """Were the open file inherited, its lock would be the parent's as well, and they would count into each other."""
    shared.hit(SUBJECT, LIMIT)
    backend = shared.counters
    assert isinstance(backend, FileCounters)
    assert backend._file is not None

    def work() -> None:
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the parent has it
        assert limits.counters() is not shared
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(inherited)

    with backend._locked() as inherited:
        assert in_a_child(work) == 0


def test_a_process_forked_while_a_thread_counts_is_not_stuck(shared: limits.FailingOpen) -> None:
    shared.hit(SUBJECT, LIMIT)
    backend = shared.counters
    assert isinstance(backend, FileCounters)
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with backend._threads:
            inside.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)

    def work() -> None:
        signal.alarm(5)
        assert limits.counters().hit(SUBJECT, LIMIT) is not None

    try:
        assert in_a_child(work) == 0
    finally:
        done.set()
        holder.join()
