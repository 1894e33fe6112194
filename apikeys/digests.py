"""What people are to be told about keys in one mail each, while it is collected from many keys.

A digest is written in the transaction of the change that it tells of, batch by batch, and made a mail at the end; what was
interrupted in between is made one by the daily command. It keeps the public IDs of the first 50 keys and a count, so a million
keys of one person are as short as fifty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone

MOST_LISTED = 50


class DigestManager(models.Manager["Digest"]):
    def collect(
        self, kind: Digest.Kind, told: Mapping[UUID, list[str]], *, call: str = "", facts: dict[str, Any] | None = None
    ) -> None:
        """Add to what each person, by ID, is told: these keys, by public ID. Inside the caller's transaction."""
        people = sorted(told)
        self._upsert([Digest(kind=kind, call=call, user_id=user, facts=facts or {}) for user in people], ["kind"])
        # That wrote the rows or locked those that were there, so nobody else adds to them or sends them meanwhile.
        digests = list(self.filter(kind=kind, call=call, user__in=people).order_by("user"))
        for digest in digests:
            new = [public_id for public_id in told[digest.user_id] if public_id not in digest.public_ids]
            digest.count += len(new)
            digest.public_ids = [*digest.public_ids, *new][:MOST_LISTED]
            digest.pk = None  # found again by what makes it unique
        self._upsert(digests, ["public_ids", "count"])

    def _upsert(self, digests: list[Digest], fields: list[str]) -> None:
        unique = ["kind", "call", "user"]
        self.bulk_create(digests, batch_size=1_000, update_conflicts=True, unique_fields=unique, update_fields=fields)


class Digest(models.Model):
    """One mail to one person in the making. `call` names the call of the verb that it tells of; reminders have none."""

    class Kind(models.TextChoices):
        DELETED = "deleted"
        SUSPENDED = "suspended"
        RESUMED = "resumed"
        EXPIRING = "expiring"
        UNUSED = "unused"
        KNOCKING = "knocking"

    kind = models.CharField(max_length=10, choices=Kind)
    call = models.CharField(max_length=36, blank=True)
    # Without a constraint, which would lock the person's row after the keys': verbs lock people first.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    created_at = models.DateTimeField(default=timezone.now)
    facts = models.JSONField(default=dict)
    public_ids = models.JSONField(default=list)
    count = models.PositiveIntegerField(default=0)

    objects: ClassVar[DigestManager] = DigestManager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["kind", "call", "user"], name="digest_once"),)

    def __str__(self) -> str:
        return f"{self.count} {self.kind} to {self.user_id}"
