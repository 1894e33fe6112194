"""Keys that do not work, or not here: the CLI ends with 1 and tells the person why."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.access import operator_at_shell, person
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests.browser.server import Server
from tests.clients.cli import Cli
from tests.clients.team import Team

Checkly = Callable[..., Cli]
NO_ACCESS = "ForbiddenError: This API key has no access to this account."


def refused(cli: Cli, reason: str) -> bool:
    """The CLI shows the account, the last four characters of the key, and what the server said."""
    printed = cli("whoami")
    wrong = f'Authentication failed with account id "{cli.account_id}" and API key "...{cli.key[-4:]}"'
    return printed.code == 1 and wrong in printed.words and f"UnauthorizedError: {reason}" in printed.words


def test_a_deleted_key_is_refused_at_the_next_command(acme: Team, checkly: Checkly) -> None:
    key, secret = acme.kept_user_key(Role.READ_WRITE)
    cli = checkly(secret, acme.id)
    assert cli("whoami").code == 0
    key.revoke(by=person(acme.people[Role.READ_WRITE]))
    assert refused(cli, "This API key was deleted.")
    assert cli("env", "add", "TOKEN", "x").code == 1


def test_an_operator_s_bad_day_command_stops_the_cli(acme: Team, checkly: Checkly, server: Server) -> None:
    cli = checkly(acme.user_key(Role.ADMIN), acme.id)
    email = acme.people[Role.ADMIN].email
    server.manage("revoke_keys", "--user", email, "--reason", "laptop stolen", "--apply")
    assert refused(cli, "This API key was deleted.")


def test_an_expired_a_suspended_and_a_mistyped_key_are_refused(acme: Team, checkly: Checkly) -> None:
    now = timezone.now()
    states = {
        "This API key has expired.": {"expires_at": now - timedelta(seconds=1)},
        "This API key is suspended. Ask the operator of this installation.": {"suspended_at": now},
    }
    for reason, change in states.items():
        key, secret = acme.kept_user_key(Role.ADMIN)
        ApiKey.objects.filter(pk=key.pk).update(**change)
        assert refused(checkly(secret, acme.id), reason)
    mistyped = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    assert refused(checkly(mistyped, acme.id), "")


def test_a_removed_member_s_key_is_refused_here_and_works_elsewhere(acme: Team, globex: Team, checkly: Checkly) -> None:
    wendy = acme.people[Role.READ_WRITE]
    globex.add(wendy, Role.ADMIN)
    key = acme.user_key(Role.READ_WRITE)
    here, there = checkly(key, acme.id), checkly(key, globex.id)
    assert here("env", "add", "TOKEN", "x").code == 0
    acme.remove(wendy)
    for command in (("whoami",), ("env", "ls"), ("env", "rm", "TOKEN", "--force"), ("members",)):
        printed = here(*command)
        assert printed.code == 1
        assert NO_ACCESS in printed.words
    assert acme.account.variables.filter(key="TOKEN").exists()
    assert there("env", "add", "TOKEN", "y").code == 0


def test_a_service_key_outlives_its_maker_s_membership(acme: Team, checkly: Checkly) -> None:
    adam = acme.people[Role.ADMIN]
    _, secret = ApiKey.objects.issue_service_key(by=person(adam), account=acme.account, name="Deploy", role=Role.READ_WRITE)
    acme.remove(adam)
    assert checkly(secret.reveal(), acme.id)("env", "add", "TOKEN", "x").code == 0


@pytest.mark.parametrize("kind", ["user", "service"])
def test_a_foreign_account_an_unknown_one_and_nonsense_are_refused_alike(
    acme: Team, globex: Team, checkly: Checkly, kind: str
) -> None:
    key = acme.user_key(Role.OWNER) if kind == "user" else acme.service_key(Role.ADMIN)
    said = set()
    for account_id in (globex.id, str(uuid.uuid4()), "not-an-id"):
        printed = checkly(key, account_id)("env", "ls")
        assert printed.code == 1
        assert NO_ACCESS in printed.words
        said.add(printed.words)
    assert len(said) == 1


def test_a_suspended_account_says_so(acme: Team, checkly: Checkly) -> None:
    acme.account.suspend(by=operator_at_shell(), reason="Breach")
    printed = checkly(acme.user_key(Role.OWNER), acme.id)("env", "ls")
    assert printed.code == 1
    assert "ForbiddenError: This account is suspended. Ask the operator of this installation." in printed.words
