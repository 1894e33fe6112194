"""People and tenants: who belongs to which account, with which role, and who owns it."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.audit import AuditEvent, event
from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.key_policy import KeyPolicy, Since, announced, changed, in_force
from keyportal.names import MAX_NAME_LENGTH, canonical_email, clean_name
from keyportal.policy import GRANTABLE_ROLES, Actor, Role

MAX_REASON_LENGTH = 500
# How far ahead a policy of keys may be announced.
FURTHEST_POLICY = timedelta(days=365)
THEMES = [("", "As the system"), ("light", "Light"), ("dark", "Dark")]
# Where nobody gets mail: RFC 2606.
DELETED_DOMAIN = "@deleted.invalid"
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
        with transaction.atomic():
            user = self.with_address(email) or self.create_user(email)
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

    def with_address(self, email: str) -> User | None:
        """The person who has this address, in whatever spelling it is typed. Raises ValidationError for what is none."""
        return self.filter(email=canonical_email(email)).first()

    def locked(self, user_id: uuid.UUID) -> User:
        """The person, their row locked until the transaction ends."""
        return self.select_for_update().get(pk=user_id)

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
    theme = models.CharField(max_length=6, choices=THEMES, blank=True)
    # Part of what every session is signed with: one more, and all sessions are dead, also after a reactivation.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)

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
        self.email = self.email if self.is_deleted else canonical_email(self.email)
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
        return "Deleted user" if self.is_deleted else self.name or self.email

    def get_full_name(self) -> str:
        return self.display_name

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        salt = f"accounts.User.session_epoch.{self.session_epoch}"
        return salted_hmac(salt, self.password, secret=secret, algorithm="sha256").hexdigest()

    def deactivate(self, *, by: Actor, reason: str) -> None:
        """End all sessions and stop all user keys, everywhere and at once; service keys they made live on."""
        policy.require(policy.can_deactivate_user(by, reason))
        self._set_active(False, AuditEvent.Action.USER_DEACTIVATED, by, reason)

    def reactivate(self, *, by: Actor, reason: str) -> None:
        """Let the person sign in again. Their keys work again; their old sessions do not."""
        policy.require(policy.can_deactivate_user(by, reason))
        self._set_active(True, AuditEvent.Action.USER_REACTIVATED, by, reason)

    def _set_active(self, active: bool, action: AuditEvent.Action, by: Actor, reason: str) -> None:
        with transaction.atomic():
            user = User.objects.locked(self.pk)
            if user.is_deleted:
                raise Conflict("This user was deleted.")
            if user.is_active == active:
                raise Conflict(f"{user} is {'active' if active else 'deactivated'} already.")
            user.is_active = active
            user.session_epoch += 1
            user.save()
            user.record(action, by=by, reason=reason)
        self.refresh_from_db()

    def close(self, *, by: Actor) -> None:
        """Delete one's own user: leave all accounts, revoke all keys, forget name and address.

        The row stays, since keys and accounts of the past name it. Raises Conflict while the person owns accounts.
        """
        policy.require(policy.can_close_user(by, self.pk))
        by = replace(by, account_id=None, role=None)
        with transaction.atomic():
            # Accounts before people, as every verb locks them, or two of them could wait for each other.
            accounts = {pk: Account.objects.locked(pk) for pk in sorted(self.memberships.values_list("account_id", flat=True))}
            user = User.objects.locked(self.pk)
            if not user.is_active:
                raise PermissionDenied("This user is deactivated.")
            if user.owned_accounts.filter(deleted_at=None).exists():
                raise Conflict("You still own accounts. Transfer or delete them first.")
            memberships = list(user.memberships.select_related("user"))
            if {membership.account_id for membership in memberships} != accounts.keys():
                raise Conflict("You joined or left an account meanwhile. Try again.")
            for membership in memberships:
                accounts[membership.account_id].end(membership, by=by)
            user.api_keys.filter(revoked_at=None).revoke(by=by, reason="User deleted")
            user.record(AuditEvent.Action.USER_DELETED, by=by)
            user.emailaddress_set.all().delete()  # type: ignore[attr-defined]
            user.email, user.name, user.is_active, user.is_staff = f"{user.pk}{DELETED_DOMAIN}", "", False, False
            user.set_unusable_password()
            user.session_epoch += 1
            user.save()

    @property
    def is_deleted(self) -> bool:
        return self.email.endswith(DELETED_DOMAIN)


class AccountManager(models.Manager["Account"]):
    def open(self, *, by: Actor, owner: User, name: str = "") -> Account:
        """A new account, named after its owner's address unless told, with `owner` as its owner and member."""
        policy.require(policy.can_open_account(by, owner.pk))
        with transaction.atomic():
            owner = User.objects.locked(owner.pk)
            if not owner.is_active:
                raise Conflict(f"{owner} is deactivated or deleted.")
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
    suspended_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    keys_manage_members = models.BooleanField("API keys may manage members", default=False)
    # What is asked of keys, as keyportal.key_policy writes it.
    key_policies = models.TextField(blank=True, default="", editable=False)
    members = models.ManyToManyField(User, through="Membership", related_name="accounts")

    objects: ClassVar[AccountManager] = AccountManager()

    def __str__(self) -> str:
        return self.name

    def add_member(self, user: User, role: Role, *, by: Actor, reason: str = "") -> Membership:
        """Put `user` into the account. Raises Conflict for a member: a role never changes silently."""
        policy.require(policy.can_add_member(by, user.pk, role))
        with transaction.atomic():
            account, user = Account.objects.locked(self.pk), User.objects.locked(user.pk)
            if account.deleted_at or user.is_deleted:
                raise Conflict("This account or this user was deleted.")
            if self.memberships.filter(user=user).exists():
                raise Conflict(f"{user} is a member of {self.name} already.")
            membership = self.memberships.create(user=user, stored_role=role)
            self.record(AuditEvent.Action.MEMBER_ADDED, by=by, member=user, reason=reason, role=role.value)
        return membership

    def rename(self, name: str, *, by: Actor) -> None:
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            policy.require(policy.can_edit_account(account.present(by)))
            was, account.name = account.name, clean_name(name)
            if account.name != was:
                account.save()
                account.record(AuditEvent.Action.ACCOUNT_RENAMED, by=by, was=was)

    def let_keys_manage_members(self, allowed: bool, *, by: Actor) -> None:
        """Whether API keys with the role Admin may change roles and remove members."""
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            policy.require(policy.can_let_keys_manage_members(account.present(by)))
            if account.keys_manage_members != allowed:
                account.keys_manage_members = allowed
                account.save()
                account.record(AuditEvent.Action.ACCOUNT_POLICY_CHANGED, by=by, keys_manage_members=allowed)

    @property
    def key_policy(self) -> KeyPolicy:
        """What the account asks of keys now."""
        return in_force(self.key_policies, timezone.now())

    @property
    def announced_key_policy(self) -> Since | None:
        """What it will ask from a later day."""
        return announced(self.key_policies, timezone.now())

    def set_key_policy(self, policy_of_keys: KeyPolicy, *, from_day: date, by: Actor) -> bool:
        """Ask this of keys from a day on (UTC), instead of what was announced. False when that is so already.

        Raises PermissionDenied, and ValidationError for a day in the past.
        """
        now = timezone.now()
        if not now.date() <= from_day <= now.date() + FURTHEST_POLICY:
            raise ValidationError({"from_day": "Choose a day from today on, at most a year from now."})
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            policy.require(policy.can_edit_account(account.present(by)))
            was = account.key_policies
            account.key_policies = changed(was, policy_of_keys, from_day, now)
            if account.key_policy == in_force(was, now) and account.announced_key_policy == announced(was, now):
                return False
            account.save()
            account.record(
                AuditEvent.Action.ACCOUNT_POLICY_CHANGED,
                by=by,
                was=_in_details(was, now),
                now=_in_details(account.key_policies, now),
            )
        self.key_policies = account.key_policies
        return True

    def heirs(self) -> models.QuerySet[User]:
        """The members to whom the ownership may go."""
        return self.members.filter(is_active=True).exclude(pk=self.owner_id).order_by("name", "email")

    def transfer(self, to: User, *, by: Actor) -> None:
        """Make the member `to` the owner; the old owner becomes Admin. Raises Conflict for who was faster."""
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            if by.role is Role.OWNER and account.owner_id != by.user_id:
                raise Conflict("The ownership was transferred meanwhile.")
            member = account.memberships.select_related("account", "user").filter(user=to).first()
            if member is None or not User.objects.locked(to.pk).is_active:
                raise Conflict(f"{to} is no longer an active member.")
            policy.require(policy.can_transfer_ownership(account.present(by), member))
            account._hand_over(member, by=by)

    def rescue(self, to: User, *, by: Actor, reason: str) -> None:
        """Make `to` the owner of an account whose owner is deactivated or deleted; `to` joins where necessary."""
        policy.require(policy.can_rescue_account(by, reason))
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            if account.deleted_at or account.owner.is_active:
                raise Conflict("Only an account whose owner is deactivated or deleted can be rescued.")
            to = User.objects.locked(to.pk)
            if not to.is_active or not to.has_confirmed_address:
                raise Conflict(f"{to} is deactivated, or has not confirmed their address.")
            member = account.memberships.filter(user=to).first() or account.add_member(to, Role.ADMIN, by=by)
            account._hand_over(member, by=by, reason=reason)

    def _hand_over(self, to: Membership, *, by: Actor, reason: str = "") -> None:
        """Under the lock: the owner column changes; both people's rows say ADMIN, which is what they are then."""
        was, self.owner = self.owner, to.user
        self.save()
        Membership.objects.filter(pk=to.pk).update(stored_role=Role.ADMIN, updated_at=timezone.now())
        self.record(AuditEvent.Action.ACCOUNT_TRANSFERRED, by=by, member=to.user, reason=reason, was=str(was))

    def suspend(self, *, by: Actor, reason: str) -> None:
        """Close the account to keys and make its pages read-only, until it is resumed."""
        self._set_suspended(timezone.now(), AuditEvent.Action.ACCOUNT_SUSPENDED, by, reason)

    def resume(self, *, by: Actor, reason: str) -> None:
        self._set_suspended(None, AuditEvent.Action.ACCOUNT_RESUMED, by, reason)

    def _set_suspended(self, at: datetime | None, action: AuditEvent.Action, by: Actor, reason: str) -> None:
        policy.require(policy.can_suspend_account(by, reason))
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            if account.deleted_at or (account.suspended_at is None) == (at is None):
                raise Conflict(f"{account.name} is {'not suspended' if at is None else 'suspended or deleted already'}.")
            account.suspended_at, account.suspended_reason = at, reason if at else ""
            account.save()
            account.record(action, by=by, reason=reason)
        self.refresh_from_db()

    def close(self, *, by: Actor) -> None:
        """Delete the account for its people: service keys revoked, nobody a member. Its record stays for operators."""
        with transaction.atomic():
            account = Account.objects.locked(self.pk)
            if account.deleted_at:
                raise Conflict(f"{account.name} was deleted already.")
            by = account.present(by)
            policy.require(policy.can_delete_account(by))
            account.service_keys.filter(revoked_at=None).revoke(by=by, reason="Account deleted")
            account.record(AuditEvent.Action.ACCOUNT_DELETED, by=by)
            account.invitations.filter(accepted_at=None, withdrawn_at=None).update(withdrawn_at=timezone.now())
            account.memberships.all().delete()
            account.deleted_at = timezone.now()
            account.save()

    def present(self, actor: Actor) -> Actor:
        """The same actor with the role it has in this account now, as a verb reads it under the account's lock.

        A service key has its own role, and an operator none.
        """
        if actor.user_id is None or actor.is_operator:
            return replace(actor, account_suspended=self.suspended_at is not None, keys_manage_members=self.keys_manage_members)
        membership = self.memberships.filter(user_id=actor.user_id, user__is_active=True).first()
        return self.seen_by(actor, membership)

    def seen_by(self, actor: Actor, membership: Membership | None) -> Actor:
        """The same actor speaking in this account, with the role that `membership` gives, or with none."""
        return replace(
            actor,
            account_id=self.pk,
            account_name=self.name,
            account_suspended=self.suspended_at is not None,
            keys_manage_members=self.keys_manage_members,
            role=membership.role if membership else None,
        )

    def end(self, membership: Membership, *, by: Actor) -> None:
        """Delete the row and record it, under the account's lock and for a verb that has asked the policy."""
        membership.account = self
        role = membership.role.value
        membership.delete()
        self.record(AuditEvent.Action.MEMBER_REMOVED, by=by, member=membership.user, role=role)

    def record(self, action: AuditEvent.Action, *, by: Actor, member: User | None = None, **details: Any) -> AuditEvent:
        """Write one AuditEvent about this account, or about one of its members."""
        recorded = event(
            action,
            by=by,
            target_type="user" if member else "account",
            target_id=member.pk if member else self.pk,
            target_name=str(member) if member else self.name,
            account_id=self.pk,
            account_name=self.name,
            **details,
        )
        recorded.save()
        return recorded


def _in_details(key_policies: str, now: datetime) -> dict[str, Any]:
    """What an event tells of key policies."""
    coming = announced(key_policies, now)
    details: dict[str, Any] = {"in_force": asdict(in_force(key_policies, now))}
    return details | ({"announced": asdict(coming.policy), "from": coming.at.isoformat()} if coming else {})


class Membership(models.Model):
    """One user in one account.

    The role is stored for everybody but the owner, whose row says ADMIN: ownership itself is the account's one
    `owner` column. Read `role`, which tells the effective one.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    stored_role = models.CharField("role", max_length=10, choices=ROLE_CHOICES, db_column="role")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

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

    def change_role(self, role: Role, *, by: Actor) -> None:
        """Give the member another role. User keys have it from their next request on; service keys keep theirs."""
        with transaction.atomic():
            account, member = self._locked()
            policy.require(policy.can_change_role(account.present(by), member, role))
            was = member.stored_role
            if was != role:
                Membership.objects.filter(pk=member.pk).update(stored_role=role, updated_at=timezone.now())
                account.record(AuditEvent.Action.MEMBER_ROLE_CHANGED, by=by, member=member.user, role=role.value, was=was)

    def _locked(self) -> tuple[Account, Membership]:
        """The account, locked, and the membership as it is now. Raises Conflict for one that has ended."""
        account = Account.objects.locked(self.account_id)
        member = account.memberships.select_related("account", "user").filter(pk=self.pk).first()
        if member is None:
            raise Conflict("This person is no longer a member.")
        return account, member

    def remove(self, *, by: Actor) -> None:
        """End the membership. Keys need no care: a user key borrows its role from this row at each request."""
        with transaction.atomic():
            account, member = self._locked()
            policy.require(policy.can_remove_member(account.present(by), member))
            account.end(member, by=by)
