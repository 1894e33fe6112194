"""Late knocks: the latest attempts with a key's true secret that were refused, so that its people can see when and why.

Their space is bounded: one for each key, minute, outcome and address, and the latest KEPT of a key. A wrong secret is
no knock: anybody may send one under any public ID, and could fill a key's list with addresses of their choice, or push
the true ones out of it. Those are counted in the ledger of use, without an address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, models, transaction

from apikeys.authentication import account_named
from apikeys.gateway_path import PATH, level_of
from apikeys.usage import Outcome
from keyportal.client import Request, client_address, client_name

KEPT = 20

_ACCOUNT_IN_PATH = re.compile(r"/(?:v1|next)/accounts/([0-9A-Fa-f-]{36})(?:/|$)")


class Door(models.TextChoices):
    """Where somebody knocked."""

    API = "api", "API"
    READ = "gateway.read", "Gateway, to read"
    RUN = "gateway.run", "Gateway, to run"
    WRITE = "gateway.write", "Gateway, to write"
    ADMIN = "gateway.admin", "Gateway, to administer"
    NO_LEVEL = "gateway", "Gateway, at a level that there is none of"


class LateKnock(models.Model):
    """Somebody with the true secret was refused, in this minute, from this address. The key is named as in the ledger of use."""

    pk = models.CompositePrimaryKey("public_id", "minute", "outcome", "address")
    public_id = models.CharField(max_length=32)
    minute = models.DateTimeField()
    outcome = models.CharField(max_length=20)
    address = models.CharField(max_length=45, blank=True)
    client = models.CharField(max_length=60, blank=True)
    door = models.CharField(max_length=15, choices=Door)
    # The account that was named, which need not exist, nor be one that the key's person has ever been in.
    account_id = models.UUIDField(null=True)

    class Meta:
        verbose_name_plural = "late knocks"

    def __str__(self) -> str:
        return f"{self.public_id} {self.minute:%Y-%m-%d %H:%M} {self.outcome}"

    @property
    def why(self) -> str:
        """The outcome in words."""
        return dict(Outcome.choices).get(self.outcome, self.outcome)


# What comes after the first KEPT goes. The order is that of the primary key.
_PRUNE = f"""
DELETE FROM apikeys_lateknock
 WHERE public_id = %s
   AND (minute, outcome, address) < (SELECT minute, outcome, address FROM apikeys_lateknock WHERE public_id = %s
                                      ORDER BY minute DESC, outcome DESC, address DESC LIMIT 1 OFFSET {KEPT - 1})
"""  # nosec B608


def add(rows: Sequence[LateKnock]) -> None:
    """Keep these, and the latest KEPT of each of their keys; in one transaction and in one order, as the ledger does."""
    with transaction.atomic(), connection.cursor() as cursor:
        LateKnock.objects.bulk_create(rows, ignore_conflicts=True)
        for public_id in sorted({row.public_id for row in rows}):
            cursor.execute(_PRUNE, [public_id, public_id])


def latest(public_id: str) -> list[LateKnock]:
    """The late knocks that are kept of a key, the latest first."""
    return list(LateKnock.objects.filter(public_id=public_id).order_by("-minute", "outcome", "address")[:KEPT])


class Noted:
    """What one worker has noted and not yet written: each knock once a minute, and the latest KEPT of a key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._minute = 0
        self._known: set[tuple[str, str, str]] = set()
        self._waiting: dict[str, list[LateKnock]] = {}

    def add(self, public_id: str, outcome: Outcome, at: datetime, request: Request) -> None:
        minute, address = int(at.timestamp()) // 60, client_address(request) or ""
        if minute != self._minute or len(self._known) >= self._most:
            self._minute, self._known = minute, set()
        known = (public_id, outcome.value, address)
        if known in self._known or (len(self._waiting) >= self._most and public_id not in self._waiting):
            return
        self._known.add(known)
        waiting = self._waiting.setdefault(public_id, [])
        waiting.append(
            LateKnock(
                public_id=public_id,
                minute=datetime.fromtimestamp(minute * 60, UTC),
                outcome=outcome.value,
                address=address,
                client=client_name(request),
                door=_door_of(request),
                account_id=_account_of(request),
            )
        )
        del waiting[:-KEPT]

    def take(self) -> list[LateKnock]:
        """All that waits, in the order in which it is written."""
        waiting, self._waiting = self._waiting, {}
        rows = [row for rows in waiting.values() for row in rows]
        return sorted(rows, key=lambda row: (row.public_id, row.minute, row.outcome, row.address))


def _path(request: Request) -> str:
    return str(request.META.get("PATH_INFO", ""))


def _door_of(request: Request) -> Door:
    path = _path(request)
    if path != PATH and not path.startswith(f"{PATH}/"):
        return Door.API
    level = level_of(path)
    return Door(f"gateway.{level}") if level else Door.NO_LEVEL


def _account_of(request: Request) -> UUID | None:
    """The account that the request names, in its path or in its header, as far as that is an ID."""
    in_path = _ACCOUNT_IN_PATH.match(_path(request))
    try:
        return UUID(in_path[1] if in_path else account_named(request) or "")
    except ValueError:
        return None
