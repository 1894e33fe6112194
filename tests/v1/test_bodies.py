"""Bodies are strict JSON within a limit, packed or not, with or without a length; what is no such body says why."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from io import BytesIO
from typing import Any

import pytest

from keyportal.v1.models import Check, Variable
from tests import factories
from tests.v1.calls import Machine, of_service

KIB = 1024
VARIABLES, CHECKS = "/v1/variables", "/v1/checks/api"
MOST = {VARIABLES: 1024 * KIB, CHECKS: 256 * KIB}
FIELDS = {VARIABLES: {"key": "A", "value": ""}, CHECKS: {"name": "A", "script": ""}}


@pytest.fixture
def machine(cast: factories.Cast) -> Machine:
    return of_service(cast.acme)


def body_of(size: int, path: str) -> bytes:
    """A good body of just this many bytes."""
    shortest = json.dumps(FIELDS[path])
    return shortest.replace('""', f'"{"x" * (size - len(shortest))}"').encode()


def packed(body: bytes) -> dict[str, Any]:
    return {"data": gzip.compress(body), "headers": {"Content-Encoding": "gzip"}}


def without_length(body: bytes, **more: Any) -> dict[str, Any]:
    """As gunicorn hands over a chunked body."""
    return {
        "data": b"",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "",
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
    } | more


PACKED = gzip.compress(b'{"name": "A"}', mtime=0)
WAYS = {
    "plain": lambda body: {"data": body},
    "packed": packed,
    "without a length": without_length,
    "packed without a length": lambda body: without_length(gzip.compress(body), headers={"Content-Encoding": "gzip"}),
}


def post(machine: Machine, path: str, *, data: Any, **options: Any) -> Any:
    return machine.generic("POST", path, data, options.pop("content_type", "application/json"), **options)


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.content
    assert not Variable.objects.exists()
    assert not Check.objects.exists()
    return str(answer.json()["message"])


@pytest.mark.parametrize("path", MOST)
@pytest.mark.parametrize("way", WAYS)
def test_a_body_is_taken_up_to_the_limit_and_not_a_byte_beyond(machine: Machine, path: str, way: str) -> None:
    too_large = post(machine, path, **WAYS[way](body_of(MOST[path] + 1, path)))
    assert refused(too_large, 413) == f"The body is larger than {MOST[path] // KIB} KiB."
    assert post(machine, path, **WAYS[way](body_of(MOST[path], path))).status_code == 201


def test_what_unpacks_to_more_than_the_limit_is_not_unpacked_to_the_end(machine: Machine) -> None:
    bomb = gzip.compress(b"0" * 100_000 * KIB)
    assert len(bomb) < MOST[CHECKS]
    tracemalloc.start()
    try:
        refused(post(machine, CHECKS, data=bomb, headers={"Content-Encoding": "gzip"}), 413)
        assert tracemalloc.get_traced_memory()[1] < 4_000 * KIB
    finally:
        tracemalloc.stop()


def test_a_length_that_is_over_the_limit_is_refused_unread(machine: Machine) -> None:
    class Unreadable(BytesIO):
        def read(self, *args: Any) -> bytes:
            raise AssertionError("it was read")

    stream = {"wsgi.input": Unreadable(), "CONTENT_LENGTH": str(10**9)}
    assert "KiB" in refused(post(machine, CHECKS, data=b"", **stream), 413)
    for role_asks in (
        machine.generic("GET", "/v1/checks", b"", **stream),
        machine.generic("DELETE", "/v1/checks/1", b"", **stream),
    ):
        assert role_asks.status_code in (200, 404)


@pytest.mark.parametrize(
    ("data", "encoding", "status", "says"),
    [
        (b"{}", "br", 415, "gzip"),
        (b"{}", "gzip, gzip", 415, "gzip"),
        (b"{}", "gzip", 400, "is not gzip"),
        (PACKED[:-4], "gzip", 400, "not one whole"),
        (PACKED[:12], "gzip", 400, "not one whole"),
        (PACKED * 2, "gzip", 400, "not one whole"),
        (PACKED + b"x", "gzip", 400, "not one whole"),
    ],
)
def test_a_body_that_is_not_packed_as_it_says_is_refused(
    machine: Machine, data: bytes, encoding: str, status: int, says: str
) -> None:
    assert says in refused(post(machine, CHECKS, data=data, headers={"Content-Encoding": encoding}), status)


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"],
)
def test_what_is_sent_as_anything_but_json_is_415(machine: Machine, content_type: str) -> None:
    answer = post(machine, CHECKS, data=b'{"name": "A"}', content_type=content_type)
    assert "Content-Type: application/json" in refused(answer, 415)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_may_say_its_character_set(machine: Machine, content_type: str) -> None:
    assert post(machine, CHECKS, data=b'{"name": "A"}', content_type=content_type).status_code == 201


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ""),
        ("{", "not valid JSON"),
        ('{"name": "A"} x', "not valid JSON"),
        ("{'name': 'A'}", "not valid JSON"),
        ('{"name": "A",}', "not valid JSON"),
        ('\ufeff{"name": "A"}', "not valid JSON"),
        ('{"name": "A", "x": 01}', "not valid JSON"),
        ('{"name": "A", "x": %s}' % ("9" * 5_000), "not valid JSON"),
        ('{"name": "A", "x": NaN}', "NaN is no number"),
        ('{"name": "A", "x": -Infinity}', "-Infinity is no number"),
        ('{"name": "A", "x": 1e400}', "beyond what a double can hold"),
        ('{"name": "A", "name": "B"}', "names a field twice"),
        ('{"name": "A", "x": [{"y": 1, "y": 1}]}', "names a field twice"),
        ('{"name": "A", "x": "\\u0000"}', "a character that is none"),
        ('{"name": "A", "\\u0000": 1}', "a character that is none"),
        ('{"name": "A", "x": ["\\ud800"]}', "a character that is none"),
        ('{"name": "A", "x": %s}' % ("[" * 100 + "]" * 100), "nested too deeply"),
        ('{"name": "A", "x": %s}' % ('{"x":' * 100 + "1" + "}" * 100), "nested too deeply"),
        ('{"name": "A", "x": %s}' % ("[" * 100_000 + "]" * 100_000), "nested too deeply"),
        ('["A"]', "body: "),
        ('"A"', "body: "),
        ("null", "body: "),
    ],
    ids=range(22),
)
def test_what_other_readers_may_take_otherwise_is_400_with_the_reason(machine: Machine, text: str, says: str) -> None:
    assert says in refused(post(machine, CHECKS, data=text.encode()), 400)


def test_what_is_not_utf_8_is_400(machine: Machine) -> None:
    for data in (b'{"name": "\xe9"}', '{"name": "A"}'.encode("utf-16")):
        assert "UTF-8" in refused(post(machine, CHECKS, data=data), 400)


def test_a_hundred_levels_are_enough_for_anybody(machine: Machine) -> None:
    assert post(machine, CHECKS, data=b'{"name": "A", "x": %s}' % (b"[" * 98 + b"1" + b"]" * 98)).status_code == 201


def test_a_body_with_thousands_of_mistakes_names_the_first(machine: Machine) -> None:
    message = refused(machine.send("POST", CHECKS, {"name": "A", "tags": [0] * 50_000}), 400)
    assert message.startswith("tags.0: Input should be a valid string; tags.1: ")
    assert message.endswith("; and 49995 more")
    message = refused(machine.send("POST", VARIABLES, {"key": "A", "value": "1", "x" * 200_000: 1}), 400)
    assert len(message) < 500
