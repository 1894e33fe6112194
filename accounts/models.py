"""People and tenants: who belongs to which account, with which role, and who owns it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.audit import AuditEvent, event
from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.names import MAX_NAME_LENGTH, clean_name
from keyportal.policy import GRANTABLE_ROLES, Actor, Role

ROLE_CHOICES = [(role.value, role.label) for role in GRANTABLE_ROLES]


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, *, name: str = "", **fields: Any) -> User:
        """A saved person. Without a password nobody can sign in until one was set by a mailed or printed link."""
        user = self.model(email=email, name=clean_name(name) if name else "", **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def enroll(self, *, by: Actor, email: str, name: str = "", is_staff: bool = False) -> User:
        """A person without a password, their address taken as theirs on the operator's word.

        Whoever signed up with the address and never confirmed it may be somebody else: their password goes.
        Raises ValidationError for what is no address, Conflict for a person who has confirmed theirs.
        """
        from allauth.account.models import EmailAddress

        policy.require(policy.can_enroll_user(by))
        models.EmailField(max_length=254).run_validators(email)
        with transaction.atomic():
            user = self.filter(email=email.lower()).first() or self.create_user(email)
            if EmailAddress.objects.filter(email=user.email, verified=True).exists():
                raise Conflict(f"There is a user with the address {user.email} already.")
            user.name, user.is_staff = clean_name(name) if name else "", is_staff
            user.set_unusable_password()
            user.save()
            user.emailaddress_set.update_or_create(  # type: ignore[attr-defined]
                email=user.email, defaults={"primary": True, "verified": True}
            )
            user.record(AuditEvent.Action.USER_CREATED, by=by, operator=is_staff)
        return user

    def get_by_natural_key(self, email: str | None) -> User:
        return self.get(email=(email or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. `is_staff` makes an operator of the whole installation; accounts give roles by Membership."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=MAX_NAME_LENGTH, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["email"], name="user_email_unique"),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lower_case"),
        )

    def __str__(self) -> str:
        """Name and address: names are chosen by people themselves, and two may be the same."""
        return f"{self.name} <{self.email}>" if self.name else self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = self.email.lower()
        super().save(*args, **kwargs)

    @property
    def has_confirmed_address(self) -> bool:
        """Whether this person has shown that mail to their address reaches them, or an operator vouches for it."""
        return bool(self.emailaddress_set.filter(email=self.email, verified=True).exists())  # type: ignore[attr-defined]

    def record(self, action: AuditEvent.Action, *, by: Actor, **details: Any) -> None:
        """Write one AuditEvent about this person as such, in no account."""
        event(action, by=by, target_type="user", target_id=self.pk, target_name=str(self), **details).save()

    @property
    def display_name(self) -> str:
        """What pages call this person."""
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.display_name


class AccountManager(models.Manager["Account"]):
    def open(self, *, by: Actor, owner: User, name: str = "") -> Account:
        """A new account, named after its owner's address unless told, with `owner` as its owner and member."""
        policy.require(policy.can_open_account(by, owner.pk))
        with transaction.atomic():
            account = self.create(name=clean_name(name or owner.email[:MAX_NAME_LENGTH]), owner=owner)
            account.memberships.create(user=owner, stored_role=Role.ADMIN)
            account.record(AuditEvent.Action.ACCOUNT_OPENED, by=by, owner=str(owner))
        return account

    def locked(self, account_id: uuid.UUID) -> Account:
        """The account, its row locked until the transaction ends: what a verb decides on stays true meanwhile."""
        return self.select_for_update().get(pk=account_id)


class Account(models.Model):
    """A tenant. It has exactly one owner at any time: the column cannot be empty and the owner not be deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="owned_accounts")
    created_at = models.DateTimeField(default=timezone.now)
    suspended_at = models.DateTimeField(null=True, blank=True)
    members = models.ManyToManyField(User, through="Membership", related_name="accounts")

    objects: ClassVar[AccountManager] = AccountManager()

    def __str__(self) -> str:
        return self.name

    def add_member(self, user: User, role: Role, *, by: Actor) -> Membership:
        """Put `user` into the account. Raises Conflict for a member: a role never changes silently."""
        policy.require(policy.can_add_member(by, role))
        with transaction.atomic():
            Account.objects.locked(self.pk)
            if self.memberships.filter(user=user).exists():
                raise Conflict(f"{user} is a member of {self.name} already.")
            membership = self.memberships.create(user=user, stored_role=role)
            self.record(AuditEvent.Action.MEMBER_ADDED, by=by, member=user, role=role.value)
        return membership

    def present(self, actor: Actor) -> Actor:
        """The same actor with the role it has in this account now, as a verb reads it under the account's lock."""
        if actor.via != "session" or actor.user_id is None:
            return actor
        membership = self.memberships.filter(user_id=actor.user_id, user__is_active=True).first()
        return self.seen_by(actor, membership)

    def seen_by(self, actor: Actor, membership: Membership | None) -> Actor:
        """The same actor speaking in this account, with the role that `membership` gives, or with none."""
        return replace(
            actor,
            account_id=self.pk,
            account_name=self.name,
            account_suspended=self.suspended_at is not None,
            role=membership.role if membership else None,
        )

    def record(self, action: AuditEvent.Action, *, by: Actor, member: User | None = None, **details: Any) -> None:
        """Write one AuditEvent about this account, or about one of its members."""
        event(
            action,
            by=by,
            target_type="user" if member else "account",
            target_id=member.pk if member else self.pk,
            target_name=str(member) if member else self.name,
            account_id=self.pk,
            account_name=self.name,
            **details,
        ).save()


class Membership(models.Model):
    """One user in one account.

    The role is stored for everybody but the owner, whose row says ADMIN: ownership itself is the account's one
    `owner` column. Read `role`, which tells the effective one.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    stored_role = models.CharField("role", max_length=10, choices=ROLE_CHOICES, db_column="role")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "user"],
                name="membership_once",
                violation_error_message="This person is a member of the account already.",
            ),
            models.CheckConstraint(
                condition=models.Q(stored_role__in=[role.value for role in GRANTABLE_ROLES]),
                name="membership_role_known",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.account}"

    @property
    def role(self) -> Role:
        return Role.OWNER if self.account.owner_id == self.user_id else Role(self.stored_role)

    def remove(self, *, by: Actor) -> None:
        """End the membership. Keys need no care: a user key borrows its role from this row at each request."""
        with transaction.atomic():
            account = Account.objects.locked(self.account_id)
            member = account.memberships.select_related("account", "user").filter(pk=self.pk).first()
            if member is None:
                raise Conflict("This person is no longer a member.")
            policy.require(policy.can_remove_member(account.present(by), member))
            member.delete()
            account.record(AuditEvent.Action.MEMBER_REMOVED, by=by, member=member.user, role=member.role.value)
