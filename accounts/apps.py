from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People and accounts"

    def ready(self) -> None:
        import accounts.invitations
        import accounts.outbox  # noqa: F401 - models that stand in files of their own

        register(audit_is_append_only, Tags.database)


def audit_is_append_only(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    from accounts.audit import REFUSALS
    from keyportal import triggers

    return triggers.missing(REFUSALS, databases)
