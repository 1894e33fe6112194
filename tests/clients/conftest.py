"""A live server whose database the tests look into, and genuine clients that are aimed at it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.browser.server import DATABASE, Server
from tests.clients.cli import Cli
from tests.clients.team import Team

HERE = Path(__file__).parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Only where this folder is named: the clients are there after `make test-clients` alone."""
    named = [Path(argument.split("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(HERE) for path in named) else True


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo data lies that every server of the run begins with, whichever worker starts it."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """One for each worker of the run. Django's models, in the tests, read and write its very database."""
    assert connection.vendor == "sqlite", "The live server keeps its data in SQLite: leave DATABASE_URL out."
    server = Server.start(tmp_path_factory.mktemp("server"), shared_folder(tmp_path_factory))
    connection.settings_dict["NAME"] = str(server.folder / DATABASE)
    with django_db_blocker.unblock():
        yield server
        connection.close()
    server.stop()


@pytest.fixture
def acme(server: Server) -> Team:
    """An account of this test alone, with somebody in each role."""
    return Team.make("Acme Ltd", server.port)


@pytest.fixture
def globex(server: Server) -> Team:
    """Another account, of other people."""
    return Team.make("Globex", server.port)


@pytest.fixture
def checkly(server: Server, tmp_path: Path) -> Callable[..., Cli]:
    """`checkly(key, account_id)` is Checkly's own CLI on a computer where these two are in the environment."""

    def aimed(key: str, account_id: object) -> Cli:
        return Cli(tmp_path, server.url, key, str(account_id))

    return aimed
