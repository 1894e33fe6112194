"""Pages of people and accounts."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.access import PageRequest, as_member, as_oneself, membership_used_last
from accounts.models import Account

SECTIONS = {"general": "account_general", "api-keys": "service_keys"}


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


@require_safe
@as_member
def general(request: PageRequest, account: Account) -> HttpResponse:
    return render(request, "accounts/general.html", {"account": account, "role_label": request.membership.role.label})
