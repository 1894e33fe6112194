"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts.audit import REFUSALS as AUDIT_REFUSALS
from accounts.models import Account, User
from apikeys.models import REFUSALS as KEY_REFUSALS
from tests import factories


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
        return
    for item in items:
        if item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL: set DATABASE_URL=postgres://…"))


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


@pytest.fixture
def cast(db: None) -> factories.Cast:
    return factories.make_cast()


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A browser in which `user` is signed in."""

    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def call_api(client: Client) -> Callable[..., Any]:
    """GET a path of the API with a key, for an account."""

    def call(path: str, key: str | None = None, account: Account | str | None = None, **extra: Any) -> Any:
        headers = dict(extra.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        if account is not None:
            headers["X-Checkly-Account"] = str(getattr(account, "pk", account))
        return client.get(path, headers=headers, **extra)

    return call


@pytest.fixture
def on_postgres() -> bool:
    return connection.vendor == "postgresql"
