"""The tests' own database, served by gunicorn: what the verbs do in the test, they do in another process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tests.apikeys.databases import database_in_a_file
from tests.browser.server import Server


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[Server]:
    """For tests with a transactional database; on SQLite the test works inside on a copy of it, in a file."""
    with ExitStack() as stack:
        if connection.vendor == "sqlite":
            stack.enter_context(database_in_a_file(folder / "served.sqlite3"))
            url = f"sqlite:///{folder / 'served.sqlite3'}"
        else:
            there = {name: quote(str(value), safe="") for name, value in connection.settings_dict.items()}
            url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**there)
        server = Server.over(url, folder, **environment)
        stack.callback(server.stop)
        yield server
