"""A disk that is full for SQLite: no file of the server's workers may grow, nor be written at all beyond its first bytes.

That is a limit of the kernel (RLIMIT_FSIZE), which whoever started a process may set while it runs, without root and
without a disk to fill. SQLite hears "file too large" where a full disk says "no space left", and calls it a disk I/O
error instead of a full disk. Where root may mount a small tmpfs, that is filled instead.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.world import World


@contextmanager
def inflict(world: World) -> Iterator[None]:
    if world.disk:
        with world.disk.full():
            yield
        return
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in world.server.workers}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    yield
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
