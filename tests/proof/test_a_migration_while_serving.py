"""A migration while the server runs: what connections had prepared is outdated, and nobody has to restart anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import factories
from tests.apikeys.databases import connection_parameters
from tests.browser.calls import Connection
from tests.browser.server import Server
from tests.proof.serving import served
from tests.proof.visitor import Visitor

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

THREADS, TURNS = 2, 30


@contextmanager
def names_may_be_longer() -> Iterator[None]:
    """Inside, every statement that selects a key's name has another type of result than it was prepared for."""
    alter = "ALTER TABLE apikeys_apikey ALTER COLUMN name TYPE varchar(%d)"
    with closing(psycopg.connect(**connection_parameters(), autocommit=True)) as schema:
        schema.execute(alter % 150)
        try:
            yield
        finally:
            schema.execute(alter % 100)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, WEB_WORKERS="1", WEB_THREADS=str(THREADS), API_REQUESTS_PER_MINUTE="0") as server:
        yield server


def test_a_gateway_does_not_notice(server: Server) -> None:
    cast = factories.make_cast()
    _, key = factories.user_key(cast.wendy)

    def asked() -> Iterator[int]:
        with closing(Connection(server)) as connection:
            for _ in range(TURNS):
                connection.ask(key, str(cast.acme.pk), path="/gateway/verify")
                yield connection.answer()

    assert [*asked()] == [200] * TURNS
    with names_may_be_longer():
        assert [*asked()] == [200] * TURNS


def test_a_page_is_503_at_most_once_a_connection(server: Server) -> None:
    cast = factories.make_cast()
    factories.user_key(cast.wendy)
    wendy = Visitor(server)
    wendy.sign_in(cast.wendy)

    def seen() -> list[int]:
        return [wendy.get("/settings/user/api-keys")[0] for _ in range(TURNS)]

    assert seen() == [200] * TURNS
    with names_may_be_longer():
        statuses = seen()
    assert 1 <= statuses.count(503) <= THREADS
    assert set(statuses) == {200, 503}
