"""The ledger of use: how often each key was asked for in each hour, with what outcome, by what program and from what network.

Its space is bounded: PLACES pairs of program and network a key, hour and worker, whatever comes beyond counts under
OTHERS. Hours are kept for `KEEP_USE_BY_HOUR_DAYS`, then summed up by day, and days for `KEEP_USE_BY_DAY_DAYS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Min, Q, Sum
from django.utils import timezone

# How many pairs of program and network are told apart, for each key in each hour.
PLACES = 20
# The program's and the network's name where they are not told apart. No real one reads like this.
OTHERS = "*"


class Outcome(models.TextChoices):
    """What became of a request with a key that exists. All but ALLOWED are refusals; all but WRONG_SECRET proved the secret."""

    ALLOWED = "allowed", "Allowed"
    NO_RIGHT = "no_right", "Role too low"
    NO_ACCESS = "no_access", "No access to the account"
    ACCOUNT_SUSPENDED = "account_suspended", "Account suspended"
    TOO_MANY = "too_many", "Over the rate limit"
    EXPIRED = "expired", "Key expired"
    SUSPENDED = "suspended", "Key suspended"
    DELETED = "deleted", "Key deleted"
    REPLACED = "replaced", "Key replaced"
    DEACTIVATED = "deactivated", "User deactivated"
    POLICY = "policy", "Against the account’s policy"
    ADDRESS = "address", "Address not allowed"
    WRONG_SECRET = "wrong_secret", "Wrong secret"


class Span(models.TextChoices):
    HOUR = "hour"
    DAY = "day"


class Usage(models.Model):
    """So many requests with one key, in one hour or day, of one outcome, by one program, from one network.

    The key is named by its public ID, without a foreign key: counting must never wait for whoever changes the key.
    """

    pk = models.CompositePrimaryKey("public_id", "span", "starts_at", "outcome", "client", "network")
    public_id = models.CharField(max_length=32)
    span = models.CharField(max_length=4, choices=Span)
    starts_at = models.DateTimeField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    client = models.CharField(max_length=60)
    network = models.CharField(max_length=50)
    requests = models.PositiveBigIntegerField()

    class Meta:
        db_table = "apikeys_usage"
        verbose_name_plural = "usage"
        indexes = (models.Index(fields=["span", "starts_at"], name="usage_by_age"),)

    def __str__(self) -> str:
        return f"{self.public_id} {self.starts_at:%Y-%m-%d %H:%M} {self.outcome}"


# (public ID, span, start, outcome, client, network, requests), as the table has them.
Row = tuple[str, str, datetime, str, str, str, int]

_ADD = """
INSERT INTO apikeys_usage (public_id, span, starts_at, outcome, client, network, requests)
VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (public_id, span, starts_at, outcome, client, network)
    DO UPDATE SET requests = apikeys_usage.requests + excluded.requests
"""
_ADD_TO_DAY = """
INSERT INTO apikeys_usage (public_id, span, starts_at, outcome, client, network, requests)
SELECT public_id, 'day', %s, outcome, client, network, SUM(requests) FROM apikeys_usage
 WHERE span = 'hour' AND starts_at = %s GROUP BY public_id, outcome, client, network
    ON CONFLICT (public_id, span, starts_at, outcome, client, network)
    DO UPDATE SET requests = apikeys_usage.requests + excluded.requests
"""


def add(rows: Iterable[Row]) -> None:
    """Add the requests of each row to what the ledger has, in one transaction and in one order, so that no two block each other."""
    adapt = connection.ops.adapt_datetimefield_value
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_ADD, [(*row[:2], adapt(row[2]), *row[3:]) for row in sorted(rows)])


def sum_up(now: datetime | None = None) -> int:
    """Sum up the hours that are too old by day, drop the days that are too old; how many rows went.

    An hour at a time, each in a transaction of its own, so that nobody waits long for the database, and whoever is
    stopped half-way goes on the next time.
    """
    now = now or timezone.now()
    hours = Usage.objects.filter(span=Span.HOUR, starts_at__lt=_ago(now, settings.KEEP_USE_BY_HOUR_DAYS))
    days = Usage.objects.filter(span=Span.DAY, starts_at__lt=_ago(now, settings.KEEP_USE_BY_DAY_DAYS))
    return sum(_move(hours, start) for start in _starts(hours)) + sum(_drop(days, start) for start in _starts(days))


def _starts(rows: models.QuerySet[Usage]) -> Iterator[datetime]:
    """When each hour or day of the rows begins, oldest first, while there are any."""
    while first := rows.aggregate(first=Min("starts_at"))["first"]:
        yield first


def _move(hours: models.QuerySet[Usage], start: datetime) -> int:
    """Add one hour to the rows of its day."""
    adapt = connection.ops.adapt_datetimefield_value
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of two who sum up at once, the second must not add what the first is about to delete.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('apikeys_usage'))")
        cursor.execute(_ADD_TO_DAY, [adapt(_midnight(start)), adapt(start)])
        return _drop(hours, start)


def _drop(rows: models.QuerySet[Usage], start: datetime) -> int:
    return rows.filter(starts_at=start).delete()[0]


@dataclass(slots=True)
class Day:
    """What was asked with a key on one day."""

    date: date
    allowed: int = 0
    refused: int = 0


@dataclass(slots=True)
class Share:
    """How much of the use is one program's, or one network's, or has one outcome."""

    name: str
    allowed: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        return self.allowed + self.refused


@dataclass(slots=True)
class Use:
    """The use of one key over some days, oldest first, and who shares in it, most first."""

    days: list[Day]
    clients: list[Share] = field(default_factory=list)
    networks: list[Share] = field(default_factory=list)
    refusals: list[Share] = field(default_factory=list)

    @property
    def allowed(self) -> int:
        return sum(day.allowed for day in self.days)

    @property
    def refused(self) -> int:
        return sum(day.refused for day in self.days)

    @property
    def most(self) -> int:
        """The requests of the busiest day."""
        return max(day.allowed + day.refused for day in self.days)


def use_of(public_id: str, days: int = 30) -> Use:
    """The use of a key over the last so many days, today included."""
    since = _days_ago(days)
    rows = Usage.objects.filter(public_id=public_id, starts_at__gte=since)
    by_date = {since.date() + timedelta(days=number): Day(since.date() + timedelta(days=number)) for number in range(days)}
    for starts_at, allowed, refused in _sums(rows, "starts_at"):
        if day := by_date.get(starts_at.date()):
            day.allowed += allowed
            day.refused += refused
    refusals = [Share(Outcome(outcome).label, 0, refused) for outcome, _, refused in _sums(rows, "outcome") if refused]
    return Use(
        list(by_date.values()),
        _most_first(Share(*sums) for sums in _sums(rows, "client")),
        _most_first(Share(*sums) for sums in _sums(rows, "network")),
        _most_first(refusals),
    )


def networks_of(public_id: str, outcome: Outcome, days: int = 30) -> list[Share]:
    """From what networks a key had this outcome in the last so many days, today included; most first."""
    rows = Usage.objects.filter(public_id=public_id, outcome=outcome, starts_at__gte=_days_ago(days))
    return _most_first(Share(*sums) for sums in _sums(rows, "network"))


def _days_ago(days: int) -> datetime:
    """The midnight with which the last so many days begin."""
    return _midnight(timezone.now()) - timedelta(days=days - 1)


def _sums(rows: models.QuerySet[Usage], by: str) -> Iterator[tuple[Any, int, int]]:
    """Each value of the field, with how many requests were allowed and refused."""
    allowed = Q(outcome=Outcome.ALLOWED)
    sums = rows.order_by(by).values(by)
    for row in sums.annotate(
        allowed=Sum("requests", filter=allowed, default=0), refused=Sum("requests", filter=~allowed, default=0)
    ):
        yield row[by], row["allowed"], row["refused"]


def _most_first(shares: Iterable[Share]) -> list[Share]:
    return sorted(shares, key=lambda share: (-share.total, share.name))


def _ago(now: datetime, days: int) -> datetime:
    return _midnight(now - timedelta(days=days))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
