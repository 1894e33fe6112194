"""Variables are made, listed, changed and deleted with the statuses that clients demand; who may read a value is a rule."""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from keyportal.policy import Role
from keyportal.v1.models import Variable
from tests import factories
from tests.statements import statements
from tests.v1.calls import Machine, at_once, everybody_in_acme, of_service

VARIABLES = "/v1/variables"


@pytest.fixture
def machine(cast: factories.Cast) -> Machine:
    return of_service(cast.acme)


def shape(key: str = "A", value: str | None = "1", *, locked: bool = False, secret: bool = False) -> dict[str, Any]:
    return {"key": key, "value": value, "locked": locked, "secret": secret}


def make(machine: Machine, key: str = "A", value: str = "1", **fields: Any) -> dict[str, Any]:
    answer = machine.send("POST", VARIABLES, {"key": key, "value": value} | fields)
    assert answer.status_code == 201, answer.content
    return answer.json()  # type: ignore[no-any-return]


def put(machine: Machine, key: str = "A", **body: Any) -> Any:
    return machine.send("PUT", f"{VARIABLES}/{quote(key, safe='')}", body)


def stored(key: str = "A") -> tuple[str, bool, bool]:
    variable = Variable.objects.get(key=key)
    return variable.value, variable.locked, variable.secret


def test_the_life_of_a_variable_in_statuses(machine: Machine) -> None:
    one = f"{VARIABLES}/A"
    assert machine.get(one).status_code == 404
    answer = machine.send("POST", VARIABLES, {"key": "A", "value": "1"})
    assert (answer.status_code, answer.json()) == (201, shape())
    answer = machine.get(one)
    assert (answer.status_code, answer.json()) == (200, shape())
    answer = put(machine, value="2", locked=True)
    assert (answer.status_code, answer.json()) == (200, shape(value="2", locked=True))
    assert machine.get(VARIABLES).json() == [shape(value="2", locked=True)]
    answer = machine.delete(one)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (machine.get(one), machine.delete(one), put(machine, value="3")):
        assert (gone.status_code, gone.json()["message"]) == (404, "The variable “A” does not exist.")
    assert make(machine, value="4") == shape(value="4")


def test_a_key_that_is_there_is_409_and_nothing_changes(cast: factories.Cast, machine: Machine) -> None:
    make(machine)
    answer = machine.send("POST", VARIABLES, {"key": "A", "value": "2", "secret": True})
    assert (answer.status_code, answer.json()["message"]) == (409, "The variable “A” already exists.")
    assert stored() == ("1", False, False)
    assert make(machine, "a") == shape("a")
    assert make(of_service(cast.globex), "A", "theirs") == shape(value="theirs")


def test_another_account_s_variable_is_as_absent(cast: factories.Cast, machine: Machine) -> None:
    make(of_service(cast.globex), value="theirs")
    assert machine.get(VARIABLES).json() == []
    for answer in (machine.get(f"{VARIABLES}/A"), machine.delete(f"{VARIABLES}/A"), put(machine, value="mine")):
        assert answer.status_code == 404
    assert stored() == ("theirs", False, False)


def test_a_key_keeps_its_name_whatever_a_change_says(machine: Machine) -> None:
    make(machine)
    answer = machine.send("PUT", f"{VARIABLES}/A", {"value": "2", "key": "B"})
    assert (answer.status_code, answer.json()) == (200, shape(value="2"))
    assert machine.get(f"{VARIABLES}/B").status_code == 404


# Lists


def test_without_limit_and_page_come_all_of_them_by_name(machine: Machine) -> None:
    for number in range(120):
        make(machine, f"KEY_{number:03}")
    answer = machine.get(VARIABLES)
    assert [variable["key"] for variable in answer.json()] == [f"KEY_{number:03}" for number in range(120)]
    assert answer["content-range"] == "0-119/120"
    assert "link" not in answer


@pytest.mark.parametrize(
    ("query", "keys", "span"),
    [
        ("limit=5", "ABCDE", "0-4/12"),
        ("page=1", "ABCDEFGHIJ", "0-9/12"),
        ("page=2", "KL", "10-11/12"),
        ("limit=5&page=3", "KL", "10-11/12"),
        ("limit=50&page=1", "ABCDEFGHIJKL", "0-11/12"),
        ("limit=5&page=4", "", "*/12"),
    ],
)
def test_with_either_of_them_comes_a_page(machine: Machine, query: str, keys: str, span: str) -> None:
    for key in "LKJIHGFEDCBA":
        make(machine, key)
    answer = machine.get(f"{VARIABLES}?{query}")
    assert [variable["key"] for variable in answer.json()] == list(keys)
    assert answer["content-range"] == span
    assert 'rel="last"' in answer["link"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "page=0", "page=x", "limit="])
def test_a_bad_page_is_400(machine: Machine, query: str) -> None:
    assert machine.get(f"{VARIABLES}?{query}").status_code == 400


def test_an_account_without_variables_has_an_empty_list(machine: Machine) -> None:
    answer = machine.get(VARIABLES)
    assert (answer.json(), answer["content-range"]) == ([], "*/0")


# Who reads a value


def test_every_role_reads_what_it_may(cast: factories.Cast, machine: Machine) -> None:
    make(machine, "PLAIN", "plain value")
    make(machine, "LOCKED", "locked value", locked=True)
    make(machine, "SECRET", "secret value", secret=True)
    make(machine, "BOTH", "secret value", locked=True, secret=True)
    for role, machines in everybody_in_acme(cast).items():
        locked = "locked value" if role.at_least(Role.READ_WRITE) else None
        expected = [
            shape("BOTH", None, locked=True, secret=True),
            shape("LOCKED", locked, locked=True),
            shape("PLAIN", "plain value"),
            shape("SECRET", None, secret=True),
        ]
        for asker in machines:
            assert asker.get(VARIABLES).json() == expected, role
            assert asker.get(f"{VARIABLES}?limit=10").json() == expected, role
            assert [asker.get(f"{VARIABLES}/{one['key']}").json() for one in expected] == expected, role


def test_every_role_writes_if_it_may_and_else_is_told_which_may(cast: factories.Cast, machine: Machine) -> None:
    make(machine)
    for role, machines in everybody_in_acme(cast).items():
        may = role.at_least(Role.READ_WRITE)
        before = stored()
        for asker in machines:
            answers = [
                asker.send("POST", VARIABLES, {"key": "NEW", "value": "1"}),
                put(asker, value=role),
                asker.delete(f"{VARIABLES}/NEW"),
            ]
            assert [answer.status_code for answer in answers] == ([201, 200, 204] if may else [403] * 3), role
            for answer in answers if not may else []:
                reason = f"This needs the role Read & Write or higher. This API key has {role.label}."
                assert answer.json()["message"] == reason
        assert stored() == ((role, False, False) if may else before)


def test_a_secret_is_not_answered_to_who_stores_it_either(machine: Machine) -> None:
    assert make(machine, secret=True) == shape(value=None, secret=True)
    assert put(machine, value="2").json() == shape(value=None, secret=True)
    assert make(machine, "B") == shape("B")
    assert put(machine, "B", value="2", secret=True).json() == shape("B", None, secret=True)
    assert stored() == ("2", False, True)
    assert stored("B") == ("2", False, True)


@pytest.mark.parametrize("said", [{"secret": False}, {}])
def test_what_was_secret_once_stays_secret(machine: Machine, said: dict[str, Any]) -> None:
    make(machine, secret=True)
    assert put(machine, value="2", **said).json()["secret"] is True
    assert stored() == ("2", False, True)


def test_a_change_unlocks_unless_it_says_otherwise(machine: Machine) -> None:
    make(machine, locked=True)
    assert put(machine, value="1", locked=True).json()["locked"] is True
    assert put(machine, value="1").json()["locked"] is False


# What is refused


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"value": ""}, "value"),
        ({"value": None}, "value"),
        ({}, "value"),
        ({"value": 1}, "value"),
        ({"value": "1", "locked": "true"}, "locked"),
        ({"value": "1", "locked": None}, "locked"),
        ({"value": "1", "secret": 1}, "secret"),
        ({"value": "1", "hidden": True}, "hidden"),
    ],
)
def test_a_bad_change_is_400_names_the_field_and_repeats_no_value(machine: Machine, body: dict[str, Any], named: str) -> None:
    make(machine, value="before", secret=True)
    answer = put(machine, **body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{named}:")
    assert stored() == ("before", False, True)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"value": "PROBE"}, "key"),
        ({"key": "A"}, "value"),
        ({"key": "A", "value": None}, "value"),
        ({"key": "A", "value": ["PROBE"]}, "value"),
        ({"key": "A", "value": "PROBE", "secret": "PROBE"}, "secret"),
        ({"key": "A", "value": "PROBE", "more": "PROBE"}, "more"),
        ({"key": 1, "value": "PROBE"}, "key"),
        *(({"key": key, "value": "PROBE"}, "key") for key in ("", "x" * 256, "a/b", "a\nb", "a\x7f", "\u2028", ".", "..")),
    ],
)
def test_a_bad_variable_is_400_names_the_field_and_repeats_no_value(machine: Machine, body: dict[str, Any], named: str) -> None:
    answer = machine.send("POST", VARIABLES, body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{named}:")
    assert b"PROBE" not in answer.content
    assert not Variable.objects.exists()


def test_an_empty_value_may_be_made(machine: Machine) -> None:
    assert make(machine, value="") == shape(value="")


@pytest.mark.parametrize(
    "key", ["A B", "A%20B", "a+b", "a?b#c", "50%", "é🦊", "\\", '"', "a;b=c&d", " ", "...", "x" * 255, "<script>", "me"]
)
def test_any_other_name_is_reached_percent_encoded(machine: Machine, key: str) -> None:
    assert make(machine, key) == shape(key)
    assert machine.get(f"{VARIABLES}/{quote(key, safe='')}").json() == shape(key)
    assert put(machine, key, value="2").json() == shape(key, "2")
    assert machine.get(VARIABLES).json() == [shape(key, "2")]
    assert machine.delete(f"{VARIABLES}/{quote(key, safe='')}").status_code == 204


@pytest.mark.parametrize("value", ["  spaces  ", "line\nbreaks\r\n", "é🦊\u202e", '{"json": [1]}', "x" * 1_000_000, "null"])
def test_a_value_is_kept_to_the_letter(machine: Machine, value: str) -> None:
    make(machine, value=value)
    assert machine.get(f"{VARIABLES}/A").json()["value"] == value
    assert put(machine, value=value + "!").json()["value"] == value + "!"


# The database


def test_the_database_holds_no_value_in_clear(machine: Machine) -> None:
    make(machine, "PLAIN", "PROBE plain")
    make(machine, "SECRET", "PROBE secret", secret=True)
    put(machine, "PLAIN", value="PROBE changed")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM v1_variable")
        rows = json.dumps(cursor.fetchall(), default=str)
    assert "PROBE" not in rows
    assert rows.count("gAAAA") == 2


def test_the_list_costs_the_same_whatever_its_length(machine: Machine) -> None:
    make(machine)
    for number in range(3):
        make(machine, f"B{number}")
        with statements() as queries:
            machine.get(VARIABLES)
        assert len(queries) == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_that_make_one_key_at_once_one_gets_201_and_one_409(transactional_db: None) -> None:
    acme = factories.make_cast().acme
    one, other = of_service(acme), of_service(acme)
    for number in range(30):
        body = {"key": f"KEY_{number}", "value": "1"}
        answers = at_once(partial(one.send, "POST", VARIABLES, body), partial(other.send, "POST", VARIABLES, body))
        assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert Variable.objects.count() == 30
