"""manage.py copy_database: everything arrives, nothing twice, and nothing by halves."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.access import person
from accounts.audit import AuditEvent
from accounts.models import Account, User
from apikeys.authentication import check_key
from apikeys.models import ApiKey
from apikeys.secret import Secret
from apikeys.usage import Usage
from keyportal.exceptions import InvalidCredential
from keyportal.v1.models import Check, Variable
from tests.browser.server import DATABASE, demo_data

pytestmark = pytest.mark.django_db

MODELS = (User, Account, ApiKey, AuditEvent, Usage, Variable, Check)


@pytest.fixture
def facts(demo: dict[str, Any], settings: Any) -> Any:
    """About the demo data; whoever copies has the key that it was encrypted with."""
    derived = hashlib.sha256(f"keyportal encryption {demo['secret_key']}".encode()).digest()
    settings.ENCRYPTION_KEYS = [base64.urlsafe_b64encode(derived).decode()]
    return demo["facts"]


@pytest.fixture
def demo(shared: Path) -> dict[str, Any]:
    return demo_data(shared)


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "demo to copy"


@pytest.fixture
def source(demo: dict[str, Any], shared: Path) -> Path:
    return shared / DATABASE


def copy(source: Path) -> str:
    out = StringIO()
    call_command("copy_database", "--from", f"sqlite:///{source}", stdout=out)
    return out.getvalue()


def rows_in(source: Path, table: str) -> int:
    with sqlite3.connect(source) as database:
        count: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    database.close()
    return count


def test_every_row_arrives_and_its_keys_secrets_and_values_work(facts: Any, source: Path) -> None:
    printed = copy(source)
    for model in MODELS:
        assert model.objects.count() == rows_in(source, model._meta.db_table) > 0, model
        assert model._meta.db_table in printed
    checked = check_key(Secret.parse(facts["user_key"]), facts["account_id"], None)
    assert str(checked.actor.role) == "OWNER"
    assert Variable.objects.get(key="BASE_URL").value == "https://shop.example.com"
    olivia = User.objects.get(email="olivia@example.com")
    assert olivia.check_password(facts["password"]) or olivia.password.startswith("argon2")


def test_what_is_new_afterwards_collides_with_nothing_and_what_was_revoked_stays_so(facts: Any, source: Path) -> None:
    copy(source)
    olivia = User.objects.get(email="olivia@example.com")
    key, secret = ApiKey.objects.issue_user_key(by=person(olivia), name="After the move")
    assert key.pk > max(ApiKey.objects.exclude(pk=key.pk).values_list("pk", flat=True))
    assert key.revoke(by=person(olivia))
    with pytest.raises(InvalidCredential):
        check_key(secret, facts["account_id"], None)
    assert ApiKey.objects.filter(name="Old MacBook").exclude(revoked_at=None).exists()


def test_a_target_with_anything_in_it_is_refused_and_left_alone(facts: Any, source: Path) -> None:
    copy(source)
    before = [model.objects.count() for model in MODELS]
    with pytest.raises(CommandError, match="The target is not empty: there are rows in accounts_auditevent"):
        copy(source)
    assert [model.objects.count() for model in MODELS] == before


@pytest.mark.usefixtures("facts")
def test_without_the_key_that_encrypts_its_values_nothing_is_copied(source: Path, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [base64.urlsafe_b64encode(b"x" * 32).decode()]
    with pytest.raises(CommandError, match="Nothing was copied: No key of ENCRYPTION_KEYS opens"):
        copy(source)
    assert not any(model.objects.exists() for model in MODELS)


@pytest.mark.usefixtures("facts")
def test_a_source_that_lacks_migrations_is_refused(source: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite3"
    with sqlite3.connect(source) as database, sqlite3.connect(old) as other:
        database.backup(other)
        other.execute("DELETE FROM django_migrations WHERE app = 'apikeys' AND name >= '0003'")
    with pytest.raises(CommandError, match="The source lacks"):
        copy(old)


@pytest.mark.parametrize(
    ("url", "said"),
    [("sqlite:////nowhere/at.all", "There is no file /nowhere/at.all"), ("postgres://x@127.0.0.1/y", "takes a SQLite file")],
)
def test_a_source_that_is_none_is_refused(url: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("copy_database", "--from", url)
