"""The API's own description: OpenAPI 3.1 at /v1/openapi.json, and the page that reads it at /v1/docs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema

DESCRIPTION = """
Checkly’s public API, for keys that are issued here. Send the key as `Authorization: Bearer …`. A **user key** works in
several accounts: name one in the header `X-Checkly-Account`. A **service key** knows its own.
"""

KEY = "APIKey"
ACCOUNT_HEADER = {
    "name": "X-Checkly-Account",
    "in": "header",
    "required": False,
    "description": "The account to act in, by its ID. A user key needs it; a service key may leave it out.",
    "schema": {"type": "string", "format": "uuid"},
}

_PHRASES = {
    400: "A value is not valid, or the account is not named.",
    401: "No key, or none that works: unknown, deleted, expired, suspended.",
    402: "Not offered here.",
    403: "A good key, but without this right, or without access to this account.",
    404: "Not there.",
    409: "There already, or somebody was faster.",
    413: "The body is too large.",
    415: "The body is no JSON, or packed in an unknown way.",
    429: "Too many requests. Retry-After says when to come back.",
    500: "A fault of the server. Name the request’s ID to its operator.",
    503: "The database is away for the moment. The key is not the problem.",
}


_HEADERS = {"WWW-Authenticate": {401}, "Retry-After": {429, 503}}


# Where that which an operation has made is read, changed and deleted, and what of the answer names it there.
_GROUP = {"group_id": "$response.body#/id"}
_MADE_AT = {
    "/v1/variables": {"/v1/variables/{key}": {"key": "$response.body#/key"}},
    "/v1/check-groups": {"/v1/check-groups/{group_id}": _GROUP, "/v2/check-groups/{group_id}": _GROUP},
    "/v1/checks/{check}": {
        "/v1/checks/{check}": {"check": "$response.body#/id"},
        "/v1/checks/{check_type}/{check_id}": {"check_type": "$request.path.check", "check_id": "$response.body#/id"},
    },
}


class ReferencePage(DocsBase):
    """Swagger UI from our own files, in our colours. Its pictures are data in its style sheet."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        response = render(request, "reference.html", {"openapi_url": self.get_openapi_url(api, kwargs)})
        response._csp_update = {"img-src": ["'self'", "data:"]}  # type: ignore[attr-defined]
        return response


class DescribedAPI(NinjaAPI):
    """A NinjaAPI whose document says all that holds for every operation, once, from what the operations declare."""

    def __init__(self, **options: Any) -> None:
        self._described: OpenAPISchema | None = None
        super().__init__(
            title="KeyPortal API",
            version="1",
            description=DESCRIPTION,
            openapi_url="/v1/openapi.json",
            docs_url="/v1/docs",
            docs=ReferencePage(),
            urls_namespace="v1",
            servers=[{"url": "/"}],
            **options,
        )

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Made once in each process: it takes a tenth of a second, and says the same to everybody."""
        if self._described is None:
            self._described = self._describe_all(**options)
        return self._described

    def _describe_all(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**{"path_prefix": "/"} | options)
        for path, item in schema["paths"].items():
            for operation in item.values():
                _describe(path, operation)
        for path, places in _MADE_AT.items():
            schema["paths"][path]["post"]["responses"][201]["links"] = _links(schema["paths"], places)
        schema["components"]["securitySchemes"] = {KEY: {"type": "http", "scheme": "bearer"}}
        return schema


def _describe(path: str, operation: dict[str, Any]) -> None:
    operation["summary"] = operation["summary"].capitalize()
    responses = operation["responses"]
    if operation.get("security"):
        # However the account is found, it is one kind of key.
        operation["security"] = [{KEY: []}]
        if "{account_id}" not in path and not path.endswith("/users/me"):
            operation["parameters"] = [*operation.get("parameters", []), ACCOUNT_HEADER]
    else:
        for status in (401, 403):
            responses.pop(status, None)
    for status in _PHRASES.keys() & responses.keys():
        responses[status]["description"] = _PHRASES[status]
    for name, statuses in _HEADERS.items():
        for status in statuses & responses.keys():
            responses[status].setdefault("headers", {})[name] = {"schema": {"type": "string"}}


def _links(paths: dict[str, Any], places: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        operation["operationId"]: {"operationId": operation["operationId"], "parameters": parameters}
        for path, parameters in places.items()
        for method, operation in paths[path].items()
        if method != "post"
    }
