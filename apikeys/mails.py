"""Mails about keys: made, rotated, deleted, suspended, resumed, about to expire, unused. None ever holds a secret.

A user key's mails go to its user, a service key's to the admins and the owner of its account, each to people who are active.
Who does something is told of new keys alone, so that they hear of one made in their name; what they end or stop, they know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import models, transaction
from django.utils import timezone

from accounts.mails import letter
from accounts.models import Membership, User
from apikeys.digests import Digest
from keyportal.policy import Actor, Role

if TYPE_CHECKING:  # keys write these mails, and are imported after them
    from apikeys.models import ApiKey

# How many digests are made mails in one transaction.
SENT_AT_ONCE = 100
# After this a call of a verb was interrupted: a million keys take minutes.
LONGEST_CALL = timedelta(hours=1)


def key_created(key: ApiKey, *, by: Actor) -> None:
    """Tell of a new key, its maker included."""
    facts = _deed(by) | {"key": key, "url": _page_of(key), "expires": _expiry(key)}
    _send_now("created", key, f"{_named(key)} was created", facts)


def key_rotated(old: ApiKey, successor: ApiKey, *, by: Actor, ends_at: datetime | None) -> None:
    """Tell that `successor` took the place of `old`, which works until `ends_at`, or ended at once (None)."""
    facts = _deed(by) | {
        "key": successor,
        "old": _entry(old),
        "successor": _entry(successor),
        "ends": _moment(ends_at) if ends_at else "",
        "url": _page_of(successor),
    }
    _send_now("rotated", successor, f"{_named(old)} was rotated", facts)


def collect(kind: Digest.Kind, keys: Iterable[ApiKey], *, call: str, by: Actor, reason: str) -> None:
    """Remember whom to tell of what was done to these keys, in the transaction in which it was done."""
    told = people_of(keys)
    if by.user_id is not None:
        told.pop(by.user_id, None)
    if told:
        Digest.objects.collect(kind, told, call=call, facts=_deed(by, reason))


def people_of(keys: Iterable[ApiKey]) -> dict[UUID, list[str]]:
    """Who is told of these keys: people by ID, each with the public IDs of theirs. Needs keys with user and account."""
    keys = list(keys)
    admins = _admins({key.account_id for key in keys if key.account_id is not None})
    told = defaultdict(list)
    for key in keys:
        people = admins[key.account_id] if key.account_id else [key.user.pk] if key.user and key.user.is_active else []
        for user_id in people:
            told[user_id].append(key.public_id)
    return dict(told)


def send_digests(digests: models.QuerySet[Digest], keys: models.QuerySet[ApiKey]) -> int:
    """Make each of the digests a mail, and tell how many mails that made.

    It tells of those of its keys that are among `keys` now, and of which its person is to be told now.
    """
    made = last = 0
    waiting = digests.select_for_update(skip_locked=True, of=("self",)).select_related("user").order_by("pk")
    while True:
        with transaction.atomic():
            some = list(waiting.filter(pk__gt=last)[:SENT_AT_ONCE])
            if not some:
                return made
            last = some[-1].pk
            wanted = {public_id for digest in some for public_id in digest.public_ids}
            found = {key.public_id: key for key in keys.filter(public_id__in=wanted).select_related("user", "account")}
            told = {user_id: set(public_ids) for user_id, public_ids in people_of(found.values()).items()}
            left = {d: [found[one] for one in d.public_ids if one in told.get(d.user_id, ())] for d in some}
            mails = [_mail_of(digest, those) for digest, those in left.items() if those]
            get_connection().send_messages(mails)
            Digest.objects.filter(pk__in=[digest.pk for digest in some]).delete()
        made += len(mails)


def send_interrupted(keys: models.QuerySet[ApiKey]) -> int:
    """The mails of verbs that were stopped between their batches and their mails; how many."""
    left = Digest.objects.exclude(call="").filter(created_at__lt=timezone.now() - LONGEST_CALL)
    return send_digests(left, keys)


def _mail_of(digest: Digest, keys: list[ApiKey]) -> EmailMessage:
    """The digest as a mail about those of its keys that are left."""
    if digest.kind == Digest.Kind.EXPIRING:
        keys.sort(key=lambda key: (key.expires_at, key.pk))
    count = digest.count - (len(digest.public_ids) - len(keys))
    places = {_page_of(key) for key in keys} if count == 1 else {_list_of(key) for key in keys}
    context = digest.facts | {
        "kind": digest.kind,
        "count": count,
        "entries": [_entry(key, _more(key, digest.kind)) for key in keys],
        "others": count - len(keys),
        "url": places.pop() if len(places) == 1 else "",
        "unused_days": settings.UNUSED_AFTER_DAYS,
    }
    subject = f"{_named(keys[0]) if count == 1 else f'{count:,} API keys'} {_headline(digest.kind, keys, count)}"
    return letter(f"apikeys/mails/{_TEMPLATES[Digest.Kind(digest.kind)]}.txt", digest.user.email, subject, context)


_TEMPLATES = {
    Digest.Kind.DELETED: "changed",
    Digest.Kind.SUSPENDED: "changed",
    Digest.Kind.RESUMED: "changed",
    Digest.Kind.EXPIRING: "expiring",
    Digest.Kind.UNUSED: "unused",
    Digest.Kind.KNOCKING: "knocking",
}


def _headline(kind: str, keys: list[ApiKey], count: int) -> str:
    """What a subject says of its keys."""
    if kind == Digest.Kind.EXPIRING:
        return f"expires {_days_left(keys[0])}" if count == 1 else "expire soon"
    if kind == Digest.Kind.UNUSED:
        return f"{'has' if count == 1 else 'have'} not been used for {settings.UNUSED_AFTER_DAYS} days"
    if kind == Digest.Kind.KNOCKING:
        return f"{'was replaced and is' if count == 1 else 'were replaced and are'} still tried"
    return f"{'was' if count == 1 else 'were'} {kind}"


def _more(key: ApiKey, kind: str) -> str:
    if kind == Digest.Kind.EXPIRING:
        return f"Expires {_days_left(key)}, on {_expiry(key)}"
    if kind == Digest.Kind.UNUSED:
        return f"Last used on {_day(key.last_used_at)}" if key.last_used_at else f"Never used, made on {_day(key.created_at)}"
    if kind == Digest.Kind.KNOCKING and key.replaced_at:
        return f"Replaced on {_day(key.replaced_at)}"
    return ""


def _send_now(template: str, key: ApiKey, subject: str, context: dict[str, Any]) -> None:
    """One mail to each person who is told of this key."""
    people = User.objects.filter(pk__in=people_of([key])).order_by("pk").values_list("email", flat=True)
    path = f"apikeys/mails/{template}.txt"
    get_connection().send_messages([letter(path, address, subject, context) for address in people])


def _admins(accounts: set[UUID]) -> dict[UUID, list[UUID]]:
    """The people who care for the service keys of each account: its admins and its owner, whose row says Admin as well."""
    admins = defaultdict(list)
    rows = Membership.objects.filter(account__in=accounts, stored_role=Role.ADMIN, user__is_active=True) if accounts else ()
    for membership in rows:
        admins[membership.account_id].append(membership.user_id)
    return admins


def _deed(by: Actor, reason: str = "") -> dict[str, Any]:
    """Who does something now, from where and why, in words. Where an operator sits is nobody's business."""
    return {
        "who": f"{by.name} (an operator of this installation)" if by.is_operator else by.name,
        "at": _moment(timezone.now()),
        "address": "" if by.is_operator else by.address or "",
        "reason": reason,
    }


def _named(key: ApiKey) -> str:
    return f"API key “{key.name}”" if key.user else f"Service API key “{key.name}” of {key.account}"


def _entry(key: ApiKey, more: str = "") -> str:
    """A key as people tell it apart, and what more there is to say of it, in lines of their own."""
    owner = f" of {key.account}" if key.account else ""
    return f"“{key.name}”{owner}\n{key.public_id} ({key.masked})\n{more}".rstrip()


def _page_of(key: ApiKey) -> str:
    return f"{settings.PUBLIC_URL}{key.get_absolute_url()}"


def _list_of(key: ApiKey) -> str:
    return f"{settings.PUBLIC_URL}{key.list_url}"


def _expiry(key: ApiKey) -> str:
    return _moment(key.expires_at) if key.expires_at else "never"


def _days_left(key: ApiKey) -> str:
    days = (key.expires_at.date() - timezone.now().date()).days if key.expires_at else 0
    return "today" if days < 1 else "tomorrow" if days == 1 else f"in {days} days"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _moment(moment: datetime) -> str:
    return f"{_day(moment)}, {moment:%H:%M} UTC"
