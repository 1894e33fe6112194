"""The operators' view of people and accounts: to look, and to put a person into an account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from accounts.access import operator
from accounts.audit import AuditEvent
from accounts.models import Account, Membership, User
from keyportal.policy import Role

admin.site.disable_action("delete_selected")


class OperatorAdmin(admin.ModelAdmin):
    """For operators, to look at: nothing is added, changed or deleted, and filters reach the declared fields alone."""

    show_full_result_count = False
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)  # type: ignore[union-attr]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the list offers: `?secret_hash__startswith=` would read a hidden column letter by letter."""
        offered = {getattr(one, "parameter_name", one) for one in self.get_list_filter(request)}
        return lookup.split("__", maxsplit=1)[0] in offered


@admin.register(User)
class UserAdmin(OperatorAdmin):
    list_display = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email__startswith",)
    search_help_text = "Addresses that begin with…"
    ordering = ("email",)
    fields = ("id", "email", "name", "is_active", "is_staff", "date_joined", "last_login")


@admin.register(Account)
class AccountAdmin(OperatorAdmin):
    list_display = ("name", "id", "owner", "created_at", "suspended_at")
    list_select_related = ("owner",)
    search_fields = ("name__startswith", "id__startswith", "owner__email__startswith")
    search_help_text = "Names, IDs or owners’ addresses that begin with…"
    ordering = ("name",)
    fields = ("id", "name", "owner", "created_at", "suspended_at")


class MembershipForm(forms.ModelForm):
    class Meta:
        model = Membership
        fields = ("account", "user", "stored_role")

    def clean_user(self) -> User:
        user: User = self.cleaned_data["user"]
        if not user.has_confirmed_address:
            raise ValidationError("They have not confirmed their address yet: somebody else may have signed up with it.")
        return user


@admin.register(Membership)
class MembershipAdmin(OperatorAdmin):
    list_display = ("user", "account", "effective_role", "created_at")
    list_select_related = ("user", "account")
    list_filter = ("stored_role",)
    search_fields = ("user__email__startswith", "account__name__startswith")
    search_help_text = "People’s addresses or accounts’ names that begin with…"
    autocomplete_fields = ("user", "account")
    form = MembershipForm

    @admin.display(description="role")
    def effective_role(self, membership: Membership) -> str:
        return membership.role.label

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("account", "user", "effective_role", "created_at") if obj else ("account", "user", "stored_role")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("effective_role", "created_at") if obj else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        added = obj.account.add_member(obj.user, Role(obj.stored_role), by=operator(request))
        obj.pk = added.pk


@admin.register(AuditEvent)
class AuditEventAdmin(OperatorAdmin):
    list_display = ("at", "action", "target_name", "target_id", "actor_name", "account_name", "address", "reason")
    list_filter = ("action", "via")
    search_fields = ("target_id__startswith", "target_name__startswith", "actor_name__startswith")
    search_help_text = "Targets’ IDs or names, or actors, that begin with…"
    ordering = ("-id",)
    fields = (
        "at",
        "action",
        ("target_type", "target_id", "target_name"),
        ("via", "actor_id", "actor_name"),
        ("account_id", "account_name"),
        ("address", "request_id"),
        "reason",
        "details",
    )
