"""The way in: home, and the addresses that know no account."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.access import PageRequest, as_oneself, membership_used_last

SECTIONS = {"general": "account_general", "members": "members", "team": "members", "api-keys": "service_keys"}


@require_safe
@as_oneself
def home(request: PageRequest) -> HttpResponse:
    return redirect("user_keys")


@require_safe
@as_oneself
def account_section(request: PageRequest, section: str) -> HttpResponse:
    """The address that guides for Checkly give: the same section of the account used last."""
    if section not in SECTIONS:
        raise Http404
    membership = membership_used_last(request)
    if membership is None:
        return render(request, "accounts/no_account.html")
    return redirect(SECTIONS[section], membership.account_id)
