"""What goes wrong, told to people as a page with the request's ID and one next step, to machines as JSON."""

import json
import sys
from http import HTTPStatus

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, NotSupportedError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template

from keyportal.client import Request
from keyportal.exceptions import Conflict, TooManyRequests

# What the two databases raise when they are gone, locked, or slower than their limits.
DATABASE_AWAY = (OperationalError, InterfaceError)


def is_outdated(error: BaseException | None) -> bool:
    """Whether a statement was prepared before a migration changed what it selects: PostgreSQL refuses it on that connection for ever."""
    return isinstance(error, NotSupportedError) and "cached plan" in str(error)


def database_failed(error: BaseException | None) -> bool:
    """Whether it is the database that failed, and not our code. The next request then begins on a new connection."""
    if not (isinstance(error, DATABASE_AWAY) or is_outdated(error)):
        return False
    if not connection.in_atomic_block:
        connection.close()
    return True


API_ROOTS = ("/v1/", "/v2/", "/next/", "/gateway/")


def is_api(path: str) -> bool:
    """Whether machines are served here, which read JSON and follow no redirect."""
    return f"{path}/".startswith(API_ROOTS)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, str(exception or "") if isinstance(exception, PermissionDenied) else "")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, 403, "This form is too old, or it came from another site. Go back, load the page again and repeat.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404)


def method_not_allowed(request: HttpRequest, allow: str) -> HttpResponse:
    response = _page(request, 405)
    response["Allow"] = allow
    return response


def conflict(request: HttpRequest, exception: Conflict) -> HttpResponse:
    return _page(request, 409, str(exception))


def too_large(request: HttpRequest) -> HttpResponse:
    return _page(request, 413)


def cache_failed(error: BaseException | None) -> bool:
    """Whether it is the Redis of CACHE_URL that failed, without which nobody may try to sign in."""
    redis = sys.modules.get("redis")  # only those who have one have loaded it
    return redis is not None and isinstance(error, redis.RedisError)


def server_error(request: HttpRequest) -> HttpResponse:
    """Whatever nobody has caught; also a database that failed before any view was reached, as at sign-in."""
    if database_failed(error := sys.exc_info()[1]) or cache_failed(error):
        return unavailable(request)
    return _bare_page(request, 500)


def unavailable(request: HttpRequest) -> HttpResponse:
    response = _bare_page(request, 503)
    response["Retry-After"] = "5"
    return response


def _page(request: HttpRequest, status: int, message: str = "") -> HttpResponse:
    """The page of `status`; `message` takes the place of its own words where it knows better."""
    if is_api(request.path):
        return api_error(status, message)
    return render(request, f"{status}.html", {"message": message}, status=status)


def _bare_page(request: HttpRequest, status: int) -> HttpResponse:
    """A page that asks the database nothing: no menus, since they belong to somebody."""
    if is_api(request.path):
        return api_error(status)
    context = {"request_id": getattr(request, "request_id", "")}
    return HttpResponse(get_template(f"{status}.html").render(context), status=status)


def unauthorized(request: HttpRequest, error: Exception) -> HttpResponse:
    """401 with what an API key has to be. RFC 6750, section 3: who has sent nothing is told nothing more."""
    response = api_error(401, str(error))
    response["WWW-Authenticate"] = challenge(request)
    return response


def challenge(request: Request) -> str:
    return 'Bearer error="invalid_token"' if "HTTP_AUTHORIZATION" in request.META else "Bearer"


def too_many_requests(request: HttpRequest, error: TooManyRequests) -> HttpResponse:
    response = api_error(429, str(error))
    response["Retry-After"] = str(error.retry_after)
    return response


def api_error(status: int, message: str = "") -> HttpResponse:
    """`{"statusCode", "error", "message"}`: the shape that clients of the API read. 429 has `attributes` as well."""
    phrase = HTTPStatus(status).phrase
    body = {"statusCode": status, "error": phrase, "message": message or f"{phrase}."}
    if status == 429:
        body["attributes"] = {}
    response = HttpResponse(json.dumps(body), status=status, content_type="application/json")
    response["Content-Length"] = str(len(response.content))
    return response
