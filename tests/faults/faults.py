"""What may befall a server, each as a context: inside, the fault lasts; it ends with the block."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import redis

from tests.faults import full_disk
from tests.faults.world import SQLITE, World

SHORT = os.environ.get("FAULTS") == "short"


@dataclass(frozen=True)
class Fault:
    """`lasts` says for how many seconds, in a whole run and in a short one. Some ends take the connections with them."""

    name: str
    inflict: Callable[[World], AbstractContextManager[None]]
    lasts: tuple[float, float] = (1, 0.5)
    breaks_connections: bool = False


@contextmanager
def postgres_stopped(world: World) -> Iterator[None]:
    assert world.postgres
    world.postgres.stop("immediate")
    yield
    world.postgres.start()


@contextmanager
def connections_ended(world: World) -> Iterator[None]:
    assert world.postgres
    assert world.postgres.end_all_connections()
    yield


@contextmanager
def keys_locked(world: World) -> Iterator[None]:
    assert world.postgres
    with world.postgres.connection() as other, other.transaction():
        other.execute("LOCK apikeys_apikey IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def migrated(world: World) -> Iterator[None]:
    """`migrate`, which finds nothing to do, and then what a migration would: an index, a column, a longer name."""
    assert world.postgres
    world.server.manage("migrate", "-v0")
    with world.postgres.connection() as schema:
        schema.execute("CREATE INDEX fault_index ON apikeys_apikey (name)")
        schema.execute("ALTER TABLE apikeys_apikey ADD COLUMN fault integer NULL, ALTER COLUMN name TYPE varchar(150)")
        yield
        schema.execute("ALTER TABLE apikeys_apikey DROP COLUMN fault, ALTER COLUMN name TYPE varchar(100)")
        schema.execute("DROP INDEX fault_index")


@contextmanager
def redis_stopped(world: World) -> Iterator[None]:
    assert world.redis
    world.redis.stop()
    yield
    world.redis.start()


@contextmanager
def redis_hangs(world: World) -> Iterator[None]:
    assert world.redis
    world.redis.hang()
    yield
    world.redis.go_on()


@contextmanager
def redis_flushed(world: World) -> Iterator[None]:
    assert world.redis
    redis.Redis.from_url(world.redis.url).flushall()
    yield


@contextmanager
def sqlite_locked(world: World) -> Iterator[None]:
    other = sqlite3.connect(world.folder / SQLITE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@contextmanager
def worker_killed(world: World) -> Iterator[None]:
    os.kill(world.server.workers[0], signal.SIGKILL)
    yield


@contextmanager
def stopped_and_started(world: World) -> Iterator[None]:
    """Whatever had been sent whole before the signal is answered."""
    process = world.server.process
    assert process
    with world.burst():
        process.send_signal(signal.SIGTERM)
    yield
    process.wait(timeout=30)
    world.server.serve()


@contextmanager
def reloaded(world: World) -> Iterator[None]:
    """SIGHUP: new workers beside the old ones, which finish."""
    process = world.server.process
    assert process
    old = world.server.workers
    with world.burst():
        process.send_signal(signal.SIGHUP)
    yield
    deadline = time.monotonic() + 30
    while set(old) & set(world.server.workers):
        assert time.monotonic() < deadline, "the old workers stay"
        time.sleep(0.05)


WORKERS = [
    Fault("a worker killed", worker_killed, breaks_connections=True),
    Fault("SIGTERM, and started again", stopped_and_started, breaks_connections=True),
    Fault("SIGHUP, new workers", reloaded),
]
ON_POSTGRES = [
    Fault("PostgreSQL stopped hard", postgres_stopped),
    Fault("all its connections ended", connections_ended),
    Fault("the table of keys locked", keys_locked, (10, 2)),
    Fault("migrated under load", migrated),
    Fault("Redis stopped", redis_stopped),
    Fault("Redis hangs", redis_hangs),
    Fault("Redis emptied", redis_flushed),
    *([] if SHORT else WORKERS),  # a short run inflicts them on SQLite alone, where workers have more to do
]
ON_SQLITE = [
    Fault("the disk full", full_disk.inflict, (2, 0.5)),
    Fault("locked by another writer", sqlite_locked, (10, 2)),
    *WORKERS,
]
