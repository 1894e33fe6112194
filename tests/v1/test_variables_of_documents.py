"""The variables of checks and check groups: secret values are never read again, locked ones by who may write alone."""

from __future__ import annotations

from typing import Any

import pytest

from keyportal.policy import Role
from keyportal.v1.models import Check, CheckGroup
from tests import factories
from tests.v1.calls import KINDS, Kind, Machine, everybody_in_acme, of_service

PLAIN = {"key": "PLAIN", "value": "plain value", "locked": False, "secret": False}
LOCKED = {"key": "LOCKED", "value": "locked value", "locked": True, "secret": False}
SECRET = {"key": "SECRET", "value": "secret value", "locked": False, "secret": True}
BOTH = {"key": "BOTH", "value": "secret value", "locked": True, "secret": True}
ALL = [PLAIN, LOCKED, SECRET, BOTH]

Variables = list[dict[str, Any]]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def machine(cast: factories.Cast) -> Machine:
    return of_service(cast.acme)


@pytest.fixture
def made(machine: Machine, kind: Kind) -> dict[str, Any]:
    answer = machine.send("POST", kind.made, {"name": "One", "environmentVariables": ALL})
    assert answer.status_code == 201
    return answer.json()  # type: ignore[no-any-return]


def put(machine: Machine, kind: Kind, made: dict[str, Any], *variables: dict[str, Any]) -> Any:
    return machine.send(
        "PUT", kind.changed.format(**made), {"name": "One", "environmentVariables": [{**variable} for variable in variables]}
    )


def stored(kind: Kind) -> dict[str, dict[str, Any]]:
    """What only the database knows, by key."""
    document = (Check if kind.name == "check" else CheckGroup).objects.get().document
    return {variable["key"]: variable for variable in document["environmentVariables"]}


def hidden(*variables: dict[str, Any]) -> Variables:
    return [variable | {"value": None} for variable in variables]


def test_a_secret_value_is_null_for_everybody_and_a_locked_one_for_who_may_not_write(
    cast: factories.Cast, kind: Kind, made: dict[str, Any]
) -> None:
    for role, machines in everybody_in_acme(cast).items():
        writes = role.at_least(Role.READ_WRITE)
        expected = [PLAIN, LOCKED if writes else hidden(LOCKED)[0], *hidden(SECRET, BOTH)]
        for machine in machines:
            one = machine.get(kind.read.format(**made))
            every = machine.get(kind.all)
            assert one.json()["environmentVariables"] == expected, role
            assert every.json()[0]["environmentVariables"] == expected, role
            for answer in (one, every):
                assert b"secret value" not in answer.content
                assert (b"locked value" in answer.content) == writes


def test_no_answer_to_a_change_shows_what_is_secret(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    expected = [PLAIN, LOCKED, *hidden(SECRET, BOTH)]
    assert made["environmentVariables"] == expected
    assert put(machine, kind, made, *ALL).json()["environmentVariables"] == expected


def test_a_client_that_sends_back_what_it_read_keeps_all_values(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    for _ in range(2):
        answer = put(machine, kind, made, *machine.get(kind.read.format(**made)).json()["environmentVariables"])
        assert answer.status_code == 200
    assert list(stored(kind).values()) == ALL


def test_null_keeps_a_locked_value_too_which_an_older_answer_may_have_hidden(
    machine: Machine, kind: Kind, made: dict[str, Any]
) -> None:
    assert put(machine, kind, made, *hidden(*ALL)).status_code == 200
    assert list(stored(kind).values()) == ALL


def test_what_was_secret_once_stays_secret(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    for value in (None, "another value"):
        for tries in ({"secret": False}, {}):
            sent = {"key": "SECRET", "value": value} | tries
            assert put(machine, kind, made, sent).json()["environmentVariables"] == hidden(SECRET)
    assert stored(kind) == {"SECRET": SECRET | {"value": "another value"}}


def test_locked_is_what_the_body_says_and_false_where_it_says_nothing(
    machine: Machine, kind: Kind, made: dict[str, Any]
) -> None:
    assert put(machine, kind, made, {"key": "LOCKED", "value": "v"}, PLAIN | {"locked": True}).status_code == 200
    assert {key: variable["locked"] for key, variable in stored(kind).items()} == {"LOCKED": False, "PLAIN": True}


def test_a_value_becomes_secret_for_good(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    put(machine, kind, made, {"key": "PLAIN", "value": None, "secret": True})
    assert put(machine, kind, made, PLAIN | {"value": None}).json()["environmentVariables"] == hidden(PLAIN | {"secret": True})
    assert stored(kind)["PLAIN"]["value"] == "plain value"


def test_what_the_list_leaves_out_is_gone_with_its_value(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    assert put(machine, kind, made, PLAIN).json()["environmentVariables"] == [PLAIN]
    answer = put(machine, kind, made, SECRET | {"value": None})
    assert answer.status_code == 400
    assert "“SECRET” needs a value" in answer.json()["message"]
    assert stored(kind) == {"PLAIN": PLAIN}


def test_null_for_one_that_is_new_is_400_and_writes_nothing(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    """A value belongs to its key: renaming a secret would be a way to read it some day."""
    for name in ("NEW", "secret", "SECRET "):
        assert put(machine, kind, made, PLAIN | {"value": "x"}, {"key": name, "value": None}).status_code == 400
    without = machine.send("POST", kind.made, {"name": "Two", "environmentVariables": [{"key": "A"}]})
    assert without.status_code == 400
    assert list(stored(kind).values()) == ALL


@pytest.mark.parametrize("order", [0, 1])
def test_a_key_that_stands_there_twice_is_400(machine: Machine, kind: Kind, made: dict[str, Any], order: int) -> None:
    """Of two, one could be secret and the other not, and the next change could not tell which to keep."""
    twice = [SECRET | {"value": "1"}, {"key": "SECRET", "value": "2"}]
    answer = put(machine, kind, made, *(twice[order:] + twice[:order]))
    assert answer.status_code == 400
    assert "twice" in answer.json()["message"]
    assert machine.send("POST", kind.made, {"name": "Two", "environmentVariables": twice}).status_code == 400
    assert list(stored(kind).values()) == ALL


def test_an_empty_value_is_a_value(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    put(machine, kind, made, SECRET | {"value": ""})
    assert stored(kind)["SECRET"]["value"] == ""


def test_one_document_s_null_does_not_take_another_s_value(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    answer = machine.send("POST", kind.made, {"name": "Two", "environmentVariables": hidden(SECRET)})
    assert answer.status_code == 400


def test_whatever_is_locked_is_hidden_like_a_variable(cast: factories.Cast, machine: Machine, kind: Kind) -> None:
    """Headers and parameters of requests are locked in the same words."""
    header, open_one = (
        {"key": "Authorization", "value": "locked value", "locked": True},
        {"key": "A", "value": "1", "locked": False},
    )
    fields = {
        "request": {"headers": [header, open_one], "queryParameters": [header]},
        "apiCheckDefaults": {"headers": [header]},
        "header": header,
        "locked": True,
    }
    made = machine.send("POST", kind.made, {"name": "One"} | fields).json()
    assert {name: made[name] for name in fields} == fields
    for role, machines in everybody_in_acme(cast).items():
        for asker in machines:
            one = asker.get(kind.read.format(**made))
            if role.at_least(Role.READ_WRITE):
                assert one.json() == made
                continue
            assert b"locked value" not in one.content + asker.get(kind.all).content
            assert one.json()["request"]["headers"] == [header | {"value": None}, open_one]
            assert "value" not in one.json()


def test_a_refusal_repeats_no_value(machine: Machine, kind: Kind, made: dict[str, Any]) -> None:
    for variable in (
        {"key": "A", "value": "PROBE", "more": "PROBE"},
        {"key": "", "value": "PROBE"},
        {"key": "A", "value": ["PROBE"]},
        {"key": "A", "value": "PROBE", "secret": "PROBE"},
    ):
        answer = put(machine, kind, made, variable)
        assert answer.status_code == 400
        assert b"PROBE" not in answer.content
