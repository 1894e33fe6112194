"""Databases of the run's own: a SQLite file in its folder, or one in the PostgreSQL that BENCH_POSTGRES names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

POSTGRES = os.environ.get("BENCH_POSTGRES") or "postgres://postgres@127.0.0.1:5432/postgres"


def why_no_postgres() -> str:
    """What stands in the way of PostgreSQL, if anything."""
    try:
        psycopg.connect(POSTGRES, connect_timeout=5).close()
    except psycopg.Error as error:
        return str(error).strip().splitlines()[0]
    return ""


@contextmanager
def own_database(vendor: str, folder: Path) -> Iterator[str]:
    """The address of an empty database, which is gone afterwards."""
    name = f"keyportal_bench_{secrets.token_hex(4)}"
    if vendor == "sqlite":
        # The folder goes as a whole when the run ends.
        yield f"sqlite:///{folder / name}.sqlite3"
        return
    with psycopg.connect(POSTGRES, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass
class Setup:
    """What the parts of a run on one database share. Short runs prove the answers and time next to nothing."""

    vendor: str
    folder: Path
    short: bool
    keys: int
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def asks(self) -> int:
        """How many of the credentials are asked for, in turn."""
        return 100 if self.short else 1000

    @property
    def rounds(self) -> int:
        return 3 if self.short else 15

    @property
    def calls(self) -> int:
        """Requests that one contender has in a round, in process."""
        return 40 if self.short else 200
