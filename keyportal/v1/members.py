"""The account's people over the API: seen by every key, managed only where the owner has allowed it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status
from ninja.errors import HttpError

from accounts.invitations import Invitation
from accounts.models import Account, Membership
from keyportal import policy
from keyportal.policy import Level, Role
from keyportal.v1.auth import BearerKey, BearerKeyOfPathAccount, account_id, actor_of
from keyportal.v1.schemas import Error, Strict, answers

router = Router(tags=["Members"])

GrantableRole = Literal["ADMIN", "READ_WRITE", "READ_RUN", "READ_ONLY"]


class Member(Schema):
    """Somebody in the account. Single sign-on, a second factor and support staff do not exist here."""

    type: Literal["member"] = "member"
    accountId: UUID
    userId: UUID
    name: str | None
    email: str
    role: Role
    status: Literal["ACTIVE"] = "ACTIVE"
    createdAt: datetime
    updatedAt: datetime
    isSupportMembership: bool = False
    ssoEnabled: bool = False
    mfaEnabled: bool = False


class Invite(Schema):
    """Somebody who may join: listed for keys with the role Admin alone."""

    type: Literal["invite"] = "invite"
    id: UUID
    accountId: UUID
    email: str
    role: GrantableRole
    status: Literal["PENDING", "EXPIRED"]
    inviterEmail: str
    createdAt: datetime
    updatedAt: datetime
    expiresAt: datetime


class Members(Schema):
    members: list[Member | Invite]
    length: int = Field(description="How many are in this answer.")
    nextId: str | None = Field(description="To be sent with the next request, where there are more.")


class MemberFilters(Schema):
    search: str = Field(default="", description="Part of name or email, in any case.")
    type: Literal["member", "invite"] | None = None
    role: Role | None = None
    status: Literal["ACTIVE", "PENDING", "EXPIRED"] | None = None
    limit: int | None = Field(default=None, ge=1, le=100, description="How many at most. Without it: all.")
    nextId: str = Field(default="", description="From the answer before, with the same limit and filters.")


# 409: the person left, or was removed by somebody else, at the same moment.
REMOVED = answers(None, 204) | {409: Error}


class RoleChange(Strict):
    role: GrantableRole


@router.get("/me/members", response=answers(Members), auth=BearerKey(Level.READ))
def list_my_members(request: HttpRequest, filters: Query[MemberFilters]) -> Any:
    """The people of the account that the header names: members first, then invitations."""
    return _list(request, filters)


@router.get("/{account_id}/members", response=answers(Members), auth=BearerKeyOfPathAccount(Level.READ))
def list_members(request: HttpRequest, account_id: str, filters: Query[MemberFilters]) -> Any:
    """The people of one account."""
    return _list(request, filters)


@router.patch("/me/members/{user_id}", response=answers(Member, takes_body=True), auth=BearerKey(Level.READ))
def update_my_member(request: HttpRequest, user_id: str, body: RoleChange) -> Any:
    """Another role, where the account's owner lets API keys manage members. Owner is no role to give."""
    return _change_role(request, user_id, body)


@router.patch(
    "/{account_id}/members/{user_id}", response=answers(Member, takes_body=True), auth=BearerKeyOfPathAccount(Level.READ)
)
def update_member(request: HttpRequest, account_id: str, user_id: str, body: RoleChange) -> Any:
    """The same for one account."""
    return _change_role(request, user_id, body)


@router.delete("/me/members/{user_id}", response=REMOVED, auth=BearerKey(Level.READ))
def remove_my_member(request: HttpRequest, user_id: str) -> Any:
    """The end of a membership, where the account's owner lets API keys manage members."""
    return _remove(request, user_id)


@router.delete("/{account_id}/members/{user_id}", response=REMOVED, auth=BearerKeyOfPathAccount(Level.READ))
def remove_member(request: HttpRequest, account_id: str, user_id: str) -> Any:
    """The same for one account."""
    return _remove(request, user_id)


def _change_role(request: HttpRequest, user_id: str, body: RoleChange) -> Member:
    member = _member(request, user_id)
    # Read again while the account is locked: a moment later the member may be gone.
    with transaction.atomic():
        member.change_role(Role(body.role), by=actor_of(request))
        return _as_member(Membership.objects.select_related("account", "user").get(pk=member.pk))


def _remove(request: HttpRequest, user_id: str) -> Any:
    _member(request, user_id).remove(by=actor_of(request))
    return Status(204, None)


def _member(request: HttpRequest, user_id: str) -> Membership:
    """The membership, for a key that may manage it: who may not learns nothing about who is there."""
    account = Account.objects.get(pk=account_id(request))
    policy.require(policy.can_manage_members_by_key(account.present(actor_of(request))))
    try:
        member = account.memberships.select_related("account", "user").filter(user_id=UUID(user_id)).first()
    except ValueError:
        member = None
    if member is None:
        raise Http404("This person is not a member.")
    return member


def _list(request: HttpRequest, filters: MemberFilters) -> Members:
    """Four queries at most. With a limit, the next page begins behind the last entry of this one."""
    members, invites = _members(request, filters), _invites(request, filters)
    if filters.limit is None:
        if filters.nextId:
            raise HttpError(400, "nextId: send the limit of the answer before as well.")
        entries: list[Member | Invite] = [*map(_as_member, members), *map(_as_invite, invites)]
        return Members(members=entries, length=len(entries), nextId=None)
    kind, after = _place(filters.nextId)
    found: list[Membership | Invitation] = []
    if kind != "invite":
        found += members.filter(pk__gt=after)[: filters.limit + 1] if kind else members[: filters.limit + 1]
    if len(found) <= filters.limit:
        rest = invites.filter(pk__gt=after) if kind == "invite" else invites
        found += rest[: filters.limit + 1 - len(found)]
    page, more = found[: filters.limit], len(found) > filters.limit
    entries = [_as_member(one) if isinstance(one, Membership) else _as_invite(one) for one in page]
    return Members(members=entries, length=len(entries), nextId=_name_of(page[-1]) if more else None)


def _name_of(row: Membership | Invitation) -> str:
    """Where a page ended, as the client sends it back."""
    return f"{'member' if isinstance(row, Membership) else 'invite'}.{row.pk}"


def _place(next_id: str) -> tuple[str, int | UUID | None]:
    """The kind and the primary key that `next_id` names; nothing for the first page."""
    kind, _, pk = next_id.partition(".")
    try:
        if not next_id:
            return "", None
        if kind == "member" and pk.isascii() and pk.isdecimal() and len(pk) <= 18:
            return kind, int(pk)
        if kind == "invite":
            return kind, UUID(pk)
    except ValueError:
        pass
    raise HttpError(400, "nextId: this is none of an answer before.")


def _members(request: HttpRequest, filters: MemberFilters) -> QuerySet[Membership]:
    """Of people who can act: who is deactivated is no active member."""
    rows = Membership.objects.filter(account=account_id(request), user__is_active=True).select_related("account", "user")
    if filters.type == "invite" or filters.status not in {None, "ACTIVE"}:
        return rows.none()
    owner = Q(user_id=F("account__owner_id"))
    if filters.role is Role.OWNER:
        rows = rows.filter(owner)
    elif filters.role:
        rows = rows.filter(~owner, stored_role=filters.role)
    search = filters.search.strip()
    if search:
        rows = rows.filter(Q(user__name__icontains=search) | Q(user__email__icontains=search))
    return rows.order_by("pk")


def _invites(request: HttpRequest, filters: MemberFilters) -> QuerySet[Invitation]:
    """For whoever sees them on the page of members as well."""
    rows = Invitation.objects.pending().filter(account=account_id(request)).select_related("invited_by")
    if not policy.can_call(actor_of(request), Level.ADMIN) or filters.type == "member":
        return rows.none()
    now = timezone.now()
    if filters.status:
        known = {"PENDING": Q(expires_at__gt=now), "EXPIRED": Q(expires_at__lte=now)}
        rows = rows.filter(known[filters.status]) if filters.status in known else rows.none()
    if filters.role:
        rows = rows.filter(role=filters.role)
    search = filters.search.strip()
    if search:
        rows = rows.filter(email__icontains=search)
    return rows.order_by("pk")


def _as_member(row: Membership) -> Member:
    return Member(
        accountId=row.account_id,
        userId=row.user_id,
        name=row.user.name or None,
        email=row.user.email,
        role=row.role,
        createdAt=row.created_at,
        updatedAt=row.updated_at,
    )


def _as_invite(row: Invitation) -> Invite:
    return Invite(
        id=row.pk,
        accountId=row.account_id,
        email=row.email,
        role=row.role,  # type: ignore[arg-type]  # a constraint holds the column to these
        status="EXPIRED" if row.expires_at <= timezone.now() else "PENDING",
        inviterEmail=row.invited_by.email,
        createdAt=row.created_at,
        updatedAt=row.sent_at,
        expiresAt=row.expires_at,
    )
