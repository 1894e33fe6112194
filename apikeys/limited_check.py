"""The check of a key within the limits: so many requests a key, so many failures an address, judged before the database.

A key is counted once the check has found it good, under a keyed digest of the whole text that was presented. So a
wrong secret uses up nobody's allowance, whosever public ID it bears, and made-up keys take no room.

That a text has been counted means that it was good when it was last seen. It passes whatever else fails at its
address, so that one broken script does not lock a whole office out. Nothing more follows from it: the key is checked
in full each time, and its first failure takes the mark away. All others wait while too much fails at their address.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from apikeys.authentication import CheckedKey, KeyDenied, KeyRefused, check_key
from apikeys.secret import Secret
from apikeys.usage import Outcome
from apikeys.use import note_nothing, note_refusal
from keyportal import limits, refusals
from keyportal.client import Request, client_address, client_network
from keyportal.exceptions import InvalidCredential, TooManyRequests
from keyportal.metrics import metrics
from keyportal.tally import Limit, Standing

# For how many minutes after its last use a key passes whatever else fails at its address.
KNOWN_FOR = 24 * 60
# Gateways ask about a key as often as need be: they would take our 429 for a failure. It is only marked as known.
GATEWAY = Limit("gateway", 0, KNOWN_FOR)


def api_limit() -> Limit:
    """How often a key may call the API."""
    return Limit("keys", settings.API_REQUESTS_PER_MINUTE, KNOWN_FOR)


def check_within_limits(request: Request, account: str | None, per_key: Limit) -> CheckedKey:
    """`check_key` for the key in the request's header, which is counted; also raises TooManyRequests.

    `request.rate_limit` says how the key, or the address that is refused, stands.
    """
    failures = _failures_limit()
    try:
        secret = Secret.from_header(request.META.get("HTTP_AUTHORIZATION"))
    except InvalidCredential as error:
        note_nothing("malformed")
        _count_failure(request, failures, str(error))
        raise
    known = _hit(secret, per_key, only_known=True) if per_key.most else None
    if known:
        _refuse_beyond(known, secret, request)
    elif (standing := _failing(request, failures)) and not _is_known(secret):
        _refuse(standing, request)
    try:
        checked = _check(secret, account, request)
    except InvalidCredential as error:
        _count_failure(request, failures, str(error))
        if isinstance(error, KeyRefused) and error.outcome is not Outcome.WRONG_SECRET and (per_key.most or failures.most):
            _forget(secret)
        raise
    except KeyDenied:
        # The secret was proven, so it counts for the key: who goes on trying from elsewhere is not free to.
        if not known and per_key.most:
            _refuse_beyond(_hit(secret, per_key), secret, request)
        raise
    if per_key.most and not known:
        _refuse_beyond(_hit(secret, per_key), secret, request)
    elif failures.most and not per_key.most and _marked.is_new(secret.public_id, checked.at):
        _hit(secret, per_key)
    return checked


def _check(secret: Secret, account: str | None, request: Request) -> CheckedKey:
    started = time.perf_counter()
    try:
        return check_key(secret, account, request)
    except (KeyRefused, KeyDenied) as error:
        note_refusal(secret.public_id, error.outcome, timezone.now(), request)
        raise
    except InvalidCredential:
        note_nothing("unknown")
        raise
    finally:
        if settings.METRICS_TOKEN:
            metrics.observe(time.perf_counter() - started)


def _hit(secret: Secret, limit: Limit, *, only_known: bool = False) -> Standing | None:
    return limits.counters().hit(_digest(secret, limit), limit, only_known=only_known)


def _is_known(secret: Secret) -> bool:
    """Whether the key was good within a day, at the API or at a gateway."""
    return any(_hit(secret, limit, only_known=True) for limit in (GATEWAY, api_limit()))


class _Marked:
    """The keys that this process has marked as known within this hour. A mark costs a write; this spares most of them."""

    MOST = 50_000

    def __init__(self) -> None:
        self._hour, self._keys = 0, set[str]()

    def is_new(self, public_id: str, now: datetime) -> bool:
        hour = int(now.timestamp()) // 3600
        if hour != self._hour or len(self._keys) >= self.MOST:
            self._hour, self._keys = hour, set()
        if public_id in self._keys:
            return False
        self._keys.add(public_id)
        return True

    def forget(self, public_id: str) -> None:
        self._keys.discard(public_id)


_marked = _Marked()


def _forget(secret: Secret) -> None:
    _marked.forget(secret.public_id)
    for limit in (GATEWAY, api_limit()):
        limits.counters().forget(_digest(secret, limit))


def _digest(secret: Secret, limit: Limit) -> bytes:
    return secret.digest(limits.digest_key(limit.name))


def _refuse_beyond(standing: Standing | None, secret: Secret, request: Request) -> None:
    if standing is None or not standing.most:
        return
    request.rate_limit = standing  # type: ignore[attr-defined]
    if not standing.passes:
        note_refusal(secret.public_id, Outcome.TOO_MANY, timezone.now(), request)
        raise TooManyRequests(
            f"This API key may make {standing.most} requests a minute. Try again in {_seconds(standing.reset)}.", standing.reset
        )


def _refuse(standing: Standing | None, request: Request) -> None:
    """Refuse an address where too much failed."""
    if standing:
        note_nothing("failing_address")
        request.rate_limit = standing  # type: ignore[attr-defined]
        raise TooManyRequests(
            f"Too many requests without a valid API key came from this address. Try again in {_seconds(standing.reset)}.",
            standing.reset,
        )


def _failing(request: Request, failures: Limit) -> Standing | None:
    """How the request's address stands, where too much failed at it."""
    standing = limits.counters().look(_address(request), failures) if failures.most else None
    return standing if standing and not standing.passes else None


def _count_failure(request: Request, failures: Limit, why: str) -> None:
    """One more failure at the request's address, which is refused beyond the limit."""
    refusals.note(client_address(request), why)
    standing = limits.counters().hit(_address(request), failures) if failures.most else None
    if standing and not standing.passes:
        _refuse(standing, request)


def _failures_limit() -> Limit:
    return Limit("failures", settings.API_FAILURES_PER_MINUTE)


def _address(request: Request) -> bytes:
    return limits.subject("failures", client_network(request))


def _seconds(number: int) -> str:
    return "1 second" if number == 1 else f"{number} seconds"
