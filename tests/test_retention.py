"""What is kept of people goes when its days are over; docs/privacy.md says how much is kept, and tells the truth."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import accounts.retention
import apikeys.retention
from accounts.apps import audit_is_append_only
from accounts.audit import AuditEvent
from accounts.outbox import Mail
from apikeys import knocks, usage
from apikeys.knocks import LateKnock
from apikeys.models import ApiKey
from apikeys.usage import Usage
from tests import factories

PRIVACY = (Path(__file__).resolve().parent.parent / "docs/privacy.md").read_text()


def ago(**of: float) -> datetime:
    return timezone.now() - timedelta(**of)


def daily() -> str:
    out = io.StringIO()
    call_command("daily", stdout=out)
    return out.getvalue()


def test_the_daily_command_forgets_what_is_too_old_and_nothing_else(cast: factories.Cast, settings: Any) -> None:
    settings.KEEP_ADDRESSES_DAYS, settings.KEEP_REFUSALS_DAYS, settings.KEEP_MAILS_DAYS = 90, 7, 3
    seen = {"last_used_address": "192.0.2.7", "last_used_client": "curl"}
    old, new = (factories.user_key(cast.rob, last_used_at=ago(days=days), **seen)[0] for days in (91, 89))
    knocks.add(
        [
            LateKnock(public_id=new.public_id, minute=ago(days=days), outcome="deleted", door="api", address=f"192.0.2.{n}")
            for n, days in enumerate((6.9, 7.1, 30, 300))
        ]
    )
    Mail.objects.all().delete()
    for subject, days, waits in (("old", 4, False), ("new", 2, False), ("waiting", 40, True)):
        next_attempt_at = timezone.now() + timedelta(days=1) if waits else None
        Mail.objects.create(
            subject=subject, recipients="rob@example.com", created_at=ago(days=days), next_attempt_at=next_attempt_at
        )
    Session.objects.create(session_key="over", session_data="x", expire_date=ago(minutes=1))
    Session.objects.create(session_key="alive", session_data="x", expire_date=ago(minutes=-1))
    lines = daily().splitlines()
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.last_used_address, old.last_used_client, old.last_used_at is None) == (None, "curl", False)
    assert new.last_used_address == "192.0.2.7"
    assert [one.address for one in LateKnock.objects.all()] == ["192.0.2.0"]
    assert sorted(Mail.objects.values_list("subject", flat=True)) == ["new", "waiting"]
    assert list(Session.objects.values_list("session_key", flat=True)) == ["alive"]
    for line in ("Addresses of keys’ last uses forgotten: 1", "Refusals dropped: 3", "Mails dropped: 1", "Sessions dropped: 1"):
        assert line in lines
    assert [line.partition(": ")[2] for line in daily().splitlines()] == ["0"] * len(lines)


def test_a_deleted_key_s_address_is_forgotten_too(cast: factories.Cast, settings: Any) -> None:
    settings.KEEP_ADDRESSES_DAYS = 1
    key, _ = factories.user_key(cast.rob, last_used_at=ago(days=2), last_used_address="192.0.2.7")
    key.revoke(by=cast.actor(cast.rob))
    daily()
    assert ApiKey.objects.get(pk=key.pk).last_used_address is None


def test_the_days_of_use_are_settings(cast: factories.Cast, settings: Any) -> None:
    settings.KEEP_USE_BY_HOUR_DAYS, settings.KEEP_USE_BY_DAY_DAYS = 2, 5
    now = datetime(2030, 6, 10, 5, tzinfo=UTC)
    usage.add(
        ("cu_0123456789AB", "hour", now.replace(hour=1) - timedelta(days=days), "allowed", "curl", "192.0.2.0/24", 1)
        for days in (1, 2, 3, 5, 6, 9)
    )
    usage.sum_up(now)
    left = {(row.span, (now.date() - row.starts_at.date()).days) for row in Usage.objects.all()}
    assert left == {("hour", 1), ("hour", 2), ("day", 3), ("day", 5)}


def test_what_goes_goes_in_batches(cast: factories.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts.retention, "BATCH", 10)
    monkeypatch.setattr(apikeys.retention, "BATCH", 10)
    Session.objects.bulk_create(Session(session_key=f"over {n}", session_data="x", expire_date=ago(days=1)) for n in range(25))
    ApiKey.objects.bulk_create(
        ApiKey(
            user=cast.rob,
            created_by=cast.rob,
            name="n",
            public_id=f"cu_{n:012}",
            last_used_at=ago(days=1000),
            last_used_address="192.0.2.7",
        )
        for n in range(25)
    )
    for drop, verb in ((accounts.retention.drop_ended_sessions, "DELETE"), (apikeys.retention.forget_addresses, "UPDATE")):
        with CaptureQueriesContext(connection) as queries:
            assert drop() == 25
        assert len([query for query in queries if query["sql"].startswith(verb)]) == 3


@pytest.mark.django_db
def test_the_document_names_every_setting_with_its_default_and_every_table_with_people_in_it() -> None:
    kept = {name: getattr(configured, name) for name in dir(configured) if name.startswith("KEEP_")}
    assert len(kept) == 5
    for name, days in kept.items():
        assert f"`{name}` ({days})" in PRIVACY
    assert f"{configured.SESSION_COOKIE_AGE // 86400} days after they were last renewed" in PRIVACY
    named = set(re.findall(r"`((?:accounts|account|apikeys|django)_\w+)`", PRIVACY))
    assert len(named) > 8
    assert named <= set(connection.introspection.table_names())


def test_the_statements_of_the_document_erase_a_person_and_leave_the_record_guarded(cast: factories.Cast) -> None:
    factories.user_key(cast.rob)
    cast.acme.memberships.get(user=cast.rob).remove(by=cast.actor(cast.olivia, cast.acme))
    theirs = AuditEvent.objects.filter(Q(actor_id=cast.rob.pk) | Q(target_id=str(cast.rob.pk)))
    for_postgres, for_sqlite = re.findall(r"```sql\n(.*?)```", PRIVACY, re.DOTALL)
    script = (for_sqlite if connection.vendor == "sqlite" else for_postgres).replace("{id}", str(cast.rob.pk))
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in script.strip().split(";\n")[1:-1]:  # the transaction is ours
            cursor.execute(statement)
    assert AuditEvent.objects.filter(Q(actor_name="Erased") | Q(target_name="Erased")).count() == theirs.count() == 3
    assert "rob@example.com" not in str(list(AuditEvent.objects.values_list("actor_name", "target_name", "details")))
    assert audit_is_append_only(None, ["default"]) == []
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditevent SET reason = 'x'")
