"""Which keys a policy of an account would stop: by the very rule by which they are refused then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from django.db.models import Q
from django.utils import timezone

from accounts.models import Account, User
from apikeys.models import ApiKey, usable_at
from keyportal.key_policy import KeyPolicy, allows_key

# As many rows as the page shows.
SHOWN = 50


@dataclass(slots=True)
class Person:
    """Whose user keys would stop for the account. How they are called is nobody else's business."""

    user: User
    keys: int = 0
    last_used_at: datetime | None = None


@dataclass(slots=True)
class Preview:
    """What would stop. "Used today" counts use in any account: the record of use does not tell them apart."""

    keys: int = 0
    used_today: int = 0
    service_keys: list[ApiKey] = field(default_factory=list)
    people: dict[object, Person] = field(default_factory=dict)

    def add(self, key: ApiKey, midnight: datetime) -> None:
        self.keys += 1
        self.used_today += key.last_used_at is not None and key.last_used_at >= midnight
        if key.user is None:
            self.service_keys.append(key)
            return
        person = self.people.setdefault(key.user_id, Person(key.user))
        person.keys += 1
        person.last_used_at = max(filter(None, (person.last_used_at, key.last_used_at)), default=None)

    @property
    def rows(self) -> tuple[list[ApiKey], list[Person]]:
        """The first of them, service keys before people."""
        return self.service_keys[:SHOWN], list(self.people.values())[: max(0, SHOWN - len(self.service_keys))]

    @property
    def unshown(self) -> int:
        return max(0, len(self.service_keys) + len(self.people) - SHOWN)


def preview(account: Account, policy: KeyPolicy, from_day: date) -> Preview:
    """The keys that work in the account now and would still do on that day, but for the policy."""
    now, found = timezone.now(), Preview()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for key in stopped_keys(account, policy, from_day, now):
        found.add(key, midnight)
    return found


def stopped_keys(account: Account, policy: KeyPolicy, from_day: date, now: datetime) -> Iterator[ApiKey]:
    begins = max(now, datetime.combine(from_day, time(), UTC))
    keys = (
        ApiKey.objects.filter(usable_at(begins))
        .filter(Q(account=account) | Q(user__is_active=True, user__memberships__account=account))
        .select_related("user")
        .order_by("-last_used_at", "pk")
    )
    for key in keys.iterator(chunk_size=2000):
        if _fits(account, account.key_policy, key) and not _fits(account, policy, key):
            yield key


def _fits(account: Account, policy: KeyPolicy, key: ApiKey) -> bool:
    of_user = key.user_id is not None
    return allows_key(account.name, policy, of_user=of_user, created_at=key.created_at, expires_at=key.expires_at) is True
