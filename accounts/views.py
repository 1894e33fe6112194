"""The way in: home, and the addresses that know no account."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.access import PageRequest, as_oneself, membership_used_last
from accounts.forms import NameForm
from accounts.models import Account
from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.http import see_other

SECTIONS = {
    "general": "account_general",
    "members": "members",
    "team": "members",
    "api-keys": "service_keys",
    "audit-log": "audit_log",
}


@require_safe
@as_oneself
def home(request: PageRequest) -> HttpResponse:
    """Their keys; for somebody in no account, the page that says how to come into one."""
    return redirect("user_keys") if membership_used_last(request) else redirect("account_section", "general")


@require_safe
@as_oneself
def account_section(request: PageRequest, section: str) -> HttpResponse:
    """The address that guides for Checkly give: the same section of the account used last."""
    if section not in SECTIONS:
        raise Http404
    membership = membership_used_last(request)
    if membership is None:
        return render(request, "accounts/no_account.html", {"can_open": may_open_account(request), "form": NameForm()})
    return redirect(SECTIONS[section], membership.account_id)


@require_POST
@as_oneself
def open_account(request: PageRequest) -> HttpResponse:
    """A new account of one's own, for somebody who is in none."""
    if not may_open_account(request):
        raise PermissionDenied("This installation is open to invited people: ask for an invitation.")
    if membership_used_last(request):
        raise Conflict("You are in an account already.")
    form = NameForm(request.POST)
    if not form.is_valid():
        return render(request, "accounts/no_account.html", {"can_open": True, "form": form}, status=400)
    account = Account.objects.open(by=request.actor, owner=request.user, name=form.cleaned_data["name"])
    messages.success(request, f"{account.name} is yours.")
    return see_other(reverse("account_general", args=[account.pk]))


def may_open_account(request: PageRequest) -> bool:
    """Where anybody may sign up, anybody may have an account of their own."""
    return bool(settings.SIGNUP_OPEN and policy.can_open_account(request.actor, request.user.pk))
