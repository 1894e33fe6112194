"""The operators' view of people and accounts: to look, and to put a person into an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import operations
from accounts.access import operator, require_fresh
from accounts.audit import AuditEvent
from accounts.models import MAX_REASON_LENGTH, Account, Membership, User
from keyportal.exceptions import Conflict
from keyportal.key_policy import in_words
from keyportal.policy import Role

admin.site.disable_action("delete_selected")

MOST_AT_ONCE = 100


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
        return lookup.removesuffix("__exact") in offered


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        help_text="Recorded, and told to the people concerned.",
    )


def ask_why(
    model_admin: OperatorAdmin,
    request: HttpRequest,
    form: ReasonForm,
    *,
    template: str = "admin/with_reason.html",
    **context: Any,
) -> HttpResponse:
    """The page between an action and its deed. `context` names action, title, button, effect, chosen and selected (keys)."""
    opts = model_admin.opts
    list_url = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    context |= model_admin.admin_site.each_context(request) | {"title": context["title"]}
    return TemplateResponse(request, template, context | {"opts": opts, "form": form, "list_url": list_url})


def action_with_reason(name: str, title: str, effect: str, operation: Callable[..., None]) -> Any:
    """An admin action that asks why on a page in between, then does `operation` to each of the selected."""

    @admin.action(description=f"{title}…", permissions=["view"])
    def act(model_admin: OperatorAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        require_fresh(request)
        form = ReasonForm(request.POST if "confirm" in request.POST else None)
        if not form.is_valid():
            chosen = list(queryset[:MOST_AT_ONCE])
            selected = [one.pk for one in chosen]
            return ask_why(
                model_admin,
                request,
                form,
                action=name,
                title=title,
                button=title,
                effect=effect,
                chosen=chosen,
                selected=selected,
            )
        for one in queryset:
            try:
                operation(one, by=operator(request), reason=form.cleaned_data["reason"])
            except Conflict as error:
                model_admin.message_user(request, str(error), messages.WARNING)
            else:
                model_admin.message_user(request, f"{title}: {one}. Done.", messages.SUCCESS)
        return None

    act.__name__ = name
    return act


@admin.register(User)
class UserAdmin(OperatorAdmin):
    actions = (
        action_with_reason(
            "deactivate_selected",
            "Deactivate users",
            "Their sessions end and their user keys stop, everywhere and at once. Service keys they made keep working.",
            operations.deactivate_user,
        ),
        action_with_reason(
            "reactivate_selected",
            "Reactivate users",
            "They may sign in again, and the user keys they had work again.",
            operations.reactivate_user,
        ),
    )
    list_display = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email__startswith",)
    search_help_text = "Addresses that begin with…"
    ordering = ("email",)
    fields = ("id", "email", "name", "is_active", "is_staff", "date_joined", "last_login")


@admin.register(Account)
class AccountAdmin(OperatorAdmin):
    actions = (
        action_with_reason(
            "suspend_selected",
            "Suspend accounts",
            "Their keys are refused and their pages are read-only until somebody resumes them.",
            operations.suspend_account,
        ),
        action_with_reason(
            "resume_selected", "Resume accounts", "Their keys work and their pages change again.", operations.resume_account
        ),
    )
    list_display = ("name", "id", "owner", "created_at", "suspended_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("name__startswith", "id__startswith", "owner__email__startswith")
    search_help_text = "Names, IDs or owners’ addresses that begin with…"
    ordering = ("name",)
    fields = ("id", "name", "owner", "created_at", "asked_of_keys", ("suspended_at", "suspended_reason"), "deleted_at")
    readonly_fields = ("asked_of_keys",)

    @admin.display(description="asked of keys")
    def asked_of_keys(self, account: Account) -> str:
        coming = account.announced_key_policy
        later = [f"From {coming.at:%Y-%m-%d}:", *(in_words(coming.policy) or ["Nothing."])] if coming else []
        return " ".join([*(in_words(account.key_policy) or ["Nothing."]), *later])


class MembershipForm(ReasonForm, forms.ModelForm):
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
        return ("account", "user", "effective_role", "created_at") if obj else ("account", "user", "stored_role", "reason")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("effective_role", "created_at") if obj else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        require_fresh(request)
        role, reason = Role(obj.stored_role), form.cleaned_data["reason"]
        obj.pk = operations.add_member(obj.account, obj.user, role, by=operator(request), reason=reason).pk


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
