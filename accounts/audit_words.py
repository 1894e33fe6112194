"""What an AuditEvent says, in words for people: the same on the page and in the exported file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from accounts.audit import AuditEvent
from keyportal.key_policy import KeyPolicy, in_words
from keyportal.policy import Role

_ACTIONS = dict(AuditEvent.Action.choices)
# Details that go by another name than their own.
_LABELS = {"keys_manage_members": "API keys may manage members", "expires_at": "Expires", "ends_at": "Ends"}
# What the detail `was` was, where it was no role: a name, or the owner.
_RENAMES = ("account.renamed", "key.renamed")
_HANDOVERS = ("account.transferred",)


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing more about an event: one value, or what it was and what it became."""

    label: str
    value: str
    was: str = ""

    def __str__(self) -> str:
        return f"{self.label}: {self.was} → {self.value}" if self.was else f"{self.label}: {self.value}"


def what(event: AuditEvent) -> str:
    """The action: “Role changed”, “Key deleted”."""
    return label_of(event.action)


def label_of(action: str) -> str:
    """An action's own name; a key's says that it is about a key. One that an older or newer release knows goes by its code."""
    known = _ACTIONS.get(action, action)
    return f"Key {known.lower()}" if action.startswith("key.") else known


def who(event: AuditEvent) -> str:
    return event.actor_name or "KeyPortal"


def name_and_email(snapshot: str) -> tuple[str, str]:
    """A person's name and address, as the record has them in one text; the whole and nothing for all else."""
    found = re.fullmatch(r"(.+) <([^<>\s]+@[^<>\s]+)>", snapshot, re.DOTALL)
    return (found[1], found[2]) if found else (snapshot, "")


def by_what(event: AuditEvent) -> str:
    """What to know of who it was, where that is not a person in the browser."""
    return {"operator": "Operator of KeyPortal", "key": "By API key"}.get(event.via, "")


def address(event: AuditEvent) -> str:
    """Where it came from; the operators' own addresses are nobody's business."""
    return "" if event.via == "operator" else event.address or ""


def details(event: AuditEvent) -> Iterator[Detail]:
    """What the event says beyond who did what to what."""
    given: dict[str, Any] = event.details if isinstance(event.details, dict) else {}
    was = _text(given.get("was"))
    if event.action in _RENAMES:
        yield Detail("Name", event.target_name, was)
    elif event.action in _HANDOVERS:
        yield Detail("Owner", event.target_name, was)
    elif "role" in given:
        yield Detail("Role", _text(given["role"]), was)
    elif event.action == AuditEvent.Action.KEY_ADDRESSES_CHANGED:
        yield Detail("Allowed addresses", _addresses(given.get("now")), _addresses(given.get("was")))
        return
    elif isinstance(given.get("now"), dict):
        yield Detail("Keys", _policies(given["now"]), _policies(given.get("was")))
        return
    elif was:
        yield Detail("Before", was)
    for name, value in given.items():
        text = _text(value)
        if name not in ("was", "role") and text:
            yield Detail(_LABELS.get(name, name.replace("_", " ").capitalize()), text)


def _policies(value: Any) -> str:
    """What was asked of keys, as the account's page says it, and what was announced for a later day."""
    given = value if isinstance(value, dict) else {}
    later = f" From {_text(given.get('from'))}: {_policy(given['announced'])}" if given.get("announced") else ""
    return _policy(given.get("in_force")) + later


def _policy(value: Any) -> str:
    known = {field.name for field in fields(KeyPolicy)}
    asked = {name: one for name, one in value.items() if name in known} if isinstance(value, dict) else {}
    return " ".join(in_words(KeyPolicy(**asked))) or "Nothing is asked."


def _addresses(value: Any) -> str:
    """A list of networks and what is done with it: "enforce 192.0.2.0/24", or "off"."""
    given = value if isinstance(value, dict) else {}
    return " ".join([_text(given.get("mode")), *([_text(given["networks"])] if given.get("networks") else [])])


def _text(value: Any) -> str:
    """A value as people say it: a role by its label, a moment to the minute, yes and no."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(one)}" for name, one in value.items())
    text = str(value)
    return Role(text).label if text in Role.__members__ else _moment(text) or text


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC" if len(text) > 10 and "T" in text else ""
