"""Fixtures that every test may use."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Account, User
from tests import factories
from tests.sessions import browser_of

pytest_plugins = ["tests.flushing", "tests.redis_server"]

# requirements.txt brings the core of the tests; tests/requirements.txt brings these as well.
HEAVY = ("hypothesis", "schemathesis", "time_machine")
MISSING = [name for name in HEAVY if find_spec(name) is None]

if "hypothesis" not in MISSING:
    from hypothesis import HealthCheck
    from hypothesis import settings as hypothesis_settings

    # A busy machine is slow, and says nothing about the code.
    hypothesis_settings.register_profile("keyportal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis_settings.load_profile("keyportal")


def pytest_report_header() -> str | None:
    return f"Left out: files that need {', '.join(MISSING)} (pip install -r tests/requirements.txt)" if MISSING else None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files that import what is not installed."""
    if not MISSING or collection_path.suffix != ".py":
        return None
    wants = rf"^(from|import) ({'|'.join(MISSING)})\b"
    return True if re.search(wants, collection_path.read_text(), re.M) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
        return
    for item in items:
        if item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL: set DATABASE_URL=postgres://…"))


@pytest.fixture
def cast(db: None) -> factories.Cast:
    return factories.make_cast()


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A browser in which `user` has signed in just now."""
    return browser_of


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
