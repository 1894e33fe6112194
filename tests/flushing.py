"""A plugin: emptying all tables after a transactional test, past triggers that refuse deletions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.audit import REFUSALS as AUDIT_REFUSALS
from apikeys.models import REFUSALS as KEY_REFUSALS


@pytest.fixture(autouse=True, scope="session")
def _flushing_passes_the_triggers() -> Iterator[None]:
    """Transactional tests empty all tables at their end, which on SQLite is a DELETE that our triggers refuse."""
    operations = type(connection.ops)
    original = operations.sql_flush

    def sql_flush(self: Any, *args: Any, **kwargs: Any) -> list[str]:
        refusals = [*AUDIT_REFUSALS, *KEY_REFUSALS]
        dropped = [sql for refusal in refusals for sql in refusal.drop_sql("sqlite")]
        created = [sql for refusal in refusals for sql in refusal.create_sql("sqlite")]
        return [*dropped, *original(self, *args, **kwargs), *created]

    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "sqlite":
            patch.setattr(operations, "sql_flush", sql_flush)
        yield
