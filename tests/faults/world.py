"""What a fault befalls: a server, and the databases that are its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.browser.server import ROOT, Server
from tests.faults.burst import in_flight
from tests.faults.load import Answer, askers
from tests.faults.postgres import Postgres
from tests.faults.small_disk import SmallDisk
from tests.redis_server import RedisServer

OUT_OF_REACH = str(10**9)  # limits count as ever, and stop nobody
SQLITE = "served.sqlite3"


@dataclass
class World:
    server: Server
    facts: dict[str, str]
    folder: Path
    postgres: Postgres | None = None
    redis: RedisServer | None = None
    disk: SmallDisk | None = None
    answers_to_bursts: list[Answer] = field(default_factory=list)

    @contextmanager
    def burst(self) -> Iterator[None]:
        """Inside, many requests have been sent whole, and none of their answers is read."""
        with in_flight(self.server.port, askers(self.facts)) as answers:
            yield
        self.answers_to_bursts += answers


@contextmanager
def on_postgres(folder: Path) -> Iterator[World]:
    """PostgreSQL, and Redis for the limits."""
    postgres = Postgres(folder)
    try:
        redis = RedisServer(folder)
        try:
            with _served(folder, postgres.url, CACHE_URL=redis.url) as (server, facts):
                yield World(server, facts, folder, postgres, redis)
        finally:
            redis.stop()
    finally:
        postgres.stop()


@contextmanager
def on_sqlite(folder: Path) -> Iterator[World]:
    """SQLite in a folder of its own."""
    own = folder / "data"
    own.mkdir()
    with SmallDisk.mounted(own) as disk, _served(folder, f"sqlite:///{own / SQLITE}") as (server, facts):
        yield World(server, facts, own, disk=disk)


@contextmanager
def _served(folder: Path, database_url: str, **environment: str) -> Iterator[tuple[Server, dict[str, str]]]:
    limits = {"API_REQUESTS_PER_MINUTE": OUT_OF_REACH, "API_FAILURES_PER_MINUTE": OUT_OF_REACH}
    server = Server.over(database_url, folder, **limits, **environment)
    try:
        yield server, _seeded(server)
    finally:
        server.stop()


def _seeded(server: Server) -> dict[str, str]:
    environment = server.environment | {"DJANGO_SETTINGS_MODULE": "keyportal.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.seed"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The database was not filled:\n{done.stderr}")
    facts: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return facts
