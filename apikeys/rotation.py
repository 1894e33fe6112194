"""A rotation while both keys work: who has moved to the new secret, and who has not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from apikeys.models import ApiKey

WARN_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The old key, which ends soon, and the new one, which took its place."""

    old: ApiKey
    new: ApiKey

    @property
    def old_still_used(self) -> bool:
        """Whether the old secret was used after the new one was there."""
        used, replaced = self.old.last_used_at, self.old.replaced_at
        return used is not None and replaced is not None and used > replaced

    @property
    def is_late(self) -> bool:
        """Whether the old key ends within a day, and nobody uses the new one: not yet, or never again."""
        ends = self.old.expires_at
        nobody = self.new.last_used_at is None or not self.new.is_usable
        return nobody and ends is not None and ends - timezone.now() <= WARN_WITHIN


def rotations_of(key: ApiKey) -> list[Rotation]:
    """The rotations that `key` stands in, as the old key or as the new, while the old one still works."""
    pairs = [(key, key.successor), (key.replaces, key)]
    return [Rotation(old, new) for old, new in pairs if old and new and old.is_usable]
