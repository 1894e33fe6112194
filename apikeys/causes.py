"""Why a key was refused: the recorded event behind each of its late knocks, as far as its people may know it.

Who reads the page of a service key is an admin of its account, and reads all. The person of a user key reads what
concerns them: what was done to the key, to themselves and to accounts they belonged to. Who did that in an account is
for its members: somebody who was removed learns the account's name and the day, not the name of who removed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from accounts.audit import AuditEvent
from accounts.audit_words import name_and_email
from accounts.models import Membership
from apikeys.knocks import LateKnock
from apikeys.models import ApiKey
from apikeys.usage import Outcome
from keyportal.policy import Role

# Nobody's history is longer than this on the page of a key.
MOST_EVENTS = 500

# The event that makes a refusal, and what undoes it. Written out, since some of these are recorded by what comes later.
_OF_KEY = {"deleted": ("key.revoked",), "replaced": ("key.rotated",), "suspended": ("key.suspended", "key.resumed")}
_OF_PERSON = {
    "deactivated": ("user.deactivated", "user.reactivated"),
    "no_right": ("member.role_changed", "account.transferred", "member.added"),
    "no_access": ("member.removed", "member.added"),
}
_OF_ACCOUNT = {"account_suspended": ("account.suspended", "account.resumed"), "no_access": ("account.deleted",)}
_WHAT = {
    "key.revoked": "Deleted",
    "key.rotated": "Rotated",
    "key.suspended": "Suspended",
    "user.deactivated": "User deactivated",
    "member.removed": "Removed from",
    "account.suspended": "Suspension of",
    "account.deleted": "Deletion of",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What happened, in which account, by whom, when and why; what is unknown, or not for the reader, is empty."""

    what: str
    at: datetime | None = None
    account: str = ""
    who: str = ""
    reason: str = ""

    def __str__(self) -> str:
        by, on = f" by {self.who}" if self.who else "", f" on {self.at.day} {self.at:%b %Y}" if self.at else ""
        return f"{self.what}{f' {self.account}' if self.account else ''}{by}{on}{f' ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True, slots=True)
class Explained:
    """A late knock, and its cause where one is known."""

    knock: LateKnock
    cause: Cause | None


def explained(key: ApiKey, knocks: Sequence[LateKnock], *, to_operator: bool = False) -> list[Explained]:
    """Each knock with its cause, for the key's own people, or for an operator, who reads all names."""
    if not knocks:
        return []
    record = _Record(key, knocks, to_operator)
    return [Explained(knock, record.cause_of(knock)) for knock in knocks]


class _Record:
    """What is recorded of a key, its person and the accounts that were named, newest first."""

    def __init__(self, key: ApiKey, knocks: Sequence[LateKnock], to_operator: bool) -> None:
        self.key, self.to_operator = key, to_operator
        accounts = {key.account_id} if key.account_id else {knock.account_id for knock in knocks}
        about = Q(target_type="key", target_id=key.public_id)
        about |= Q(target_type="account", target_id__in=[str(account_id) for account_id in accounts if account_id])
        if key.user_id:
            about |= Q(target_type="user", target_id=str(key.user_id))
        actions = {action for one in (_OF_KEY, _OF_PERSON, _OF_ACCOUNT) for actions in one.values() for action in actions}
        events = AuditEvent.objects.filter(about, action__in=actions).order_by("-id")[:MOST_EVENTS]
        self.events = sorted(events, key=lambda e: (e.at, e.pk), reverse=True)
        self.is_in: set[UUID | None] = set()
        self.was_in: set[UUID | None] = set()
        if key.user_id:
            self.is_in.update(Membership.objects.filter(user_id=key.user_id).values_list("account_id", flat=True))
            own = [e for e in self.events if e.account_id and key.user_id in (e.actor_id, _uuid_of_person(e))]
            self.was_in.update(e.account_id for e in own)

    def cause_of(self, knock: LateKnock) -> Cause | None:
        outcome, account_id = knock.outcome, self.key.account_id or knock.account_id
        if outcome == Outcome.EXPIRED and self.key.expires_at:
            return Cause("Expired", self.key.expires_at)
        if outcome == Outcome.NO_ACCESS and self.key.account_id:
            return Cause("Another account was named")
        if outcome == Outcome.NO_ACCESS and knock.account_id is None:
            return Cause("No account was named")
        found = self._latest(_OF_KEY, outcome, knock)
        if outcome == Outcome.DEACTIVATED:
            found = found or self._latest(_OF_PERSON, outcome, knock)
        elif account_id is not None:  # else it is not known what this was about, and another account is none of it
            found = found or self._latest(_OF_PERSON, outcome, knock, account_id)
            found = found or (self._latest(_OF_ACCOUNT, outcome, knock, account_id) if self._knows(account_id) else None)
        return self._told(found) if found else None

    def _latest(
        self, events: dict[str, tuple[str, ...]], outcome: str, knock: LateKnock, account_id: UUID | None = None
    ) -> AuditEvent | None:
        """The event that held when somebody knocked, unless it was undone before."""
        if outcome not in events:
            return None
        until = knock.minute + timedelta(minutes=1)
        for e in self.events:
            if e.action in events[outcome] and e.at < until and (account_id is None or e.account_id == account_id):
                return e if e.action == events[outcome][0] else None
        return None

    def _knows(self, account_id: UUID) -> bool:
        """Whether the readers know of this account at all: an ID that somebody guessed must not be given a name."""
        return account_id in self.is_in | self.was_in or account_id == self.key.account_id or self.to_operator

    def _told(self, e: AuditEvent) -> Cause | None:
        what, account, own = _WHAT.get(e.action, ""), e.account_name, e.actor_id is not None and e.actor_id == self.key.user_id
        if e.target_type == "key" or e.action == "user.deactivated":
            return Cause(what, e.at, who=self._name(e), reason=e.reason)
        if e.action == "member.role_changed":
            now, was = (Role.__members__.get(str(e.details.get(name))) for name in ("role", "was"))
            if now is None or was is None or now.at_least(was):
                return None
            what = f"Role lowered to {now.label} in"
        if e.action == "member.removed" and own:
            return Cause("Left", e.at, account)
        if e.via == "operator" and not self.to_operator and not self.key.account_id:
            return Cause(what, e.at, account, "an operator")
        may_know = own or self.to_operator or e.account_id in self.is_in or e.account_id == self.key.account_id
        return Cause(what, e.at, account, self._name(e) if may_know else "")

    def _name(self, e: AuditEvent) -> str:
        return e.actor_name if self.to_operator else name_and_email(e.actor_name)[0]


def _uuid_of_person(e: AuditEvent) -> UUID | None:
    return UUID(e.target_id) if e.target_type == "user" else None
