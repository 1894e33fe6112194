"""What the database is asked, seen at the driver: the key check goes past Django's cursors, and so past what counts those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
from django.db import connection

from apikeys.use import Recorder

_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Inside, a growing list of all statements but those of transactions. The record of use waits, as it does in a server."""
    seen: list[str] = []

    def see(statement: str) -> None:
        if not statement.lstrip().upper().startswith(_OF_TRANSACTIONS):
            seen.append(statement)

    connection.ensure_connection()
    with patch.object(Recorder, "write", lambda self: None):
        if connection.vendor == "sqlite":
            driver = connection.connection
            driver.set_trace_callback(see)
            try:
                yield seen
            finally:
                driver.set_trace_callback(None)
        else:
            execute = psycopg.Cursor.execute

            def seeing(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
                see(str(query))
                return execute(self, query, *arguments, **options)

            with patch.object(psycopg.Cursor, "execute", seeing):
                yield seen
