"""The question that gateways ask on each request: may the bearer of this key do that in this account?

`/gateway/verify` asks for a key that may read; `/gateway/verify/read`, `/run`, `/write` and `/admin` for one that may
do so much. The answer is exactly 200, with the identity in headers, or 401 or 403, and 503 when the database is away:
nginx turns every other status into 500. Method, body, query and whatever follows in the path count for nothing, since
some gateways append the client's own.

A level that there is none of is refused: a slip in a gateway's configuration must not open what it meant to close.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from apikeys.authentication import ACCOUNT_HEADER
from apikeys.limited_check import KNOWN_FOR, check_within_limits
from apikeys.use import after_the_answer
from keyportal import policy
from keyportal.errors import DATABASE_AWAY, challenge
from keyportal.exceptions import InvalidCredential, TooManyRequests
from keyportal.policy import Actor, Denied, Level
from keyportal.tally import Limit

logger = logging.getLogger(__name__)

PATH = "/gateway/verify"
NO_SUCH_LEVEL = Denied(f"There is no such level. Ask for {PATH} followed by /{', /'.join(Level)}, or nothing.")
_LEVELS = {level.value: level for level in Level}
# A gateway has limits of its own: it would take our 429 for a failure. Failing addresses are counted all the same.
_UNLIMITED = Limit("gateway", 0, KNOWN_FOR)

_ACCOUNT = "HTTP_" + ACCOUNT_HEADER.upper().replace("-", "_")

StartResponse = Callable[..., Any]


def level_of(path: str) -> Level | None:
    """What the path asks for: its first part after `verify`, or to read where there is none."""
    asked = path.removeprefix(PATH).lstrip("/").partition("/")[0]
    return _LEVELS.get(asked) if asked else Level.READ


@dataclass(slots=True)
class Answer:
    """An answer before it has the form of a server's. `done` is what is left to do when it has gone out."""

    status: HTTPStatus
    body: dict[str, Any]
    headers: dict[str, str]
    done: Callable[[], None] | None = None

    def as_response(self) -> HttpResponse:
        response = JsonResponse(self.body, status=self.status, headers=self.headers)
        if self.done:
            response._resource_closers.append(self.done)  # type: ignore[attr-defined]
        return response


def verify(request: HttpRequest) -> Answer:
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
        return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "This can’t be answered at the moment. Try again.", "Retry-After", "5")


def _decide(request: HttpRequest) -> Answer:
    try:
        checked = check_within_limits(request, request.META.get(_ACCOUNT), _UNLIMITED)
    except (InvalidCredential, TooManyRequests) as error:
        return _refused(HTTPStatus.UNAUTHORIZED, str(error), "WWW-Authenticate", challenge(request))
    level = level_of(request.path_info)
    decision = policy.can_call(checked.actor, level) if level else NO_SUCH_LEVEL
    answer = _allowed(checked.actor) if decision is True else _refused(HTTPStatus.FORBIDDEN, str(decision))
    answer.done = after_the_answer(checked, request)
    return answer


def _allowed(actor: Actor) -> Answer:
    """The identity, in names without a hyphen: no header with an underscore can pass for one of them."""
    identity = {
        "account": str(actor.account_id),
        "key": actor.key_id,
        "kind": "user" if actor.user_id else "service",
        "role": str(actor.role),
        "user": str(actor.user_id or ""),
    }
    return Answer(HTTPStatus.OK, identity, {f"Keyportal{name.title()}": value for name, value in identity.items()})


def _refused(status: HTTPStatus, message: str, *header: str) -> Answer:
    body = {"statusCode": int(status), "error": status.phrase, "message": message}
    return Answer(status, body, dict(zip(header[::2], header[1::2], strict=True)))


class Gateway:
    """A WSGI application in front of Django's: answers the gateways' question without its middleware, which has no part in it."""

    def __init__(self, application: Callable[[dict[str, Any], StartResponse], Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path != PATH and not path.startswith(f"{PATH}/"):
            return self.application(environ, start_response)
        request = HttpRequest()
        request.META, request.path_info = environ, path
        answer = verify(request)
        body = json.dumps(answer.body).encode()
        usual = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store, private",
        }
        start_response(f"{answer.status:d} {answer.status.phrase}", [*usual.items(), *answer.headers.items()])
        return _Sent(body, answer.done)


class _Sent:
    """The body of an answer, which the server closes when it has gone out."""

    def __init__(self, body: bytes, done: Callable[[], None] | None) -> None:
        self._body, self._done = body, done

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        if self._done:
            self._done()
