"""What there is to read without a key, what an account may use, and honest words for what KeyPortal does not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from keyportal.policy import Role
from tests import factories
from tests.v1.calls import everybody_in_acme, of_service

Call = Callable[..., Any]

PUBLIC = ["/v1/runtimes", "/v1/runtimes/2025.04", "/v1/locations"]
EMPTY_LISTS = {
    *("/v1/check-statuses", "/v1/check-alerts", "/v1/alert-channels", "/v1/snippets"),
    *("/v1/dashboards", "/v1/maintenance-windows", "/v1/private-locations"),
}
EMPTY_PAGES = {"/v1/status-pages", "/v1/status-pages/incidents", "/v1/status-pages/services"}
NOT_OFFERED = {
    "POST /v1/projects/deploy": "Deploying projects",
    "DELETE /v1/projects/shop": "Destroying projects",
    "POST /v1/test-sessions/run": "Running test sessions",
    "POST /next/test-sessions/trigger": "Triggering checks",
    "POST /next/checkly-storage/upload-code-bundle": "Storing code",
    "POST /v2/check-sessions/trigger": "Running checks",
}


# Without a key


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("sent", [None, "", "Bearer ", "Bearer", "Bearer wrong", "Basic eDp5", "deleted", "Bearer \xff"])
def test_public_lists_ask_for_no_key_and_look_at_none(cast: factories.Cast, db: None, path: str, sent: str | None) -> None:
    row, plaintext = factories.user_key(cast.rob)
    if sent == "deleted":
        row.revoke(by=cast.actor(cast.rob))
        sent = f"Bearer {plaintext}"
    response = Client().get(path, headers={} if sent is None else {"Authorization": sent, "X-Checkly-Account": "nonsense"})
    assert response.status_code == 200
    assert response.json() == Client().get(path).json()
    row.refresh_from_db()
    assert row.last_used_at is None


def test_the_runtime_of_accounts_is_in_the_list(cast: factories.Cast) -> None:
    named = of_service(cast.acme).get("/v1/accounts/me").json()["runtimeId"]
    (runtime,) = Client().get("/v1/runtimes").json()
    assert runtime["name"] == named
    assert runtime == Client().get(f"/v1/runtimes/{named}").json()
    assert type(runtime["dependencies"]) is dict
    assert set(runtime) == {
        *("name", "dependencies", "stage", "description", "multiStepSupport", "nodeJsVersion", "runtimeEndOfLife")
    }


@pytest.mark.parametrize("name", ["2024.02", "2025", "x", "%20", "2025.04%0A"])
def test_another_runtime_is_404(db: None, name: str) -> None:
    response = Client().get(f"/v1/runtimes/{name}")
    assert (response.status_code, response.json()["message"]) == (404, "This runtime does not exist.")


def test_each_location_has_a_region_and_a_name(db: None) -> None:
    locations = Client().get("/v1/locations").json()
    assert all(set(location) == {"region", "name"} and all(location.values()) for location in locations)
    regions = [location["region"] for location in locations]
    assert len(regions) == len(set(regions)) == 22
    assert "eu-west-1" in regions


# Entitlements


def test_every_key_reads_what_the_account_may_use_by_both_addresses(cast: factories.Cast, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE, settings.INVITATIONS_PER_DAY = 600, 50
    for machines in everybody_in_acme(cast).values():
        for machine in machines:
            answer = machine.get("/v1/accounts/me/entitlements")
            assert answer.status_code == 200
            assert answer.json() == machine.get(f"/v1/accounts/{cast.acme.pk}/entitlements").json()
            assert machine.get(f"/v1/accounts/{cast.globex.pk}/entitlements").status_code == 403
    plan = answer.json()
    assert set(plan) == {"plan", "planDisplayName", "addons", "locations", "entitlements"}
    assert plan["addons"] == {}
    assert [one["id"] for one in plan["locations"]["all"]] == [one["region"] for one in machine.get("/v1/locations").json()]
    by_key = {one["key"]: one for one in plan["entitlements"]}
    assert {key for key, one in by_key.items() if not one["enabled"]} == {"RUN_CHECKS"}
    assert {key: one["quantity"] for key, one in by_key.items() if one["type"] == "metered"} == {
        "API_REQUESTS_PER_MINUTE": 600,
        "INVITATIONS_PER_DAY": 50,
    }
    for one in plan["entitlements"]:
        assert {"key", "name", "description", "type", "enabled"} <= set(one)
        assert ("quantity" in one) == (one["type"] == "metered")


def test_no_limit_is_no_quantity_instead_of_none_at_all(cast: factories.Cast, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    entitlements = of_service(cast.acme).get("/v1/accounts/me/entitlements").json()["entitlements"]
    (requests,) = (one for one in entitlements if one["key"] == "API_REQUESTS_PER_MINUTE")
    assert "quantity" not in requests


# What is not kept, and not done


@pytest.mark.parametrize("path", sorted(EMPTY_LISTS | EMPTY_PAGES))
def test_what_is_not_kept_is_an_empty_list_for_every_key_and_none_without(cast: factories.Cast, path: str) -> None:
    empty = [] if path in EMPTY_LISTS else {"length": 0, "entries": [], "nextId": None}
    for machines in everybody_in_acme(cast).values():
        for machine in machines:
            for query in ("", "?limit=100"):
                answer = machine.get(path + query)
                assert (answer.status_code, answer.json()) == (200, empty)
                assert answer.get("content-range") == ("*/0" if path in EMPTY_LISTS else None)
    assert machine.get(f"{path}?limit=0").status_code == 400
    assert Client().get(path).status_code == 401
    assert machine.send("POST", path, {"name": "One"}).status_code == 405


@pytest.mark.parametrize("call", NOT_OFFERED)
@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.ADMIN])
def test_what_is_not_done_is_402_with_the_reason_and_without_a_key_401(cast: factories.Cast, call: str, role: Role) -> None:
    method, path = call.split()
    for machine in everybody_in_acme(cast)[role]:
        for body in (None, {"project": {}}):
            answer = machine.send(method, path, body)
            assert answer.status_code == 402
            assert answer.json() == {
                "statusCode": 402,
                "error": "Payment Required",
                "message": f"{NOT_OFFERED[call]} is not offered here: KeyPortal stores checks and runs none.",
            }
    refused = Client().generic(method, path)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")


def test_a_packed_bundle_is_refused_without_being_read(cast: factories.Cast) -> None:
    machine = of_service(cast.acme)
    sent = {"data": b"\x1f\x8b broken", "content_type": "application/octet-stream", "headers": {"Content-Encoding": "gzip"}}
    assert machine.generic("POST", "/next/checkly-storage/upload-code-bundle", **sent).status_code == 402
    assert machine.generic("POST", "/v1/projects/deploy?dryRun=true", **sent).status_code == 402
