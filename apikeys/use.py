"""The record of use: when, from where and by what a key was last used, written after the answer has gone out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.secret import Secret, needs_rehash
from keyportal.client import client_address, client_name

if TYPE_CHECKING:
    from apikeys.authentication import CheckedKey

logger = logging.getLogger(__name__)

# At most one write per key and minute.
NOTED_EVERY = timedelta(minutes=1)
PATIENCE_MS = 50


def after_the_answer(checked: CheckedKey, request: HttpRequest) -> Callable[[], None]:
    """What is left to do about a checked key, for when the answer has gone out."""
    address, client = client_address(request), client_name(request)

    def record() -> None:
        if checked.use_is_due:
            note_use(checked.pk, address, client)
        renew_hash(checked.pk, checked.secret, checked.secret_hash)

    return record


def note_use(pk: int, address: str | None, client: str) -> None:
    """Set the key's last use, unless that was done within the last minute. A database in the way is no error."""
    now = timezone.now()
    try:
        with _giving_up_soon():
            ApiKey.objects.filter(pk=pk).exclude(last_used_at__gt=now - NOTED_EVERY).update(
                last_used_at=now, last_used_address=address, last_used_client=client
            )
    except DatabaseError as error:
        logger.warning("The use of a key was not recorded: %s", error)


def renew_hash(pk: int, secret: Secret, secret_hash: str) -> None:
    """Hash the key again where the settings ask for other parameters than `secret_hash` has."""
    if not needs_rehash(secret_hash):
        return
    renewed = secret.hash()
    try:
        with _giving_up_soon():
            # Only over the hash that was read: a key that changed meanwhile keeps its change.
            ApiKey.objects.filter(pk=pk, revoked_at=None, secret_hash=secret_hash).update(secret_hash=renewed)
    except DatabaseError as error:
        logger.warning("A key was not hashed again: %s", error)


@contextmanager
def _giving_up_soon() -> Iterator[None]:
    """A transaction that fails after 50 ms of waiting for a lock, where the usual one waits for seconds."""
    if connection.vendor == "sqlite":
        usual = int(connection.settings_dict["OPTIONS"].get("timeout", 5) * 1000)
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        try:
            with transaction.atomic():
                yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {usual}")
    elif connection.in_atomic_block:
        with transaction.atomic():  # inside somebody's own, whose later statements would have the limit as well
            yield
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_MS}ms'; SET LOCAL statement_timeout = '{PATIENCE_MS}ms'")
            yield
