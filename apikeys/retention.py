"""What `manage.py daily` forgets about the use of keys: addresses of old uses, and late knocks."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from apikeys.knocks import LateKnock
from apikeys.models import ApiKey

# Rows in one transaction: nobody else waits long for it.
BATCH = 1_000


def forget_addresses() -> int:
    """Forget from where keys were used last, where that is longer ago than `KEEP_ADDRESSES_DAYS`; how many."""
    before = timezone.now() - timedelta(days=settings.KEEP_ADDRESSES_DAYS)
    keys = ApiKey.objects.filter(last_used_at__lt=before, last_used_address__isnull=False).order_by("pk")
    forgotten = last = 0
    while batch := list(keys.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        # Asked again: a key that was used meanwhile has a new address.
        forgotten += ApiKey.objects.filter(pk__in=batch, last_used_at__lt=before).update(last_used_address=None)
        last = batch[-1]
    return forgotten


def drop_old_knocks() -> int:
    """Drop the late knocks that are older than `KEEP_REFUSALS_DAYS`, an hour's at a time; how many."""
    old = LateKnock.objects.filter(minute__lt=timezone.now() - timedelta(days=settings.KEEP_REFUSALS_DAYS))
    dropped = 0
    while first := old.aggregate(first=Min("minute"))["first"]:
        dropped += old.filter(minute__lt=first + timedelta(hours=1)).delete()[0]
    return dropped
