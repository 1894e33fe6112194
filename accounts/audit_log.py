"""An account's audit log: which events are asked for, one page of them, and who appears in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db import connection, models
from django.urls import reverse

from accounts import audit_words
from accounts.audit import AuditEvent, AuditEventQuerySet
from accounts.models import Account
from keyportal.keyset import page_of

# Beyond this the list of people to choose from ends.
MOST_PEOPLE = 500
OPERATORS, KEYS = "operators", "keys"

# What the actions are about, by the first part of their names.
_GROUPS = (
    ("people", "People", ("member", "invitation")),
    ("service-keys", "Service keys", ("key",)),
    ("settings", "Account", ("account",)),
)

# From one person to the next by the index: a log of a million events costs a look-up a person.
_PEOPLE = """
WITH RECURSIVE people(id) AS (
    SELECT (SELECT actor_id FROM accounts_auditevent
             WHERE account_id = %s AND via <> 'operator' AND actor_id IS NOT NULL ORDER BY actor_id LIMIT 1)
     UNION ALL
    SELECT (SELECT actor_id FROM accounts_auditevent
             WHERE account_id = %s AND via <> 'operator' AND actor_id > people.id ORDER BY actor_id LIMIT 1)
      FROM people WHERE people.id IS NOT NULL
)
SELECT id, COALESCE((SELECT actor_name FROM accounts_auditevent
                      WHERE account_id = %s AND actor_id = people.id AND via = 'session' ORDER BY id DESC LIMIT 1),
                    (SELECT actor_name FROM accounts_auditevent
                      WHERE account_id = %s AND actor_id = people.id ORDER BY id DESC LIMIT 1))
  FROM people WHERE id IS NOT NULL LIMIT %s
"""


def events_of(account: Account) -> AuditEventQuerySet:
    """All that the log of `account` holds: people, service keys and settings. Events of user keys bear no account."""
    return AuditEvent.objects.filter(account_id=account.pk)  # type: ignore[return-value]


class AuditLogForm(forms.Form):
    """Whose events, which and when; every field may be empty. Days are UTC's, both included."""

    person = forms.ChoiceField(required=False, error_messages={"invalid_choice": "Choose somebody of this list."})
    action = forms.ChoiceField(required=False, error_messages={"invalid_choice": "Choose an action of this list."})
    since = forms.DateField(required=False, label="From")
    until = forms.DateField(required=False, label="To")

    def __init__(self, data: Mapping[str, Any], *, account: Account) -> None:
        super().__init__(data, auto_id="%s")
        self.account = account
        self.fields["person"].choices = people(account)  # type: ignore[attr-defined]
        self.fields["action"].choices = _actions()  # type: ignore[attr-defined]
        for name in ("since", "until"):
            field = self.fields[name]
            field.input_formats = ["%Y-%m-%d"]  # type: ignore[attr-defined]
            field.widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            field.error_messages["invalid"] = "Enter a day that exists, such as 2026-11-30."

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", "This day is before the first one.")
        return self.cleaned_data

    def asked(self) -> dict[str, str]:
        """What is good of what was asked: an error in one field leaves the others."""
        self.is_valid()
        values = {name: str(value) for name, value in self.cleaned_data.items() if value}
        return {name: value for name, value in values.items() if name not in self.errors}

    def in_words(self) -> dict[str, str]:
        """The same, with the person's name, for the record of who took what."""
        asked = self.asked()
        names = dict(self.fields["person"].choices)  # type: ignore[attr-defined]
        return asked | {"person": names[asked["person"]]} if "person" in asked else asked

    def events(self) -> AuditEventQuerySet:
        """The events that are asked for."""
        asked, events = self.asked(), events_of(self.account)
        if person := asked.get("person"):
            whose = {OPERATORS: {"via": "operator"}, KEYS: {"via": "key"}}
            events = events.filter(**whose.get(person, {"actor_id": person}))
        if action := asked.get("action"):
            events = events.filter(_of_action(action))
        if since := asked.get("since"):
            events = events.filter(at__gte=datetime.combine(date.fromisoformat(since), time.min, UTC))
        if until := asked.get("until"):
            events = events.filter(at__lte=datetime.combine(date.fromisoformat(until), time.max, UTC))
        return events


def people(account: Account) -> list[tuple[str, Any]]:
    """Choices: everybody, those who have done something in this account, operators and API keys."""
    account_id = models.UUIDField().get_db_prep_value(account.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [account_id] * 4 + [MOST_PEOPLE])
        found = [(str(UUID(str(actor_id))), name) for actor_id, name in cursor.fetchall()]
    others = [(OPERATORS, "Operators of KeyPortal"), (KEYS, "API keys")]
    return [("", "Everybody"), *sorted(found, key=lambda one: (one[1].casefold(), one[0])), *others]


def _actions() -> list[tuple[str, Any]]:
    """Choices: all, and for each group the whole group and its actions."""
    groups = [
        (title, [(group, f"All: {title}"), *((a, audit_words.label_of(a)) for a in _actions_of(parts))])
        for group, title, parts in _GROUPS
    ]
    return [("", "Everything"), *groups]


def _actions_of(parts: tuple[str, ...]) -> list[str]:
    return [action for action in AuditEvent.Action.values if action.partition(".")[0] in parts]


def _of_action(asked: str) -> models.Q:
    parts = {group: parts for group, _, parts in _GROUPS}.get(asked)
    return models.Q(action__in=_actions_of(parts)) if parts else models.Q(action=asked)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as the log shows it."""

    at: datetime
    who: str
    who_email: str
    by_what: str
    what: str
    target: str
    target_email: str
    target_id: str
    target_url: str
    address: str
    reason: str
    details: list[audit_words.Detail]


@dataclass(frozen=True, slots=True)
class Log:
    """What the log's template shows."""

    entries: list[Entry]
    asked: dict[str, str]
    older_url: str | None
    newer_url: str | None


def log_of(form: AuditLogForm, url: str) -> Log:
    """The page of the log that the form and its cursor, `before` or `after` the number of an event, ask for."""
    asked = form.asked()

    def row_of(number: str) -> AuditEventQuerySet:
        known = number.isascii() and number.isdigit() and len(number) < 19
        return events_of(form.account).filter(pk=int(number) if known else 0)  # type: ignore[return-value]

    page = page_of(form.events(), form.data, row_of)

    def link(**cursor: int) -> str:
        return f"{url}?{urlencode(asked | cursor)}"

    return Log(
        [_entry(event) for event in page.rows],
        asked,
        link(before=page.rows[-1].pk) if page.has_older else None,
        link(after=page.rows[0].pk) if page.has_newer else None,
    )


def _entry(event: AuditEvent) -> Entry:
    who, who_email = audit_words.name_and_email(audit_words.who(event))
    target, target_email = audit_words.name_and_email(event.target_name)
    return Entry(
        at=event.at,
        who=who,
        who_email=who_email,
        by_what=audit_words.by_what(event),
        what=audit_words.what(event),
        target=target,
        target_email=target_email,
        target_id=event.target_id if event.target_type == "key" else "",
        target_url=_url_of(event),
        address=audit_words.address(event),
        reason=event.reason,
        details=list(audit_words.details(event)),
    )


def _url_of(event: AuditEvent) -> str:
    """The page of what the event is about, where it has one: keys stay for ever."""
    if event.target_type != "key" or event.account_id is None:
        return ""
    return reverse("service_key", args=[event.account_id, event.target_id])
