"""Rules that the database itself keeps, whatever the code above it does: triggers, on both databases.

A trigger is declared once beside the model it guards. The app's migration creates it; a system check reports one
that is gone, since SQLite drops triggers silently when a later migration rebuilds their table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import RunPython


@dataclass(frozen=True, slots=True)
class Refusal:
    """A trigger that makes `event` on `table` fail with `message`, always or when `condition` (SQL) holds.

    `event` is "UPDATE" or "DELETE". `condition` speaks of OLD and NEW, in SQL that both databases understand.
    """

    name: str
    table: str
    event: str
    message: str
    condition: str = "1 = 1"

    def create_sql(self, vendor: str) -> list[str]:
        if vendor == "sqlite":
            return [
                f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} FOR EACH ROW WHEN {self.condition} "
                f"BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
            ]
        return [
            f"CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{self.message}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
            f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} FOR EACH ROW WHEN ({self.condition}) "
            f"EXECUTE FUNCTION {self.name}()",
        ]

    def drop_sql(self, vendor: str) -> list[str]:
        if vendor == "sqlite":
            return [f"DROP TRIGGER IF EXISTS {self.name}"]
        return [f"DROP TRIGGER IF EXISTS {self.name} ON {self.table}", f"DROP FUNCTION IF EXISTS {self.name}()"]


def migration(refusals: Sequence[Refusal]) -> RunPython:
    """The migration operation that creates the triggers, and drops them on the way back."""
    return RunPython(_creating(refusals), _dropping(refusals))


def around(refusals: Sequence[Refusal], *operations: Any) -> list[Any]:
    """The migration operations that change a table, with its triggers taken off before and put on again after.

    SQLite changes a table by making it anew, and drops its triggers on the way.
    """
    return [RunPython(_dropping(refusals), _creating(refusals)), *operations, migration(refusals)]


def _creating(refusals: Sequence[Refusal]) -> Callable[[Any, Any], None]:
    return _executing([refusal.create_sql for refusal in refusals])


def _dropping(refusals: Sequence[Refusal]) -> Callable[[Any, Any], None]:
    return _executing([refusal.drop_sql for refusal in refusals])


def _executing(statements: Sequence[Callable[[str], list[str]]]) -> Callable[[Any, Any], None]:
    def execute(apps: Any, schema_editor: Any) -> None:
        for statement in statements:
            for sql in statement(schema_editor.connection.vendor):
                schema_editor.execute(sql, params=None)

    return execute


def existing(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of all triggers that this database has now."""
    sql = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {name for (name,) in cursor.fetchall()}


def missing(refusals: Sequence[Refusal], databases: Sequence[str] | None) -> list[CheckMessage]:
    """The system check: an error for each declared trigger that a migrated database lacks."""
    errors: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        tables = set(connection.introspection.table_names())
        present = existing(connection)
        errors += [
            Error(
                f"The trigger {refusal.name} on {refusal.table} is missing from the database.",
                hint="A migration rebuilt its table. Add keyportal.triggers.migration(…) after it.",
                id="keyportal.E001",
            )
            for refusal in refusals
            if refusal.table in tables and refusal.name not in present
        ]
    return errors
