"""The one check: from a bearer header and an account header to the Actor who asks, with one query.

Nothing is cached, in any process, ever. Revocation, removal and a lowered role hold on the very next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from apikeys.secret import MALFORMED, Secret, dummy_hash
from apikeys.use import NOTED_EVERY
from keyportal.exceptions import InvalidCredential
from keyportal.policy import Actor, Role

# One statement instead of the ORM: building and compiling the same look-up costs ten times the look-up itself.
# A service key always speaks in its own account; a user key in the account that the header names. The booleans
# are compared in SQL, so that both databases answer in the same types.
_LOOK_UP = """
SELECT k.id, k.name, k.secret_hash, k.role, k.user_id, k.account_id,
       k.revoked_at IS NOT NULL,
       k.suspended_at IS NOT NULL,
       k.expires_at IS NOT NULL AND k.expires_at <= %s,
       k.last_used_at IS NULL OR k.last_used_at <= %s,
       u.is_active, a.id, a.name, a.suspended_at IS NOT NULL, a.owner_id = k.user_id, m.role
  FROM apikeys_apikey k
  LEFT JOIN accounts_user u ON u.id = k.user_id
  LEFT JOIN accounts_account a ON a.id = COALESCE(k.account_id, %s)
  LEFT JOIN accounts_membership m ON m.account_id = a.id AND m.user_id = k.user_id
 WHERE k.public_id = %s
"""

# Where a request names the account that a user key is to act in.
ACCOUNT_HEADER = "X-Checkly-Account"


@dataclass(frozen=True, slots=True)
class CheckedKey:
    """A key whose secret was proven and which may be used, and the Actor it makes.

    `actor.role` is None where the key has no access to the account that was named, for whatever reason.
    """

    actor: Actor
    pk: int
    secret: Secret
    secret_hash: str
    use_is_due: bool


def check_key(secret: Secret, account: str | None) -> CheckedKey:
    """Check the key that `Secret.from_header` has read, for the account that the account header (or the path) names, if any.

    Raises InvalidCredential for everything that is no usable key. Malformed, unknown and wrong secret read the
    same; only a caller who proved the secret is told that the key was deleted, suspended or has expired.
    """
    named = _account_id(account)
    row = _look_up(secret.public_id, named)
    if row is None:
        secret.matches(dummy_hash())  # as slow as a wrong secret
        raise InvalidCredential(MALFORMED)
    (
        pk,
        name,
        secret_hash,
        key_role,
        user_id,
        key_account_id,
        is_revoked,
        is_suspended,
        is_expired,
        use_is_due,
        user_is_active,
        account_id,
        account_name,
        account_suspended,
        is_owner,
        member_role,
    ) = row
    if not secret.matches(secret_hash):
        raise InvalidCredential(MALFORMED)
    if is_revoked:
        raise InvalidCredential("This API key was deleted.")
    if is_suspended:
        raise InvalidCredential("This API key is suspended. Ask the operator of this installation.")
    if is_expired:
        raise InvalidCredential("This API key has expired.")
    if user_id is not None and not user_is_active:
        raise InvalidCredential("The user of this API key is deactivated.")

    if user_id is None:
        # A service key speaks for its own account alone: the header, where there is one, must name it.
        speaks = account is None or named == _uuid(key_account_id)
        role = Role(key_role) if speaks else None
    elif member_role is None:
        role = None
    else:
        role = Role.OWNER if is_owner else Role(member_role)
    actor = Actor(
        via="key",
        user_id=_uuid(user_id),
        account_id=_uuid(account_id) if role else None,
        role=role,
        account_name=account_name if role else "",
        account_suspended=bool(account_suspended) if role else False,
        key_id=secret.public_id,
        name=name,
    )
    return CheckedKey(actor, pk, secret, secret_hash, bool(use_is_due))


def _look_up(public_id: str, account_id: UUID | None) -> tuple[Any, ...] | None:
    database = connections[DEFAULT_DB_ALIAS]  # once: the proxy looks it up at each use
    parameters: list[Any] = [now := timezone.now(), now - NOTED_EVERY, account_id]
    if database.vendor == "sqlite":
        parameters = [_as_text(value) for value in parameters]
    with database.cursor() as cursor:
        cursor.execute(_LOOK_UP, [*parameters, public_id])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _as_text(value: datetime | UUID | None) -> str | None:
    """As Django keeps times and UUIDs in SQLite, which compares them as text."""
    if value is None:
        return None
    return value.hex if isinstance(value, UUID) else str(value.replace(tzinfo=None))


def _account_id(text: str | None) -> UUID | None:
    """The UUID in its one canonical spelling, in any case; None for everything else, which names no account."""
    try:
        account_id = UUID(text or "")
    except ValueError:
        return None
    return account_id if str(account_id) == (text or "").lower() else None


def _uuid(value: Any) -> UUID | None:
    """SQLite keeps UUIDs as text."""
    return value if value is None or isinstance(value, UUID) else UUID(value)
