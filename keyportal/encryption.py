"""What is encrypted at rest: text that opens other doors, such as the values of variables and mailed links.

Fernet (AES-128-CBC with HMAC-SHA-256) with the keys of `ENCRYPTION_KEYS`: the first encrypts, all of them decrypt, so
that a new key is put in front, everything is written anew, and the old one taken away.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


def encrypt(text: str) -> str:
    return _cipher().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Raises ImproperlyConfigured where none of the keys opens it."""
    try:
        return _cipher().decrypt(token).decode()
    except InvalidToken:
        raise ImproperlyConfigured("No key of ENCRYPTION_KEYS opens what is stored: put the one back that wrote it.") from None


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


class EncryptedTextField(models.TextField):
    """Text that only the application reads: nothing can be searched by it."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else decrypt(value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else encrypt(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """Each encryption differs, so an equal value would never be found."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


class EncryptedJSONField(EncryptedTextField):
    """A JSON document, encrypted as a whole."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        text = super().from_db_value(value, expression, connection)
        return None if text is None else json.loads(text)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else super().get_prep_value(json.dumps(value))
