"""The account's general page, and what its owner and members do there: rename, transfer, leave, delete."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import PageRequest, as_member, require_fresh
from accounts.forms import ConfirmNameForm, NameForm, TransferForm
from accounts.members import consequences_of_leaving
from accounts.models import Account
from keyportal import policy
from keyportal.http import see_other
from keyportal.key_policy import in_words

Context = dict[str, Any]


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def general(request: PageRequest, account: Account) -> HttpResponse:
    """The page on GET; a new name on POST."""
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": account.name})
    if request.method == "POST" and form.is_valid():
        account.rename(form.cleaned_data["name"], by=request.actor)
        messages.success(request, "Saved.")
        return see_other(reverse("account_general", args=[account.pk]))
    policy.require(request.method != "POST" or policy.can_edit_account(request.actor))
    return _page(request, account, form=form)


@require_POST
@as_member
def policies(request: PageRequest, account: Account) -> HttpResponse:
    """Whether API keys may manage members: "on" or nothing in `keys_manage_members`."""
    policy.require(policy.can_let_keys_manage_members(request.actor))
    require_fresh(request)
    allowed = request.POST.get("keys_manage_members") == "on"
    account.let_keys_manage_members(allowed, by=request.actor)
    messages.success(request, f"API keys {'may' if allowed else 'can no longer'} manage members.")
    return see_other(reverse("account_general", args=[account.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def transfer(request: PageRequest, account: Account) -> HttpResponse:
    policy.require(policy.can_transfer_away(request.actor))
    form = TransferForm(request.POST if request.method == "POST" else None, account=account)
    if request.method == "POST" and form.is_valid():
        require_fresh(request)
        to = form.cleaned_data["user_id"]
        account.transfer(to, by=request.actor)
        messages.success(request, f"{to.display_name} owns {account.name} now. You are an admin.")
        return see_other(reverse("account_general", args=[account.pk]))
    return _page(request, account, dialog="transfer", dialog_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def leave(request: PageRequest, account: Account) -> HttpResponse:
    policy.require(policy.can_remove_member(request.actor, request.membership))
    if request.method == "POST":
        request.membership.remove(by=request.actor)
        messages.success(request, f"You have left {account.name}.")
        return see_other(reverse("user_keys"))
    return _page(request, account, dialog="leave", **consequences_of_leaving(request.membership, request.actor))


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def delete(request: PageRequest, account: Account) -> HttpResponse:
    policy.require(policy.can_delete_account(request.actor))
    form = ConfirmNameForm(request.POST if request.method == "POST" else None, name=account.name)
    if request.method == "POST" and form.is_valid():
        require_fresh(request)
        account.close(by=request.actor)
        messages.success(request, f"{account.name} was deleted.")
        return see_other(reverse("user_keys"))
    return _page(request, account, dialog="delete", dialog_form=form)


def _page(request: PageRequest, account: Account, *, form: NameForm | None = None, **context: Any) -> HttpResponse:
    actor = request.actor
    context |= {
        "account": account,
        "role_label": request.membership.role.label,
        "asked_of_keys": in_words(account.key_policy),
        "announced": account.announced_key_policy,
        "form": form or NameForm(initial={"name": account.name}),
        "can_edit": policy.can_edit_account(actor),
        "can_transfer": policy.can_transfer_away(actor),
        "transfer_to": account.heirs().exists(),
        "can_let_keys": policy.can_let_keys_manage_members(actor),
        "can_leave": policy.can_remove_member(actor, request.membership),
        "can_delete": policy.can_delete_account(actor),
    }
    broken = any(one and one.errors for one in (form, context.get("dialog_form")))
    return render(request, "accounts/general.html", context, status=400 if broken else 200)
