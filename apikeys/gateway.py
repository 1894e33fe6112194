"""The question that gateways ask on each request: may the bearer of this key do that in this account?

`/gateway/verify` asks for a key that may read; `/gateway/verify/read`, `/run`, `/write` and `/admin` for one that may
do so much. The answer is exactly 200, with the identity in headers, or 401 or 403, and 503 when the database is away:
nginx turns every other status into 500. Method, body, query and whatever follows in the path count for nothing, since
some gateways append the client's own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse

from apikeys.authentication import ACCOUNT_HEADER, CheckedKey
from apikeys.limited_check import KNOWN_FOR, check_within_limits
from apikeys.use import after_the_answer
from keyportal import policy
from keyportal.errors import DATABASE_AWAY, api_error
from keyportal.exceptions import InvalidCredential, TooManyRequests
from keyportal.policy import Level
from keyportal.tally import Limit

logger = logging.getLogger(__name__)

PATH = "/gateway/verify"
_LEVELS = {level.value: level for level in Level}
# A gateway has limits of its own: it would take our 429 for a failure. Failing addresses are counted all the same.
_UNLIMITED = Limit("gateway", 0, KNOWN_FOR)

StartResponse = Callable[..., Any]


def level_of(path: str) -> Level:
    """What the path asks for: its first part after `verify`, else to read, which every role may."""
    return _LEVELS.get(path.removeprefix(PATH).lstrip("/").partition("/")[0], Level.READ)


def verify(request: HttpRequest) -> HttpResponse:
    """200 with the identity of the key's bearer, 401 or 403; 503 for any trouble of our own."""
    try:
        try:
            return _decide(request)
        except DATABASE_AWAY:
            # The connection may have died since the last request: once more, on a new one.
            connection.close()
            return _decide(request)
    except Exception:
        logger.exception("The gateway’s question could not be answered.")
        connection.close()
        answer = api_error(503, "This can’t be answered at the moment. Try again.")
        answer["Retry-After"] = "5"
        return answer


def _decide(request: HttpRequest) -> HttpResponse:
    try:
        checked = check_within_limits(request, request.headers.get(ACCOUNT_HEADER), _UNLIMITED)
    except (InvalidCredential, TooManyRequests) as error:
        answer = api_error(401, str(error))
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    decision = policy.can_call(checked.actor, level_of(request.path_info))
    answer = _allowed(checked) if decision is True else api_error(403, str(decision))
    answer._resource_closers.append(after_the_answer(checked, request))  # type: ignore[attr-defined]
    return answer


def _allowed(checked: CheckedKey) -> HttpResponse:
    """The identity, in names without a hyphen: no header with an underscore can pass for one of them."""
    actor = checked.actor
    identity = {
        "KeyportalAccount": str(actor.account_id),
        "KeyportalKey": actor.key_id,
        "KeyportalKind": "user" if actor.user_id else "service",
        "KeyportalRole": str(actor.role),
        "KeyportalUser": str(actor.user_id or ""),
    }
    body = {name.removeprefix("Keyportal").lower(): value for name, value in identity.items()}
    return HttpResponse(json.dumps(body), content_type="application/json", headers=identity)


class Gateway:
    """A WSGI application in front of Django's: answers the gateways' question without its middleware, which has no part in it."""

    def __init__(self, application: Callable[[dict[str, Any], StartResponse], Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path != PATH and not path.startswith(f"{PATH}/"):
            return self.application(environ, start_response)
        answer = verify(WSGIRequest(environ))
        answer["Cache-Control"] = "no-store, private"
        answer["Content-Length"] = str(len(answer.content))
        start_response(f"{answer.status_code} {answer.reason_phrase}", list(answer.items()))
        return answer
