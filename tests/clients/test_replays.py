"""Replays, not the genuine clients: the requests that their sources send, in order, by plain HTTP.

Infisical, Terraform's provider, n8n, Home Assistant and trufflehog are not installed here. What is sent and demanded below
was read in their sources.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest

from accounts.access import person
from keyportal.policy import Role
from tests import factories
from tests.browser.server import Server
from tests.clients.plain_http import PlainHttp
from tests.clients.team import Team


def test_replay_of_infisical_connecting(server: Server, acme: Team) -> None:
    """It sends no account header, `Content-Type: application/json` on a GET, and demands these three fields."""
    for key in (acme.user_key(Role.READ_WRITE), acme.service_key(Role.READ_WRITE)):
        answer = PlainHttp.of(server.port, key)("GET", "/v1/accounts")
        assert answer.status == 200
        assert {"id": acme.id, "name": "Acme Ltd", "runtimeId": "2025.04"}.items() <= answer.body[0].items()
    assert PlainHttp.of(server.port, "no-key")("GET", "/v1/accounts").status == 401


def test_replay_of_an_infisical_sync(server: Server, acme: Team) -> None:
    """First run: two come, an unknown one goes. Second run: one changes, one goes. It sends the key in the body as well."""
    acme.store_variable("STRANGER", "x")
    send = PlainHttp.of(server.port, acme.user_key(Role.READ_WRITE), acme.id)

    def run(secrets: dict[str, str]) -> list[int]:
        listed = send("GET", "/v1/variables?limit=50&page=1")
        statuses = [listed.status]
        for key, value in secrets.items():
            path, body = f"/v1/variables/{quote(key)}", {"key": key, "value": value, "secret": True, "locked": True}
            there = send("GET", path)
            written = send("POST", "/v1/variables", body) if there.status == 404 else send("PUT", path, body)
            statuses += [there.status, written.status]
        for variable in listed.body:
            if variable["key"] not in secrets:
                statuses.append(send("DELETE", f"/v1/variables/{quote(variable['key'])}").status)
        return statuses

    assert run({"DB_PASSWORD": "first", "TOKEN": "t"}) == [200, 404, 201, 404, 201, 204]
    assert run({"DB_PASSWORD": "second"}) == [200, 200, 200, 204]
    assert send("GET", "/v1/variables").body == [{"key": "DB_PASSWORD", "value": None, "locked": True, "secret": True}]


def test_replay_of_an_infisical_sync_into_a_check_group(server: Server, acme: Team) -> None:
    send = PlainHttp.of(server.port, acme.user_key(Role.READ_WRITE), acme.id)
    acme.store_check_group("Shop")
    (listed,) = send("GET", "/v1/check-groups?limit=50&page=1").body
    assert (type(listed["id"]), listed["name"]) == (int, "Shop")
    variables = [{"key": "DB_PASSWORD", "value": "first", "secret": True, "locked": True}]
    written = send("PUT", f"/v2/check-groups/{listed['id']}", {"name": "Shop", "environmentVariables": variables})
    assert written.status == 200
    read = send("GET", f"/v1/check-groups/{listed['id']}")
    assert [(one["key"], one["secret"], one["value"]) for one in read.body["environmentVariables"]] == [
        ("DB_PASSWORD", True, None)
    ]


def test_replay_of_a_terraform_variable_from_its_birth_to_its_end(server: Server, acme: Team) -> None:
    """The Go SDK under the provider demands exactly these statuses, and takes "404" for gone."""
    send = PlainHttp.of(server.port, acme.service_key(Role.READ_WRITE), acme.id, **{"x-checkly-source": "TF"})
    made = {"key": "API_URL", "value": "https://shop.example.com", "locked": False, "secret": False}
    path = "/v1/variables/API_URL"
    created, read = send("POST", "/v1/variables", made), send("GET", path)
    assert (created.status, created.body) == (201, read.body)
    assert (read.status, {name: read.body[name] for name in made}) == (200, made)
    updated = send("PUT", path, made | {"value": "https://new.example.com", "locked": True})
    assert (updated.status, updated.body["value"], updated.body["locked"]) == (200, "https://new.example.com", True)
    deleted = send("DELETE", path)
    assert (deleted.status, deleted.body) == (204, None)
    assert send("GET", path).status == 404


def test_replay_of_a_terraform_check_from_its_birth_to_its_end(server: Server, acme: Team) -> None:
    send = PlainHttp.of(server.port, acme.service_key(Role.READ_WRITE), acme.id, **{"x-checkly-source": "TF"})
    request = {"method": "GET", "url": "https://shop.example.com/checkout"}
    made = {"name": "Checkout", "activated": True, "frequency": 10, "locations": ["eu-west-1"], "request": request}
    created = send("POST", "/v1/checks/api?autoAssignAlerts=false", made)
    assert created.status == 201
    read = send("GET", f"/v1/checks/{created.body['id']}")
    assert (read.status, read.body) == (200, created.body)
    assert {name: read.body[name] for name in made} == made
    assert send("PUT", f"/v1/checks/api/{read.body['id']}", made | {"name": "Till"}).body["name"] == "Till"
    assert send("DELETE", f"/v1/checks/{read.body['id']}").status == 204
    assert send("GET", f"/v1/checks/{read.body['id']}").status == 404


def test_replay_of_a_terraform_user_key_without_an_account(server: Server, acme: Team) -> None:
    """The SDK itself refuses this for a key that begins with `cu`; whoever sends it all the same is told what is missing."""
    answer = PlainHttp.of(server.port, acme.user_key(Role.ADMIN))("GET", "/v1/variables/API_URL")
    assert answer.status == 400
    assert "X-Checkly-Account" in answer.body["message"]


@pytest.mark.parametrize("kind", ["user", "service"])
def test_replay_of_n8n_s_credential_test_and_variables(server: Server, acme: Team, globex: Team, kind: str) -> None:
    key = acme.user_key(Role.READ_WRITE) if kind == "user" else acme.service_key(Role.READ_WRITE)
    send = PlainHttp.of(server.port, key, acme.id)
    assert send("GET", "/v1/checks?limit=1").status == 200
    assert send("POST", "/v1/variables", {"key": "TOKEN", "value": "x"}).status == 201
    assert [variable["key"] for variable in send("GET", "/v1/variables?limit=50&page=1").body] == ["TOKEN"]
    assert send("PUT", "/v1/variables/TOKEN", {"value": "y"}).body["value"] == "y"
    assert send("DELETE", "/v1/variables/TOKEN").status == 204
    assert PlainHttp.of(server.port, key, globex.id)("GET", "/v1/checks?limit=1").status == 403


def test_replay_of_n8n_s_pickers(server: Server, acme: Team) -> None:
    send = PlainHttp.of(server.port, acme.user_key(Role.READ_ONLY), acme.id)
    check_id = acme.store_check("Checkout")
    picked = [{field: c[field] for field in ("id", "name", "checkType")} for c in send("GET", "/v1/checks?limit=100").body]
    assert picked == [{"id": check_id, "name": "Checkout", "checkType": "API"}]
    assert send("GET", "/v1/check-groups").body == []
    assert send("GET", "/v1/alert-channels").body == []


def test_replay_of_home_assistant_s_two_questions(server: Server, acme: Team) -> None:
    """Every 90 seconds, with a user key alone: it refuses all that do not begin with `cu`."""
    acme.store_check("Checkout", frequency=5)
    key = acme.user_key(Role.READ_ONLY)
    assert key.startswith("cu")
    send = PlainHttp.of(server.port, key, acme.id)
    checks = send("GET", "/v1/checks")
    fields = ("name", "checkType", "frequency", "activated")
    assert [tuple(check[field] for field in fields) for check in checks.body] == [("Checkout", "API", 5, True)]
    statuses = send("GET", "/v1/check-statuses")
    assert (statuses.status, statuses.body) == (200, [])


def test_replay_of_trufflehog_verifying_a_key_that_it_found(server: Server, acme: Team) -> None:
    """One GET without an account: 2xx means that the key lives. A service key says so, until it is deleted."""
    key, secret = factories.service_key(acme.account, Role.READ_ONLY)
    assert PlainHttp.of(server.port, secret.strip())("GET", "/v1/checks").status == 200
    key.revoke(by=acme.account.present(person(acme.people[Role.OWNER])))
    assert PlainHttp.of(server.port, secret)("GET", "/v1/checks").status == 401
