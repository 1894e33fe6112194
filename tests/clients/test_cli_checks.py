"""`checks`: what the account has stored, listed, shown and deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from keyportal.policy import Role
from keyportal.v1.models import Check
from tests.clients.cli import Cli
from tests.clients.team import Team

Checkly = Callable[..., Cli]


def test_checks_are_listed_with_their_number(acme: Team, globex: Team, checkly: Checkly) -> None:
    for number in range(30):
        acme.store_check(f"Check {number:02}", tags=["web"], locations=["eu-west-1"])
    globex.store_check("Of somebody else")
    cli = checkly(acme.user_key(Role.READ_ONLY), acme.id)
    first = cli("checks", "list")
    assert first.code == 0
    assert "Showing 1-25 of 30 checks (page 1/2)" in first.words
    second = cli("checks", "list", "--page", "2", "--output", "json")
    assert [check["name"] for check in second.json["data"]] == [f"Check {number:02}" for number in range(25, 30)]
    assert second.json["pagination"]["total"] == 30


def test_checks_are_found_by_name_tag_and_type(acme: Team, checkly: Checkly) -> None:
    acme.store_check("Checkout", "api", tags=["api", "live"])
    acme.store_check("Home page", "browser", tags=["web"])
    cli = checkly(acme.user_key(Role.READ_ONLY), acme.id)
    for filters in (["--search", "checkout"], ["--tag", "api"], ["--tag", "live", "--tag", "api"], ["--type", "API"]):
        printed = cli("checks", "list", "--output", "json", *filters)
        assert [check["name"] for check in printed.json["data"]] == ["Checkout"], filters


def test_an_account_without_checks_says_so(acme: Team, checkly: Checkly) -> None:
    assert "No checks found." in checkly(acme.service_key(Role.READ_ONLY), acme.id)("checks", "list").words


def test_one_check_is_shown(acme: Team, checkly: Checkly) -> None:
    check_id = acme.store_check("Checkout API", tags=["api"], frequency=5)
    printed = checkly(acme.user_key(Role.READ_ONLY), acme.id)("checks", "get", check_id)
    assert printed.code == 0
    for line in ("Checkout API", "Type: API", "Active: yes", "Frequency: Every 5m", "Tags: api", f"ID: {check_id}"):
        assert line in printed.words


def test_a_check_of_another_account_or_of_none_is_not_found(acme: Team, globex: Team, checkly: Checkly) -> None:
    foreign = globex.store_check("Checkout")
    cli = checkly(acme.user_key(Role.ADMIN), acme.id)
    said = set()
    for check_id in (foreign, str(uuid.uuid4())):
        assert cli("checks", "get", check_id).code == 1
        deleted = cli("checks", "delete", check_id, "--force")
        assert deleted.code == 1
        said.add(deleted.words.replace(check_id, "ID"))
    assert said == {'✖ Check "ID" not found. It may have already been deleted.'}
    assert Check.objects.filter(pk=foreign).exists()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
def test_deleting_a_check_needs_read_and_write(acme: Team, checkly: Checkly, role: Role) -> None:
    for key in (acme.user_key(role), acme.service_key(role)):
        check_id = acme.store_check("Checkout API")
        printed = checkly(key, acme.id)("checks", "delete", check_id, "--force")
        if role.at_least(Role.READ_WRITE):
            assert (printed.code, printed.words) == (0, '✔ Check "Checkout API" deleted.')
        else:
            assert printed.code == 1
            assert (
                f"Failed to delete check. This needs the role Read & Write or higher. This API key has {role.label}."
                in printed.words
            )
        assert Check.objects.filter(pk=check_id).exists() is not role.at_least(Role.READ_WRITE)
