"""`members`: who is there, and whether a key may change that: only where the account's owner allows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.access import person
from accounts.invitations import Invitation
from keyportal.policy import Role
from tests.clients.cli import Cli
from tests.clients.team import NAMES, Team

Checkly = Callable[..., Cli]
NOT_ALLOWED = "API keys may not manage members here. The account's owner can allow it under General."


@pytest.fixture
def allowing(acme: Team) -> Team:
    """Acme Ltd, whose owner lets API keys manage members."""
    type(acme.account).objects.filter(pk=acme.account.pk).update(keys_manage_members=True)
    return acme


def members(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    printed = cli("members", "--output", "json", *arguments)
    assert printed.code == 0, printed.words
    answer: list[dict[str, Any]] = printed.json["members"]
    assert printed.json["length"] == len(answer)
    return answer


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.ADMIN])
def test_every_role_lists_the_members(acme: Team, checkly: Checkly, role: Role) -> None:
    for key in (acme.user_key(role), acme.service_key(role)):
        cli = checkly(key, acme.id)
        found = {(m["email"], m["name"], m["role"], m["userId"], m["status"]) for m in members(cli)}
        assert found == {(u.email, NAMES[r], r.value, str(u.pk), "ACTIVE") for r, u in acme.people.items()}
        table = cli("members")
        assert table.code == 0
        assert all(user.email in table.out for user in acme.people.values())


def test_the_list_is_filtered_and_paged(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_ONLY), acme.id)
    assert [m["name"] for m in members(cli, "--role", "read_run")] == ["Rhea"]
    assert [m["name"] for m in members(cli, "--search", "WEND")] == ["Wendy"]
    assert members(cli, "--type", "invite") == []
    first = cli("members", "--output", "json", "--limit", "3").json
    rest = cli("members", "--output", "json", "--limit", "3", "--next-id", first["nextId"]).json
    assert rest["nextId"] is None
    assert sorted(m["name"] for m in first["members"] + rest["members"]) == sorted(NAMES.values())


def test_a_pending_invitation_is_listed_for_admins_alone(acme: Team, checkly: Checkly) -> None:
    adam = acme.account.present(person(acme.people[Role.ADMIN]))
    Invitation.objects.invite(acme.account, "eve@example.com", Role.READ_RUN, by=adam)
    (invite,) = members(checkly(acme.service_key(Role.ADMIN), acme.id), "--type", "invite")
    assert (invite["email"], invite["role"], invite["status"]) == ("eve@example.com", "READ_RUN", "PENDING")
    assert "eve@example.com" not in checkly(acme.service_key(Role.READ_WRITE), acme.id)("members").out


@pytest.mark.parametrize("kind", ["user", "service"])
def test_unless_the_owner_allows_it_no_key_manages_members(acme: Team, checkly: Checkly, kind: str) -> None:
    rob = acme.people[Role.READ_ONLY]
    cli = checkly(acme.user_key(Role.OWNER) if kind == "user" else acme.service_key(Role.ADMIN), acme.id)
    update = cli("members", "update", rob.email, "--role", "admin", "--force")
    delete = cli("members", "delete", rob.email, "--force")
    assert (update.code, delete.code) == (1, 1)
    assert f"Failed to update account member. {NOT_ALLOWED}" in update.words
    assert f"Failed to delete account member. {NOT_ALLOWED}" in delete.words
    assert acme.role_of(rob) is Role.READ_ONLY


@pytest.mark.parametrize("kind", ["user", "service"])
def test_where_the_owner_allows_it_an_admin_s_key_does(allowing: Team, checkly: Checkly, kind: str) -> None:
    rob = allowing.people[Role.READ_ONLY]
    cli = checkly(allowing.user_key(Role.ADMIN) if kind == "user" else allowing.service_key(Role.ADMIN), allowing.id)
    update = cli("members", "update", rob.email, "--role", "read_write", "--force")
    assert update.code == 0
    assert f'Account member "{rob.email}" updated.' in update.words
    assert "READ_WRITE" in update.words
    assert allowing.role_of(rob) is Role.READ_WRITE
    delete = cli("members", "delete", str(rob.pk), "--force")
    assert delete.code == 0
    assert f'Account member "{rob.pk}" deleted.' in delete.words
    assert allowing.role_of(rob) is None


@pytest.mark.parametrize("role", [Role.READ_WRITE, Role.READ_ONLY])
def test_where_the_owner_allows_it_lower_roles_still_may_not(allowing: Team, checkly: Checkly, role: Role) -> None:
    adam = allowing.people[Role.ADMIN]
    for key in (allowing.user_key(role), allowing.service_key(role)):
        delete = checkly(key, allowing.id)("members", "delete", adam.email, "--force")
        assert delete.code == 1
        assert (
            f"Failed to delete account member. This needs the role Admin or higher. This API key has {role.label}."
            in delete.words
        )
    assert allowing.role_of(adam) is Role.ADMIN


def test_the_owner_can_be_neither_lowered_nor_removed(allowing: Team, checkly: Checkly) -> None:
    olivia = allowing.people[Role.OWNER]
    cli = checkly(allowing.user_key(Role.ADMIN), allowing.id)
    update = cli("members", "update", olivia.email, "--role", "read_only", "--force")
    delete = cli("members", "delete", olivia.email, "--force")
    assert (update.code, delete.code) == (1, 1)
    assert "The owner's role changes only by transferring the ownership." in update.words
    assert "The owner cannot be removed." in delete.words
    assert allowing.role_of(olivia) is Role.OWNER


def test_somebody_of_another_account_is_not_found(allowing: Team, globex: Team, checkly: Checkly) -> None:
    eve = globex.people[Role.READ_ONLY]
    cli = checkly(allowing.user_key(Role.ADMIN), allowing.id)
    by_email = cli("members", "delete", eve.email, "--force")
    assert by_email.code == 1
    assert f'No active account member found with email "{eve.email}".' in by_email.words
    assert cli("members", "delete", str(eve.pk), "--force").code == 1
    assert globex.role_of(eve) is Role.READ_ONLY


def test_a_role_change_by_one_key_bites_on_the_next_command_of_the_other(allowing: Team, checkly: Checkly) -> None:
    wendy = allowing.people[Role.READ_WRITE]
    hers = checkly(allowing.user_key(Role.READ_WRITE), allowing.id)
    assert hers("env", "add", "BEFORE", "x").code == 0
    admin = checkly(allowing.service_key(Role.ADMIN), allowing.id)
    assert admin("members", "update", wendy.email, "--role", "read_only", "--force").code == 0
    after = hers("env", "add", "AFTER", "x")
    assert after.code == 1
    assert "This API key has Read Only." in after.words
    assert admin("members", "delete", wendy.email, "--force").code == 0
    gone = hers("env", "ls")
    assert gone.code == 1
    assert "ForbiddenError: This API key has no access to this account." in gone.words
