from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        import apikeys.reminders  # noqa: F401 - a model that stands in a file of its own

        register(revocation_is_final, Tags.database)


def revocation_is_final(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    from apikeys.models import REFUSALS
    from keyportal import triggers

    return triggers.missing(REFUSALS, databases)
