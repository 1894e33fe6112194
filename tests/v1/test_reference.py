"""The API's own description says for each operation what it needs, what it answers and what may go wrong."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from keyportal.v1.api import api


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return api.get_openapi_schema()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation for path, item in document["paths"].items() for method, operation in item.items()
    }


def test_it_is_served_to_everybody(db: None) -> None:
    answer = Client().get("/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")
    page = Client().get("/v1/docs")
    assert page.status_code == 200
    assert "img-src 'self' data:" in page["Content-Security-Policy"]
    assert "script-src 'self';" in page["Content-Security-Policy"] + ";"
    assert b"//" not in page.content.replace(b"http://www.w3.org", b"").partition(b"<body>")[0].replace(b"<!", b"")


def test_no_other_page_lets_pictures_be_data(db: None) -> None:
    assert "data:" not in Client().get("/accounts/login/")["Content-Security-Policy"]


def test_every_operation_names_its_refusals_and_shows_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        assert operation["description"], name
        responses = {int(status) for status in operation["responses"]}
        public = not operation.get("security")
        wanted = {429, 500, 503} | (set() if public else {400, 401, 403})
        assert wanted <= responses, name
        assert ("requestBody" in operation) == bool({413, 415} & responses), name
        assert (409 in responses) == ("requestBody" in operation or name.startswith("DELETE /v1/accounts/")), name
        if 401 in responses:
            assert "WWW-Authenticate" in operation["responses"][401]["headers"], name


def test_the_account_header_stands_where_it_counts(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        named = [one["name"] for one in operation.get("parameters", [])]
        counts = bool(operation.get("security")) and "{account_id}" not in name and not name.endswith("/users/me")
        assert named.count("X-Checkly-Account") == counts, name


def test_operation_ids_are_unique_and_every_schema_that_is_sent_has_an_example(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(ids) == len(set(ids))
    for operation in operations(document).values():
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        shown = "example" in model or any("examples" in field for field in model["properties"].values())
        assert shown or "role" in model["properties"], operation["operationId"]


def test_what_was_made_is_linked_to_whatever_can_be_done_with_it(document: dict[str, Any]) -> None:
    by_id = {operation["operationId"]: name for name, operation in operations(document).items()}
    found = {}
    for name, operation in operations(document).items():
        if 201 not in operation["responses"]:
            continue
        for link in operation["responses"][201]["links"].values():
            target = by_id[link["operationId"]]
            assert all(f"{{{parameter}}}" in target for parameter in link["parameters"])
            found.setdefault(name, set()).add(target)
    assert found == {
        "POST /v1/variables": {f"{method} /v1/variables/{{key}}" for method in ("GET", "PUT", "DELETE")},
        "POST /v1/checks/{check}": {
            *("GET /v1/checks/{check}", "DELETE /v1/checks/{check}", "PUT /v1/checks/{check_type}/{check_id}")
        },
        "POST /v1/check-groups": {
            *(f"{method} /v1/check-groups/{{group_id}}" for method in ("GET", "PUT", "DELETE")),
            "PUT /v2/check-groups/{group_id}",
        },
    }
