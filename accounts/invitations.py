"""Invitations: an offer of a role to an address, by a mailed link."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.audit import AuditEvent, event
from accounts.models import ROLE_CHOICES, Account, Membership, User
from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.names import canonical_email
from keyportal.policy import GRANTABLE_ROLES, Actor, Role

INVITATION_LIFE = timedelta(days=30)


class InvitationManager(models.Manager["Invitation"]):
    def pending(self) -> models.QuerySet[Invitation]:
        return self.filter(accepted_at=None, withdrawn_at=None)

    def by_token(self, token: str) -> Invitation | None:
        """The invitation whose mailed link holds `token`, in whatever state it is."""
        return self.by_token_hash(token_hash(token))

    def by_token_hash(self, kept: str | None) -> Invitation | None:
        """The same, for a session that remembers the link that was opened, without holding it."""
        return self.select_related("account", "invited_by").filter(token_hash=kept or "").first()

    def invite(self, account: Account, email: str, role: Role, *, by: Actor) -> tuple[Invitation, str]:
        """Offer `role` to an address; the invitation, and the token for the mailed link.

        Raises ValidationError for what is no address, Conflict for a member, for a pending invitation to the same
        address, and beyond `INVITATIONS_PER_DAY`.
        """
        email = canonical_email(email)
        with transaction.atomic():
            account = Account.objects.locked(account.pk)
            policy.require(policy.can_invite(account.present(by), role))
            if account.memberships.filter(user__email=email).exists():
                raise Conflict(f"{email} is a member already.")
            if self.pending().filter(account=account, email=email, expires_at__gt=timezone.now()).exists():
                raise Conflict(f"{email} is invited already. Send the invitation again, or withdraw it.")
            _require_invitations_left(account, by)
            self.pending().filter(account=account, email=email).update(withdrawn_at=timezone.now())
            token = secrets.token_urlsafe(32)
            invitation = self.create(
                account=account,
                email=email,
                role=role,
                invited_by_id=by.user_id,  # type: ignore[misc]  # the policy lets nobody pass without one
                token_hash=token_hash(token),
                expires_at=timezone.now() + INVITATION_LIFE,
            )
            invitation.record(AuditEvent.Action.MEMBER_INVITED, by=by)
        return invitation, token


class Invitation(models.Model):
    """An offer of one role in one account to one address, good once and for 30 days, by a mailed link."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=ROLE_CHOICES)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    token_hash = models.CharField(max_length=64, editable=False)

    objects: ClassVar[InvitationManager] = InvitationManager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["token_hash"], name="invitation_token_unique"),
            models.UniqueConstraint(
                fields=["account", "email"],
                condition=models.Q(accepted_at=None, withdrawn_at=None),
                name="invitation_pending_once",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in GRANTABLE_ROLES]), name="invitation_role_known"
            ),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="invitation_email_lower_case"),
        )
        indexes = (models.Index(fields=["account", "-created_at"], name="invitation_of_account"),)

    def __str__(self) -> str:
        return f"{self.email} to {self.account}"

    @property
    def ended(self) -> str:
        """Why nobody can accept it any more; empty while somebody can."""
        if self.accepted_at is not None:
            return "This invitation was accepted already."
        if self.withdrawn_at is not None:
            return "This invitation was withdrawn."
        if self.expires_at <= timezone.now():
            return "This invitation has expired. Ask for another."
        return ""

    def open_to_anybody(self) -> policy.Decision:
        """Whether it still stands, whoever asks: not ended, and its inviter may still invite with this role."""
        if self.ended:
            return policy.Denied(self.ended)
        if self.account.suspended_at:
            return policy.Denied(f"{self.account.name} is suspended. Nobody can join until an operator resumes it.")
        inviter = self.account.present(Actor(via="session", user_id=self.invited_by_id))
        if not policy.can_invite(inviter, Role(self.role)):
            return policy.Denied("The person who invited you may no longer do so. Ask for another invitation.")
        return True

    def acceptable_by(self, user: User) -> policy.Decision:
        """Whether `user` may accept now. Only the address it was sent to may; nobody's role changes by it."""
        standing = self.open_to_anybody()
        if not standing:
            return standing
        if user.email != self.email:
            return policy.Denied("This invitation was sent to another address.")
        if self.account.memberships.filter(user=user).exists():
            return policy.Denied(f"You are a member of {self.account.name} already.")
        return True

    def accept(self, *, by: Actor) -> Membership:
        """Make the asker a member with the role offered. Raises Conflict, with the reason, when it is not acceptable."""
        with transaction.atomic():
            account, invitation = self._locked()
            if invitation.token_hash != self.token_hash:
                raise Conflict("A newer invitation was sent. Open the link in the last mail.")
            user = User.objects.locked(by.user_id)  # type: ignore[arg-type]
            decision = invitation.acceptable_by(user)
            if isinstance(decision, policy.Denied):
                raise Conflict(decision.reason)
            if not user.is_active:
                raise Conflict("This user is deactivated.")
            membership = account.memberships.create(user=user, stored_role=invitation.role)
            Invitation.objects.filter(pk=invitation.pk).update(accepted_at=timezone.now())
            account.record(AuditEvent.Action.MEMBER_ADDED, by=by, member=user, role=invitation.role)
        return membership

    def resend(self, *, by: Actor) -> str:
        """A new token, good for 30 days from now; the old one is dead."""
        token = secrets.token_urlsafe(32)
        with transaction.atomic():
            account, invitation = self._locked()
            invitation._require_open(account, by)
            if account.memberships.filter(user__email=invitation.email).exists():
                raise Conflict(f"{invitation.email} is a member already.")
            _require_invitations_left(account, by)
            Invitation.objects.filter(pk=invitation.pk).update(
                token_hash=token_hash(token),
                invited_by=by.user_id,
                sent_at=timezone.now(),
                expires_at=timezone.now() + INVITATION_LIFE,
            )
            invitation.record(AuditEvent.Action.INVITATION_RESENT, by=by)
        self.refresh_from_db()  # who invites now is named in the mail
        return token

    def withdraw(self, *, by: Actor) -> None:
        with transaction.atomic():
            account, invitation = self._locked()
            invitation._require_open(account, by)
            Invitation.objects.filter(pk=invitation.pk).update(withdrawn_at=timezone.now())
            invitation.record(AuditEvent.Action.INVITATION_WITHDRAWN, by=by)

    def _locked(self) -> tuple[Account, Invitation]:
        """The account, locked, and the invitation as it is now."""
        account = Account.objects.locked(self.account_id)
        invitation = account.invitations.filter(pk=self.pk).first()
        if invitation is None:
            raise Conflict("This invitation is gone.")
        invitation.account = account
        return account, invitation

    def _require_open(self, account: Account, by: Actor) -> None:
        policy.require(policy.can_invite(account.present(by), Role(self.role)))
        if self.accepted_at is not None or self.withdrawn_at is not None:
            raise Conflict(f"The invitation of {self.email} is no longer open.")

    def record(self, action: AuditEvent.Action, *, by: Actor) -> None:
        event(
            action,
            by=by,
            target_type="invitation",
            target_id=self.pk,
            target_name=self.email,
            account_id=self.account_id,
            account_name=self.account.name,
            role=self.role,
        ).save()


def _require_invitations_left(account: Account, by: Actor) -> None:
    """Each invitation is a mail to an address of the sender's choice: a day has only so many of them.

    Also for the person, who could delete the account and open another.
    """
    sent = AuditEvent.objects.filter(
        models.Q(account_id=account.pk) | models.Q(actor_id=by.user_id),
        action__in=(AuditEvent.Action.MEMBER_INVITED, AuditEvent.Action.INVITATION_RESENT),
        at__gt=timezone.now() - timedelta(days=1),
    )
    if sent.count() >= settings.INVITATIONS_PER_DAY:
        raise Conflict(
            f"An account, or a person, sends at most {settings.INVITATIONS_PER_DAY} invitations a day. Go on tomorrow."
        )


def token_hash(token: str) -> str:
    """What is kept of a token: it has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
