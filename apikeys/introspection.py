"""Token introspection, RFC 7662: a service asks about a key that somebody has sent it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from apikeys.authentication import CheckedKey, KeyDenied, KeyRefused, account_named, check_key
from apikeys.limited_check import api_limit, check_within_limits
from apikeys.models import ApiKey
from apikeys.secret import Secret
from apikeys.usage import Outcome
from apikeys.use import note_refusal, note_use, outcome_of_denial
from keyportal import policy
from keyportal.errors import api_error, too_many_requests, unauthorized
from keyportal.exceptions import InvalidCredential, TooManyRequests
from keyportal.policy import Level

INACTIVE = {"active": False}


class _Nowhere:
    """Stands for the request that brought the key to the service that asks: nobody here knows where it came from."""

    def __init__(self) -> None:
        self.META: dict[str, Any] = {}


_FROM_NOWHERE = _Nowhere()


@csrf_exempt
@login_not_required
@require_POST
@sensitive_post_parameters("token")
def introspect(request: HttpRequest) -> HttpResponse:
    """What the key in the form field `token` is, to a service key of the account in which it would work.

    A key that does not work there is `{"active": false}` and nothing else, whatever the reason.
    """
    try:
        service = check_within_limits(request, account_named(request), api_limit())
    except InvalidCredential as error:
        return unauthorized(request, error)
    except TooManyRequests as error:
        return too_many_requests(request, error)
    try:
        policy.require(policy.can_introspect(service.actor))
    except PermissionDenied as error:
        note_use(service, outcome_of_denial(service), request)
        return api_error(403, str(error))
    note_use(service, Outcome.ALLOWED, request)
    if request.content_type != "application/x-www-form-urlencoded" or len(request.POST.getlist("token")) != 1:
        return api_error(400, "Send the key as the form field “token”, once.")
    token = _usable(request, str(service.actor.account_id))
    if token is None:
        return JsonResponse(INACTIVE)
    note_use(token, Outcome.ALLOWED, _FROM_NOWHERE)
    return JsonResponse(_described(token))


@sensitive_variables()
def _usable(request: HttpRequest, account: str) -> CheckedKey | None:
    """The key in the form, where it works in the account. From what address it came only the service knows, so that is not asked."""
    try:
        secret = Secret.parse(request.POST["token"])
        checked = check_key(secret, account, None)
    except (KeyRefused, KeyDenied) as refused:
        note_refusal(secret.public_id, refused.outcome, timezone.now(), _FROM_NOWHERE)
        return None
    except InvalidCredential:
        return None
    return checked if policy.can_call(checked.actor, Level.READ) else None


def _described(checked: CheckedKey) -> dict[str, Any]:
    actor, key = checked.actor, ApiKey.objects.get(public_id=checked.secret.public_id)
    described = {
        "active": True,
        "token_type": "Bearer",
        "client_id": actor.key_id,
        "sub": str(actor.user_id or actor.key_id),
        "scope": " ".join(level for level in Level if policy.can_call(actor, level)),
        "iat": int(key.created_at.timestamp()),
        "keyportal_account": str(actor.account_id),
        "keyportal_kind": "user" if actor.user_id else "service",
        "keyportal_role": actor.role,
    }
    return described | ({"exp": int(key.expires_at.timestamp())} if key.expires_at else {})
