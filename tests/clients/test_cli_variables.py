"""`env`: plain, locked and secret values, from the CLI into the database and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keyportal.policy import Role
from keyportal.v1.models import Variable
from tests.browser.server import Server
from tests.clients.cli import Cli
from tests.clients.team import Team

Checkly = Callable[..., Cli]
WRITERS = (Role.OWNER, Role.ADMIN, Role.READ_WRITE)


def stored(team: Team) -> dict[str, tuple[bool, bool]]:
    """Each variable of the account: whether it is locked, whether it is secret."""
    rows = Variable.objects.filter(account=team.account).values_list("key", "locked", "secret")
    return {key: (locked, secret) for key, locked, secret in rows}


def listed(cli: Cli) -> list[str]:
    """What `env ls` prints under its heading."""
    printed = cli("env", "ls")
    assert printed.code == 0, printed.words
    return printed.out.splitlines()[1:]


def test_an_account_without_variables_says_so(acme: Team, checkly: Checkly) -> None:
    assert "No environment variables found." in checkly(acme.user_key(Role.READ_ONLY), acme.id)("env", "ls").words


def test_plain_locked_and_secret_values_are_added_and_listed(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    assert 'Environment variable "PLAIN" added.' in cli("env", "add", "PLAIN", "in the open").words
    assert 'Environment variable "LOCKED" added.' in cli("env", "add", "LOCKED", "for writers", "-l").words
    assert 'Secret environment variable "SECRET" added.' in cli("env", "add", "SECRET", "for nobody", "-s").words
    assert stored(acme) == {"PLAIN": (False, False), "LOCKED": (True, False), "SECRET": (False, True)}
    assert sorted(listed(cli)) == ["LOCKED=for writers", "PLAIN=in the open", "SECRET="]


@pytest.mark.parametrize("role", [Role.READ_RUN, Role.READ_ONLY])
def test_the_two_lower_roles_see_no_locked_value(acme: Team, checkly: Checkly, role: Role) -> None:
    acme.store_variable("PLAIN", "in the open")
    acme.store_variable("LOCKED", "for writers", locked=True)
    for key in (acme.user_key(role), acme.service_key(role)):
        assert sorted(listed(checkly(key, acme.id))) == ["LOCKED=", "PLAIN=in the open"]


def test_all_variables_are_listed_however_many(acme: Team, checkly: Checkly) -> None:
    """The CLI sends neither limit nor page, and would show the first page as if it were all."""
    for number in range(120):
        acme.store_variable(f"KEY_{number:03}", str(number))
    assert listed(checkly(acme.user_key(Role.READ_ONLY), acme.id)) == [f"KEY_{n:03}={n}" for n in range(120)]


def test_update_replaces_the_value_and_a_secret_stays_secret(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.ADMIN), acme.id)
    cli("env", "add", "PLAIN", "old")
    cli("env", "add", "SECRET", "old", "-s")
    assert 'Environment variable "PLAIN" updated.' in cli("env", "update", "PLAIN", "new", "-l").words
    assert cli("env", "update", "SECRET", "new").code == 0
    assert stored(acme) == {"PLAIN": (True, False), "SECRET": (False, True)}
    assert sorted(listed(cli)) == ["PLAIN=new", "SECRET="]


def test_what_is_there_cannot_be_added_and_what_is_not_cannot_be_changed(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    assert cli("env", "add", "TOKEN", "first").code == 0
    again = cli("env", "add", "TOKEN", "second")
    assert again.code == 1
    assert 'could not be added. Environment variable "TOKEN" already exists.' in again.words
    assert listed(cli) == ["TOKEN=first"]
    for command in (("env", "update", "NOBODY", "x"), ("env", "rm", "NOBODY", "--force")):
        missing = cli(*command)
        assert missing.code == 1
        assert 'Environment variable "NOBODY" does not exist.' in missing.words


def test_removing_asks_first_and_then_removes(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    cli("env", "add", "TOKEN", "x")
    asked = cli("env", "rm", "TOKEN")
    assert (asked.code, asked.json["status"]) == (2, "confirmation_required")
    assert stored(acme) == {"TOKEN": (False, False)}
    assert 'Environment variable "TOKEN" deleted.' in cli("env", "rm", "TOKEN", "--force").words
    assert stored(acme) == {}


@pytest.mark.parametrize(
    "value", ["two words", "ünïcode → ✓", "a=b&c#d%20", '{"json": ["x", 1]}', "'quotes\" both", "x" * 3000]
)
def test_a_value_comes_back_as_it_was_given(acme: Team, checkly: Checkly, value: str) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    assert cli("env", "add", "VALUE", value).code == 0
    assert listed(cli) == [f"VALUE={value}"]


@pytest.mark.parametrize("name", ["A B", "schlüssel", "100%", "dotted.name", "a=b&c+d"])
def test_a_name_may_need_encoding_in_the_address(acme: Team, checkly: Checkly, name: str) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    assert cli("env", "add", name, "old").code == 0
    assert cli("env", "update", name, "new").code == 0
    assert listed(cli) == [f"{name}=new"]
    assert cli("env", "rm", name, "--force").code == 0
    assert stored(acme) == {}


def test_what_the_server_refuses_reaches_the_person_as_a_sentence(acme: Team, checkly: Checkly) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    slash = cli("env", "add", "a/b", "x")
    assert slash.code == 1
    assert "Your environment variable could not be added. key: " in slash.words
    cli("env", "add", "TOKEN", "x")
    empty = cli("env", "update", "TOKEN", "")
    assert empty.code == 1
    assert "Your environment variable could not be updated. value: " in empty.words
    assert listed(cli) == ["TOKEN=x"]


def test_no_value_lies_in_plain_on_the_server_s_disk(acme: Team, checkly: Checkly, server: Server) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    for flags in ([], ["-l"], ["-s"]):
        assert cli("env", "add", f"VALUE{''.join(flags)}", "PlainlyLegible", *flags).code == 0
    on_disk = b"".join(path.read_bytes() for path in server.folder.rglob("*") if path.is_file())
    assert b"VALUE-s" in on_disk
    assert b"PlainlyLegible" not in on_disk


def test_pull_writes_a_file_that_holds_no_secret(acme: Team, checkly: Checkly, tmp_path: Path) -> None:
    cli = checkly(acme.user_key(Role.READ_WRITE), acme.id)
    cli("env", "add", "PLAIN", "in the open")
    cli("env", "add", "SECRET", "for nobody", "-s")
    assert cli("env", "pull", "pulled.env").code == 0
    lines = (tmp_path / "pulled.env").read_text().splitlines()
    assert lines[1:] == ["# Environment variables", "PLAIN=in the open", "# Secret variables", "SECRET="]


@pytest.mark.parametrize(
    ("kind", "role"), [("user", role) for role in Role] + [("service", role) for role in Role if role is not Role.OWNER]
)
def test_only_read_and_write_and_above_write(acme: Team, checkly: Checkly, role: Role, kind: str) -> None:
    acme.store_variable("THERE", "before")
    cli = checkly(acme.user_key(role) if kind == "user" else acme.service_key(role), acme.id)
    done = {
        "added": cli("env", "add", "NEW", "x"),
        "updated": cli("env", "update", "THERE", "after"),
        "removed": cli("env", "rm", "THERE", "--force"),
    }
    if role in WRITERS:
        assert {word: printed.code for word, printed in done.items()} == dict.fromkeys(done, 0)
        assert stored(acme) == {"NEW": (False, False)}
        return
    reason = f"This needs the role Read & Write or higher. This API key has {role.label}."
    for word, printed in done.items():
        assert printed.code == 1
        assert f"Your environment variable could not be {word}. {reason}" in printed.words
    assert stored(acme) == {"THERE": (False, False)}
    assert listed(cli) == ["THERE=before"]


def test_one_account_s_variables_are_not_another_s(acme: Team, globex: Team, checkly: Checkly) -> None:
    here, there = (checkly(team.service_key(Role.ADMIN), team.id) for team in (acme, globex))
    assert here("env", "add", "TOKEN", "of acme").code == 0
    assert there("env", "add", "TOKEN", "of globex").code == 0
    assert there("env", "rm", "TOKEN", "--force").code == 0
    assert listed(here) == ["TOKEN=of acme"]
    assert stored(globex) == {}
