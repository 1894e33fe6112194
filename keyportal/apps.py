from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.core.checks import CheckMessage, Warning, register
from django.core.management import call_command
from django.db.models.signals import post_migrate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


class KeyPortalConfig(AppConfig):
    name = "keyportal"

    def ready(self) -> None:
        from allauth.account.decorators import secure_admin_login

        # The admin's own sign-in would go round our limits and mail confirmation.
        admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
        # So would its own form for a new password.
        admin.site.password_change = to_our_password_page  # type: ignore[method-assign, assignment]
        admin.site.site_header = admin.site.site_title = "KeyPortal operators"
        admin.site.index_title = "Installation"
        register(requests_can_be_counted)
        # Django sends the signal for apps with models, which this one has not: hear it once, for people's.
        post_migrate.connect(create_cache_table, sender=apps.get_app_config("accounts"))


def requests_can_be_counted(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning, since commands do without; the server refuses to start."""
    from keyportal import limits

    reason = limits.obstacle()
    hint = "Make it writable for the server, name another file in LIMITS_FILE, or a Redis in CACHE_URL."
    return [Warning(f"Requests can’t be counted: {reason}.", hint=hint, id="keyportal.W001")] if reason else []


def to_our_password_page(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    return redirect("account_change_password")


def create_cache_table(sender: AppConfig, using: str, verbosity: int, **kwargs: Any) -> None:
    """The table behind the default cache, so that `migrate` is all that an installation needs."""
    call_command("createcachetable", database=using, verbosity=max(0, verbosity - 1))
