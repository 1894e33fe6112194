"""The API's table of contents, and what each thing that can go wrong answers."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import NotSupportedError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError, ValidationError

from keyportal.errors import DATABASE_AWAY, api_error, database_failed, too_many_requests, unauthorized
from keyportal.exceptions import Conflict, InvalidCredential, TooManyRequests
from keyportal.v1 import accounts, catalog, check_groups, checks, entitlements, members, not_offered, users, variables
from keyportal.v1.body import BodyRefused, StrictParser
from keyportal.v1.reference import DescribedAPI

logger = logging.getLogger(__name__)

# A body of 256 KiB can hold a hundred thousand mistakes.
MOST_SENTENCES = 5

api = DescribedAPI(parser=StrictParser())
api.add_router("/v1/accounts", accounts.router)
api.add_router("/v1/accounts", entitlements.router)
api.add_router("/v1/accounts", members.router)
api.add_router("/v1/variables", variables.router)
api.add_router("/v1/checks", checks.router)
api.add_router("/v1/check-groups", check_groups.router)
api.add_router("/v2/check-groups", check_groups.router_v2)
api.add_router("/v1/runtimes", catalog.runtimes)
api.add_router("/v1/locations", catalog.locations)
# Checkly's second root, which its command line asks who it is.
api.add_router("/next/accounts", accounts.router_next)
api.add_router("/next/users", users.router)
api.add_router("", not_offered.router)

# Made once: each reading of `api.urls` builds new ones. The last is ninja's own page of nothing.
patterns = api.urls[0][:-1]
for _pattern in patterns:
    # Keys open these, not sessions: the middleware that sends people to sign-in does not apply.
    setattr(_pattern.callback, "login_required", False)  # noqa: B010 - a function has no such attribute to the type checker
urls = (patterns, "ninja", "v1")


api.add_exception_handler(InvalidCredential, unauthorized)  # type: ignore[arg-type]
api.add_exception_handler(TooManyRequests, too_many_requests)  # type: ignore[arg-type]


@api.exception_handler(PermissionDenied)
def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return api_error(403, str(error))


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return api_error(404, str(error))


@api.exception_handler(Conflict)
def conflict(request: HttpRequest, error: Conflict) -> HttpResponse:
    return api_error(409, str(error))


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    # What the parser has to say reaches us as the cause of an error that says less.
    known = error.__cause__ if isinstance(error.__cause__, BodyRefused) else error
    return api_error(known.status_code, str(known))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    sentences = [_sentence(one) for one in error.errors[:MOST_SENTENCES]]
    more = len(error.errors) - len(sentences)
    return api_error(400, "; ".join([*sentences, f"and {more} more"] if more else sentences))


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    if not database_failed(error):
        raise error
    logger.error("The database failed: %s", request.path, exc_info=error)
    response = api_error(503, "The database can’t be reached at the moment. Try again.")
    response["Retry-After"] = "5"
    return response


for _away in (*DATABASE_AWAY, NotSupportedError):
    api.add_exception_handler(_away, unavailable)  # type: ignore[arg-type]


def _sentence(error: dict[str, Any]) -> str:
    """Where and what, such as "limit: Input should be less than or equal to 100"."""
    where = ".".join(str(part) for part in error["loc"][1:] if part != "body") or "body"
    return f"{where[:100]}: {error['msg'].removeprefix('Value error, ')}"
