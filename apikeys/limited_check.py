"""The check of a key within the limits: so many requests a key, so many failures an address, judged before the database.

A key is counted once the check has found it good, under a keyed digest of the whole text that was presented. So a
wrong secret uses up nobody's allowance, whosever public ID it bears, and made-up keys take no room.

That a text has been counted means that it was good when it was last seen. It passes whatever else fails at its
address, so that one broken script does not lock a whole office out. Nothing more follows from it: the key is checked
in full each time, and its first failure takes the mark away. All others wait while too much fails at their address.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from apikeys.authentication import CheckedKey, check_key
from apikeys.secret import Secret
from keyportal import limits
from keyportal.client import client_network
from keyportal.exceptions import InvalidCredential, TooManyRequests
from keyportal.tally import Limit, Standing

# For how many minutes after its last use a key passes whatever else fails at its address.
KNOWN_FOR = 24 * 60


def api_limit() -> Limit:
    """How often a key may call the API."""
    return Limit("keys", settings.API_REQUESTS_PER_MINUTE, KNOWN_FOR)


def check_within_limits(request: HttpRequest, account: str | None, per_key: Limit) -> CheckedKey:
    """`check_key` for the key in the request's header, which is counted; also raises TooManyRequests.

    `request.rate_limit` says how the key, or the address that is refused, stands.
    """
    authorization = request.META.get("HTTP_AUTHORIZATION")
    if not (per_key.most or _failures_limit().most):
        return check_key(Secret.from_header(authorization), account)
    counters = limits.counters()
    try:
        secret = Secret.from_header(authorization)
    except InvalidCredential:
        _refuse_failing_address(request)
        _count_failure(request)
        raise
    digest = secret.digest(limits.digest_key(per_key.name))
    standing = counters.hit(digest, per_key, only_known=True)
    if standing:
        _refuse_beyond(standing, request)
    else:
        _refuse_failing_address(request)
    try:
        checked = check_key(secret, account)
    except InvalidCredential:
        _count_failure(request)
        if standing:
            counters.forget(digest)
        raise
    if not standing:
        _refuse_beyond(counters.hit(digest, per_key), request)
    return checked


def _refuse_beyond(standing: Standing | None, request: HttpRequest) -> None:
    if standing is None or not standing.most:
        return
    request.rate_limit = standing  # type: ignore[attr-defined]
    if not standing.passes:
        raise TooManyRequests(
            f"This API key may make {standing.most} requests a minute. Try again in {_seconds(standing.reset)}.", standing.reset
        )


def _refuse_failing_address(request: HttpRequest) -> None:
    limit = _failures_limit()
    standing = limits.counters().look(_address(request), limit) if limit.most else None
    if standing and not standing.passes:
        request.rate_limit = standing  # type: ignore[attr-defined]
        raise TooManyRequests(
            f"Too many requests without a valid API key came from this address. Try again in {_seconds(standing.reset)}.",
            standing.reset,
        )


def _count_failure(request: HttpRequest) -> None:
    limit = _failures_limit()
    if limit.most:
        limits.counters().hit(_address(request), limit)


def _failures_limit() -> Limit:
    return Limit("failures", settings.API_FAILURES_PER_MINUTE)


def _address(request: HttpRequest) -> bytes:
    return limits.subject("failures", client_network(request))


def _seconds(number: int) -> str:
    return "1 second" if number == 1 else f"{number} seconds"
