"""What Checkly has and KeyPortal does not: honest empty lists to read, and 402 with the reason for what would act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError

from keyportal.policy import Level
from keyportal.v1.auth import BearerKey
from keyportal.v1.paging import Paging
from keyportal.v1.schemas import Error, answers

router = Router(tags=["Not offered"])

# Checkly's lists of what KeyPortal does not keep: bare arrays, paged like the others.
EMPTY_LISTS = {
    "/v1/check-statuses": "Results of checks",
    "/v1/check-alerts": "Alerts of checks",
    "/v1/alert-channels": "Alert channels",
    "/v1/snippets": "Snippets",
    "/v1/dashboards": "Dashboards",
    "/v1/maintenance-windows": "Maintenance windows",
    "/v1/private-locations": "Private locations",
}
# The same in pages that name the next one.
EMPTY_PAGES = {
    "/v1/status-pages": "Status pages",
    "/v1/status-pages/incidents": "Incidents",
    "/v1/status-pages/services": "Services of status pages",
}
# What would run or publish something.
ACTS = {
    ("POST", "/v1/projects/deploy"): "Deploying projects",
    ("DELETE", "/v1/projects/{logical_id}"): "Destroying projects",
    ("POST", "/v1/test-sessions/run"): "Running test sessions",
    ("POST", "/next/test-sessions/trigger"): "Triggering checks",
    ("POST", "/next/checkly-storage/upload-code-bundle"): "Storing code",
    ("POST", "/v2/check-sessions/trigger"): "Running checks",
}


class EmptyPage(Schema):
    length: int = 0
    entries: list[dict[str, Any]] = Field(default=[], max_length=0)
    nextId: None = None


class Cursor(Schema):
    limit: int = Field(default=10, ge=1, le=100)
    nextId: str = ""


def _empty_list(what: str) -> Callable[..., Any]:
    def empty_list(request: HttpRequest, response: HttpResponse, paging: Query[Paging]) -> Any:
        response["Content-Range"] = "*/0"
        return []

    empty_list.__doc__ = f"{what}: none, since KeyPortal keeps none."
    return empty_list


def _empty_page(what: str) -> Callable[..., Any]:
    def empty_page(request: HttpRequest, cursor: Query[Cursor]) -> Any:
        return EmptyPage()

    empty_page.__doc__ = f"{what}: none, since KeyPortal keeps none."
    return empty_page


def _refused(what: str, path: str) -> Callable[..., Any]:
    def refuse(request: HttpRequest) -> Any:
        raise HttpError(402, f"{what} is not offered here: KeyPortal stores checks and runs none.")

    def refuse_one(request: HttpRequest, logical_id: str) -> Any:
        return refuse(request)

    refused = refuse_one if "{logical_id}" in path else refuse
    refused.__doc__ = f"{what} is not offered: 402."
    return refused


def _operation(path: str) -> str:
    return path.strip("/").replace("/", "_").replace("-", "_").replace("{", "").replace("}", "")


for _path, _what in EMPTY_LISTS.items():
    router.get(
        _path,
        response=answers(list[dict[str, Any]]),
        auth=BearerKey(Level.READ),
        summary=_what,
        url_name=f"list_{_operation(_path)}",
        operation_id=f"list_{_operation(_path)}",
    )(_empty_list(_what))
for _path, _what in EMPTY_PAGES.items():
    router.get(
        _path,
        response=answers(EmptyPage),
        auth=BearerKey(Level.READ),
        summary=_what,
        url_name=f"list_{_operation(_path)}",
        operation_id=f"list_{_operation(_path)}",
    )(_empty_page(_what))
for (_method, _path), _what in ACTS.items():
    router.api_operation(
        [_method],
        _path,
        response=answers(Error, 402),
        auth=BearerKey(Level.READ),
        summary=_what,
        url_name=f"refuse_{_operation(_path)}",
        operation_id=f"refuse_{_operation(_path)}",
    )(_refused(_what, _path))
