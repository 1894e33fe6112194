"""The gateways' question, asked with every kind of key about every account: the answer is the one in the table.

An address of the gateways that is missing from the tables fails the first test.
"""

from __future__ import annotations

from typing import Any

import pytest

from accounts.access import operator_at_shell
from keyportal.policy import Level
from tests.apikeys.conftest import Answer, through_urls, through_wsgi
from tests.proof.doors import all_doors
from tests.proof.world import MACHINES, World, make_world, rows

# Which addresses ask for which level; `{level}` is each of the five columns below.
ASKED_AT = {
    "gateway:verify": "/gateway/verify",
    "gateway:verify_slash": "/gateway/verify/",
    "gateway:verify_any": "/gateway/verify/{level}",
}
ELSEWHERE = {"gateway:introspect"}  # tests/apikeys/test_introspection.py

# Who asks, about which account, at which level. "own" is Acme, "other" is Globex, which is Eve's; "none" names no account,
# "unknown" one that there is none of. A service key speaks for Acme alone, and need not name it. "wirte" is no level.
TABLE = """
                    read run  write admin wirte
none        own     401  401  401   401   401
none        other   401  401  401   401   401
none        none    401  401  401   401   401
none        unknown 401  401  401   401   401
O           own     200  200  200   200   403
O           other   403  403  403   403   403
O           none    403  403  403   403   403
O           unknown 403  403  403   403   403
A           own     200  200  200   200   403
A           other   403  403  403   403   403
A           none    403  403  403   403   403
A           unknown 403  403  403   403   403
RW          own     200  200  200   403   403
RW          other   403  403  403   403   403
RW          none    403  403  403   403   403
RW          unknown 403  403  403   403   403
RR          own     200  200  403   403   403
RR          other   403  403  403   403   403
RR          none    403  403  403   403   403
RR          unknown 403  403  403   403   403
RO          own     200  403  403   403   403
RO          other   403  403  403   403   403
RO          none    403  403  403   403   403
RO          unknown 403  403  403   403   403
out         own     403  403  403   403   403
out         other   200  200  200   200   403
out         none    403  403  403   403   403
out         unknown 403  403  403   403   403
oper        own     403  403  403   403   403
oper        other   403  403  403   403   403
oper        none    403  403  403   403   403
oper        unknown 403  403  403   403   403
gone        own     401  401  401   401   401
gone        other   401  401  401   401   401
gone        none    401  401  401   401   401
gone        unknown 401  401  401   401   401
sADMIN      own     200  200  200   200   403
sADMIN      other   403  403  403   403   403
sADMIN      none    200  200  200   200   403
sADMIN      unknown 403  403  403   403   403
sREAD_WRITE own     200  200  200   403   403
sREAD_WRITE other   403  403  403   403   403
sREAD_WRITE none    200  200  200   403   403
sREAD_WRITE unknown 403  403  403   403   403
sREAD_RUN   own     200  200  403   403   403
sREAD_RUN   other   403  403  403   403   403
sREAD_RUN   none    200  200  403   403   403
sREAD_RUN   unknown 403  403  403   403   403
sREAD_ONLY  own     200  403  403   403   403
sREAD_ONLY  other   403  403  403   403   403
sREAD_ONLY  none    200  403  403   403   403
sREAD_ONLY  unknown 403  403  403   403   403
deleted     own     401  401  401   401   401
deleted     other   401  401  401   401   401
deleted     none    401  401  401   401   401
deleted     unknown 401  401  401   401   401
expired     own     401  401  401   401   401
expired     other   401  401  401   401   401
expired     none    401  401  401   401   401
expired     unknown 401  401  401   401   401
sdeleted    own     401  401  401   401   401
sdeleted    other   401  401  401   401   401
sdeleted    none    401  401  401   401   401
sdeleted    unknown 401  401  401   401   401
"""
LEVELS, *_ROWS = map(str.split, TABLE.strip().splitlines())
EXPECTED = {(machine, account): list(map(int, statuses)) for machine, account, *statuses in _ROWS}
ACCOUNTS = ("own", "other", "none", "unknown")

ROLES = {"O": "OWNER", "A": "ADMIN", "RW": "READ_WRITE", "RR": "READ_RUN", "RO": "READ_ONLY", "out": "OWNER"}
DOORS = {"wsgi": through_wsgi, "urls": through_urls}


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def named(world: World, account: str) -> str | None:
    unknown = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    return {"own": str(world.cast.acme.pk), "other": str(world.cast.globex.pk), "none": None, "unknown": unknown}[account]


def ask(world: World, door: str, machine: str, account: str, path: str) -> Answer:
    headers: dict[str, str] = {}
    if machine in world.plaintexts:
        headers["Authorization"] = f"Bearer {world.plaintexts[machine]}"
    if (about := named(world, account)) is not None:
        headers["X-Checkly-Account"] = about
    return DOORS[door]("GET", path, b"", headers)


def identity(answer: Answer) -> dict[str, str]:
    return {name.removeprefix("Keyportal"): value for name, value in answer.headers if name.startswith("Keyportal")}


def true_identity(world: World, machine: str) -> dict[str, str]:
    """Whoever passes is this, and the account is the only one where they may."""
    person = world.people.get(machine)
    return {
        "Account": str((world.cast.globex if machine == "out" else world.cast.acme).pk),
        "Key": world.plaintexts[machine][:15],
        "Kind": "user" if person else "service",
        "Role": ROLES.get(machine) or machine.removeprefix("s"),
        "User": str(person.pk) if person else "",
    }


def test_every_address_level_asker_and_account_stands_in_the_tables() -> None:
    assert {door.name for door in all_doors() if door.name.startswith("gateway:")} == {*ASKED_AT, *ELSEWHERE}
    assert {*LEVELS} == {*Level, "wirte"}
    assert {*EXPECTED} == {(machine, account) for machine in MACHINES for account in ACCOUNTS}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_key_gets_the_answer_of_the_table(world: World, door: str, account: str) -> None:
    before, wrong = rows(), []
    for machine in MACHINES:
        asked: list[tuple[str, int]] = [
            (ASKED_AT["gateway:verify_any"].format(level=level), status)
            for level, status in zip(LEVELS, EXPECTED[machine, account], strict=True)
        ]
        reading = EXPECTED[machine, account][LEVELS.index("read")]
        asked += [(ASKED_AT[name], reading) for name in ("gateway:verify", "gateway:verify_slash")]
        for path, status in asked:
            answer = ask(world, door, machine, account, path)
            told: dict[str, Any] = true_identity(world, machine) if status == 200 else {}
            if (answer.status, identity(answer)) != (status, told):
                wrong.append(f"{machine} {path}: {answer.status} {identity(answer)}, not {status} {told}")
    assert wrong == []
    assert rows() == before


@pytest.mark.parametrize("door", DOORS)
def test_a_suspended_account_is_closed_to_all_its_keys_and_to_no_others(world: World, door: str) -> None:
    world.cast.acme.suspend(by=operator_at_shell(), reason="breach")
    for (machine, account), statuses in EXPECTED.items():
        expected = [403 if status == 200 and machine != "out" else status for status in statuses]
        answers = [ask(world, door, machine, account, f"/gateway/verify/{level}").status for level in LEVELS]
        assert answers == expected, (machine, account)
