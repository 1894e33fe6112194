"""The page of what an account asks of keys, which says before it is saved what would stop."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access import PageRequest, as_member, require_fresh
from accounts.models import Account
from apikeys.forms import KeyPolicyForm
from apikeys.policy_preview import Preview, preview
from keyportal import policy
from keyportal.http import see_other


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
def key_policies(request: PageRequest, account: Account) -> HttpResponse:
    """The form on GET. On POST what would stop, where something would and that is not confirmed; else it is saved."""
    policy.require(policy.can_edit_account(request.actor))
    form = KeyPolicyForm(request.POST if request.method == "POST" else None, account=account)
    stopping: Preview | None = None
    shown = ""
    if request.method == "POST" and form.is_valid():
        from_day = form.cleaned_data["from_day"]
        stopping = preview(account, form.policy, from_day)
        shown = f"{stopping.keys} {form.policy} {from_day}"
        if not stopping.keys or form.cleaned_data["confirm"] == shown:
            require_fresh(request)
            try:
                changed = account.set_key_policy(form.policy, from_day=from_day, by=request.actor)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                messages.success(request, "Saved." if changed else "Nothing has changed.")
                return see_other(reverse("account_general", args=[account.pk]))
    context = {"account": account, "form": form, "preview": stopping, "shown": shown}
    return render(request, "apikeys/key_policies.html", context, status=400 if form.errors else 200)
