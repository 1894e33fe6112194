"""The operators' view of keys: everything but the hash, and "Revoke selected"."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import SuspiciousOperation
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.access import operator, require_fresh
from accounts.admin import OperatorAdmin, ReasonForm
from apikeys.models import ApiKey, ApiKeyQuerySet, expired_at, usable_at

# What one form may carry. More than this is work for the command.
MOST_SELECTED = 5_000


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("user", "User keys"), ("service", "Service keys")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        return queryset.filter(user__isnull=self.value() == "service") if self.value() else queryset


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("usable", "Usable"), ("expired", "Expired"), ("suspended", "Suspended"), ("deleted", "Deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        now = timezone.now()
        conditions = {
            "usable": usable_at(now),
            "expired": expired_at(now),
            "suspended": Q(revoked_at=None, suspended_at__isnull=False),
            "deleted": Q(revoked_at__isnull=False),
        }
        return queryset.filter(conditions[self.value()]) if self.value() in conditions else queryset  # type: ignore[index]


@admin.register(ApiKey)
class ApiKeyAdmin(OperatorAdmin):
    list_display = ("masked", "name", "belongs_to", "role", "state_label", "created_at", "last_used_at", "expires_at")
    list_select_related = ("user", "account")
    list_filter = (StateFilter, KindFilter, "role")
    search_fields = ("public_id__startswith", "name__startswith", "user__email__startswith", "account__name__startswith")
    search_help_text = "Public IDs, names, people’s addresses or accounts’ names that begin with…"
    ordering = ("-id",)
    fields = (
        "public_id",
        "last_four",
        "name",
        ("user", "account", "role"),
        "state_label",
        ("created_at", "created_by"),
        "expires_at",
        "suspended_at",
        ("replaced_at", "replaces"),
        ("revoked_at", "revoked_by_name", "revoked_reason"),
        ("last_used_at", "last_used_address", "last_used_client"),
    )
    readonly_fields = ("state_label",)
    actions = ("revoke_selected",)

    def response_action(self, request: HttpRequest, queryset: QuerySet[ApiKey], *args: Any) -> HttpResponse | None:
        if not all(re.fullmatch("[0-9]{1,18}", pk, re.ASCII) for pk in request.POST.getlist("_selected_action")):
            raise SuspiciousOperation("What was selected are no keys.")
        return super().response_action(request, queryset, *args)

    @admin.display(description="key")
    def masked(self, key: ApiKey) -> str:
        return key.masked

    @admin.display(description="belongs to")
    def belongs_to(self, key: ApiKey) -> str:
        return str(key.user.email if key.user else key.account)

    @admin.display(description="state")
    def state_label(self, key: ApiKey) -> str:
        return key.state.label

    @admin.action(description="Revoke selected keys…", permissions=["view"])
    def revoke_selected(self, request: HttpRequest, queryset: ApiKeyQuerySet) -> HttpResponse | None:
        """Count and ask on the first POST, revoke on the second: just the keys that were counted."""
        require_fresh(request)
        keys = queryset.filter(revoked_at=None)
        counts = keys.impact()
        if not counts["all"]:
            self.message_user(request, "All of these are revoked already. Nothing was changed.", messages.WARNING)
            return None
        if counts["all"] > MOST_SELECTED:
            message = f"That is more than {MOST_SELECTED:,} keys at once. Use the command revoke_keys, or select fewer."
            self.message_user(request, message, messages.ERROR)
            return None
        form = ReasonForm(request.POST if "confirm" in request.POST else None)
        if form.is_valid():
            count = keys.revoke(by=operator(request), reason=form.cleaned_data["reason"])
            what = "1 key" if count == 1 else f"{count:,} keys"
            self.message_user(request, f"Revoked {what}. Requests with them fail from now on.", messages.SUCCESS)
            return None
        context = self.admin_site.each_context(request) | {
            "title": "Revoke keys",
            "opts": self.opts,
            "form": form,
            "counts": counts,
            "examples": keys.select_related("user", "account").order_by("-last_used_at")[:20],
            "selected": keys.values_list("pk", flat=True),
        }
        return TemplateResponse(request, "admin/apikeys/revoke_selected.html", context)
