"""Reminders: of keys that expire soon, once a month of keys that nobody uses, and of replaced keys that somebody still tries.

Each key is claimed by a row before its people are told, in the transaction that adds it to their digest. So two runs at
once tell of it once, a run that was killed goes on where it stopped, and days that were missed are made up for by the
reminder that is nearest to the expiry. Once all keys of a day are claimed, that day is marked as done, and the digests
become mails: one a person, however many keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apikeys import mails
from apikeys.digests import Digest
from apikeys.models import ApiKey, ApiKeyQuerySet, usable_at
from apikeys.usage import Outcome, Span, Usage

KEPT = timedelta(days=400)
CLAIMED_AT_ONCE = 1_000
# Instead of a public ID: all keys of this kind and day.
ALL_KEYS = ""

_OPEN_TO_ITS_PEOPLE = Q(user__is_active=True) | Q(account__isnull=False, account__suspended_at=None)


class Reminder(models.Model):
    """That the people of a key were told, or are about to be, of what was due on that day. `run` tells two claimants apart."""

    due_on = models.DateField()
    kind = models.CharField(max_length=10, choices=Digest.Kind)
    public_id = models.CharField(max_length=32, blank=True)
    run = models.UUIDField(default=uuid4)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["due_on", "kind", "public_id"], name="reminder_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id or 'all keys'} {self.due_on}"


# What is due: the day on which it became so, and what holds of its keys.
Due = Iterable[tuple[date, Q]]


def remind_of_expiry() -> int:
    """Tell people of their keys that expire in so many days, once a day; how many mails that made."""
    now = timezone.now()
    return _remind(Digest.Kind.EXPIRING, now.date(), _expiring(now), _worth_telling(now))


def remind_of_unused() -> int:
    """Tell people of their keys that nobody has used, once a month; how many mails that made."""
    now = timezone.now()
    month = now.date().replace(day=1)
    return _remind(Digest.Kind.UNUSED, month, _unused(month), _worth_telling(now))


def remind_of_knocks() -> int:
    """Tell people of keys that were replaced, have ended, and were sent all the same yesterday; how many mails that made."""
    now = timezone.now()
    today = now.date()
    tried = Usage.objects.filter(
        span=Span.HOUR,
        starts_at__gte=_midnight(today - timedelta(days=1)),
        starts_at__lt=_midnight(today),
        outcome=Outcome.REPLACED,
    )
    due = [(today, Q(public_id__in=tried.values("public_id")))]
    return _remind(Digest.Kind.KNOCKING, today, due, ApiKey.objects.filter(_OPEN_TO_ITS_PEOPLE, replaced_at__isnull=False))


def prune() -> int:
    """Drop the reminders of long ago, so many at a time that nobody waits; how many went."""
    old = Reminder.objects.filter(due_on__lt=timezone.now().date() - KEPT)
    went = 0
    while some := list(old.values_list("pk", flat=True)[:CLAIMED_AT_ONCE]):
        went += Reminder.objects.filter(pk__in=some).delete()[0]
    return went


def _expiring(now: datetime) -> Iterator[tuple[date, Q]]:
    """Keys by the day on which they expire, soonest first. What is due is the reminder nearest to that day.

    One that fell on the day the key was made, or before, is none: its maker had just chosen the expiry.
    """
    today, left = now.date(), 0
    for before in settings.EXPIRY_REMINDER_DAYS:
        while left <= before:
            expires_on = today + timedelta(days=left)
            due_on = expires_on - timedelta(days=before)
            on_that_day = Q(expires_at__gte=_midnight(expires_on), expires_at__lt=_midnight(expires_on + timedelta(days=1)))
            yield due_on, on_that_day & Q(created_at__lt=_midnight(due_on))
            left += 1


def _unused(month: date) -> Iterator[tuple[date, Q]]:
    """The keys without use before this month. A key that was never used counts from when it was made."""
    before = _midnight(month) - timedelta(days=settings.UNUSED_AFTER_DAYS)
    yield month, Q(last_used_at__lt=before) | Q(last_used_at=None, created_at__lt=before)


def _remind(kind: Digest.Kind, day: date, due: Due, keys: ApiKeyQuerySet) -> int:
    """Claim what is due of these keys, unless that was done this day, and send the digests.

    Whoever comes to the end of the claims knows that all digests are whole, also those that another run wrote: a claim
    waits for the one it meets, until that is committed together with its digests.
    """
    if not Reminder.objects.filter(due_on=day, kind=kind, public_id=ALL_KEYS).exists():
        for due_on, condition in due:
            _claim(kind, due_on, keys.filter(condition))
        Reminder.objects.bulk_create([Reminder(due_on=day, kind=kind, public_id=ALL_KEYS)], ignore_conflicts=True)
    return mails.send_digests(Digest.objects.filter(kind=kind), keys)


def _claim(kind: Digest.Kind, due_on: date, keys: ApiKeyQuerySet) -> None:
    """Write a reminder for each of these keys that has none, and add the key to the digests of its people."""
    claimed = Reminder.objects.filter(due_on=due_on, kind=kind, public_id=OuterRef("public_id"))
    unclaimed = keys.exclude(Exists(claimed)).select_related("user", "account").order_by("pk")
    last = 0
    while some := list(unclaimed.filter(pk__gt=last)[:CLAIMED_AT_ONCE]):
        last = some[-1].pk
        with transaction.atomic():
            run = uuid4()
            rows = [Reminder(due_on=due_on, kind=kind, public_id=key.public_id, run=run) for key in some]
            Reminder.objects.bulk_create(rows, ignore_conflicts=True)
            mine = Reminder.objects.filter(due_on=due_on, kind=kind, run=run, public_id__in=[key.public_id for key in some])
            ours = set(mine.values_list("public_id", flat=True))
            told = mails.people_of(key for key in some if key.public_id in ours)
            Digest.objects.collect(kind, told)


def _worth_telling(now: datetime) -> ApiKeyQuerySet:
    """The keys that work, or would if their people were to use them.

    Of a suspended key, or one whose account is suspended or whose user is deactivated, nobody is told: there is nothing
    that its people could do. The reminder that is nearest comes when it is resumed. A key that was replaced is meant to end.
    """
    return ApiKey.objects.filter(usable_at(now), _OPEN_TO_ITS_PEOPLE, replaced_at=None)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
