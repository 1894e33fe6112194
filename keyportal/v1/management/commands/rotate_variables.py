"""manage.py rotate_variables: write everything that is encrypted anew, with the first of the encryption keys."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from keyportal.v1.models import Check, CheckGroup, Variable

BATCH = 500


class Command(BaseCommand):
    help = (
        "Encrypt all variables, checks and check groups anew with the first key of ENCRYPTION_KEYS. "
        "To change the key: put a new one in front of the old (ENCRYPTION_KEYS=new,old) and restart, run this, "
        "then take the old one away. Stopped half-way, it can be run again; nothing waits for it meanwhile. "
        "Mails that wait to be sent keep the key they were written with: run daily first.\n\n"
        "Example: manage.py rotate_variables"
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for model, field in ((Variable, "value"), (Check, "document"), (CheckGroup, "document")):
                self.stdout.write(f"{_rewritten(model, field)} {model._meta.verbose_name_plural}")
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None


def _rewritten(model: Any, field: str) -> int:
    """Each batch in a transaction of its own, its rows locked, so that no change made meanwhile is lost."""
    done, last = 0, None
    while True:
        with transaction.atomic():
            rows = model.objects.select_for_update().order_by("pk")
            batch = list((rows.filter(pk__gt=last) if last is not None else rows)[:BATCH])
            for row in batch:
                row.save(update_fields=[field])
        if not batch:
            return done
        done, last = done + len(batch), batch[-1].pk
