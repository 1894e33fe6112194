"""What `manage.py daily` forgets about people: sessions that have ended, and mails that were sent or given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from accounts.outbox import Mail

# Rows in one transaction: nobody else waits long for it.
BATCH = 1_000


def drop_ended_sessions() -> int:
    """Drop the sessions that have expired; how many."""
    return _drop(Session.objects.filter(expire_date__lt=timezone.now()))


def drop_old_mails() -> int:
    """Drop the mails that are older than `KEEP_MAILS_DAYS`, except those still to be sent; how many."""
    return _drop(
        Mail.objects.filter(next_attempt_at=None, created_at__lt=timezone.now() - timedelta(days=settings.KEEP_MAILS_DAYS))
    )


def _drop(rows: QuerySet[Any]) -> int:
    dropped = 0
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        dropped += rows.filter(pk__in=batch).delete()[0]
    return dropped
