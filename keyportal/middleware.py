"""What every request passes: an ID, headers, and errors in the shape that the asker expects."""

import logging
import re
import uuid
from collections.abc import Callable, Iterator

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja.errors import HttpError

from keyportal import errors, health
from keyportal.exceptions import Conflict
from keyportal.tally import Standing

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}", re.ASCII)


def request_id(get_response: GetResponse) -> GetResponse:
    """Gives the request an ID, a trusted proxy's where it brings a plain one, and sends it back."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        brought = request.headers.get("X-Request-ID", "")
        trusted = settings.TRUSTED_PROXY_COUNT > 0 and _REQUEST_ID.fullmatch(brought)
        request.request_id = brought if trusted else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response

    return middleware


def probes(get_response: GetResponse) -> GetResponse:
    """Answers /healthz and /readyz before anything asks for https or a host name: a probe has neither."""
    answers = {"/healthz": health.alive, "/readyz": health.ready}

    def middleware(request: HttpRequest) -> HttpResponseBase:
        probe = answers.get(request.path)
        return probe(request) if probe else get_response(request)

    return middleware


def security_headers(get_response: GetResponse) -> GetResponse:
    """Nothing of ours is kept by a cache, and no page may use the browser's devices."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Cache-Control"] = "no-store, private"
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        return response

    return middleware


class ContentSecurityPolicy(CSPMiddleware):
    """The policy of each page as the settings and its view have it. JSON, which shows and runs nothing, has one that is fixed."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if errors.is_api(request.path) and response.get("Content-Type", "").startswith("application/json"):
            response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
            return response
        return super().process_response(request, response)


def api_errors(get_response: GetResponse) -> GetResponse:
    """Under the API's roots every error is JSON in the API's shape, whoever raised it: 404, 405, 413, 500 and all."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.status_code < 400 or not errors.is_api(request.path):
            return response
        if response.get("Content-Type", "").startswith("application/json"):
            return response
        shaped = errors.api_error(response.status_code)
        for header in ("Allow", "Retry-After"):
            if header in response:
                shaped[header] = response[header]
        return shaped

    return middleware


def rate_limit(get_response: GetResponse) -> GetResponse:
    """Tells clients of the API how they stand with the limit, on good answers and refusals alike."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        standing: Standing | None = getattr(request, "rate_limit", None)
        if standing:
            response["RateLimit-Limit"] = str(standing.most)
            response["RateLimit-Remaining"] = str(standing.remaining)
            response["RateLimit-Reset"] = str(standing.reset)
        return response

    return middleware


def key_expiry(get_response: GetResponse) -> GetResponse:
    """Tells who calls the API with a key that it expires soon."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if expires := getattr(request, "key_expires", None):
            response["KeyportalKeyExpires"] = expires
        return response

    return middleware


class ErrorPages:
    """Exceptions that no view has caught become the page that says what happened.

    A database that is gone or locked is 503, never 401 or 403: a client must not throw away a good key.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code == 405 and not getattr(response, "content", b"x"):
            return errors.method_not_allowed(request, allow=response["Allow"])
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if errors.database_failed(exception) or errors.cache_failed(exception):
            logger.error("The database or Redis failed: %s", request.path, exc_info=exception)
            return errors.unavailable(request)
        if isinstance(exception, Conflict):
            return errors.conflict(request, exception)
        if isinstance(exception, ValidationError):
            return errors.bad_request(request, exception)
        if isinstance(exception, HttpError):  # a body of the API that can't be read, outside of its operations
            return errors.api_error(exception.status_code, str(exception))
        if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent)):
            return errors.too_large(request)
        return None


def hostile_paths(get_response: GetResponse) -> GetResponse:
    """A NUL byte in path, query or cookie names nothing that exists, and PostgreSQL would refuse it with an error."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if "\x00" in request.path or any("\x00" in value for value in _values(request)):
            return errors.bad_request(request)
        return get_response(request)

    return middleware


def _values(request: HttpRequest) -> Iterator[str]:
    yield from request.COOKIES.values()
    for name, values in request.GET.lists():
        yield name
        yield from values
