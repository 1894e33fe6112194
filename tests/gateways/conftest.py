"""The product as it is served, an application that wants protection, and each gateway between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.browser.server import DATABASE, Server
from tests.clients.conftest import shared_folder
from tests.clients.team import Team
from tests.gateways.application import Application, Trouble, serving
from tests.gateways.recipes import RECIPES, Gateway, Recipe, running

HERE = Path(__file__).parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Only where this folder is named: the gateways are there after `make test-gateways` alone."""
    named = [Path(argument.split("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(HERE) for path in named) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("gateways")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """One for each worker of the run. Django's models, in the tests, read and write its very database."""
    assert connection.vendor == "sqlite", "The live server keeps its data in SQLite: leave DATABASE_URL out."
    told = {"TRUSTED_PROXY_COUNT": "1", "API_FAILURES_PER_MINUTE": "0"}
    server = Server.start(tmp_path_factory.mktemp("server"), shared_folder(tmp_path_factory), **told)
    connection.settings_dict["NAME"] = str(server.folder / DATABASE)
    with django_db_blocker.unblock():
        yield server
        connection.close()
    server.stop()


@pytest.fixture(scope="session")
def the_application() -> Iterator[Application]:
    with serving() as application:
        yield application


@pytest.fixture
def application(the_application: Application) -> Application:
    """Nothing has reached it yet."""
    the_application.received.clear()
    return the_application


@pytest.fixture(scope="session", params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    recipe = RECIPES[request.param]
    recipe.program()  # a skip costs no server
    return recipe


@pytest.fixture(scope="session")
def gateway(
    recipe: Recipe, server: Server, the_application: Application, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Each in turn, as its recipe has it."""
    with running(recipe, tmp_path_factory.mktemp(recipe.name), server.port, the_application.port) as gateway:
        yield gateway


@pytest.fixture
def trouble() -> Iterator[Trouble]:
    trouble = Trouble()
    yield trouble
    trouble.stop()


@pytest.fixture
def troubled(recipe: Recipe, trouble: Trouble, application: Application, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that asks a KeyPortal in trouble."""
    with running(recipe, tmp_path, trouble.port, application.port) as gateway:
        yield gateway


@pytest.fixture
def acme(server: Server) -> Team:
    """An account of this test alone, with somebody in each role."""
    return Team.make("Acme Ltd", server.port)


@pytest.fixture
def globex(server: Server) -> Team:
    """Another account, of other people."""
    return Team.make("Globex", server.port)
