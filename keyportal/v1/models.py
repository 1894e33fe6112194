"""What keys exist to manage: an account's checks. KeyPortal stores them and runs none."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models import Account
from keyportal.names import MAX_NAME_LENGTH


class Check(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="checks", db_index=False)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    check_type = models.CharField(max_length=20, default="API")
    activated = models.BooleanField(default=True)
    muted = models.BooleanField(default=False)
    frequency = models.PositiveIntegerField("minutes between runs", default=10)
    locations = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_at", "id"]
        indexes = (models.Index(fields=["account", "created_at", "id"], name="check_of_account"),)

    def __str__(self) -> str:
        return self.name
