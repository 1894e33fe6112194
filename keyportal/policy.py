"""Who may do what: every rule of the product, each a pure function that answers True or Denied(reason).

Pages, API, admin and commands all ask here. Nothing in this module queries a database or imports another
module of the project, so the whole table can be tested by calling it. What a rule needs to know of a key or a
membership it reads from plain attributes (`user_id`, `account_id`, `role`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from django.core.exceptions import PermissionDenied


class Role(enum.StrEnum):
    """What somebody may do in one account. The values are the API's constants; they compare by rank."""

    READ_ONLY = "READ_ONLY"
    READ_RUN = "READ_RUN"
    READ_WRITE = "READ_WRITE"
    ADMIN = "ADMIN"
    OWNER = "OWNER"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def rank(self) -> int:
        return _RANKS[self]

    def at_least(self, other: Role) -> bool:
        return self.rank >= other.rank


_LABELS = {
    Role.READ_ONLY: "Read Only",
    Role.READ_RUN: "Read & Run",
    Role.READ_WRITE: "Read & Write",
    Role.ADMIN: "Admin",
    Role.OWNER: "Owner",
}
_RANKS = {role: rank for rank, role in enumerate(Role)}

# Owner is not given, it is held: the account's `owner` column says who.
GRANTABLE_ROLES = (Role.ADMIN, Role.READ_WRITE, Role.READ_RUN, Role.READ_ONLY)


class Level(enum.StrEnum):
    """What one API call asks for. Each level contains the ones before it."""

    READ = "read"
    RUN = "run"
    WRITE = "write"
    ADMIN = "admin"


_LEVEL_NEEDS = {
    Level.READ: Role.READ_ONLY,
    Level.RUN: Role.READ_RUN,
    Level.WRITE: Role.READ_WRITE,
    Level.ADMIN: Role.ADMIN,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, in which account, with what role, and by which door.

    `via` is "session" for a person in the browser, "key" for an API key, "operator" for staff at the admin or
    the shell, who act on the whole installation and have no role in any account.
    """

    via: Literal["session", "key", "operator"]
    user_id: UUID | None = None
    account_id: UUID | None = None
    role: Role | None = None
    account_name: str = ""
    account_suspended: bool = False
    keys_manage_members: bool = False
    key_id: str = ""
    name: str = ""
    address: str | None = None
    request_id: str = ""

    @property
    def is_operator(self) -> bool:
        return self.via == "operator"

    def is_admin_of(self, account_id: UUID | None) -> bool:
        """Admin or Owner, in the browser, of just this account."""
        return (
            self.via == "session"
            and account_id is not None
            and self.account_id == account_id
            and self.role is not None
            and self.role.at_least(Role.ADMIN)
        )


@dataclass(frozen=True, slots=True)
class Denied:
    """A decision against, with the reason that the page, the JSON body or the command prints."""

    reason: str

    def __bool__(self) -> Literal[False]:
        return False

    def __str__(self) -> str:
        return self.reason


Decision = Literal[True] | Denied


class KeyFacts(Protocol):
    """What a rule reads of a key: exactly one of the two is set."""

    user_id: UUID | None
    account_id: UUID | None


class MemberFacts(Protocol):
    """What a rule reads of a membership. `role` is the effective one, OWNER included."""

    user_id: UUID
    account_id: UUID

    @property
    def role(self) -> Role: ...


def require(decision: Decision) -> None:
    """Let the caller go on, or raise PermissionDenied with the decision's reason."""
    if isinstance(decision, Denied):
        raise PermissionDenied(decision.reason)


NOT_YOURS = Denied("This key belongs to somebody else.")
NO_ACCESS = Denied("This API key has no access to this account.")
NO_REASON = Denied("Say why: a reason is required.")


def _in_account(actor: Actor) -> str:
    role = actor.role.label if actor.role else "none"
    return f"Your role in {actor.account_name} is {role}."


def _not_suspended(actor: Actor) -> Decision:
    if actor.account_suspended:
        return Denied(f"{actor.account_name} is suspended. Nothing can be changed until an operator resumes it.")
    return True


def _member(actor: Actor) -> Decision:
    if actor.via == "session" and actor.account_id is not None and actor.role is not None:
        return True
    return Denied("You are not a member of this account.")


def _admin(actor: Actor, may_what: str) -> Decision:
    """Admins and owners, in the browser. `may_what` completes "Only admins and owners can …"."""
    if actor.is_admin_of(actor.account_id):
        return True
    return Denied(f"Only admins and owners can {may_what}. {_in_account(actor)}".strip())


def _owner(actor: Actor, may_what: str) -> Decision:
    if actor.is_admin_of(actor.account_id) and actor.role is Role.OWNER:
        return True
    return Denied(f"Only the owner can {may_what}. {_in_account(actor)}")


def _operator(actor: Actor, reason: str) -> Decision:
    """Operators, who must say why."""
    if not actor.is_operator:
        return Denied("Only operators can do this.")
    return True if reason.strip() else NO_REASON


# Keys


def can_see_key(actor: Actor, key: KeyFacts) -> Decision:
    """A user key is seen by its user, a service key by admins and owners, every key by operators."""
    if actor.is_operator:
        return True
    if key.user_id is not None:
        return True if actor.via == "session" and key.user_id == actor.user_id else NOT_YOURS
    return can_see_service_keys(actor) if key.account_id == actor.account_id else NOT_YOURS


def can_see_service_keys(actor: Actor) -> Decision:
    """Admins and owners see the service keys of their account."""
    return _admin(actor, "see service keys")


def can_create_user_key(actor: Actor) -> Decision:
    """Everybody who is signed in makes keys for themselves; operators and keys never make any."""
    if actor.via == "session" and actor.user_id is not None:
        return True
    return Denied("People create their own keys, signed in, in the browser.")


def can_create_service_key(actor: Actor, role: Role | None = None) -> Decision:
    """Admins and owners make service keys, with any role but Owner. Without `role`: any at all?"""
    if role is not None and role not in GRANTABLE_ROLES:
        return Denied("A service key cannot have the role Owner.")
    return _admin(actor, "create service API keys") and _not_suspended(actor)


def can_rename_key(actor: Actor, key: KeyFacts) -> Decision:
    """The key's own user; admins and owners for a service key, while the account is not suspended; never an operator."""
    return _may_change_key(actor, key, "rename service keys")


def can_rotate_key(actor: Actor, key: KeyFacts) -> Decision:
    """Whoever could make such a key anew: its own user; admins and owners for a service key; never an operator."""
    return _may_change_key(actor, key, "rotate service keys")


def _may_change_key(actor: Actor, key: KeyFacts, may_what: str) -> Decision:
    if key.user_id is not None:
        return True if actor.via == "session" and key.user_id == actor.user_id else NOT_YOURS
    if key.account_id != actor.account_id:
        return NOT_YOURS
    return _admin(actor, may_what) and _not_suspended(actor)


def can_choose_addresses(actor: Actor, key: KeyFacts) -> Decision:
    """From where a key may be used: its own user says it; admins and owners for a service key; never an operator."""
    return _may_change_key(actor, key, "choose the addresses of service keys")


def can_revoke_key(actor: Actor, key: KeyFacts, reason: str = "") -> Decision:
    """The key's own user; Admin and Owner for a service key, in a suspended account too; an operator with a reason."""
    if actor.is_operator:
        return _operator(actor, reason)
    if key.user_id is not None:
        return True if actor.via == "session" and key.user_id == actor.user_id else NOT_YOURS
    return _admin(actor, "delete service keys") if key.account_id == actor.account_id else NOT_YOURS


def can_suspend_key(actor: Actor, reason: str) -> Decision:
    """Operators suspend and resume any key, with a reason."""
    return _operator(actor, reason)


# People


def can_see_account(actor: Actor) -> Decision:
    """Members see their account: its name, its ID, its people."""
    return _member(actor)


def can_see_member_keys(actor: Actor) -> Decision:
    """Admins and owners see how many usable keys a member has and when one was last used; never their names."""
    return _admin(actor, "see members' key counts")


def can_invite(actor: Actor, role: Role) -> Decision:
    """Admins and owners invite, withdraw and resend, for every role but Owner."""
    if role not in GRANTABLE_ROLES:
        return Denied("Nobody is invited as Owner: transfer the ownership instead.")
    return _admin(actor, "invite people") and _not_suspended(actor)


def can_add_member(actor: Actor, user_id: UUID, role: Role) -> Decision:
    """Operators put somebody else into an account; admins and owners invite instead."""
    if role not in GRANTABLE_ROLES:
        return Denied("Nobody is added as Owner: transfer the ownership instead.")
    if not actor.is_operator:
        return Denied("Invite people: only operators add them directly.")
    if actor.user_id == user_id:
        return Denied("Operators put others into an account, never themselves.")
    return True


def can_change_role(actor: Actor, member: MemberFacts, role: Role) -> Decision:
    """Admins and owners give any member but the owner any role but Owner; their own only downwards."""
    if member.account_id != actor.account_id:
        return Denied("You are not a member of this account.")
    if role not in GRANTABLE_ROLES:
        return Denied("Owner is not a role to give: transfer the ownership instead.")
    if member.role is Role.OWNER:
        return Denied("The owner's role changes only by transferring the ownership.")
    if member.user_id == actor.user_id and role.at_least(member.role):
        return Denied("You can only lower your own role.")
    if actor.via == "key":
        return can_manage_members_by_key(actor)
    return _admin(actor, "change roles") and _not_suspended(actor)


def can_remove_member(actor: Actor, member: MemberFacts) -> Decision:
    """Admins and owners remove anybody but the owner; everybody but the owner may leave."""
    if member.account_id != actor.account_id or actor.role is None:
        return Denied("You are not a member of this account.")
    if member.role is Role.OWNER:
        return Denied("The owner cannot be removed. Transfer the ownership first.")
    if actor.via == "key":
        return can_manage_members_by_key(actor)
    if member.user_id != actor.user_id and not actor.is_admin_of(member.account_id):
        return _admin(actor, "remove members")
    return _not_suspended(actor)


def can_transfer_away(actor: Actor) -> Decision:
    """The owner may hand the account to somebody: to whom is the next question."""
    return _owner(actor, "transfer the ownership") and _not_suspended(actor)


def can_transfer_ownership(actor: Actor, to: MemberFacts) -> Decision:
    """The owner hands the account to another member."""
    if to.account_id != actor.account_id:
        return Denied("Ownership goes to a member of the account.")
    if to.user_id == actor.user_id:
        return Denied("You own this account already.")
    return can_transfer_away(actor)


# Accounts


def can_edit_account(actor: Actor) -> Decision:
    """Admins and owners change the account's name and policies."""
    return _admin(actor, "change the account's settings") and _not_suspended(actor)


def can_let_keys_manage_members(actor: Actor) -> Decision:
    """The owner alone decides whether API keys may manage members."""
    return _owner(actor, "let API keys manage members") and _not_suspended(actor)


def can_delete_account(actor: Actor) -> Decision:
    """The owner alone deletes the account."""
    return _owner(actor, "delete the account") and _not_suspended(actor)


def can_see_audit_log(actor: Actor) -> Decision:
    """Admins and owners read the account's audit log."""
    return _admin(actor, "see the audit log")


# Operators


def can_enroll_user(actor: Actor) -> Decision:
    """Operators make a person known, who then sets a password of their own; others sign up or are invited."""
    return True if actor.is_operator else Denied("Only operators can do this.")


def can_open_account(actor: Actor, owner_id: UUID) -> Decision:
    """Everybody opens an account of their own by signing up; operators open one for anybody."""
    if actor.is_operator or (actor.via == "session" and actor.user_id == owner_id):
        return True
    return Denied("Only operators can open an account for somebody else.")


def can_suspend_account(actor: Actor, reason: str) -> Decision:
    """Operators suspend and resume an account, with a reason."""
    return _operator(actor, reason)


def can_close_user(actor: Actor, user_id: UUID) -> Decision:
    """Everybody deletes their own user, and nobody another's."""
    return True if actor.via == "session" and actor.user_id == user_id else Denied("You can only delete your own user.")


def can_deactivate_user(actor: Actor, reason: str) -> Decision:
    """Operators deactivate and reactivate a person, with a reason."""
    return _operator(actor, reason)


def can_rescue_account(actor: Actor, reason: str) -> Decision:
    """Operators hand over an account whose owner is gone, with a reason."""
    return _operator(actor, reason)


# Keys over the API


def can_call(actor: Actor, level: Level) -> Decision:
    """An API key may do what its effective role allows, while its account is not suspended."""
    if actor.role is None:
        return NO_ACCESS
    if actor.account_suspended:
        return Denied("This account is suspended. Ask the operator of this installation.")
    need = _LEVEL_NEEDS[level]
    if actor.role.at_least(need):
        return True
    return Denied(f"This needs the role {need.label} or higher. This API key has {actor.role.label}.")


def can_introspect(actor: Actor) -> Decision:
    """A service key asks about the keys that work in its account."""
    if actor.via == "key" and actor.user_id is not None:
        return Denied("Introspection takes a service key: it tells which account asks.")
    return can_call(actor, Level.READ)


def can_read_locked_variable(actor: Actor) -> Decision:
    """The value of a locked variable is for those who may write; the others get null."""
    return can_call(actor, Level.WRITE)


def can_manage_members_by_key(actor: Actor) -> Decision:
    """Keys change roles and remove members only where the account's owner has allowed it."""
    if not actor.keys_manage_members:
        return Denied("API keys may not manage members here. The account's owner can allow it under General.")
    return can_call(actor, Level.ADMIN)
