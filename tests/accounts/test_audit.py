"""The audit record is append-only, and outlives what it speaks of."""

from __future__ import annotations

import pytest
from django.core.checks import Error
from django.db import DatabaseError, connection, transaction

from accounts.apps import audit_is_append_only
from accounts.audit import REFUSALS, AppendOnly, AuditEvent
from apikeys.apps import revocation_is_final
from apikeys.models import ApiKey
from tests.factories import Cast, user_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(cast: Cast) -> AuditEvent:
    user_key(cast.olivia)
    event = AuditEvent.objects.first()
    assert event is not None
    return event


def test_the_model_refuses_change_and_deletion(event: AuditEvent) -> None:
    event.reason = "rewritten"
    for attempt in (event.save, event.delete, AuditEvent.objects.all().delete, lambda: AuditEvent.objects.update(reason="x")):
        with pytest.raises(AppendOnly):
            attempt()


@pytest.mark.parametrize("sql", ["UPDATE accounts_auditevent SET reason = 'x'", "DELETE FROM accounts_auditevent"])
def test_the_database_refuses_change_and_deletion(event: AuditEvent, sql: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    event.refresh_from_db()
    assert event.reason == ""


def test_a_missing_trigger_is_an_error_of_the_system_check() -> None:
    assert audit_is_append_only(None, ["default"]) == []
    assert revocation_is_final(None, ["default"]) == []
    with connection.cursor() as cursor:
        for sql in REFUSALS[0].drop_sql(connection.vendor):
            cursor.execute(sql)
    (found,) = audit_is_append_only(None, ["default"])
    assert isinstance(found, Error)
    assert "audit_refuses_update" in found.msg


def test_creating_and_deleting_a_key_write_one_event_each(cast: Cast) -> None:
    before = AuditEvent.objects.count()
    key, _ = user_key(cast.wendy)
    key.revoke(by=cast.actor(cast.wendy), reason="lost")
    events = list(AuditEvent.objects.order_by("pk")[before:])
    assert [(e.action, e.target_id, e.actor_name, e.account_id, e.reason) for e in events] == [
        ("key.created", key.public_id, str(cast.wendy), None, ""),
        ("key.revoked", key.public_id, str(cast.wendy), None, "lost"),
    ]


def test_a_failed_event_undoes_the_change(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = user_key(cast.wendy)

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr("accounts.audit.AuditEvent.objects.bulk_create", fail)
    with pytest.raises(RuntimeError):
        key.revoke(by=cast.actor(cast.wendy))
    assert ApiKey.objects.get(pk=key.pk).revoked_at is None
