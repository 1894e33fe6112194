"""The list of checks: a bare array, paged by `limit` and `page`, with places and total in `content-range`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from keyportal.policy import Role
from tests import factories
from tests.statements import statements

Call = Callable[..., Any]
CHECKS = "/v1/checks"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def key(cast: factories.Cast) -> str:
    """A service key of Acme, which has 23 checks, one made each minute; Globex has one."""
    for n in range(23):
        factories.CheckFactory(account=cast.acme, name=f"Check {n}", created_at=START + timedelta(minutes=n))
    factories.CheckFactory(account=cast.globex, name="Not Acme's")
    return factories.service_key(cast.acme, Role.READ_ONLY)[1]


def names(response: Any) -> list[str]:
    assert response.status_code == 200
    assert isinstance(response.json(), list)
    return [check["name"] for check in response.json()]


def test_without_parameters_come_the_ten_oldest(call_api: Call, key: str) -> None:
    response = call_api(CHECKS, key)
    assert names(response) == [f"Check {n}" for n in range(10)]
    assert response["content-range"] == "0-9/23"
    assert response["Content-Type"].startswith("application/json")


def test_pages_hold_every_check_once(call_api: Call, key: str) -> None:
    pages = [call_api(f"{CHECKS}?limit=10&page={page}", key) for page in (1, 2, 3)]
    assert [name for page in pages for name in names(page)] == [f"Check {n}" for n in range(23)]
    assert [page["content-range"] for page in pages] == ["0-9/23", "10-19/23", "20-22/23"]


def test_each_page_but_the_last_names_the_next(call_api: Call, key: str) -> None:
    pages = [call_api(f"{CHECKS}?limit=10&page={page}", key) for page in (1, 2, 3, 4)]
    assert [page.get("X-Next-Page") for page in pages] == ["2", "3", None, None]


@pytest.mark.parametrize("query", ["page=4", "page=1000000", "limit=100&page=2"])
def test_a_page_past_the_end_is_empty_and_still_tells_the_total(call_api: Call, key: str, query: str) -> None:
    response = call_api(f"{CHECKS}?{query}", key)
    assert names(response) == []
    assert response["content-range"].endswith("/23")


def test_an_account_without_checks_has_an_empty_list(cast: factories.Cast, call_api: Call) -> None:
    response = call_api(CHECKS, factories.service_key(cast.acme)[1])
    assert names(response) == []
    assert response["content-range"].endswith("/0")


@pytest.mark.parametrize("query", ["limit=1", "limit=100", "limit=25&page=1"])
def test_the_limit_goes_from_one_to_a_hundred(call_api: Call, key: str, query: str) -> None:
    limit = int(query.split("&", maxsplit=1)[0].removeprefix("limit="))
    assert len(names(call_api(f"{CHECKS}?{query}", key))) == min(limit, 23)


BAD = [
    "limit=0",
    "limit=101",
    "limit=-1",
    "limit=ten",
    "limit=",
    "limit=1.5",
    "limit=1e2",
    "page=0",
    "page=-1",
    "page=x",
    "page=1000001",
    "page=" + "9" * 30,
    "page=" + "9" * 5_000,
    "limit=%00",
    "limit=%FF",
    "limit=%ED%A0%80",
]


@pytest.mark.parametrize("query", BAD, ids=lambda query: query[:20])
def test_a_bad_limit_or_page_is_400_with_a_sentence_that_names_it(call_api: Call, key: str, query: str) -> None:
    response = call_api(f"{CHECKS}?{query}", key)
    assert response.status_code == 400
    body = response.json()
    assert (body["statusCode"], body["error"]) == (400, "Bad Request")
    if "%" not in query:
        assert body["message"].startswith(query.split("=", maxsplit=1)[0])
    assert len(body["message"]) < 500


def test_parameters_that_are_not_known_are_passed_over(call_api: Call, key: str) -> None:
    assert len(names(call_api(f"{CHECKS}?limit=5&nothing=%F0%9F%92%A9", key))) == 5


def test_a_check_has_the_fields_that_clients_read(cast: factories.Cast, call_api: Call) -> None:
    check = factories.CheckFactory(account=cast.acme, name="Home", created_at=START, tags=["a"], locations=["eu-west-1"])
    (answer,) = call_api(CHECKS, factories.service_key(cast.acme)[1]).json()
    assert answer.pop("created_at") == "2026-01-01T00:00:00Z"
    assert answer == {
        "id": str(check.pk),
        "name": "Home",
        "checkType": "API",
        "activated": True,
        "muted": False,
        "frequency": 10,
        "locations": ["eu-west-1"],
        "tags": ["a"],
        "groupId": None,
        "runtimeId": None,
        "environmentVariables": [],
        "updated_at": None,
    }


def test_a_user_key_sees_the_checks_of_the_account_that_the_header_names(
    cast: factories.Cast, call_api: Call, key: str
) -> None:
    eve = factories.user_key(cast.eve)[1]
    assert names(call_api(CHECKS, eve, cast.globex)) == ["Not Acme's"]
    assert call_api(CHECKS, eve, cast.acme).status_code == 403


def test_the_list_costs_three_queries_whatever_its_length(call_api: Call, key: str) -> None:
    call_api(CHECKS, key)
    for limit in (1, 23):
        with statements() as queries:
            names(call_api(f"{CHECKS}?limit={limit}", key))
        assert len(queries) == 3


def test_what_is_not_known_of_a_check_is_kept_as_it_was_sent(cast: factories.Cast) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.service_key(cast.acme)[1]}"})
    sent = {"name": "n", "alertSettings": {"a": [1, 2.5, {"b": None}]}, "request": {"url": "https://example.com", "body": "é"}}
    made = client.post("/v1/checks/api", sent, "application/json")
    assert made.status_code == 201
    for answer in (made.json(), client.get(f"/v1/checks/{made.json()['id']}").json(), client.get("/v1/checks").json()[0]):
        assert {name: answer[name] for name in sent} == sent
