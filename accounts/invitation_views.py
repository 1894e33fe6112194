"""The page that a mailed invitation leads to."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.access import INVITATION, PageRequest, as_oneself
from accounts.invitations import Invitation
from accounts.models import User
from keyportal.http import see_other
from keyportal.policy import Role

UNKNOWN = "This invitation does not exist, or a newer one was sent."


@login_not_required
@require_safe
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """What is offered, by whom, and what to do: accept, sign in, sign up; or why it can't be accepted."""
    found = Invitation.objects.by_token(token)
    if found is None:
        return render(request, "accounts/invitation.html", {"refusal": UNKNOWN}, status=404)
    user = request.user if isinstance(request.user, User) else None
    if user and found.accepted_at and found.account.memberships.filter(user=user).exists():
        return redirect("account_general", found.account_id)  # where sign-up by this link leads, and the old mail later
    standing = found.open_to_anybody()
    decision = found.acceptable_by(user) if user else standing
    if user is None and decision is True:
        # Who signs up now with just this address joins this account, and needs no other proof that mail reaches them.
        request.session[INVITATION] = found.token_hash
    context = {
        "invitation": found,
        "role_label": Role(found.role).label,
        "refusal": "" if decision is True else str(decision),
        "wrong_address": bool(standing and user and user.email != found.email),
        "token": token,
    }
    return render(request, "accounts/invitation.html", context)


@require_POST
@as_oneself
def accept(request: PageRequest, token: str) -> HttpResponse:
    found = Invitation.objects.by_token(token)
    if found is None:
        return render(request, "accounts/invitation.html", {"refusal": UNKNOWN}, status=404)
    membership = found.accept(by=request.actor)
    request.session.pop(INVITATION, None)
    messages.success(request, f"Welcome to {found.account.name}. You are {membership.role.label} there.")
    return see_other(reverse("account_general", args=[found.account_id]))
