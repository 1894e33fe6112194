"""What the members page shows: people with their keys counted, and what the asker may do to each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q
from django.utils import timezone

from accounts.models import Account, Membership
from keyportal import policy
from keyportal.policy import GRANTABLE_ROLES, Actor, Role


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One line of the list. `usable_keys` and `last_used_at` are None for those who may not see them."""

    membership: Membership
    role: Role
    is_self: bool
    usable_keys: int | None
    last_used_at: datetime | None
    grantable: list[Role]
    can_remove: policy.Decision


def list_members(account: Account, actor: Actor) -> list[MemberRow]:
    """The account's people, the owner first, then by name; two queries whatever their number."""
    now = timezone.now()
    usable = Q(user__api_keys__revoked_at=None, user__api_keys__suspended_at=None, user__is_active=True) & (
        Q(user__api_keys__expires_at=None) | Q(user__api_keys__expires_at__gt=now)
    )
    rows = (
        account.memberships.select_related("user", "account")
        .annotate(
            usable_keys=Count("user__api_keys", filter=usable & Q(user__api_keys__isnull=False)),
            last_used_at=Max("user__api_keys__last_used_at"),
        )
        .order_by("user__name", "user__email")
    )
    counts_shown = bool(policy.can_see_member_keys(actor))
    listed = [
        MemberRow(
            membership=row,
            role=row.role,
            is_self=row.user_id == actor.user_id,
            usable_keys=row.usable_keys if counts_shown else None,
            last_used_at=row.last_used_at if counts_shown else None,
            grantable=[
                role for role in GRANTABLE_ROLES if role is row.role or policy.can_change_role(actor, row, role) is True
            ],
            can_remove=policy.can_remove_member(actor, row),
        )
        for row in rows
    ]
    return sorted(listed, key=lambda row: row.role is not Role.OWNER)


@dataclass(frozen=True, slots=True)
class Consequences:
    """What removing somebody stops, and what it leaves."""

    stopping_keys: int
    lasting_service_keys: int


def consequences_of_leaving(membership: Membership, actor: Actor) -> dict[str, Any]:
    """What the dialog says before somebody leaves or is removed, and whether the asker may look at the service keys."""
    now = timezone.now()
    usable = Q(revoked_at=None, suspended_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    consequences = Consequences(
        stopping_keys=membership.user.api_keys.filter(usable).count(),
        lasting_service_keys=membership.account.service_keys.filter(usable, created_by=membership.user).count(),
    )
    return {"consequences": consequences, "service_keys_visible": policy.can_see_service_keys(actor)}
