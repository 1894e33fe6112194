"""manage.py copy_database: move an installation from SQLite to the database that DATABASE_URL names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import environ
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connection, connections, models, transaction
from django.db.utils import load_backend

from accounts.audit import REFUSALS as AUDIT_REFUSALS
from apikeys.models import REFUSALS as KEY_REFUSALS
from keyportal import triggers
from keyportal.health import pending_migrations

SOURCE = "source"
BATCH = 1_000
# What `migrate` fills: in the copy they have the numbers that the source's rows speak of.
MADE_BY_MIGRATE: tuple[type[models.Model], ...] = (Permission, ContentType)


class Command(BaseCommand):
    help = (
        "Copy everything from a SQLite file into the database that DATABASE_URL names, which must be migrated and empty. "
        "All or nothing: it happens in one transaction, and whoever interrupts it finds the target empty. Stop the server first. "
        "Example: DATABASE_URL=postgres://… manage.py copy_database --from sqlite:////srv/keyportal/.data/keyportal.sqlite3"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="source", required=True, metavar="URL", help="sqlite:////absolute/path of the file")

    def handle(self, *, source: str, **options: Any) -> None:
        _open_source(source)
        try:
            self._copy()
        except OperationalError as error:
            raise CommandError(f"A database failed, and nothing was copied: {error}. Is the server stopped?") from None
        except (Error, ImproperlyConfigured) as error:
            raise CommandError(f"Nothing was copied: {error}") from None
        finally:
            connections[SOURCE].close()
            del connections[SOURCE]

    def _copy(self) -> None:
        for alias, name in ((SOURCE, "source"), (DEFAULT_DB_ALIAS, "target")):
            if pending := pending_migrations(alias):
                raise CommandError(
                    f"The {name} lacks {len(pending)} migrations. Run `manage.py migrate` on it with this version."
                )
        # On SQLite this takes the write lock: nobody changes what is being copied.
        with transaction.atomic(SOURCE), transaction.atomic():
            _require_empty()
            for model in MADE_BY_MIGRATE:
                model._base_manager.all().delete()
            total = sum(self._copy_rows(model) for model in _models())
            if missing := triggers.missing([*AUDIT_REFUSALS, *KEY_REFUSALS], [DEFAULT_DB_ALIAS]):
                raise CommandError(f"Nothing was copied: {missing[0].msg}")
            with connection.cursor() as cursor:
                for sql in connection.ops.sequence_reset_sql(no_style(), _models()):
                    cursor.execute(sql)
        self.stdout.write(f"Copied {total:,} rows. Every table has as many as in the source.")

    def _copy_rows(self, model: type[models.Model]) -> int:
        """All rows of one table, a batch at a time; how many the target has now, which is as many as the source has."""
        rows = model._base_manager.using(SOURCE).order_by("pk").iterator(BATCH)
        while batch := [*islice(rows, BATCH)]:
            model._base_manager.using(DEFAULT_DB_ALIAS).bulk_create(batch)
        here, there = (model._base_manager.using(alias).count() for alias in (DEFAULT_DB_ALIAS, SOURCE))
        if here != there:
            raise CommandError(f"Nothing was copied: {model._meta.db_table} has {there} rows, and {here} of them arrived.")
        if here:
            self.stdout.write(f"{here:>12,}  {model._meta.db_table}")
        return here


def _open_source(url: str) -> None:
    """The SQLite file as the database "source", for as long as the command runs."""
    configured = environ.Env.db_url_config(url)
    if configured["ENGINE"] != "django.db.backends.sqlite3":
        raise CommandError("--from takes a SQLite file: sqlite:////absolute/path")
    if not Path(configured["NAME"]).is_file():
        raise CommandError(f"There is no file {configured['NAME']}.")
    configured["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 5}
    complete = connections.configure_settings({DEFAULT_DB_ALIAS: configured})[DEFAULT_DB_ALIAS]
    connections[SOURCE] = load_backend(complete["ENGINE"]).DatabaseWrapper(complete, SOURCE)


def _models() -> list[type[models.Model]]:
    """One for each table, those of many-to-many relations included."""
    return [model for model in apps.get_models(include_auto_created=True) if model._meta.managed and not model._meta.proxy]


def _require_empty() -> None:
    filled = [model._meta.db_table for model in _not_made_by_migrate() if model._base_manager.exists()]
    if filled:
        raise CommandError(f"The target is not empty: there are rows in {', '.join(filled)}. Nothing was copied.")


def _not_made_by_migrate() -> Iterator[type[models.Model]]:
    return (model for model in _models() if model not in MADE_BY_MIGRATE)
