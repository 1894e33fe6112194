from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        # Models that stand in files of their own.
        import apikeys.knocks
        import apikeys.reminders  # noqa: F401

        register(revocation_is_final, Tags.database)


def revocation_is_final(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    from apikeys.models import REFUSALS
    from keyportal import triggers

    return triggers.missing(REFUSALS, databases)
