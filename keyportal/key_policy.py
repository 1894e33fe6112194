"""What an account asks of the keys that are used for it: one rule, for making a key, for using it, and for the preview.

An account has at most two policies: the one in force, and one that is announced for a later day. They are kept as text
in one column, which the check of a key reads along with the account; an account that asks for nothing has "".
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time

from keyportal.policy import Decision, Denied


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What is asked. The two numbers of keys limit the making of keys alone: no key stops since there are too many."""

    longest_days: int | None = None
    must_expire: bool = False
    service_only: bool = False
    most_user_keys: int | None = None
    most_service_keys: int | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """A policy and the moment from which it holds."""

    at: datetime
    policy: KeyPolicy


NOTHING = KeyPolicy()


def allows_key(
    account: str, policy: KeyPolicy, *, of_user: bool, created_at: datetime, expires_at: datetime | None
) -> Decision:
    """Whether a key of a user, or of the account itself, fits the policy of the account with this name.

    Lives are counted in days of the calendar, in UTC, as the form of a new key counts them.
    """
    if policy.service_only and of_user:
        return Denied(f"{account} allows service API keys only.")
    if policy.longest_days is not None:
        if expires_at is None or (_day(expires_at) - _day(created_at)).days > policy.longest_days:
            days = "1 day" if policy.longest_days == 1 else f"{policy.longest_days} days"
            return Denied(f"{account} requires keys to expire within {days}.")
    elif policy.must_expire and expires_at is None:
        return Denied(f"{account} requires keys to expire.")
    return True


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def in_force(text: str, now: datetime) -> KeyPolicy:
    """The policy that holds at `now`."""
    return next((since.policy for since in reversed(read(text)) if since.at <= now), NOTHING)


def announced(text: str, now: datetime) -> Since | None:
    """The policy that will hold from a later moment, if any."""
    return next((since for since in read(text) if since.at > now), None)


def for_making(text: str, now: datetime) -> list[KeyPolicy]:
    """What a new key must fit: the policy in force, and the one that is announced, which would only stop it later."""
    coming = announced(text, now)
    return [in_force(text, now), *([coming.policy] if coming else [])]


def changed(text: str, policy: KeyPolicy, from_day: date, now: datetime) -> str:
    """The column's new text: `policy` holds from that day, until then what holds now; what was announced is dropped."""
    since = Since(datetime.combine(from_day, time(), UTC), policy)
    kept = [one for one in read(text) if one.at <= now][-1:] if since.at > now else []
    if not kept and policy == NOTHING:
        return ""
    return json.dumps([{"at": one.at.isoformat(), "policy": asdict(one.policy)} for one in [*kept, since]])


@functools.lru_cache(1024)
def read(text: str) -> tuple[Since, ...]:
    """The column, oldest first. It is kept by its text, which the database is asked for each time."""
    entries = json.loads(text) if text else []
    return tuple(Since(datetime.fromisoformat(entry["at"]), KeyPolicy(**entry["policy"])) for entry in entries)


def in_words(policy: KeyPolicy) -> list[str]:
    """What the policy asks, each in one sentence."""
    sentences = []
    if policy.service_only:
        sentences.append("Only service API keys work here. User keys don’t.")
    if policy.longest_days is not None:
        sentences.append(f"Keys must expire within {_counted(policy.longest_days, 'day')}.")
    elif policy.must_expire:
        sentences.append("Keys must expire.")
    if policy.most_user_keys is not None:
        sentences.append(f"Nobody makes more than {_counted(policy.most_user_keys, 'usable user key')}.")
    if policy.most_service_keys is not None:
        sentences.append(f"Nobody makes more than {_counted(policy.most_service_keys, 'usable service key')} for the account.")
    return sentences


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
