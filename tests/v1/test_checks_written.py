"""Checks are made by type, changed, found by filters and deleted, within one account."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from keyportal.policy import Role
from keyportal.v1.models import Check
from tests import factories
from tests.v1.calls import Machine, everybody_in_acme, of_service

CHECKS = "/v1/checks"
TYPES = {
    "api": "API",
    "browser": "BROWSER",
    "heartbeat": "HEARTBEAT",
    "multistep": "MULTI_STEP",
    "tcp": "TCP",
    "url": "URL",
    "dns": "DNS",
    "icmp": "ICMP",
    "ssl": "SSL",
    "grpc": "GRPC",
    "traceroute": "TRACEROUTE",
    "playwright": "PLAYWRIGHT",
}


@pytest.fixture
def machine(cast: factories.Cast) -> Machine:
    return of_service(cast.acme)


def make(machine: Machine, kind: str = "api", **fields: Any) -> dict[str, Any]:
    answer = machine.send("POST", f"{CHECKS}/{kind}", {"name": "One"} | fields)
    assert answer.status_code == 201, answer.content
    return answer.json()  # type: ignore[no-any-return]


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [check["name"] for check in answer.json()]


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_is_made_read_changed_and_deleted(machine: Machine, kind: str) -> None:
    made = make(machine, kind, frequency=5)
    assert (made["checkType"], made["frequency"], str(uuid.UUID(made["id"]))) == (TYPES[kind], 5, made["id"])
    one = f"{CHECKS}/{made['id']}"
    answer = machine.get(one)
    assert (answer.status_code, answer.json()) == (200, made)
    answer = machine.send("PUT", f"{CHECKS}/{kind}/{made['id']}", {"name": "Other", "frequency": 10})
    assert (answer.status_code, answer.json()["name"], answer.json()["checkType"]) == (200, "Other", TYPES[kind])
    assert machine.get(one).json() == answer.json()
    answer = machine.delete(one)
    assert (answer.status_code, answer.content) == (204, b"")
    assert machine.get(one).status_code == 404
    assert machine.delete(one).status_code == 404
    assert not Check.objects.exists()


def test_every_type_that_clients_have_is_here() -> None:
    from keyportal.v1.checks import CheckType

    assert {kind.value: kind.name for kind in CheckType} == TYPES


@pytest.mark.parametrize("kind", ["API", "multi_step", "nothing", "8f7a4d0e-1111-4c2b-9a55-000000000001", "%20"])
def test_an_unknown_type_is_400_or_404_and_makes_nothing(machine: Machine, kind: str) -> None:
    assert machine.send("POST", f"{CHECKS}/{kind}", {"name": "One"}).status_code == 400
    assert machine.send("PUT", f"{CHECKS}/{kind}/{make(machine)['id']}", {"name": "Other"}).status_code == 400
    assert list(Check.objects.values_list("name", flat=True)) == ["One"]


def test_a_check_is_changed_by_its_own_type_alone(machine: Machine) -> None:
    made = make(machine, "browser")
    assert machine.send("PUT", f"{CHECKS}/api/{made['id']}", {"name": "Other"}).status_code == 404
    assert machine.get(f"{CHECKS}/{made['id']}").json() == made


@pytest.mark.parametrize(
    "check_id", ["8f7a4d0e-1111-4c2b-9a55-000000000001", "1", "api", "me", "%20", "x" * 300, "%F0%9F%92%A9"]
)
def test_what_is_no_check_is_404(machine: Machine, check_id: str) -> None:
    for answer in (
        machine.get(f"{CHECKS}/{check_id}"),
        machine.delete(f"{CHECKS}/{check_id}"),
        machine.send("PUT", f"{CHECKS}/api/{check_id}", {"name": "Other"}),
    ):
        assert answer.status_code == 404
        assert answer.json()["message"] == "This check does not exist."


def test_only_read_and_write_and_above_change_and_delete(cast: factories.Cast, machine: Machine) -> None:
    made = make(machine)
    for role, machines in everybody_in_acme(cast).items():
        for asker in machines:
            assert asker.get(f"{CHECKS}/{made['id']}").status_code == 200
            answer = asker.send("PUT", f"{CHECKS}/api/{made['id']}", {"name": role})
            assert answer.status_code == (200 if role.at_least(Role.READ_WRITE) else 403)
            if not role.at_least(Role.READ_WRITE):
                assert asker.delete(f"{CHECKS}/{made['id']}").status_code == 403
    assert machine.get(f"{CHECKS}/{made['id']}").json()["name"] == Role.OWNER


@pytest.mark.parametrize("frequency", [-1, 1441, "5", 1.5, True, None])
def test_a_frequency_is_minutes_of_at_most_a_day(machine: Machine, frequency: Any) -> None:
    answer = machine.send("POST", f"{CHECKS}/api", {"name": "One", "frequency": frequency})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("frequency:")
    assert make(machine, frequency=0)["frequency"] == 0
    assert make(machine, frequency=1440)["frequency"] == 1440


# Groups


def test_a_check_is_put_into_a_group_stays_there_and_is_taken_out(cast: factories.Cast, machine: Machine) -> None:
    group = factories.CheckGroupFactory(account=cast.acme)
    made = make(machine, groupId=group.pk)
    address = f"{CHECKS}/api/{made['id']}"
    assert made["groupId"] == group.pk
    assert machine.send("PUT", address, {"name": "Other"}).json()["groupId"] == group.pk
    assert machine.send("PUT", address, {"name": "Other", "groupId": None}).json()["groupId"] is None
    assert machine.get(CHECKS).json()[0]["groupId"] is None


def test_the_group_of_another_account_is_as_none(cast: factories.Cast, machine: Machine) -> None:
    theirs, made = factories.CheckGroupFactory(account=cast.globex), make(machine)
    answers = []
    for group_id in (theirs.pk, theirs.pk + 1, 0, -1, 2**63, 10**60):
        for method, path in (("POST", f"{CHECKS}/api"), ("PUT", f"{CHECKS}/api/{made['id']}")):
            answer = machine.send(method, path, {"name": "Two", "groupId": group_id})
            answers.append((answer.status_code, answer.json()["message"]))
    assert set(answers) == {(400, "groupId: this check group does not exist.")}
    assert machine.get(CHECKS).json() == [made]


def test_a_group_id_is_a_number(machine: Machine) -> None:
    for group_id in ("1", 1.0, True, [1]):
        assert machine.send("POST", f"{CHECKS}/api", {"name": "One", "groupId": group_id}).status_code == 400


# Filters


@pytest.fixture
def shop(machine: Machine) -> Machine:
    """Four checks, of which one got its name later, after a fifth that was changed into one that few filters find."""
    api = {"request": {"url": "https://Shop.example.com/checkout?step=100%_"}}
    changed = make(machine, name="Checkout", tags=["shop"], **api)
    body = {"name": "other", "tags": ["other"], "request": {"url": "https://other.example.com"}}
    assert machine.send("PUT", f"{CHECKS}/api/{changed['id']}", body).status_code == 200
    named = make(machine, name="later", tags=["shop", "eu"], **api)
    assert machine.send("PUT", f"{CHECKS}/api/{named['id']}", {"name": "Checkout"}).status_code == 200
    make(machine, "browser", name="Sign-in 100%", tags=["web"])
    make(machine, "multistep", name="ÉTÉ", tags=["Shop", "we"])
    make(machine, "url", name="Health", tags=["a b&c", "shop,eu"], request={"url": "https://example.com/health"})
    return machine


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tag=shop", ["Checkout"]),
        ("tag[]=shop&tag[]=web", ["Checkout", "Sign-in 100%"]),
        ("tag%5B%5D=shop&tag%5B%5D=Shop", ["Checkout", "ÉTÉ"]),
        ("tag=eu&tag=we", ["Checkout", "ÉTÉ"]),
        ("tag=sho", []),
        ("tag=a%20b%26c", ["Health"]),
        ("tag=%25", []),
        ("checkType=API", ["other", "Checkout"]),
        ("checkType=browser", ["Sign-in 100%"]),
        ("checkType=MULTI_STEP", ["ÉTÉ"]),
        ("checkType=NOTHING", []),
        ("search=check", ["Checkout"]),
        ("search=100%25", ["Sign-in 100%"]),
        ("search=_", []),
        ("search=%25", ["Sign-in 100%"]),
        ("search=", ["other", "Checkout", "Sign-in 100%", "ÉTÉ", "Health"]),
        ("apiCheckUrlFilterPattern=shop.EXAMPLE", ["Checkout"]),
        ("apiCheckUrlFilterPattern=100%25_", ["Checkout"]),
        ("apiCheckUrlFilterPattern=health", ["Health"]),
        ("status=failing", []),
        ("applyGroupSettings=true&search=Health", ["Health"]),
        ("tag=shop&checkType=API&search=out&apiCheckUrlFilterPattern=/checkout", ["Checkout"]),
        ("tag=shop&checkType=BROWSER", []),
    ],
)
def test_filters(shop: Machine, query: str, expected: list[str]) -> None:
    answer = shop.get(f"{CHECKS}?{query}")
    assert names(answer) == expected
    assert answer["content-range"].rpartition("/")[2] == str(len(expected))


def test_the_ways_on_keep_the_filter(shop: Machine, settings: Any) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"
    answer = shop.get(f"{CHECKS}?limit=1&tag[]=shop&tag[]=web&search=%C3%A9%26")
    address = f"https://keys.example.com{CHECKS}?limit=1&tag%5B%5D=shop&tag%5B%5D=web&search=%C3%A9%26"
    assert answer["link"] == f'<{address}&page=1>; rel="last"'
    answer = shop.get(f"{CHECKS}?limit=1&tag=shop&tag=web")
    address = f"https://keys.example.com{CHECKS}?limit=1&tag=shop&tag=web"
    assert set(answer["link"].split(", ")) == {f'<{address}&page=2>; rel="next"', f'<{address}&page=2>; rel="last"'}
    assert names(shop.get(address.removeprefix("https://keys.example.com") + "&page=2")) == ["Sign-in 100%"]


@pytest.mark.parametrize("url", [None, 1, ["https://example.com"], {}, "x" * 100_000])
def test_a_request_of_any_shape_is_taken(machine: Machine, url: Any) -> None:
    for request in ({"url": url}, url):
        made = make(machine, request=request)
        assert machine.get(f"{CHECKS}/{made['id']}").json()["request"] == request
