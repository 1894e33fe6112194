"""The question that gateways ask on each request: may the bearer of this key do that in this account?

`/gateway/verify` asks for a key that may read; `/gateway/verify/read`, `/run`, `/write` and `/admin` for one that may
do so much. The answer is exactly 200, with the identity in headers, or 401 or 403, and 503 when the database is away:
nginx turns every other status into 500. Method, body, query and whatever follows in the path count for nothing, since
some gateways append the client's own.

A level that there is none of is refused: a slip in a gateway's configuration must not open what it meant to close.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import connection
from django.http import HttpResponse

from apikeys.authentication import EXPIRY_HEADER, CheckedKey, KeyDenied, account_named
from apikeys.gateway_path import PATH, level_of
from apikeys.limited_check import GATEWAY, check_within_limits
from apikeys.usage import Outcome
from apikeys.use import note_use, outcome_of_denial
from keyportal import policy
from keyportal.client import Request
from keyportal.errors import challenge
from keyportal.exceptions import InvalidCredential, TooManyRequests
from keyportal.policy import Denied, Level

logger = logging.getLogger(__name__)

NO_SUCH_LEVEL = Denied(f"There is no such level. Ask for {PATH} followed by /{', /'.join(Level)}, or nothing.")

StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it has the form of a server's."""

    status: HTTPStatus
    body: bytes
    headers: list[tuple[str, str]]

    def as_response(self) -> HttpResponse:
        return HttpResponse(self.body, status=self.status, content_type="application/json", headers=dict(self.headers))


def verify(request: Request, path: str) -> Answer:
    """200 with the identity of the key's bearer, 401 or 403; 503 for any trouble of our own."""
    try:
        return _decide(request, path)
    except Exception:
        logger.exception("The gateway’s question could not be answered.")
        connection.close()
        return _refused(
            HTTPStatus.SERVICE_UNAVAILABLE, "This can’t be answered at the moment. Try again.", ("Retry-After", "5")
        )


def _decide(request: Request, path: str) -> Answer:
    try:
        checked = check_within_limits(request, account_named(request), GATEWAY)
    except (InvalidCredential, TooManyRequests) as error:
        return _refused(HTTPStatus.UNAUTHORIZED, str(error), ("WWW-Authenticate", challenge(request)))
    except KeyDenied as error:
        return _refused(HTTPStatus.FORBIDDEN, str(error))
    level = level_of(path)
    decision = policy.can_call(checked.actor, level) if level else NO_SUCH_LEVEL
    if decision is True:
        note_use(checked, Outcome.ALLOWED, request)
        return _allowed(checked)
    note_use(checked, outcome_of_denial(checked), request)
    return _refused(HTTPStatus.FORBIDDEN, str(decision))


def _allowed(checked: CheckedKey) -> Answer:
    """The identity, in names without a hyphen: no header with an underscore can pass for one of them."""
    actor, expires = checked.actor, checked.expires
    account, user = str(actor.account_id), str(actor.user_id or "")
    kind = "user" if user else "service"
    role = str(actor.role)
    return Answer(
        HTTPStatus.OK,
        json.dumps({"account": account, "key": actor.key_id, "kind": kind, "role": role, "user": user}).encode(),
        [
            ("KeyportalAccount", account),
            ("KeyportalKey", actor.key_id),
            ("KeyportalKind", kind),
            ("KeyportalRole", role),
            ("KeyportalUser", user),
            *([(EXPIRY_HEADER, expires)] if expires else []),
        ],
    )


@functools.lru_cache(64)
def _refused(status: HTTPStatus, message: str, *headers: tuple[str, str]) -> Answer:
    body = {"statusCode": int(status), "error": status.phrase, "message": message}
    return Answer(status, json.dumps(body).encode(), [*headers])


@dataclass(slots=True)
class _Question:
    """A request in front of Django, whose own takes longer to make than the key to look up."""

    META: dict[str, Any]
    rate_limit: Any = None


class Gateway:
    """A WSGI application in front of Django's: answers the gateways' question without its middleware, which has no part in it."""

    def __init__(self, application: Callable[[dict[str, Any], StartResponse], Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path != PATH and not path.startswith(f"{PATH}/"):
            return self.application(environ, start_response)
        answer = verify(_Question(environ), path)
        usual = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store, private"),
        ]
        start_response(f"{answer.status.value} {answer.status.phrase}", usual + answer.headers)
        return [answer.body]
