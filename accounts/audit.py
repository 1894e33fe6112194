"""The record of what was done, by whom, to what: append-only, and readable when everybody in it is gone."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.utils import timezone

from keyportal.policy import Actor
from keyportal.triggers import Refusal

REFUSALS = [
    Refusal("audit_refuses_update", "accounts_auditevent", "UPDATE", "the audit record is append-only"),
    Refusal("audit_refuses_delete", "accounts_auditevent", "DELETE", "the audit record is append-only"),
]


class AppendOnly(Exception):
    """Somebody tried to change or delete what was recorded. A bug: nothing in the product offers it."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **kwargs: Any) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class AuditEvent(models.Model):
    """One change, with snapshots instead of foreign keys, so that it outlives what it speaks of.

    Events of user keys carry no account: such a key works in all of its user's accounts.
    """

    class Action(models.TextChoices):
        ACCOUNT_OPENED = "account.opened", "Account opened"
        ACCOUNT_RENAMED = "account.renamed", "Account renamed"
        ACCOUNT_TRANSFERRED = "account.transferred", "Ownership transferred"
        ACCOUNT_SUSPENDED = "account.suspended", "Account suspended"
        ACCOUNT_RESUMED = "account.resumed", "Account resumed"
        ACCOUNT_POLICY_CHANGED = "account.policy_changed", "Policy changed"
        ACCOUNT_DELETED = "account.deleted", "Account deleted"
        AUDIT_LOG_EXPORTED = "account.audit_log_exported", "Audit log exported"
        MEMBER_INVITED = "member.invited", "Member invited"
        INVITATION_RESENT = "invitation.resent", "Invitation sent again"
        INVITATION_WITHDRAWN = "invitation.withdrawn", "Invitation withdrawn"
        MEMBER_ADDED = "member.added", "Member added"
        MEMBER_ROLE_CHANGED = "member.role_changed", "Role changed"
        MEMBER_REMOVED = "member.removed", "Member removed"
        USER_CREATED = "user.created", "User created"
        USER_DEACTIVATED = "user.deactivated", "User deactivated"
        USER_REACTIVATED = "user.reactivated", "User reactivated"
        USER_DELETED = "user.deleted", "User deleted"
        KEY_CREATED = "key.created", "Created"
        KEY_RENAMED = "key.renamed", "Renamed"
        KEY_ROTATED = "key.rotated", "Rotated"
        KEY_SUSPENDED = "key.suspended", "Suspended"
        KEY_RESUMED = "key.resumed", "Resumed"
        KEY_ADDRESSES_CHANGED = "key.addresses_changed", "Allowed addresses changed"
        KEY_REVOKED = "key.revoked", "Deleted"

    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=40, choices=Action.choices)
    via = models.CharField(max_length=10)
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=360, blank=True)
    account_id = models.UUIDField(null=True)
    account_name = models.CharField(max_length=100, blank=True)
    target_type = models.CharField(max_length=20)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=360, blank=True)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)

    objects: ClassVar[models.Manager[AuditEvent]] = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["target_type", "target_id", "-id"], name="audit_target"),
            models.Index(fields=["account_id", "-id"], name="audit_account"),
            models.Index(fields=["actor_id", "-id"], name="audit_actor"),
            models.Index(
                fields=["account_id", "actor_id", "-id"],
                condition=models.Q(account_id__isnull=False),
                name="audit_account_actor",
            ),
            models.Index(fields=["account_id", "at"], condition=models.Q(account_id__isnull=False), name="audit_account_at"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.target_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly


def event(
    action: AuditEvent.Action,
    *,
    by: Actor,
    target_type: str,
    target_id: object,
    target_name: str,
    account_id: UUID | None = None,
    account_name: str = "",
    reason: str = "",
    **details: Any,
) -> AuditEvent:
    """An event of now, not yet saved. A verb saves it in the transaction of the change that it records."""
    return AuditEvent(
        action=action,
        via=by.via,
        actor_id=by.user_id,
        actor_name=f"{by.name} ({by.key_id})" if by.key_id else by.name,
        account_id=account_id,
        account_name=account_name,
        target_type=target_type,
        target_id=str(target_id),
        target_name=target_name,
        address=by.address,
        request_id=by.request_id,
        reason=reason,
        details=details,
    )
