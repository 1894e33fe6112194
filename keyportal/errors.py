"""Error pages: one layout, one sentence, the request's ID and one next step."""

import sys
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.urls import reverse

from keyportal.exceptions import Conflict

# What the two databases raise when they are gone, locked, or slower than their limits.
DATABASE_AWAY = (OperationalError, InterfaceError)

API_ROOTS = ("/v1/", "/v2/", "/next/", "/gateway/")


def is_api(path: str) -> bool:
    """Whether machines are served here, which read JSON and follow no redirect."""
    return f"{path}/".startswith(API_ROOTS)


def page(request: HttpRequest, status: int, title: str, message: str, **context: Any) -> HttpResponse:
    """The error page of `status`, with the way on: home, unless the context names another."""
    return render(
        request,
        f"{status}.html",
        {
            "title": title,
            "message": message,
            "request_id": getattr(request, "request_id", ""),
            "next_url": reverse("home"),
            "next_label": "Go to your keys",
            **context,
        },
        status=status,
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return page(
        request, 400, "That request is not right", "Something in the address or the form can’t be read. Nothing was changed."
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    reason = str(exception) if isinstance(exception, PermissionDenied) and str(exception) else "You may not do this."
    return page(request, 403, "No access", reason)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = (
        "This form is too old, or it came from another site. Nothing was changed. Go back, load the page again and repeat."
    )
    return page(request, 403, "Please send the form again", message)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return page(request, 404, "Page not found", "There is nothing at this address, or it is not yours to see.")


def conflict(request: HttpRequest, exception: Conflict) -> HttpResponse:
    return page(request, 409, "Somebody was faster", str(exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Whatever nobody has caught; also a database that failed before any view was reached, as at sign-in."""
    if isinstance(sys.exc_info()[1], DATABASE_AWAY):
        return unavailable(request)
    message = "Something went wrong on our side. Unless a page told you so, nothing was created or changed."
    return _bare_page(request, 500, "Something went wrong", message)


def unavailable(request: HttpRequest) -> HttpResponse:
    message = "The database can’t be reached at the moment. Nothing was changed. Try again in a moment."
    response = _bare_page(request, 503, "Back in a moment", message)
    response["Retry-After"] = "5"
    return response


def _bare_page(request: HttpRequest, status: int, title: str, message: str) -> HttpResponse:
    """A page that asks the database nothing: no menus, since they belong to somebody."""
    context = {"title": title, "message": message, "request_id": getattr(request, "request_id", "")}
    return HttpResponse(get_template(f"{status}.html").render(context), status=status)
