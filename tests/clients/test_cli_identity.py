"""`whoami`, `switch`, `account plan`, `runtimes`, `api`: what the CLI says about who is asking and where."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from keyportal.policy import Role
from tests.clients.cli import Cli
from tests.clients.team import NAMES, Team

Checkly = Callable[..., Cli]
ROLES_OF_SERVICE_KEYS = [role for role in Role if role is not Role.OWNER]


@pytest.mark.parametrize("role", Role)
def test_whoami_names_the_account_and_the_user_of_a_user_key(acme: Team, checkly: Checkly, role: Role) -> None:
    printed = checkly(acme.user_key(role), acme.id)("whoami")
    assert printed.code == 0
    assert f'You are currently on account "Acme Ltd" ({acme.id}) as {NAMES[role]}.' in printed.words


@pytest.mark.parametrize("role", ROLES_OF_SERVICE_KEYS)
def test_whoami_with_a_service_key_names_the_key(acme: Team, checkly: Checkly, role: Role) -> None:
    printed = checkly(acme.service_key(role), acme.id)("whoami")
    assert printed.code == 0
    assert f'on account "Acme Ltd" ({acme.id}) as Deploy as {role.label}.' in printed.words


def test_a_user_key_follows_switch_to_another_account_of_its_user(acme: Team, globex: Team, checkly: Checkly) -> None:
    globex.add(acme.people[Role.READ_WRITE], Role.ADMIN)
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    assert f"Account switched to {globex.id}" in cli("switch", "-a", globex.id).words
    # From now on the saved account holds, where the environment names none.
    printed = cli("whoami", CHECKLY_ACCOUNT_ID="")
    assert f'on account "Globex" ({globex.id}) as Wendy.' in printed.words


def test_switch_refuses_an_account_in_which_the_key_does_not_work(acme: Team, globex: Team, checkly: Checkly) -> None:
    for key in (acme.user_key(Role.OWNER), acme.service_key(Role.ADMIN)):
        printed = checkly(key, acme.id)("switch", "-a", globex.id)
        assert printed.code == 1
        assert f"Failed to find an account corresponding to account id {globex.id}" in printed.words


def test_switch_without_an_id_lists_the_accounts_of_the_key(acme: Team, checkly: Checkly) -> None:
    answers = f'[{{"id": "{acme.id}", "name": "Acme Ltd"}}]'
    printed = checkly(acme.user_key(Role.READ_ONLY), acme.id)("switch", CHECKLY_E2E_PROMPTS_INJECTIONS=answers)
    assert printed.code == 0
    assert "Account switched to Acme Ltd" in printed.words


def test_account_plan_says_what_is_not_offered(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_ONLY), acme.id)
    printed = cli("account", "plan")
    assert printed.code == 0
    assert "Plan: Self-hosted" in printed.words
    plan = cli("account", "plan", "--output", "json").json
    assert [entitlement["key"] for entitlement in plan["entitlements"] if not entitlement["enabled"]] == ["RUN_CHECKS"]


def test_runtimes_are_listed_without_a_key(acme: Team, checkly: Checkly) -> None:
    printed = checkly("", "")("runtimes")
    assert printed.code == 0
    assert {"2025.04"} <= {runtime["name"] for runtime in printed.json}
    assert all(runtime["nodeVersion"] for runtime in printed.json)


def test_a_signed_in_command_without_a_key_says_how_to_sign_in(acme: Team, checkly: Checkly) -> None:
    printed = checkly("", "")("whoami")
    assert printed.code == 1
    assert "set `CHECKLY_API_KEY` & `CHECKLY_ACCOUNT_ID`" in printed.words


def test_api_calls_any_path_and_hints_at_what_is_wrong(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_ONLY), acme.id)
    assert cli("api", "/v1/accounts/me").json["id"] == acme.id
    missing = cli("api", "/v1/nowhere")
    assert (missing.code, missing.json["statusCode"]) == (1, 404)
    assert "Endpoint not found." in missing.err
    refused = cli("api", "/v1/variables", "-F", "key=TOKEN", "-F", "value=x")
    assert (refused.code, refused.json["statusCode"]) == (1, 403)
    assert refused.json["message"] == "This needs the role Read & Write or higher. This API key has Read Only."
    assert "Permission denied" in refused.err


def test_the_key_remembers_that_the_cli_used_it(acme: Team, checkly: Checkly) -> None:
    key, secret = acme.kept_user_key(Role.READ_RUN)
    assert checkly(secret, acme.id)("whoami").code == 0
    for _ in range(50):  # it is written a second after the answer
        key.refresh_from_db()
        if key.last_used_at is not None:
            break
        time.sleep(0.2)
    assert (key.last_used_client, key.last_used_address) == ("checkly-cli", "127.0.0.1")
