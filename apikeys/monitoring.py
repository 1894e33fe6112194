"""The page that a monitoring system reads, in Prometheus's text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from apikeys.models import ApiKey, expired_at, usable_at
from keyportal import metrics
from keyportal.errors import DATABASE_AWAY, api_error

NAME = "keyportal"


@require_safe
@login_not_required
def metrics_page(request: HttpRequest) -> HttpResponse:
    """The counts of all processes of this host, and the keys by state. There is no such page unless METRICS_TOKEN is set."""
    if not settings.METRICS_TOKEN:
        raise Http404
    if not constant_time_compare(request.META.get("HTTP_AUTHORIZATION", ""), f"Bearer {settings.METRICS_TOKEN}"):
        refused = api_error(401, "Send the metrics token as a bearer token.")
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    try:
        counts = metrics.of_all_processes()
    except OSError as error:
        return api_error(503, f"The counts can’t be read: {error.strerror}.")
    return HttpResponse("\n".join([*_checks(counts), *_keys(), ""]), content_type="text/plain; version=0.0.4; charset=utf-8")


def _checks(counts: Counter[str]) -> Iterator[str]:
    yield f"# HELP {NAME}_key_checks_total Questions about keys, by outcome."
    yield f"# TYPE {NAME}_key_checks_total counter"
    for name, count in sorted(counts.items()):
        if name.startswith("checks."):
            yield f'{NAME}_key_checks_total{{outcome="{name.removeprefix("checks.")}"}} {count}'
    yield f"# HELP {NAME}_key_check_seconds How long the look-up and the verification of a key took."
    yield f"# TYPE {NAME}_key_check_seconds histogram"
    below = 0
    for number, bound in enumerate([*map(str, metrics.BOUNDS), "+Inf"]):
        below += counts[f"took.{number}"]
        yield f'{NAME}_key_check_seconds_bucket{{le="{bound}"}} {below}'
    yield f"{NAME}_key_check_seconds_sum {counts['microseconds'] / 1e6}"
    yield f"{NAME}_key_check_seconds_count {below}"


def _keys() -> Iterator[str]:
    """Nothing while the database is away, when the other counts are wanted most."""
    now = timezone.now()
    states = {
        "usable": usable_at(now),
        "expired": expired_at(now),
        "suspended": Q(revoked_at=None, suspended_at__isnull=False),
        "deleted": Q(revoked_at__isnull=False),
    }
    kinds = {"user": Q(user__isnull=False), "service": Q(user=None)}
    wanted = {
        f"{kind}_{state}": Count("pk", filter=is_kind & is_state)
        for kind, is_kind in kinds.items()
        for state, is_state in states.items()
    }
    try:
        counts = ApiKey.objects.aggregate(**wanted)
    except DATABASE_AWAY:
        return
    yield f"# HELP {NAME}_keys Keys, by kind and state."
    yield f"# TYPE {NAME}_keys gauge"
    for name, count in counts.items():
        kind, _, state = name.partition("_")
        yield f'{NAME}_keys{{kind="{kind}",state="{state}"}} {count}'
