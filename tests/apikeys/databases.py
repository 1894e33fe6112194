"""Databases in trouble, for real: a file that another connection has locked, and one that does not answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def database_in_a_file(path: Path) -> Iterator[None]:
    """Inside, the tests' SQLite database is a copy in `path`, which other connections can lock."""
    connection.ensure_connection()
    with closing(sqlite3.connect(path)) as copy:
        connection.connection.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")
    with _in_place_of_the_usual({"NAME": str(path)}):
        yield


@contextmanager
def database_away() -> Iterator[None]:
    """Inside, no database answers: nothing listens at its port, or its file cannot be opened."""
    unreachable = {"NAME": "/nowhere/at/all.sqlite3"} if connection.vendor == "sqlite" else {"HOST": "127.0.0.1", "PORT": "1"}
    with _in_place_of_the_usual(unreachable):
        yield


@contextmanager
def _in_place_of_the_usual(changes: dict[str, Any]) -> Iterator[BaseDatabaseWrapper]:
    usual = connections["default"]
    other = type(usual)({**usual.settings_dict, **changes}, "default")
    connections["default"] = other
    try:
        yield other
    finally:
        other.close()
        connections["default"] = usual


def connection_parameters() -> dict[str, Any]:
    """What a connection of one's own to the tests' PostgreSQL is made with."""
    parameters = connection.get_connection_params()
    return {name: parameters[name] for name in ("dbname", "user", "password", "host", "port") if parameters.get(name)}
