"""What keys exist to manage: an account's variables, checks and check groups. KeyPortal stores them and runs none."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from accounts.models import Account
from keyportal.encryption import EncryptedJSONField, EncryptedTextField

# What clients are known to send at most, with room: Infisical takes keys and values of variables up to 255 characters.
MAX_LENGTH = 255


class Variable(models.Model):
    """A named value of an account. `secret` is never read by anybody again, `locked` only by those who may write."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="variables", db_index=False)
    key = models.CharField(max_length=MAX_LENGTH)
    value = EncryptedTextField()
    locked = models.BooleanField(default=False)
    secret = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["key"]
        constraints = (models.UniqueConstraint(fields=["account", "key"], name="variable_once"),)

    def __str__(self) -> str:
        return self.key


class Document(models.Model):
    """A resource that is kept as it was sent, with what lists filter by in columns beside it."""

    name = models.CharField(max_length=MAX_LENGTH)
    # One tag a line, with a line break before and after each, so that LIKE finds a whole one.
    tag_lines = models.TextField(default="\n")
    document: Any = EncryptedJSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class CheckGroup(Document):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="check_groups", db_index=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        indexes = (models.Index(fields=["account", "id"], name="check_group_of_account"),)


class Check(Document):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="checks", db_index=False)
    group = models.ForeignKey(CheckGroup, on_delete=models.SET_NULL, null=True, related_name="checks")
    check_type = models.CharField(max_length=20, default="API")
    # Of an API check, for the filter by it.
    url = models.TextField(default="", blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_at", "id"]
        indexes = (models.Index(fields=["account", "created_at", "id"], name="check_of_account"),)
