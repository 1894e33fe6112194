"""What every request passes: an ID, headers, and errors in the shape that the asker expects."""

import json
import logging
import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from keyportal import errors
from keyportal.exceptions import Conflict

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}", re.ASCII)


def request_id(get_response: GetResponse) -> GetResponse:
    """Gives the request an ID, the caller's where it brings a plain one, and sends it back."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        brought = request.headers.get("X-Request-ID", "")
        request.request_id = brought if _REQUEST_ID.fullmatch(brought) else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response

    return middleware


def security_headers(get_response: GetResponse) -> GetResponse:
    """Nothing of ours is kept by a cache, and no page may use the browser's devices."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Cache-Control"] = "no-store, private"
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        return response

    return middleware


def api_errors(get_response: GetResponse) -> GetResponse:
    """Under the API's roots every error is JSON in the API's shape, whoever raised it: 404, 405, 413, 500 and all."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.status_code < 400 or not errors.is_api(request.path):
            return response
        if response.get("Content-Type", "").startswith("application/json"):
            return response
        shaped = api_error(response.status_code)
        for header in ("Allow", "Retry-After"):
            if header in response:
                shaped[header] = response[header]
        return shaped

    return middleware


def api_error(status: int, message: str = "") -> HttpResponse:
    """`{"statusCode", "error", "message"}`: the shape that clients of the API read."""
    phrase = HTTPStatus(status).phrase
    body = {"statusCode": status, "error": phrase, "message": message or f"{phrase}."}
    response = HttpResponse(json.dumps(body), status=status, content_type="application/json")
    response["Content-Length"] = str(len(response.content))
    return response


def after_the_answer(get_response: GetResponse) -> GetResponse:
    """Runs what a view left in `request.after_the_answer` when the answer has gone out to the client."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if hasattr(request, "after_the_answer"):
            # What FileResponse and its like use to close their files: WSGI servers call close() after sending.
            response._resource_closers.append(request.after_the_answer)  # type: ignore[attr-defined]
        return response

    return middleware


class ErrorPages:
    """Exceptions that no view has caught become the page that says what happened.

    A database that is gone or locked is 503, never 401 or 403: a client must not throw away a good key.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, errors.DATABASE_AWAY):
            logger.error("The database failed: %s", request.path, exc_info=exception)
            return errors.unavailable(request)
        if isinstance(exception, Conflict):
            return errors.conflict(request, exception)
        if isinstance(exception, ValidationError):
            return errors.bad_request(request, exception)
        return None


def hostile_paths(get_response: GetResponse) -> GetResponse:
    """A NUL byte in path or query names nothing that exists, and PostgreSQL would refuse it with an error."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if "\x00" in request.path or "\x00" in "".join(_values(request)):
            return errors.bad_request(request)
        return get_response(request)

    return middleware


def _values(request: HttpRequest) -> Any:
    for name, values in request.GET.lists():
        yield name
        yield from values
