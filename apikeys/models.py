"""ApiKey: a user key or a service key, what it is now, and the verbs that change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal
from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from accounts.audit import AuditEvent, event
from accounts.models import MAX_REASON_LENGTH, ROLE_CHOICES, Account, Membership, User
from apikeys import mails
from apikeys.allowlist import Mode, Observed, lets_more_pass, observe, read_networks
from apikeys.digests import Digest
from apikeys.secret import Kind, Secret
from apikeys.usage import Use, use_of
from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.key_policy import allows_key, for_making
from keyportal.names import MAX_NAME_LENGTH, clean_name
from keyportal.policy import GRANTABLE_ROLES, Actor, Decision, Denied, Role
from keyportal.triggers import Refusal

FURTHEST_EXPIRY_YEARS = 10
EXPIRING_WITHIN = timedelta(days=14)
CONFIRM_IF_USED_WITHIN = timedelta(days=30)
LONGEST_OVERLAP = timedelta(days=7)
# Of the successor of a key that never expired, where the account asks for an expiry by now.
LIFE_WHERE_ONE_IS_ASKED = timedelta(days=365)
# One UPDATE of a million rows made another writer wait 17 seconds; 5,000 rows go in well under one.
BATCH = 5_000

REFUSALS = [
    Refusal(
        "apikey_revoked_is_final",
        "apikeys_apikey",
        "UPDATE",
        "a revoked key stays revoked",
        "OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS NULL OR NEW.revoked_at <> OLD.revoked_at "
        "OR NEW.secret_hash <> OLD.secret_hash OR NEW.public_id <> OLD.public_id)",
    ),
    Refusal("apikey_row_stays", "apikeys_apikey", "DELETE", "the row of a key stays; revoke the key"),
]


class AlreadyShown(Conflict):
    """The form that made a key was sent again. `key` is the one that the first sending made."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__("This key was already shown. If you didn’t copy it, delete it and create another.")
        self.key = key


class KeyStandsStill(Conflict):
    """A key is in no state to be renamed or rotated. `way_on` says where to go instead: the words and the address."""

    def __init__(self, message: str, *way_on: str) -> None:
        super().__init__(message)
        self.way_on = way_on


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def locked(self, pk: int) -> ApiKey:
        """The key, its row locked until the transaction ends."""
        return self.select_related("user", "account").select_for_update(of=("self",)).get(pk=pk)

    def visible_to(self, actor: Actor) -> ApiKeyQuerySet:
        """The keys for which `policy.can_see_key` says True."""
        if actor.is_operator:
            return self.all()
        if actor.via != "session":
            return self.none()
        own = Q(user_id=actor.user_id)
        return self.filter(own | Q(account_id=actor.account_id) if policy.can_see_service_keys(actor) else own)

    def search(self, text: str) -> ApiKeyQuerySet:
        """Keys whose name contains `text`, in any case, or whose public ID does."""
        return self.filter(Q(name__icontains=text) | Q(public_id__contains=text)) if text else self

    def with_maker_role(self) -> ApiKeyQuerySet:
        """Adds `maker_role`: the stored role that the maker of a service key has in its account now, or None."""
        membership = Membership.objects.filter(account_id=OuterRef("account_id"), user_id=OuterRef("created_by_id"))
        return self.annotate(maker_role=Subquery(membership.values("stored_role")))

    def impact(self) -> dict[str, int]:
        """What stopping these keys would touch: how many keys, users and accounts, how many used in a day and 30 days."""
        now = timezone.now()
        return self.order_by().aggregate(
            all=Count("pk"),
            usable=Count("pk", filter=usable_at(now)),
            users=Count("user", distinct=True),
            accounts=Count("account", distinct=True),
            day=Count("pk", filter=Q(last_used_at__gt=now - timedelta(days=1))),
            month=Count("pk", filter=Q(last_used_at__gt=now - timedelta(days=30))),
        )

    def revoke(self, *, by: Actor, reason: str = "") -> int:
        """End these keys for good and tell how many were ended; keys revoked before are passed over.

        Every key is asked of the policy and gets an AuditEvent of its own. Rows go in transactions of 5,000,
        so that nobody waits long; a PermissionDenied leaves its own batch untouched. Whoever else the keys concern
        gets one mail about all of them.
        """
        return self._change(_REVOCATION, by, reason)

    def suspend(self, *, by: Actor, reason: str) -> int:
        """Stop these keys until they are resumed, and tell how many were stopped; as `revoke` in all else.

        Keys that are suspended or revoked already are passed over.
        """
        return self._change(_SUSPENSION, by, reason)

    def resume(self, *, by: Actor, reason: str) -> int:
        """Let these keys work again and tell how many do; as `revoke` in all else.

        Keys that are not suspended, or revoked, are passed over.
        """
        return self._change(_RESUMPTION, by, reason)

    def _change(self, change: _Change, by: Actor, reason: str) -> int:
        call = str(uuid4())
        count = sum(_change_batch(change, pks, by, reason, call) for pks in self._batches_of_ids(change))
        mails.send_digests(Digest.objects.filter(call=call), ApiKey.objects.all())
        return count

    def _batches_of_ids(self, change: _Change) -> Iterator[list[int]]:
        last = 0
        while ids := list(self.filter(change.concerns, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
            yield ids
            last = ids[-1]


@dataclass(frozen=True, slots=True)
class _Change:
    """What a verb does to each of many keys."""

    concerns: Q
    """The keys to change. The others are passed over."""
    allowed: Callable[[Actor, ApiKey, str], Decision]
    columns: Callable[[Actor, str], dict[str, Any]]
    action: AuditEvent.Action
    told_as: Digest.Kind | None
    """None where another mail tells of it."""


_REVOCATION = _Change(
    Q(revoked_at=None),
    policy.can_revoke_key,
    lambda by, reason: {
        "revoked_at": timezone.now(),
        "revoked_by_id": by.user_id,
        "revoked_by_name": by.name,
        "revoked_reason": reason,
    },
    AuditEvent.Action.KEY_REVOKED,
    Digest.Kind.DELETED,
)
_REVOCATION_BY_ROTATION = replace(_REVOCATION, told_as=None)
_SUSPENSION = _Change(
    Q(revoked_at=None, suspended_at=None),
    lambda by, key, reason: policy.can_suspend_key(by, reason),
    lambda by, reason: {
        "suspended_at": timezone.now(),
        "suspended_by_id": by.user_id,
        "suspended_by_name": by.name,
        "suspended_reason": reason,
    },
    AuditEvent.Action.KEY_SUSPENDED,
    Digest.Kind.SUSPENDED,
)
_RESUMPTION = _Change(
    Q(revoked_at=None, suspended_at__isnull=False),
    lambda by, key, reason: policy.can_suspend_key(by, reason),
    lambda by, reason: {"suspended_at": None, "suspended_by_id": None, "suspended_by_name": "", "suspended_reason": ""},
    AuditEvent.Action.KEY_RESUMED,
    Digest.Kind.RESUMED,
)


def _change_batch(change: _Change, pks: list[int], by: Actor, reason: str, call: str) -> int:
    with transaction.atomic():
        by = _present(by)
        keys = list(
            ApiKey.objects.filter(change.concerns, pk__in=pks)
            .select_related("user", "account")
            .select_for_update(of=("self",))
            .order_by("pk")
        )
        for key in keys:
            policy.require(change.allowed(by, key, reason))
        ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(**change.columns(by, reason))
        AuditEvent.objects.bulk_create(key.event(change.action, by=by, reason=reason) for key in keys)
        if change.told_as is not None:
            mails.collect(change.told_as, keys, call=call, by=by, reason=reason)
    return len(keys)


_ManagerOfQuerySet = models.Manager.from_queryset(ApiKeyQuerySet)


class ApiKeyManager(_ManagerOfQuerySet["ApiKey"]):
    def issue_user_key(
        self, *, by: Actor, name: str, expires_at: datetime | None = None, nonce: str | None = None
    ) -> tuple[ApiKey, Secret]:
        """A new key of the person who asks, and its secret, to be revealed once.

        Raises PermissionDenied, ValidationError for a bad name or expiry, AlreadyShown for a nonce seen before.
        """
        with transaction.atomic():
            policy.require(policy.can_create_user_key(_present(by)))
            _require_room_for_user_key(by.user_id)  # type: ignore[arg-type]  # the policy lets nobody pass without one
            secret = Secret.generate(Kind.USER)
            key: ApiKey = self.model(user_id=by.user_id)
            self.issue(key, secret, by=by, name=name, expires_at=expires_at, nonce=nonce, now=timezone.now())
            mails.key_created(key, by=by)
        return key, secret

    def issue_service_key(
        self,
        *,
        by: Actor,
        account: Account,
        name: str,
        role: Role,
        expires_at: datetime | None = None,
        nonce: str | None = None,
    ) -> tuple[ApiKey, Secret]:
        """A new key of `account` with a role of its own, and its secret. Raises as `issue_user_key` does."""
        with transaction.atomic():
            account = Account.objects.locked(account.pk)
            policy.require(policy.can_create_service_key(account.present(by), role))
            _require_room_for_service_key(account)
            secret = Secret.generate(Kind.SERVICE)
            key = self.model(account=account, role=role)
            self.issue(key, secret, by=by, name=name, expires_at=expires_at, nonce=nonce, now=timezone.now())
            mails.key_created(key, by=by)
        return key, secret

    def issue(
        self,
        key: ApiKey,
        secret: Secret,
        *,
        by: Actor,
        name: str,
        expires_at: datetime | None,
        nonce: str | None,
        now: datetime,
    ) -> tuple[ApiKey, Secret]:
        """Write down a new key and its event, for a verb that has asked the policy."""
        if expires_at is not None and not (now < expires_at and expires_at.date() <= _ten_years_from(now)):
            raise ValidationError({"expires_on": "Choose a day from today on, at most ten years from now."})
        if key.account:
            _require_fit(key.account, now, expires_at)
        key.name = clean_name(name)
        key.public_id, key.last_four, key.secret_hash = secret.public_id, secret.last_four, secret.hash()
        key.created_at, key.expires_at, key.nonce = now, expires_at, nonce
        key.created_by_id = by.user_id  # type: ignore[assignment]  # the policy lets nobody pass without one
        try:
            with transaction.atomic():
                key.save(force_insert=True)
                replaces = key.replaces.public_id if key.replaces else None
                key.event(
                    AuditEvent.Action.KEY_CREATED, by=by, role=key.role, expires_at=_iso(expires_at), replaces=replaces
                ).save()
        except IntegrityError:
            self.require_unspent(nonce, by)
            raise
        return key, secret

    def require_unspent(self, nonce: str | None, by: Actor) -> None:
        """Go on, unless a form with this nonce has made a key before."""
        shown = self.filter(created_by_id=by.user_id, nonce=nonce).first() if nonce else None
        if shown is not None:
            raise AlreadyShown(shown) from None


def _require_fit(account: Account, now: datetime, expires_at: datetime | None) -> None:
    """Go on with a service key that the account lets be used, now and under what it has announced."""
    for asked in for_making(account.key_policies, now):
        decision = allows_key(account.name, asked, of_user=False, created_at=now, expires_at=expires_at)
        if isinstance(decision, Denied):
            raise ValidationError(decision.reason)


def _require_room_for_service_key(account: Account) -> None:
    now = timezone.now()
    mosts = [asked.most_service_keys for asked in for_making(account.key_policies, now) if asked.most_service_keys is not None]
    if mosts and account.service_keys.filter(usable_at(now)).count() >= min(mosts):
        raise ValidationError(f"{account.name} allows {_keys(min(mosts), 'service')}. Delete one first.")


def _require_room_for_user_key(user_id: UUID) -> None:
    """A person's keys work in all of their accounts, so the account that allows the fewest decides."""
    now = timezone.now()
    accounts = Account.objects.filter(memberships__user_id=user_id, deleted_at=None).exclude(key_policies="")
    limits = [
        (asked.most_user_keys, account.name)
        for account in accounts
        for asked in for_making(account.key_policies, now)
        if asked.most_user_keys is not None
    ]
    if limits and ApiKey.objects.filter(usable_at(now), user_id=user_id).count() >= min(limits)[0]:
        most, name = min(limits)
        raise ValidationError(f"{name} allows its members {_keys(most, 'user')} each. Delete one first.")


def _keys(number: int, kind: str) -> str:
    return f"{number} usable {kind} key{'' if number == 1 else 's'}"


def _present(by: Actor) -> Actor:
    """The actor as it is now, what it stands on locked: its account, or the person, who may have been deactivated."""
    if by.account_id is not None:
        return Account.objects.locked(by.account_id).present(by)
    if by.via == "session" and not User.objects.select_for_update().filter(pk__in=[by.user_id], is_active=True).exists():
        raise PermissionDenied("This user is deactivated.")
    return by


@dataclass(frozen=True, slots=True)
class State:
    """What a key is now, in one word for code and in words for people."""

    value: Literal["active", "expiring", "ending", "replaced", "expired", "suspended", "deleted"]
    label: str


class ApiKey(models.Model):
    """A key. It belongs to one user or to one account, never both; only the second has a role of its own."""

    public_id = models.CharField(max_length=32)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="api_keys", db_index=False)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="service_keys", db_index=False
    )
    role = models.CharField(max_length=10, choices=ROLE_CHOICES, blank=True)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    secret_hash = models.CharField(max_length=200, editable=False)
    last_four = models.CharField(max_length=4)
    nonce = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - NULL is never a repetition
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    suspended_by_name = models.CharField(max_length=360, blank=True)
    suspended_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True)
    # One successor for each key: of two rotations at once the database refuses one.
    replaces = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by")
    allow_mode = models.CharField("allowed addresses", max_length=7, choices=Mode, default=Mode.OFF)
    # Networks in their one spelling, one a line: see apikeys.allowlist.
    allowed_from = models.TextField(blank=True, default="")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    revoked_by_name = models.CharField(max_length=360, blank=True)
    revoked_reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_address = models.GenericIPAddressField(null=True, blank=True)
    last_used_client = models.CharField(max_length=60, blank=True)

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    # Set by `with_maker_role()`.
    maker_role: str | None

    class Meta:
        verbose_name = "API key"
        constraints = (
            models.UniqueConstraint(fields=["public_id"], name="apikey_public_id_unique"),
            models.UniqueConstraint(fields=["created_by", "nonce"], name="apikey_nonce_once"),
            models.CheckConstraint(
                condition=Q(user__isnull=False, account__isnull=True, role="")
                | Q(user__isnull=True, account__isnull=False, role__in=[role.value for role in GRANTABLE_ROLES]),
                name="apikey_of_user_or_account",
            ),
            models.CheckConstraint(
                # A date near the year 9999 can be stored and then never be read again in another time zone.
                condition=Q(expires_at__isnull=True) | Q(expires_at__lt=datetime.fromisoformat("2200-01-01T00:00:00+00:00")),
                name="apikey_expiry_readable",
            ),
            models.CheckConstraint(
                condition=Q(replaced_at__isnull=True) | Q(expires_at__isnull=False), name="apikey_replaced_ends"
            ),
            models.CheckConstraint(
                condition=Q(allow_mode=Mode.OFF) | (Q(allow_mode__in=Mode.values) & ~Q(allowed_from="")),
                name="apikey_addresses_listed",
            ),
        )
        indexes = (
            models.Index(fields=["user", "-id"], name="apikey_of_user"),
            models.Index(fields=["account", "-id"], name="apikey_of_account"),
            models.Index(
                fields=["expires_at"], condition=Q(revoked_at__isnull=True, expires_at__isnull=False), name="apikey_expiring"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.masked})"

    @property
    def kind(self) -> Kind:
        return Kind.USER if self.user_id is not None else Kind.SERVICE

    @property
    def masked(self) -> str:
        """The key as people tell it apart: the head of its public ID and its last four characters."""
        prefix, _, body = self.public_id.partition("_")
        return f"{prefix}_{body[:4]}…{self.last_four}"

    @property
    def role_label(self) -> str:
        return Role(self.role).label if self.role else ""

    @cached_property
    def state(self) -> State:
        now = timezone.now()
        if self.revoked_at is not None:
            return State("deleted", "Deleted")
        if self.suspended_at is not None:
            return State("suspended", "Suspended")
        if self.expires_at is None:
            return State("active", "Active")
        return self._state_by_its_end(self.expires_at, now)

    def _state_by_its_end(self, end: datetime, now: datetime) -> State:
        if self.replaced_at is not None:
            return State("ending", f"Replaced, ends {time_left(end, now)}") if end > now else State("replaced", "Replaced")
        if end <= now:
            return State("expired", "Expired")
        if end - now > EXPIRING_WITHIN:
            return State("active", "Active")
        days = (end.date() - now.date()).days
        words = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
        return State("expiring", f"Expires {words}")

    @property
    def is_usable(self) -> bool:
        return self.state.value in ("active", "expiring", "ending")

    @property
    def is_rotatable(self) -> bool:
        return self.is_usable and self.replaced_at is None

    @property
    def successor(self) -> ApiKey | None:
        """The key that took the place of this one."""
        return getattr(self, "replaced_by", None)

    @property
    def time_left(self) -> str:
        """Words for when it ends ("in 23 hours"), of a key that does."""
        return time_left(self.expires_at, timezone.now()) if self.expires_at else ""

    @property
    def allowed_networks(self) -> list[str]:
        """The networks of the list, which counts only in the mode that enforces it."""
        return self.allowed_from.splitlines()

    @property
    def is_restricted(self) -> bool:
        """Whether it works from some addresses only."""
        return self.allow_mode == Mode.ENFORCE

    @property
    def maker_has_left(self) -> bool:
        return self.maker_role is None

    @property
    def outranks_maker(self) -> bool:
        return self.maker_role is not None and Role(self.role).rank > Role(self.maker_role).rank

    @property
    def used_lately(self) -> bool:
        return self.last_used_at is not None and self.last_used_at > timezone.now() - CONFIRM_IF_USED_WITHIN

    def use_of_late(self, days: int = 30) -> Use:
        """How this key was used in the last so many days, today included."""
        return use_of(self.public_id, days)

    def observed(self) -> Observed:
        """What the list of allowed addresses would have refused in the last 30 days."""
        return observe(self.public_id, self.allowed_from)

    def get_absolute_url(self) -> str:
        return self._url("key", self.public_id)

    @property
    def delete_url(self) -> str:
        return self._url("key_delete", self.public_id)

    @property
    def rename_url(self) -> str:
        return self._url("key_rename", self.public_id)

    @property
    def rotate_url(self) -> str:
        return self._url("key_rotate", self.public_id)

    @property
    def addresses_url(self) -> str:
        return self._url("key_addresses", self.public_id)

    @property
    def list_url(self) -> str:
        """The list that this key stands in."""
        return self._url("keys")

    @property
    def new_url(self) -> str:
        """Where another key of this kind is made."""
        return self._url("key_new")

    def _url(self, page: str, *args: str) -> str:
        if self.kind is Kind.USER:
            return reverse(f"user_{page}", args=args)
        return reverse(f"service_{page}", args=[self.account_id, *args])

    def revoke(self, *, by: Actor, reason: str = "") -> bool:
        """End this key for good. False when it had ended before. Raises PermissionDenied."""
        with transaction.atomic():  # the mail as well
            return bool(ApiKey.objects.filter(pk=self.pk).revoke(by=by, reason=reason))

    def rename(self, *, by: Actor, name: str) -> bool:
        """Call this key something else. False when it is called so already.

        Raises PermissionDenied, ValidationError for a bad name, KeyStandsStill for a deleted key.
        """
        name = clean_name(name)
        with transaction.atomic():
            by = _present(by)
            key = ApiKey.objects.locked(self.pk)
            policy.require(policy.can_rename_key(by, key))
            key.require_renamable()
            was, key.name = key.name, name
            if name == was:
                return False
            key.save(update_fields=["name"])
            key.event(AuditEvent.Action.KEY_RENAMED, by=by, was=was).save()
        self.name = name
        return True

    def require_renamable(self) -> None:
        if self.revoked_at is not None:
            raise KeyStandsStill("This key was deleted. It keeps its name.", "Go to the key", self.get_absolute_url())

    def rotate(self, *, by: Actor, overlap: timedelta, nonce: str | None = None) -> tuple[ApiKey, Secret]:
        """A key that takes the place of this one, and its secret, to be revealed once.

        The successor has the same name, owner and role, and as long a life as this one was given. This one works on for
        `overlap`, or until its own expiry if that is sooner; without an overlap it is revoked. Raises PermissionDenied,
        ValidationError for an overlap beyond LONGEST_OVERLAP, KeyStandsStill for a key that is not usable or was replaced
        before, AlreadyShown for a nonce seen before.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise ValidationError({"overlap": f"The old key works on for at most {LONGEST_OVERLAP.days} days."})
        with transaction.atomic():
            by = _present(by)
            key = ApiKey.objects.locked(self.pk)
            policy.require(policy.can_rotate_key(by, key))
            ApiKey.objects.require_unspent(nonce, by)
            key.require_rotatable()
            now = timezone.now()
            made = ApiKey.objects.issue(
                ApiKey(
                    user=key.user,
                    account=key.account,
                    role=key.role,
                    allow_mode=key.allow_mode,
                    allowed_from=key.allowed_from,
                    replaces=key,
                ),
                Secret.generate(key.kind),
                by=by,
                name=key.name,
                expires_at=key.expiry_of_successor(now),
                nonce=nonce,
                now=now,
            )
            key._give_way_to(made[0], by=by, now=now, overlap=overlap)
            mails.key_rotated(key, made[0], by=by, ends_at=key.expires_at if overlap else None)
        return made

    def require_rotatable(self) -> None:
        if self.successor is not None:
            message = f"This key was rotated already. Rotate the one that took its place, {self.successor.masked}."
            raise KeyStandsStill(message, "Go to that key", self.successor.get_absolute_url())
        if self.revoked_at is not None:
            raise KeyStandsStill("This key was deleted. Create a new one instead.", "Create a new key", self.new_url)
        if self.suspended_at is not None:
            message = "This key is suspended. It can be rotated once an operator has resumed it."
            raise KeyStandsStill(message, "Go to the key", self.get_absolute_url())
        if not self.is_usable:
            raise KeyStandsStill("This key has expired. Create a new one instead.", "Create a new key", self.new_url)

    def expiry_of_successor(self, now: datetime) -> datetime | None:
        """As long from now as this key was given when it was made, at most through the furthest day, or what its account asks."""
        furthest = datetime.combine(_ten_years_from(now), time(23, 59, 59), UTC)
        ends = [min(now + (self.expires_at - self.created_at), furthest)] if self.expires_at else []
        asked = for_making(self.account.key_policies, now) if self.account else []
        ends += [now + timedelta(days=one.longest_days) for one in asked if one.longest_days is not None]
        if not ends and any(one.must_expire for one in asked):
            ends = [now + LIFE_WHERE_ONE_IS_ASKED]
        return min(ends, default=None)

    def _give_way_to(self, successor: ApiKey, *, by: Actor, now: datetime, overlap: timedelta) -> None:
        self.replaced_at = now
        self.expires_at = min(self.expires_at or now + overlap, now + overlap)
        self.save(update_fields=["replaced_at", "expires_at"])
        self.event(AuditEvent.Action.KEY_ROTATED, by=by, replaced_by=successor.public_id, ends_at=_iso(self.expires_at)).save()
        if not overlap:
            _change_batch(_REVOCATION_BY_ROTATION, [self.pk], by, "Rotated", call="")

    def suspend(self, *, by: Actor, reason: str) -> bool:
        """Stop this key until it is resumed. False when it was stopped or ended before. Raises PermissionDenied."""
        with transaction.atomic():
            return bool(ApiKey.objects.filter(pk=self.pk).suspend(by=by, reason=reason))

    def resume(self, *, by: Actor, reason: str) -> bool:
        """Let this key work again. False when it was not suspended, or had ended. Raises PermissionDenied."""
        with transaction.atomic():
            return bool(ApiKey.objects.filter(pk=self.pk).resume(by=by, reason=reason))

    def allow_from(self, *, by: Actor, networks: Iterable[str], mode: Mode) -> bool:
        """Choose the networks that this key may be used from, and whether that is enforced. False when it is so already.

        The list is about requests with the key alone: no page ever asks it. Raises PermissionDenied, ValidationError
        for what is no network and for a list without one, Conflict for a deleted key.
        """
        listed = read_networks(networks)
        if mode != Mode.OFF and not listed:
            raise ValidationError({"networks": "Give one network or more, or choose “Off”."})
        with transaction.atomic():
            by = _present(by)
            key = ApiKey.objects.select_related("user", "account").select_for_update(of=("self",)).get(pk=self.pk)
            policy.require(policy.can_choose_addresses(by, key))
            key.require_changeable()
            was = {"mode": key.allow_mode, "networks": key.allowed_networks}
            now = {"mode": mode.value, "networks": listed}
            if was == now:
                return False
            key.allow_mode, key.allowed_from = mode, "\n".join(listed)
            key.save(update_fields=["allow_mode", "allowed_from"])
            key.event(AuditEvent.Action.KEY_ADDRESSES_CHANGED, by=by, was=was, now=now).save()
        self.allow_mode, self.allowed_from = key.allow_mode, key.allowed_from
        return True

    def would_open(self, networks: Iterable[str], mode: Mode) -> bool:
        """Whether such a list would let an address pass that is refused now."""
        return self.is_restricted and (mode != Mode.ENFORCE or lets_more_pass(self.allowed_from, networks))

    def require_changeable(self) -> None:
        if self.revoked_at is not None:
            raise Conflict("This key was deleted. Nothing about it can be changed.")

    def refusals(self) -> list[str]:
        """The sentences with which accounts refuse this key, or will: all its user's accounts, or its own."""
        sentences = []
        accounts = self.user.accounts.all() if self.user else [self.account] if self.account else []
        for account in accounts:
            coming = account.announced_key_policy
            for asked, begins in (
                (account.key_policy, ""),
                *([(coming.policy, f"From {_day(coming.at)}: ")] if coming else []),
            ):
                decision = allows_key(
                    account.name,
                    asked,
                    of_user=self.user_id is not None,
                    created_at=self.created_at,
                    expires_at=self.expires_at,
                )
                if isinstance(decision, Denied):
                    sentences.append(begins + decision.reason)
                    break
        return sentences

    def event(self, action: AuditEvent.Action, *, by: Actor, **details: Any) -> AuditEvent:
        """An AuditEvent about this key, not yet saved."""
        return event(
            action,
            by=by,
            target_type="key",
            target_id=self.public_id,
            target_name=self.name,
            account_id=self.account_id,
            account_name=self.account.name if self.account else "",
            **{name: value for name, value in details.items() if value},
        )


def usable_at(now: datetime) -> Q:
    """Neither revoked nor suspended nor expired at `now`."""
    return Q(revoked_at=None, suspended_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))


def expired_at(now: datetime) -> Q:
    return Q(revoked_at=None, suspended_at=None, expires_at__lte=now)


def time_left(until: datetime, now: datetime) -> str:
    """Words for a coming moment: by the clock within a day, by the calendar beyond it."""
    minutes = int((until - now).total_seconds() // 60)
    if minutes < 1:
        return "in less than a minute"
    if minutes < 60:
        return f"in {minutes} minute{'' if minutes == 1 else 's'}"
    if minutes < 24 * 60:
        return f"in {minutes // 60} hour{'' if minutes < 120 else 's'}"
    days = (until.date() - now.date()).days
    return "tomorrow" if days == 1 else f"in {days} days"


def _ten_years_from(now: datetime) -> date:
    """The furthest day of expiry. From 29 February it is the 28th."""
    day = now.date()
    while True:
        try:
            return day.replace(year=now.year + FURTHEST_EXPIRY_YEARS)
        except ValueError:
            day -= timedelta(days=1)


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
