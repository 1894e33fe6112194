"""Odd headers and addresses, byte by byte to the real server: each is answered in the contract's shape, and nobody is lost."""

from __future__ import annotations

import json

import pytest

from tests.browser.server import Server
from tests.v1.wire import ask, assert_shaped, exchange, head

ME = b"/v1/accounts/me"


def answer(server: Server, path: bytes, *headers: tuple[str, bytes], method: str = "GET") -> int:
    """The status, after a look at the shape; and the next request is served at once."""
    status, body = exchange(server, head(method, path, ("Connection", b"close"), *headers))
    if status >= 400:
        assert_shaped(status, json.loads(body))
    assert ask(server, "GET", "/v1/locations", b"", {})[0] == 200
    return status


@pytest.fixture
def bearer(key: dict[str, str]) -> bytes:
    return key["Authorization"].encode()


@pytest.fixture
def account(key: dict[str, str]) -> bytes:
    return key["X-Checkly-Account"].encode()


def test_the_good_request_that_the_odd_ones_are_made_of(server: Server, bearer: bytes, account: bytes) -> None:
    assert answer(server, ME, ("Authorization", bearer), ("X-Checkly-Account", account)) == 200


AUTHORIZATION = {
    "twice the same": lambda good: [good, good],
    "twice, the good one first": lambda good: [good, b"Bearer x"],
    "twice, the good one last": lambda good: [b"Bearer x", good],
    "a comma behind": lambda good: [good + b","],
    "two with a comma": lambda good: [good + b", " + good],
    "ten characters too many": lambda good: [good + b"x" * 10],
    "nearly all that fits": lambda good: [good + b"x" * 8_000],
    "not ASCII": lambda good: [b"Bearer \xff\xfe\xc3\xa9"],
    "digits of another script": lambda good: [good[:-1] + "٣".encode()],
    "tabs": lambda good: [good.replace(b" ", b"\t")],
    "tab inside": lambda good: [good + b"\tx"],
    "nothing": lambda good: [b""],
    "no key": lambda good: [b"Bearer "],
    "no scheme": lambda good: [good.removeprefix(b"Bearer ")],
    "another scheme": lambda good: [good.replace(b"Bearer", b"Basic")],
    "twice the scheme": lambda good: [b"Bearer " + good],
    "quoted": lambda good: [good.replace(b"Bearer ", b'Bearer "') + b'"'],
}


@pytest.mark.parametrize("what", AUTHORIZATION)
def test_an_odd_key_is_401(server: Server, bearer: bytes, account: bytes, what: str) -> None:
    odd = [("Authorization", value) for value in AUTHORIZATION[what](bearer)]
    assert answer(server, ME, *odd, ("X-Checkly-Account", account)) == 401


@pytest.mark.parametrize("good", [b"bearer %s", b"BEARER %s", b"Bearer   %s  "], ids=["lower", "upper", "spaces"])
def test_the_scheme_may_be_written_in_any_case(server: Server, bearer: bytes, account: bytes, good: bytes) -> None:
    value = good % bearer.removeprefix(b"Bearer ")
    assert answer(server, ME, ("authorization", value), ("x-checkly-account", account)) == 200


ACCOUNT = {
    "malformed": lambda good: [b"acme"],
    "nothing": lambda good: [b""],
    "twice": lambda good: [good, good],
    "twice with a comma": lambda good: [good + b"," + good],
    "in braces": lambda good: [b"{" + good + b"}"],
    "a URN": lambda good: [b"urn:uuid:" + good],
    "without hyphens": lambda good: [good.replace(b"-", b"")],
    "other hyphens": lambda good: [good.replace(b"-", "‐".encode())],
    "one letter more": lambda good: [good + b"0"],
    "one letter less": lambda good: [good[:-1]],
    "digits of another script": lambda good: ["٠".encode() * 36],
    "not UTF-8": lambda good: [b"\xff" * 36],
    "long": lambda good: [good * 200],
    "digits": lambda good: [b"9" * 8_000],
}


@pytest.mark.parametrize("what", ACCOUNT)
def test_an_odd_account_is_none(server: Server, bearer: bytes, account: bytes, what: str) -> None:
    odd = [("X-Checkly-Account", value) for value in ACCOUNT[what](account)]
    assert answer(server, ME, ("Authorization", bearer), *odd) == 403


def test_an_account_may_be_written_in_capitals(server: Server, bearer: bytes, account: bytes) -> None:
    assert answer(server, ME, ("Authorization", bearer), ("X-Checkly-Account", account.upper())) == 200


@pytest.mark.parametrize("name", ["X_Checkly_Account", "X-Checkly_Account", "X-Checkly-Account-Id"])
def test_a_header_that_is_spelled_otherwise_names_no_account(server: Server, bearer: bytes, account: bytes, name: str) -> None:
    assert answer(server, ME, ("Authorization", bearer), (name, account)) == 400


# With a good key: the address, and the answer.
PATHS = [
    (b"/v1/variables/a%2Fb", 404),
    (b"/v1/variables/a%252Fb", 404),
    (b"/v1/variables/%2F", 404),
    (b"/v1/variables/.", 404),
    (b"/v1/variables/..", 404),
    (b"/v1/variables/%2e%2e", 404),
    (b"/v1/variables/...", 404),
    (b"/v1/variables/../accounts/me", 404),
    (b"/v1/variables/%2e%2e/accounts/me", 404),
    (b"/v1/./accounts/me", 404),
    (b"/v1//accounts/me", 404),
    (b"/v1/accounts/me/", 404),
    (b"/v1/accounts/me%2F", 404),
    (b"/v1/accounts/me;a=b", 403),
    (b"/v1/accounts/ME", 403),
    (b"/v1/variables/", 404),
    (b"/v1/variables/a/", 404),
    (b"/v1/variables/" + b"a" * 2_000, 404),
    (b"/v1/variables/" + b"%F0%9F%92%A9" * 255, 404),
    (b"/v1/variables/a.b.c", 404),
    (b"/v1/variables/a%0d%0aSet-Cookie:%20a=b", 404),
    (b"/v1/variables/%00", 400),
    (b"/v1/variables/a%00b", 400),
    (b"/v1/variables/%ff%fe", 404),
    (b"/v1/variables/%ED%A0%80", 404),
    (b"/v1/variables/%", 404),
    (b"/v1/variables/%zz", 404),
    (b"/v1/variables/%u0041", 404),
    (b"/v1/variables/%C0%AE%C0%AE", 404),
    (b"/v1/checks/%7B00000000-0000-0000-0000-000000000000%7D", 404),
    (b"/v1/check-groups/" + b"9" * 2_000, 404),
    (b"/v1/check-groups/-1", 404),
    (b"/v1/check-groups/1.0", 404),
    (b"/v1/check-groups/%D9%A1", 404),
    (b"/v1/checks?limit=%D9%A1%D9%A0&page=%00", 400),
    (b"/v1/checks?" + b"&".join([b"tag=a"] * 100), 200),
    (b"/v1/checks?" + b"&".join([b"tag=a"] * 101), 400),
    (b"/v1/check-groups?" + b"&".join([b"tag="] * 1_600), 400),
    (b"/v1/checks?search=" + b"%25" * 2_600, 200),
    (b"http://other.example.com/v1/accounts/me", 200),
]


@pytest.mark.parametrize(("path", "expected"), PATHS, ids=lambda part: str(part)[:40])
def test_odd_addresses(server: Server, bearer: bytes, account: bytes, path: bytes, expected: int) -> None:
    assert answer(server, path, ("Authorization", bearer), ("X-Checkly-Account", account)) == expected


NAMES = [
    "...",
    "a.b",
    ".env",
    "a b",
    "%2F",
    "%00",
    "a%b",
    "?",
    "#",
    "&=",
    "é",
    "\U0001f4a9",
    "x" * 255,
    "\U0001f4a9" * 255,
    "me",
    "'\"<>",
    "\\",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_variable_is_found_under_every_name_that_it_may_have(server: Server, key: dict[str, str], name: str) -> None:
    address = "/v1/variables/" + "".join(f"%{byte:02X}" for byte in name.encode())
    json_key = key | {"Content-Type": "application/json"}
    status, made = ask(server, "POST", "/v1/variables", json.dumps({"key": name, "value": "1"}).encode(), json_key)
    assert (status, made["key"]) == (201, name)
    assert ask(server, "PUT", address, b'{"value": "2"}', json_key)[0] == 200
    assert ask(server, "GET", address, b"", key) == (200, made | {"value": "2"})
    assert ask(server, "DELETE", address, b"", key)[0] == 204
    assert ask(server, "GET", address, b"", key)[0] == 404


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/b", "x" * 256, "\n", "a\tb", "\x7f", "\u2028", "\x85"], ids=ascii)
def test_a_name_that_no_address_holds_is_400(server: Server, key: dict[str, str], name: str) -> None:
    body = json.dumps({"key": name, "value": "1"}).encode()
    assert ask(server, "POST", "/v1/variables", body, key | {"Content-Type": "application/json"})[0] == 400


# Refused by the server before they reach us, in its own words: what is no HTTP, or too long for it.
NOT_OURS = {
    "a header of more than 8 KB": (head("GET", ME, ("Authorization", b"Bearer " + b"x" * 10_240)), 431),
    "two hundred headers": (head("GET", ME, *[("A", b"b")] * 200), 431),
    "an address of more than 8 KB": (head("GET", b"/v1/locations?a=" + b"b" * 8_200), 414),
    "NUL in a header": (head("GET", ME, ("Authorization", b"Bearer a\x00b")), 400),
    "a folded header": (head("GET", ME, ("Authorization", b"Bearer\r\n a")), 400),
    "two lengths": (head("GET", ME, ("Content-Length", b"0"), ("Content-Length", b"1")), 400),
    "a negative length": (head("GET", ME, ("Content-Length", b"-1")), 400),
    "a length of 5,000 digits": (head("GET", ME, ("Content-Length", b"9" * 5_000)), 400),
    "a length and chunks": (head("POST", ME, ("Content-Length", b"3"), ("Transfer-Encoding", b"chunked")) + b"0\r\n\r\n", 400),
    "an address that is not ASCII": (head("GET", "/v1/variables/é".encode()), 400),
    "a method in small letters": (head("get", ME), 400),
}


@pytest.mark.parametrize("what", NOT_OURS)
def test_what_is_no_http_is_refused_by_the_server(server: Server, what: str) -> None:
    request, expected = NOT_OURS[what]
    assert exchange(server, request)[0] == expected
    assert ask(server, "GET", "/v1/locations", b"", {})[0] == 200
