"""The tests' own database, for other processes: what the verbs do in the test, they do there too, as under gunicorn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tests.apikeys.databases import database_in_a_file
from tests.browser.server import Server


@contextmanager
def reachable(folder: Path) -> Iterator[str]:
    """The database's address. For tests with a transactional one; on SQLite the test works inside on a copy in a file."""
    if connection.vendor == "sqlite":
        with database_in_a_file(folder / "served.sqlite3"):
            yield f"sqlite:///{folder / 'served.sqlite3'}"
    else:
        there = {name: quote(str(value), safe="") for name, value in connection.settings_dict.items()}
        yield "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**there)


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[Server]:
    """A server over that database."""
    with reachable(folder) as url:
        server = Server.over(url, folder, **environment)
        try:
            yield server
        finally:
            server.stop()
