"""The members page: who belongs to the account, with which role, and who is invited."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import mails
from accounts.access import PageRequest, as_member, require_fresh
from accounts.forms import InviteForm, RoleForm
from accounts.invitations import Invitation
from accounts.members import consequences_of_leaving, list_members
from accounts.models import Account
from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.http import see_other
from keyportal.policy import Role


@require_safe
@as_member
def members(request: PageRequest, account: Account) -> HttpResponse:
    return _page(request, account)


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def invite(request: PageRequest, account: Account) -> HttpResponse:
    """Several addresses, one role. Each is invited by itself: who can't be is named, the others are."""
    policy.require(policy.can_invite(request.actor, Role.READ_ONLY))
    form = InviteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        role = form.cleaned_data["role"]
        if role is Role.ADMIN:
            require_fresh(request)
        for email in form.cleaned_data["emails"]:
            _invite(request, account, email, role)
        return see_other(reverse("members", args=[account.pk]))
    return _page(request, account, dialog="invite", invite_form=form)


def _invite(request: PageRequest, account: Account, email: str, role: Role) -> None:
    try:
        with transaction.atomic():
            invitation, token = Invitation.objects.invite(account, email, role, by=request.actor)
            mails.invitation(invitation, token)
    except Conflict as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"{email} is invited as {role.label}.")


@require_POST
@as_member
def change_role(request: PageRequest, account: Account, user_id: UUID) -> HttpResponse:
    member = get_object_or_404(account.memberships.select_related("account", "user"), user_id=user_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(request, account, role_error=form.errors["role"][0])
    role = form.cleaned_data["role"]
    policy.require(policy.can_change_role(request.actor, member, role))
    require_fresh(request)
    member.change_role(role, by=request.actor)
    messages.success(request, f"{member.user.display_name} is {role.label} now.")
    return see_other(reverse("members", args=[account.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def remove(request: PageRequest, account: Account, user_id: UUID) -> HttpResponse:
    member = get_object_or_404(account.memberships.select_related("account", "user"), user_id=user_id)
    policy.require(policy.can_remove_member(request.actor, member))
    if request.method == "POST":
        member.remove(by=request.actor)
        messages.success(request, f"{member.user.display_name} was removed from {account.name}.")
        leaves = member.user_id == request.user.pk
        return see_other(reverse("user_keys") if leaves else reverse("members", args=[account.pk]))
    return _page(request, account, dialog="remove", target=member, **consequences_of_leaving(member, request.actor))


@require_POST
@as_member
def resend(request: PageRequest, account: Account, invitation_id: UUID) -> HttpResponse:
    invitation = _invitation(account, invitation_id)
    policy.require(policy.can_invite(request.actor, Role(invitation.role)))
    if invitation.role == Role.ADMIN:
        require_fresh(request)
    with transaction.atomic():
        mails.invitation(invitation, invitation.resend(by=request.actor))
    messages.success(request, f"A new invitation is on its way to {invitation.email}. The old link no longer works.")
    return see_other(reverse("members", args=[account.pk]))


@require_POST
@as_member
def withdraw(request: PageRequest, account: Account, invitation_id: UUID) -> HttpResponse:
    invitation = _invitation(account, invitation_id)
    invitation.withdraw(by=request.actor)
    messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
    return see_other(reverse("members", args=[account.pk]))


def _invitation(account: Account, invitation_id: UUID) -> Invitation:
    return get_object_or_404(account.invitations.select_related("account", "invited_by"), pk=invitation_id)


def _page(request: PageRequest, account: Account, **context: Any) -> HttpResponse:
    can_invite = policy.can_invite(request.actor, Role.READ_ONLY)
    context = {
        "account": account,
        "members": list_members(account, request.actor),
        "counts_shown": policy.can_see_member_keys(request.actor),
        "can_invite": can_invite,
        "invitations": _open_invitations(account) if policy.can_see_member_keys(request.actor) else [],
        "invite_form": InviteForm(),
        **context,
    }
    broken = context.get("role_error") or context["invite_form"].errors
    return render(request, "accounts/members.html", context, status=400 if broken else 200)


def _open_invitations(account: Account) -> Any:
    return account.invitations.filter(accepted_at=None, withdrawn_at=None).select_related("invited_by").order_by("email")
