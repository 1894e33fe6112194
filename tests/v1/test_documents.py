"""Checks and check groups are kept as they were sent: nothing is lost, nothing is added, and none of it lies open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from keyportal.policy import Role
from keyportal.v1.models import Check, CheckGroup
from tests import factories
from tests.v1.calls import KINDS, Kind, Machine, everybody_in_acme, of_service

EVERYTHING = {
    "alertSettings": {"reminders": [{"amount": 0, "interval": 5}, [], [[None, True, False]], {}]},
    "unicode": 'zażółć 🦊 \u202e \u2028 \\ " \u007f é e\u0301',
    'naïve "name" 🦊': {"": "", " ": " "},
    "integers": [0, -1, 2**53 + 1, -(2**63) - 1, 10**60],
    "numbers": [0.1, 1.0, -0.0, 1e-7, 1.7976931348623157e308, 5e-324],
    "deep": [[[[[[[[[[{"a": [[[[[["end"]]]]]]}]]]]]]]]]],
    "script": "x" * 100_000,
}
DEFAULTS = {
    "activated": True,
    "muted": False,
    "tags": [],
    "locations": [],
    "runtimeId": None,
    "environmentVariables": [],
}
SERVERS_OWN = {"id", "created_at", "updated_at"}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def machine(cast: factories.Cast) -> Machine:
    return of_service(cast.acme)


def make(machine: Machine, kind: Kind, **fields: Any) -> dict[str, Any]:
    answer = machine.send("POST", kind.made, {"name": "One"} | fields)
    assert answer.status_code == 201, answer.content
    return answer.json()  # type: ignore[no-any-return]


def change(machine: Machine, kind: Kind, document: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = machine.send("PUT", kind.changed.format(**document), {"name": "One"} | fields)
    assert answer.status_code == 200, answer.content
    return answer.json()  # type: ignore[no-any-return]


def read(machine: Machine, kind: Kind, document: dict[str, Any]) -> dict[str, Any]:
    return machine.get(kind.read.format(**document)).json()  # type: ignore[no-any-return]


def row_of(kind: Kind, document: dict[str, Any]) -> Any:
    return (Check if kind.name == "check" else CheckGroup).objects.get(pk=document["id"])


def as_json(document: dict[str, Any]) -> dict[str, str]:
    """Each field as text, since 1 == 1.0 == True in Python."""
    return {name: json.dumps(value, sort_keys=True) for name, value in document.items()}


def test_what_is_not_known_comes_back_as_it_was_sent_from_wherever_it_is_read(machine: Machine, kind: Kind) -> None:
    made = make(machine, kind, **EVERYTHING)
    for answer in (made, read(machine, kind, made), *machine.get(kind.all).json(), change(machine, kind, made, **EVERYTHING)):
        assert {name: as_json(answer)[name] for name in EVERYTHING} == as_json(EVERYTHING)


def test_what_is_left_out_of_a_new_one_is_its_default_and_nothing_else_is_there(machine: Machine, kind: Kind) -> None:
    made = make(machine, kind)
    own = {"check": {"checkType": "API", "frequency": 10, "groupId": None}}.get(kind.name, {"concurrency": 1})
    assert {name: value for name, value in made.items() if name not in SERVERS_OWN} == {"name": "One"} | DEFAULTS | own


def test_what_a_change_leaves_out_stays(machine: Machine, kind: Kind) -> None:
    """Infisical sends no more of a group than its name and variables: the rest of it must live on."""
    fields = EVERYTHING | {"tags": ["a"], "locations": ["eu-west-1"], "muted": True, "activated": False, "runtimeId": "2025.04"}
    fields["environmentVariables"] = [{"key": "A", "value": "1", "locked": False, "secret": False}]
    made = make(machine, kind, **fields)
    renamed = change(machine, kind, made, name="Other")
    assert renamed["updated_at"] is not None
    assert as_json(renamed | {"updated_at": None}) == as_json(made | {"name": "Other"})
    variables = [{"key": "B", "value": "2", "locked": True, "secret": False}]
    changed = change(machine, kind, made, environmentVariables=variables, unicode="other", more=1)
    wanted = made | {"environmentVariables": variables, "unicode": "other", "more": 1}
    assert as_json(changed | {"updated_at": None}) == as_json(wanted)
    assert as_json(read(machine, kind, made)) == as_json(changed)


@pytest.mark.parametrize("name", ["tags", "locations", "environmentVariables"])
def test_null_for_a_list_is_an_empty_one(machine: Machine, kind: Kind, name: str) -> None:
    """As Go writes an empty list, and so checkly-operator sends it."""
    assert make(machine, kind, **{name: None})[name] == []
    full = [{"key": "A", "value": "1"}] if name == "environmentVariables" else ["a"]
    made = make(machine, kind, **{name: full})
    assert len(made[name]) == 1
    assert change(machine, kind, made, **{name: None})[name] == []


def test_what_the_server_says_is_not_taken_from_a_client(machine: Machine, kind: Kind, cast: factories.Cast) -> None:
    lies = {"id": 4_711, "created_at": "1999", "updated_at": "1999", "checkType": "BROWSER", "account": str(cast.globex.pk)}
    made = make(machine, kind, **lies)
    changed = change(machine, kind, made, **lies)
    for answer in (made, changed):
        assert (answer["id"], answer["created_at"]) == (made["id"], made["created_at"])
        assert made["id"] != 4_711
        assert answer["created_at"].startswith("20")
        assert answer.get("checkType") == ("API" if kind.name == "check" else None)
    assert made["updated_at"] is None
    assert changed["updated_at"] >= made["created_at"]
    assert row_of(kind, made).account == cast.acme


def test_sending_back_what_was_read_changes_nothing(machine: Machine, kind: Kind) -> None:
    made = make(machine, kind, **EVERYTHING, environmentVariables=[{"key": "S", "value": "s", "secret": True}])
    again = change(machine, kind, made, **made)
    assert as_json(again | {"updated_at": None}) == as_json(made)
    assert row_of(kind, made).document["environmentVariables"] == [{"key": "S", "value": "s", "locked": False, "secret": True}]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"activated": "true"}, "activated"),
        ({"muted": 1}, "muted"),
        ({"tags": "a"}, "tags"),
        ({"tags": ["a", ""]}, "tags.1"),
        ({"tags": [1]}, "tags.0"),
        ({"tags": ["a\nb"]}, "tags.0"),
        ({"locations": [None]}, "locations.0"),
        ({"runtimeId": 2025}, "runtimeId"),
        ({"environmentVariables": {}}, "environmentVariables"),
        ({"environmentVariables": [{"value": "1"}]}, "environmentVariables.0.key"),
        ({"environmentVariables": [{"key": "A", "value": 1}]}, "environmentVariables.0.value"),
        ({"environmentVariables": [{"key": "A", "value": "1", "hidden": True}]}, "environmentVariables.0.hidden"),
    ],
)
def test_a_bad_field_is_400_and_named_and_nothing_is_written(
    machine: Machine, kind: Kind, fields: dict[str, Any], named: str
) -> None:
    made = make(machine, kind)
    for answer in (
        machine.send("POST", kind.made, {"name": "Two"} | fields),
        machine.send("PUT", kind.changed.format(**made), {"name": "Two"} | fields),
    ):
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(f"{named}:"), answer.json()
    assert machine.get(kind.all).json() == [made]


@pytest.mark.parametrize("body", [None, [], "text", 1, {}])
def test_what_is_no_document_is_400(machine: Machine, kind: Kind, body: Any) -> None:
    assert machine.send("POST", kind.made, body).status_code == 400
    assert machine.get(kind.all).json() == []


def test_only_read_and_write_and_above_write(cast: factories.Cast, kind: Kind) -> None:
    for role, machines in everybody_in_acme(cast).items():
        for machine in machines:
            answer = machine.send("POST", kind.made, {"name": "One"})
            assert answer.status_code == (201 if role.at_least(Role.READ_WRITE) else 403)
            assert machine.get(kind.all).status_code == 200


def test_another_account_s_is_as_absent(cast: factories.Cast, machine: Machine, kind: Kind) -> None:
    theirs = make(of_service(cast.globex), kind)
    assert machine.get(kind.all).json() == []
    assert machine.get(kind.read.format(**theirs)).status_code == 404
    assert machine.send("PUT", kind.changed.format(**theirs), {"name": "Mine"}).status_code == 404
    assert machine.delete(kind.read.format(**theirs)).status_code == 404
    assert row_of(kind, theirs).name == "One"


def test_the_database_does_not_hold_the_document_in_clear(machine: Machine, kind: Kind) -> None:
    variables = [{"key": "K-PROBE", "value": "V-PROBE", "secret": True}]
    make(machine, kind, script="S-PROBE", environmentVariables=variables, request={"headers": [{"value": "H-PROBE"}]})
    with connection.cursor() as cursor:
        for model in (Check, CheckGroup):
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            stored = str(cursor.fetchall())
            assert "PROBE" not in stored
            assert ("gAAAA" in stored) == isinstance(row_of(kind, machine.get(kind.all).json()[0]), model)
