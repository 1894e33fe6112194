"""The audit log as a file for spreadsheets, written while it is read, however long it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date

from django.utils.text import slugify

from accounts import audit_words
from accounts.audit import AuditEvent, AuditEventQuerySet
from accounts.audit_log import AuditLogForm
from accounts.models import Account
from keyportal import policy
from keyportal.policy import Actor

# Read in pieces by key set: no cursor, and no transaction, waits for a slow line.
PIECE = 1_000
# Excel takes a file without this mark for one in an old encoding, and spoils every name beyond ASCII.
BYTE_ORDER_MARK = "\ufeff"

HEAD = (
    *("at", "who", "who_id", "via", "action", "what", "target_type", "target", "target_id"),
    *("details", "reason", "address", "request_id"),
)

# What makes a cell a formula, at its beginning; after a separator too, since spreadsheets of some countries split at
# semicolons, and then a quoted cell does not hold together.
_FORMULA = re.compile(r"(^|[;,\t\r\n])(?=\s*[=+\-@\t\r＝＋－＠])")


def harmless(text: str) -> str:
    """`text` with an apostrophe before all that a spreadsheet would run as a formula."""
    return _FORMULA.sub(r"\1'", text)


def export(form: AuditLogForm, *, by: Actor) -> Iterator[bytes]:
    """The file of the events that the form asks for, newest first. That somebody took it is an event of its own, not in it."""
    policy.require(policy.can_see_audit_log(by))
    recorded = form.account.record(AuditEvent.Action.AUDIT_LOG_EXPORTED, by=by, filter=form.in_words())
    return _written(form.events(), before=recorded.pk)


def file_name(account: Account, day: date) -> str:
    return f"audit-log-{slugify(account.name) or account.pk}-{day.isoformat()}.csv"


def _written(events: AuditEventQuerySet, before: int) -> Iterator[bytes]:
    yield BYTE_ORDER_MARK.encode() + _lines([HEAD])
    while piece := list(events.filter(pk__lt=before).order_by("-pk")[:PIECE]):
        yield _lines(_row(event) for event in piece)
        before = piece[-1].pk


class _Line:
    """What `csv` writes to: it keeps nothing, and `writerow` returns what it was given."""

    def write(self, line: str) -> str:
        return line


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)
    return "".join(str(writer.writerow(map(harmless, row))) for row in rows).encode()


def _row(event: AuditEvent) -> tuple[str, ...]:
    return (
        event.at.isoformat(timespec="seconds"),
        audit_words.who(event),
        str(event.actor_id or ""),
        event.via,
        event.action,
        audit_words.what(event),
        event.target_type,
        event.target_name,
        event.target_id,
        "; ".join(map(str, audit_words.details(event))),
        event.reason,
        audit_words.address(event),
        event.request_id,
    )
