"""A person's own general page: name, address, theme, and the end of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access import PageRequest, as_oneself, require_fresh
from accounts.forms import ConfirmNameForm, ProfileForm
from keyportal.http import see_other


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def general(request: PageRequest) -> HttpResponse:
    user = request.user
    initial = {"name": user.name, "theme": user.theme}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        user.name, user.theme = form.cleaned_data["name"], form.cleaned_data["theme"]
        user.save(update_fields=["name", "theme"])
        messages.success(request, "Saved.")
        return see_other(reverse("user_general"))
    return _page(request, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def delete(request: PageRequest) -> HttpResponse:
    """Delete one's own user, the address typed; who owns accounts is told which, and the way out."""
    owned = list(request.user.owned_accounts.filter(deleted_at=None).order_by("name"))
    form = ConfirmNameForm(request.POST if request.method == "POST" else None, name=request.user.email)
    if request.method == "POST" and not owned and form.is_valid():
        require_fresh(request)
        request.user.close(by=request.actor)
        logout(request)
        messages.success(request, "Your user was deleted, and your keys with it.")
        return see_other(reverse("account_login"))
    refused = request.method == "POST" and owned
    return _page(request, status=409 if refused else 200, dialog="delete", dialog_form=form, owned=owned)


def _page(request: PageRequest, *, form: ProfileForm | None = None, status: int = 200, **context: Any) -> HttpResponse:
    context["form"] = form or ProfileForm(initial={"name": request.user.name, "theme": request.user.theme})
    broken = context["form"].errors or (context.get("dialog_form") and context["dialog_form"].errors)
    return render(request, "accounts/user_general.html", context, status=400 if broken else status)
