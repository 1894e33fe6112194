"""The operators' view of keys: everything but the hash; to revoke, suspend and resume."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import SuspiciousOperation
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from accounts.access import operator, require_fresh
from accounts.admin import OperatorAdmin, ReasonForm, ask_why
from apikeys.allowlist import Mode
from apikeys.causes import Explained, explained
from apikeys.knocks import latest
from apikeys.models import ApiKey, ApiKeyQuerySet, expired_at, usable_at

# What one form may carry. More than this is work for the command.
MOST_SELECTED = 5_000
# How many of the selected the page in between names.
SHOWN = 20


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


def key_action(verb: str, effect: str, outcome: str, keys_it_concerns: Q, none_left: str) -> Any:
    """An admin action that counts the selected keys and asks why on a page in between, then does `verb` to just those."""
    title = verb.capitalize()

    @admin.action(description=f"{title} selected API keys…", permissions=["view"])
    def act(model_admin: ApiKeyAdmin, request: HttpRequest, queryset: ApiKeyQuerySet) -> HttpResponse | None:
        require_fresh(request)
        keys = queryset.filter(keys_it_concerns)
        counts = keys.impact()
        if not counts["all"]:
            model_admin.message_user(request, f"{none_left} Nothing was changed.", messages.WARNING)
            return None
        if counts["all"] > MOST_SELECTED:
            way_on = "Use the command revoke_keys, or select fewer." if verb == "revoke" else "Select fewer."
            model_admin.message_user(request, f"That is more than {MOST_SELECTED:,} keys at once. {way_on}", messages.ERROR)
            return None
        form = ReasonForm(request.POST if "confirm" in request.POST else None)
        if form.is_valid():
            count = getattr(keys, verb)(by=operator(request), reason=form.cleaned_data["reason"])
            model_admin.message_user(request, outcome.format(_keys(count)), messages.SUCCESS)
            return None
        shown = keys.select_related("user", "account").order_by("-last_used_at")[:SHOWN]
        return ask_why(
            model_admin,
            request,
            form,
            template="admin/apikeys/keys_with_reason.html",
            action=act.__name__,
            title=f"{title} API keys",
            button=f"{title} {_keys(counts['all'])}",
            effect=effect,
            counts=counts,
            chosen=shown,
            others=counts["all"] - len(shown),
            selected=keys.values_list("pk", flat=True),
        )

    act.__name__ = f"{verb}_selected"
    return act


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count:,} keys"


class AddressFilter(admin.SimpleListFilter):
    title = "allowed addresses"
    parameter_name = "addresses"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("everywhere", "Allowed from everywhere"), ("some", "Restricted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        restricted = Q(allow_mode=Mode.ENFORCE)
        conditions = {"everywhere": ~restricted, "some": restricted}
        return queryset.filter(conditions[self.value()]) if self.value() in conditions else queryset  # type: ignore[index]


@admin.register(ApiKey)
class ApiKeyAdmin(OperatorAdmin):
    list_display = ("masked", "name", "belongs_to", "role", "state_label", "created_at", "last_used_at", "expires_at")
    list_select_related = ("user", "account")
    list_filter = (StateFilter, KindFilter, AddressFilter, "role")
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
        ("suspended_at", "suspended_by_name", "suspended_reason"),
        ("replaced_at", "replaces"),
        ("allow_mode", "allowed_from"),
        ("revoked_at", "revoked_by_name", "revoked_reason"),
        ("last_used_at", "last_used_address", "last_used_client"),
        "last_refusals",
    )
    readonly_fields = ("state_label", "last_refusals")
    actions = (
        key_action(
            "revoke",
            "will stop working at once and for good",
            "Revoked {}. Requests with them fail from now on.",
            Q(revoked_at=None),
            "All of these are revoked already.",
        ),
        key_action(
            "suspend",
            "will stop working at once, until an operator resumes them",
            "Suspended {}. Requests with them fail until they are resumed.",
            Q(revoked_at=None, suspended_at=None),
            "All of these are suspended or revoked already.",
        ),
        key_action(
            "resume",
            "will work again at once, unless expired meanwhile",
            "Resumed {}. They work again, unless expired meanwhile.",
            Q(revoked_at=None, suspended_at__isnull=False),
            "None of these is suspended, or they are revoked.",
        ),
    )

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

    @admin.display(description="last refusals")
    def last_refusals(self, key: ApiKey) -> str:
        """Requests with the true secret that were refused, with their causes."""
        told = explained(key, latest(key.public_id), to_operator=True)
        rows = ((f"{one.knock.minute:%Y-%m-%d %H:%M}", *_in_words(one)) for one in told)
        row = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
        return format_html("<table>{}</table>", format_html_join("", row, rows)) if told else "None"


def _in_words(one: Explained) -> tuple[str, str, str, str]:
    knock = one.knock
    return knock.why, str(one.cause or ""), knock.get_door_display(), f"{knock.address} {knock.client}"
