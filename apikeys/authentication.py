"""The one check: from a bearer header and an account header to the Actor who asks, with one query.

Nothing is cached, in any process, ever. Revocation, removal and a lowered role hold on the very next request.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from apikeys.allowlist import allows
from apikeys.secret import MALFORMED, Secret, dummy_hash
from apikeys.usage import Outcome
from keyportal.client import Request, client_address
from keyportal.errors import DATABASE_AWAY, is_outdated
from keyportal.exceptions import InvalidCredential
from keyportal.key_policy import allows_key, in_force
from keyportal.policy import Actor, Denied, Role

# One statement, and past Django's layers: by the ORM the look-up takes ten times as long, and by Django's cursor, which
# rewrites the placeholders each time, still twice as long. Both drivers keep the statement prepared.
# A service key always speaks in its own account; a user key in the account that the header names. The booleans are
# compared in SQL, so that both databases answer in the same types.
_LOOK_UP = """
SELECT k.name, k.secret_hash, k.role, k.user_id,
       k.revoked_at IS NOT NULL,
       k.suspended_at IS NOT NULL,
       k.expires_at IS NOT NULL AND k.expires_at <= %s,
       k.replaced_at,
       k.last_used_at IS NULL OR k.last_used_at <= %s OR k.last_used_at <= k.replaced_at,
       CASE WHEN k.allow_mode = 'enforce' THEN k.allowed_from END,
       CASE WHEN a.key_policies <> '' THEN k.created_at END,
       CASE WHEN a.key_policies <> '' OR k.expires_at <= %s THEN k.expires_at END,
       u.is_active, a.id, a.name, a.suspended_at IS NOT NULL, a.key_policies, a.owner_id = k.user_id, m.role
  FROM apikeys_apikey k
  LEFT JOIN accounts_user u ON u.id = k.user_id
  LEFT JOIN accounts_account a ON a.id = COALESCE(k.account_id, %s)
  LEFT JOIN accounts_membership m ON m.account_id = a.id AND m.user_id = k.user_id
 WHERE k.public_id = %s
"""
_LOOK_UP_BY = {"sqlite": _LOOK_UP.replace("%s", "?"), "postgresql": _LOOK_UP}

# Where a request names the account that a user key is to act in.
ACCOUNT_HEADER = "X-Checkly-Account"
_ACCOUNT_META = "HTTP_" + ACCOUNT_HEADER.upper().replace("-", "_")

# The last use is written at most once a minute for each key. The first after a rotation is written at once: pages say whether
# there was one.
NOTED_EVERY = timedelta(minutes=1)

# Answers to a good key say when it expires, from so long before.
EXPIRY_HEADER = "KeyportalKeyExpires"
EXPIRY_SAID_BEFORE = timedelta(days=14)


class KeyRefused(InvalidCredential):
    """A key that exists was refused: `outcome` says why, also where the caller, who has not proven the secret, is not told."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class KeyDenied(PermissionDenied):
    """A usable key, its secret proven, may do nothing from here or in this account: `outcome` says why."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class CheckedKey(NamedTuple):
    """A key whose secret was proven and which may be used, and the Actor it makes.

    `actor.role` is None where the key has no access to the account that was named, for whatever reason.
    """

    actor: Actor
    secret: Secret
    secret_hash: str
    at: datetime
    use_is_due: bool
    # None also where that matters to nobody: it is far away, and the account asks for nothing.
    expires_at: datetime | None

    @property
    def expires(self) -> str | None:
        """When it expires, as a header says it, where that is soon."""
        if self.expires_at is None or self.expires_at - self.at > EXPIRY_SAID_BEFORE:
            return None
        return f"{self.expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def account_named(request: Request) -> str | None:
    """What the request's account header says. (Django's `request.headers` would read all headers to find this one.)"""
    return request.META.get(_ACCOUNT_META)


def check_key(secret: Secret, account: str | None, request: Request | None) -> CheckedKey:
    """Check the key that `Secret.from_header` has read, for the account that the account header (or the path) names, if any.

    `request` is the one that brought the key: its client's address must be one that the key allows. None is for who
    asks about a key that somebody else has sent, from an address that nobody here knows: then that is not asked.

    Raises InvalidCredential for everything that is no usable key, and KeyRefused where there is such a key. Malformed,
    unknown and wrong secret read the same; only a caller who proved the secret is told that the key was deleted,
    replaced, suspended or has expired. Raises KeyDenied where a key is good, and not for this address or against what
    the account asks of keys.
    """
    now, named = timezone.now(), _account_id(account)
    row = _look_up(secret.public_id, named, now)
    if row is None:
        secret.matches(dummy_hash())  # as slow as a wrong secret
        raise InvalidCredential(MALFORMED)
    (
        name,
        secret_hash,
        key_role,
        user_id,
        is_revoked,
        is_suspended,
        is_expired,
        replaced_at,
        use_is_due,
        allowed_from,
        created_at,
        expires_at,
        user_is_active,
        account_id,
        account_name,
        account_suspended,
        key_policies,
        is_owner,
        member_role,
    ) = row
    if not secret.matches(secret_hash):
        raise KeyRefused(MALFORMED, Outcome.WRONG_SECRET)
    is_deactivated = user_id is not None and not user_is_active
    if why := _why_ended(replaced_at, is_revoked, is_suspended, is_expired, is_deactivated):
        raise KeyRefused(*why)
    if allowed_from is not None and request is not None and not allows(allowed_from, client_address(request)):
        raise KeyDenied("This API key may not be used from this address.", Outcome.ADDRESS)

    account_id = _uuid(account_id)
    if user_id is None:
        # A service key speaks for its own account alone: the header, where there is one, must name it.
        role = Role(key_role) if account is None or named == account_id else None
    elif member_role is None:
        role = None
    else:
        role = Role.OWNER if is_owner else Role(member_role)
    expires_at = _moment(expires_at)
    if role and key_policies and not account_suspended:
        decision = allows_key(
            account_name,
            in_force(key_policies, now),
            of_user=user_id is not None,
            created_at=_moment(created_at),
            expires_at=expires_at,
        )
        if isinstance(decision, Denied):
            raise KeyDenied(str(decision), Outcome.POLICY)
    actor = Actor(
        via="key",
        user_id=_uuid(user_id),
        account_id=account_id if role else None,
        role=role,
        account_name=account_name if role else "",
        account_suspended=bool(account_suspended) if role else False,
        key_id=secret.public_id,
        name=name,
    )
    return CheckedKey(actor, secret, secret_hash, now, bool(use_is_due), expires_at)


def _why_ended(
    replaced_at: Any, is_revoked: bool, is_suspended: bool, is_expired: bool, is_deactivated: bool
) -> tuple[str, Outcome] | None:
    """Why a key does not work any more, or for now, in the words for who has proven its secret."""
    if replaced_at is not None and is_expired and not is_suspended:
        message = f"This API key was replaced on {_day(_moment(replaced_at))} and has ended. Use the key that took its place."
        return message, Outcome.REPLACED
    if is_revoked:
        return "This API key was deleted.", Outcome.DELETED
    if is_suspended:
        return "This API key is suspended. Ask the operator of this installation.", Outcome.SUSPENDED
    if is_expired:
        return "This API key has expired.", Outcome.EXPIRED
    if is_deactivated:
        return "The user of this API key is deactivated.", Outcome.DEACTIVATED
    return None


def _look_up(public_id: str, account_id: UUID | None, now: datetime) -> tuple[Any, ...] | None:
    database = connections[DEFAULT_DB_ALIAS]
    parameters: list[Any] = [now, now - NOTED_EVERY, now + EXPIRY_SAID_BEFORE, account_id, public_id]
    if database.vendor == "sqlite":  # where Django keeps times and UUIDs as text
        parameters[:3] = [str(moment.replace(tzinfo=None)) for moment in parameters[:3]]
        parameters[3] = account_id.hex if account_id else None
    try:
        return _fetch(database, parameters)
    except (*DATABASE_AWAY, NotSupportedError) as error:
        if not _has_gone_stale(database, error):
            raise
        database.close()  # once more, on a new one
        return _fetch(database, parameters)


def _has_gone_stale(database: BaseDatabaseWrapper, error: Exception) -> bool:
    """Whether the connection has died since the last request, or a migration has outdated what was prepared on it."""
    if database.in_atomic_block or database.connection is None:
        return False
    return is_outdated(error) or not database.is_usable()


def _fetch(database: BaseDatabaseWrapper, parameters: list[Any]) -> tuple[Any, ...] | None:
    if database.connection is None:
        database.ensure_connection()
    with database.wrap_database_errors:
        row: tuple[Any, ...] | None = database.connection.execute(_LOOK_UP_BY[database.vendor], parameters).fetchone()
    return row


def _account_id(text: str | None) -> UUID | None:
    """The UUID in its one canonical spelling, in any case; None for everything else, which names no account."""
    try:
        account_id = UUID(text or "")
    except ValueError:
        return None
    return account_id if str(account_id) == (text or "").lower() else None


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _moment(value: Any) -> Any:
    """SQLite keeps times as text, in UTC. Those that decide nothing are not asked for, since each takes its time to read."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


def _uuid(value: Any) -> UUID | None:
    """SQLite keeps UUIDs as text."""
    return value if value is None or isinstance(value, UUID) else UUID(value)
