"""Strange JSON at every operation that takes a body: 400, 413 or 415 in the contract's shape, and nothing is changed."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from keyportal.v1.models import Variable
from tests.proof.test_matrix_of_keys import BODIES, ROWS, Row
from tests.proof.world import World, make_world, rows, undone
from tests.v1.test_errors import assert_shaped

OPERATIONS = [row for row in ROWS if row[0] in BODIES]
# The text of each operation's body that the zoo's animals take the place of.
FIRST_TEXT = {name: next(field for field, value in body.items() if isinstance(value, str)) for name, body in BODIES.items()}

# Instead of a text: JSON values as they are written.
VALUES = {
    "NUL": rb'"a\u0000b"',
    "half a surrogate pair": rb'"\ud800"',
    "the other half": rb'"\udc00\ud800"',
    "NUL, raw": b'"a\x00b"',
    "newline, raw": b'"a\nb"',
    "bad UTF-8": b'"\xff\xfe"',
    "half a letter": b'"\xe2\x82"',
    "overlong UTF-8": b'"\xc0\x80"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "bad escape": rb'"\x41"',
    "unfinished escape": rb'"\u00"',
    "digits": b"9" * 5_000,
    "more digits": b"-" + b"9" * 100_000,
    "many digits behind the point": b"0." + b"9" * 100_000,
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "beyond a double": b"1e999",
    "below a double": b"-1e999",
    "hexadecimal": b"0x10",
    "leading zero": b"010",
    "a number": b"1",
    "a fraction": b"1.5",
    "true": b"true",
    "an empty text": b'""',
    "a list": b'["a"]',
    "an object": b'{"a": 1}',
    "brackets": b"[" * 100_000,
    "deep": b"[" * 101 + b"]" * 101,
    "deep objects": b'{"a":' * 101 + b"1" + b"}" * 101,
    "nothing": b"",
}
# An empty value makes a variable, and a member's role is one of four texts whatever is wrong with others.
ALLOWED = {("create_variable", "value", "an empty text")}

# Instead of the whole body; each is made of the good one.
WHOLE: dict[str, Any] = {
    "a list": lambda good: b"[" + good + b"]",
    "a text": lambda good: b'"text"',
    "a number": lambda good: b"1",
    "null": lambda good: b"null",
    "true": lambda good: b"true",
    "empty": lambda good: b"",
    "spaces": lambda good: b" \n",
    "BOM": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "UTF-16 without BOM": lambda good: good.decode().encode("utf-16-le"),
    "UTF-32": lambda good: good.decode().encode("utf-32"),
    "cut off": lambda good: good[:-1],
    "two": lambda good: good + good,
    "more behind it": lambda good: good + b"x",
    "NUL behind it": lambda good: good + b"\x00",
    "a comma too many": lambda good: good[:-1] + b",}",
    "a comment": lambda good: good + b"// comment",
    "single quotes": lambda good: good.replace(b'"', b"'"),
    "a field twice": lambda good: good[:-1] + b", " + good[1:],
    "a field twice, escaped": lambda good: (
        b'{"%s": "a", "\\u00%02x%s": "b"}' % (name_in(good), name_in(good)[0], name_in(good)[1:])
    ),
    "a field twice, inside": lambda good: good[:-1] + b', "more": {"a": 1, "a": 2}}',
    "a field of NUL": lambda good: good[:-1] + rb', "\u0000": 1}',
    "a field of half a pair": lambda good: good[:-1] + rb', "\ud800": 1}',
    "NaN in a field of its own": lambda good: good[:-1] + b', "more": NaN}',
    "too large a number in a field of its own": lambda good: good[:-1] + b', "more": [1e999]}',
    "NUL in a field of its own": lambda good: good[:-1] + rb', "more": {"a": ["\u0000"]}}',
    "deep in a field of its own": lambda good: good[:-1] + b', "more": ' + b"[" * 101 + b"]" * 101 + b"}",
    "a form": lambda good: b"key=A&value=b&name=c&role=READ_RUN",
}

TYPES = {
    "none": "",
    "text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "a form with files": "multipart/form-data; boundary=b",
    "bytes": "application/octet-stream",
    "another JSON": "application/vnd.api+json",
    "JSON of another time": "text/json",
    "UTF-16": "application/json; charset=utf-16",
    "Latin-1": "application/json; charset=iso-8859-1",
    "no such charset": "application/json; charset=nothing",
    "control": "\x01/\x02",
    "long": "a" * 5_000,
}
GOOD_TYPES = ("application/json", "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf8"; a=b')


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    acme = world.cast.acme
    acme.let_keys_manage_members(True, by=world.cast.actor(world.cast.olivia, acme))
    return world


def name_in(good: bytes) -> bytes:
    """The name of the first field."""
    return good.split(b'"')[1]


def good_body(row: Row) -> bytes:
    return json.dumps(BODIES[row[0]]).encode()


def send(world: World, row: Row, body: bytes, content_type: str = "application/json", **environ: str) -> Any:
    client = world.machine("sADMIN")
    client.raise_request_exception = False
    return client.generic(row[1], row[2].format(**world.values()), body, content_type, **environ)


def assert_still_served(world: World, row: Row) -> None:
    with undone():
        assert send(world, row, good_body(row)).status_code == row[4]


operation = pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row[0])


@operation
def test_no_value_that_is_none_gets_in(world: World, row: Row) -> None:
    before = rows()
    for field, text in BODIES[row[0]].items():
        for what, value in VALUES.items():
            if (row[0], field, what) in ALLOWED:
                continue
            body = good_body(row).replace(json.dumps(text).encode(), value)
            assert body != good_body(row)
            message = assert_shaped(send(world, row, body), 400)
            assert len(message) < 500, what
    assert rows() == before
    assert_still_served(world, row)


@operation
def test_a_body_that_is_no_json_object_is_400(world: World, row: Row) -> None:
    before = rows()
    for what, make in WHOLE.items():
        response = send(world, row, make(good_body(row)))
        assert response.status_code == 400, what
        assert_shaped(response, 400)
    assert rows() == before
    assert_still_served(world, row)


@operation
def test_another_type_of_content_is_415(world: World, row: Row) -> None:
    before = rows()
    for what, content_type in TYPES.items():
        response = send(world, row, good_body(row), content_type)
        assert response.status_code == 415, what
        assert_shaped(response, 415)
    assert rows() == before
    for content_type in GOOD_TYPES:
        with undone():
            assert send(world, row, good_body(row), content_type).status_code == row[4]


@operation
def test_a_packed_body_is_judged_as_what_is_in_it(world: World, row: Row) -> None:
    before, packed = rows(), gzip.compress(good_body(row))
    for what, value in WHOLE.items():
        response = send(world, row, gzip.compress(value(good_body(row))), HTTP_CONTENT_ENCODING="gzip")
        assert response.status_code == 400, what
    assert_shaped(send(world, row, packed), 400)
    assert_shaped(send(world, row, packed, HTTP_CONTENT_ENCODING="deflate"), 415)
    assert_shaped(send(world, row, gzip.compress(bytes(1_100_000)), HTTP_CONTENT_ENCODING="gzip"), 413)
    assert rows() == before
    for encoding in ("gzip", "GZIP", " gzip "):
        with undone():
            assert send(world, row, packed, HTTP_CONTENT_ENCODING=encoding).status_code == row[4]


def test_a_whole_number_may_be_written_with_a_point(world: World) -> None:
    """JSON Schema, and so our own document, calls 5.0 an integer."""
    create = next(row for row in OPERATIONS if row[0] == "create_check")
    for number, expected in (("5.0", 5), ("5e0", 5), ("5", 5), ("0.0", 0), ("-0.0", 0)):
        response = send(world, create, b'{"name": "a", "frequency": %s}' % number.encode())
        assert (response.status_code, response.json()["frequency"]) == (201, expected)
        assert type(response.json()["frequency"]) is int
    for number in ("5.5", "1e300", "1440.5", "true", '"5"', "1441.0"):
        assert_shaped(send(world, create, b'{"name": "a", "frequency": %s}' % number.encode()), 400)
    for number in ("1e300", "9" * 300, "-1", "0", "1.5", str(2**63), str(-(2**63) - 1)):
        assert_shaped(send(world, create, b'{"name": "a", "groupId": %s}' % number.encode()), 400)


def test_what_is_kept_is_what_was_sent(world: World) -> None:
    """The letters of the world, long values and odd fields come back as they were, from the database as well."""
    texts = [
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\u202eabc",
        "e\u0301",
        "\u2028 in a value",
        "a\tb\r\nc",
        "\ufeff",
        "x" * 900_000,
    ]
    create = next(row for row in OPERATIONS if row[0] == "create_variable")
    for number, text in enumerate(texts):
        made = send(world, create, json.dumps({"key": f"V{number}", "value": text}).encode())
        assert (made.status_code, made.json()["value"]) == (201, text)
        assert Variable.objects.get(key=f"V{number}").value == text
    document = {"name": "a", "more": {"": [1, 1.5, -0.25, True, None, 2**60, "\U0001f469"], "a.b": {"$ne": {}}, "__proto__": 1}}
    create = next(row for row in OPERATIONS if row[0] == "create_check")
    made = send(world, create, json.dumps(document).encode())
    assert made.status_code == 201, made.content
    assert made.json()["more"] == document["more"]
    again = world.machine("sREAD_ONLY").get(f"/v1/checks/{made.json()['id']}")
    assert again.json() == made.json()


NO_BODY = [row for row in ROWS if row[0] not in BODIES]


@pytest.mark.parametrize("row", NO_BODY, ids=lambda row: row[0])
def test_a_body_where_none_is_asked_for_changes_no_answer(world: World, row: Row) -> None:
    for body in (b"[" * 100_000, b"\xff\x00", b"x" * 2_000_000, b'{"role": "ADMIN"}'):
        for content_type in ("application/json", "text/plain", "multipart/form-data", ""):
            with undone():
                assert send(world, row, body, content_type, HTTP_CONTENT_ENCODING="gzip").status_code == row[4]
