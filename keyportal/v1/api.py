"""The API's table of contents, and what each thing that can go wrong answers."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from keyportal.errors import DATABASE_AWAY, api_error
from keyportal.exceptions import Conflict, InvalidCredential, TooManyRequests
from keyportal.v1 import accounts, checks

logger = logging.getLogger(__name__)

# The document and its page come with the whole surface; half of it would be a promise not kept.
api = NinjaAPI(title="KeyPortal", version="1", openapi_url=None, docs_url=None, urls_namespace="v1")
api.add_router("/accounts", accounts.router)
api.add_router("/checks", checks.router)

# Made once: each reading of `api.urls` builds new ones.
urls = api.urls
for _pattern in urls[0]:
    # Keys open these, not sessions: the middleware that sends people to sign-in does not apply.
    setattr(_pattern.callback, "login_required", False)  # noqa: B010 - a function has no such attribute to the type checker


@api.exception_handler(InvalidCredential)
def unauthorized(request: HttpRequest, error: InvalidCredential) -> HttpResponse:
    response = api_error(401, str(error))
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(TooManyRequests)
def too_many_requests(request: HttpRequest, error: TooManyRequests) -> HttpResponse:
    response = api_error(429, str(error))
    response["Retry-After"] = str(error.retry_after)
    return response


@api.exception_handler(PermissionDenied)
def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return api_error(403, str(error))


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return api_error(404)


@api.exception_handler(Conflict)
def conflict(request: HttpRequest, error: Conflict) -> HttpResponse:
    return api_error(409, str(error))


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return api_error(error.status_code, str(error))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return api_error(400, "; ".join(_sentence(one) for one in error.errors))


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("The database failed: %s", request.path, exc_info=error)
    response = api_error(503, "The database can’t be reached at the moment. Try again.")
    response["Retry-After"] = "5"
    return response


for _away in DATABASE_AWAY:
    api.add_exception_handler(_away, unavailable)  # type: ignore[arg-type]


def _sentence(error: dict[str, Any]) -> str:
    """Where and what, such as "limit: Input should be less than or equal to 100"."""
    return f"{error['loc'][-1]}: {error['msg']}"
