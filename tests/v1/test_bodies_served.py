"""Bodies as clients really send them, to the server as it really runs: chunked, packed, far too large, cut off."""

from __future__ import annotations

import gzip
import json
import secrets
import socket
import zlib
from pathlib import Path

import pytest

from tests.browser.server import Server
from tests.v1.wire import ask, connect, exchange, head, send

JSON = {"Content-Type": "application/json"}
GZIP = JSON | {"Content-Encoding": "gzip"}
TEN_MB = b"x" * 10_000_000
KIB = 1024


def variable(value: str = "a value") -> tuple[str, bytes]:
    name = f"V{secrets.token_hex(8)}"
    return name, json.dumps({"key": name, "value": value}).encode()


FORMS = {
    "with a length": (JSON, False, bytes),
    "in chunks": (JSON, True, bytes),
    "packed": (GZIP, False, gzip.compress),
    "packed, in chunks": (GZIP, True, gzip.compress),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_body_arrives_whole(server: Server, key: dict[str, str], form: str) -> None:
    headers, chunked, pack = FORMS[form]
    name, body = variable(secrets.token_hex(50_000))
    status, made = ask(server, "POST", "/v1/variables", pack(body), key | headers, chunked)
    assert (status, made) == (201, json.loads(body) | {"locked": False, "secret": False})
    assert ask(server, "GET", f"/v1/variables/{name}", b"", key) == (200, made)


@pytest.mark.parametrize("path", ["/v1/projects/deploy?dryRun=true&scheduleOnDeploy=true", "/v1/test-sessions/run"])
def test_what_the_cli_packs_and_sends_in_chunks_is_answered_with_the_reason(
    server: Server, key: dict[str, str], path: str
) -> None:
    project = {"project": {"logicalId": "shop"}, "resources": [{"payload": secrets.token_hex(500)} for _ in range(500)]}
    connection = connect(server)
    for _ in range(3):  # over one connection: what was not read is no beginning of the next request
        status, error = send(connection, "POST", path, gzip.compress(json.dumps(project).encode()), key | GZIP, True)
        assert status == 402
        assert error["message"].endswith("KeyPortal stores checks and runs none.")
    assert send(connection, "GET", "/v1/accounts/me", b"", key, False)[0] == 200


# Whether with a key, method and path, and the answer to ten megabytes.
TOO_LARGE = [
    (True, "POST", "/v1/variables", 413),
    (True, "PUT", "/v1/variables/X", 413),
    (True, "POST", "/v1/checks/api", 413),
    (True, "POST", "/v1/check-groups", 413),
    (False, "POST", "/v1/variables", 401),
    (True, "POST", "/v1/projects/deploy", 402),
    (True, "POST", "/v1/nothing", 404),
    (True, "PUT", "/v1/variables", 405),
    (True, "GET", "/v1/accounts/me", 200),
]


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize("case", TOO_LARGE, ids=lambda case: f"{case[3]} {case[2]}")
def test_ten_megabytes_end_with_an_answer_and_not_with_a_broken_connection(
    server: Server, key: dict[str, str], case: tuple[bool, str, str, int], chunked: bool
) -> None:
    with_key, method, path, expected = case
    connection = connect(server)
    assert send(connection, method, path, TEN_MB, (key if with_key else {}) | JSON, chunked)[0] == expected
    # The next request goes over the same connection, and is understood.
    assert send(connection, "GET", "/v1/accounts/me", b"", key, False)[0] == 200


@pytest.mark.parametrize(("path", "most"), [("/v1/check-groups", 256 * KIB), ("/v1/variables", 1024 * KIB)])
@pytest.mark.parametrize("form", FORMS)
def test_the_limit_holds_for_the_unpacked_body(server: Server, key: dict[str, str], path: str, most: int, form: str) -> None:
    headers, chunked, pack = FORMS[form]
    for beyond, expected in ((0, 201), (1, 413)):
        body = json.dumps({"name": "Shop"} if "group" in path else {"key": secrets.token_hex(9), "value": "a value"}).encode()
        status, _ = ask(server, "POST", path, pack(body.ljust(most + beyond)), key | headers, chunked)
        assert status == expected


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_bomb_is_refused_before_it_goes_off(server: Server, key: dict[str, str], chunked: bool) -> None:
    """200 MB in 200 KB; before that 1 MB in 1 KB, which is no larger than what is allowed for a variable."""
    small, large = gzip.compress(bytes(1_000_000)), gzip.compress(bytes(200_000_000))
    assert len(small) < 1_100
    assert len(large) < 256 * KIB
    for path, bomb, expected in (
        ("/v1/check-groups", small, 413),
        ("/v1/variables", small, 400),
        ("/v1/check-groups", large, 413),
        ("/v1/variables", large, 413),
    ):
        before = most_memory(server)
        assert ask(server, "POST", path, bomb, key | GZIP, chunked)[0] == expected
        assert most_memory(server) - before < 20 * KIB * KIB


def most_memory(server: Server) -> int:
    """The most bytes that any worker has ever held."""
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in server.workers]
    return max(int(line.split()[1]) * KIB for status in statuses for line in status.splitlines() if line.startswith("VmHWM"))


GOOD = json.dumps({"key": "NEVER", "value": "made"}).encode()
PACKED = gzip.compress(GOOD)
BADLY_PACKED = {
    "cut off": (PACKED[:-1], "gzip", 400),
    "only a head": (PACKED[:10], "gzip", 400),
    "nothing": (b"", "gzip", 400),
    "garbage": (secrets.token_bytes(500), "gzip", 400),
    "not packed": (GOOD, "gzip", 400),
    "wrong checksum": (PACKED[:-8] + bytes(4) + PACKED[-4:], "gzip", 400),
    "packed twice": (gzip.compress(PACKED), "gzip", 400),
    "more behind it": (PACKED + b"x", "gzip", 400),
    "another behind it": (PACKED + gzip.compress(b" "), "gzip", 400),
    "packed twice, and says so": (gzip.compress(PACKED), "gzip, gzip", 415),
    "deflate": (zlib.compress(GOOD), "deflate", 415),
    "deflate that says gzip": (zlib.compress(GOOD), "gzip", 400),
    "brotli": (GOOD, "br", 415),
    "unknown": (GOOD, "xyz", 415),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize("what", BADLY_PACKED)
def test_a_badly_packed_body_is_refused(server: Server, key: dict[str, str], what: str, chunked: bool) -> None:
    body, encoding, expected = BADLY_PACKED[what]
    assert ask(server, "POST", "/v1/variables", body, key | JSON | {"Content-Encoding": encoding}, chunked)[0] == expected
    assert ask(server, "GET", "/v1/variables/NEVER", b"", key)[0] == 404


# What follows the headers of a chunked body.
BROKEN_CHUNKS = {
    "no number": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "huge": b"F" * 20 + b"\r\n",
    "no end of the piece": b"2\r\n{}0\r\n\r\n",
    "no last piece": b"2\r\n{}\r\n",
    "very long number": b"0" * 100_000 + b"2\r\n{}\r\n0\r\n\r\n",
}


def headers_of(key: dict[str, str]) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in (key | JSON).items()]


@pytest.mark.parametrize("what", BROKEN_CHUNKS)
def test_broken_chunks_disturb_nobody(server: Server, key: dict[str, str], what: str) -> None:
    begin = head("POST", b"/v1/variables", ("Transfer-Encoding", b"chunked"), *headers_of(key))
    assert exchange(server, begin + BROKEN_CHUNKS[what])[0] in (0, 400)
    assert ask(server, "GET", "/v1/accounts/me", b"", key)[0] == 200


@pytest.mark.parametrize("with_key", [False, True])
def test_a_body_that_ends_before_its_length_is_refused(server: Server, key: dict[str, str], with_key: bool) -> None:
    begin = head("POST", b"/v1/variables", ("Content-Length", b"5000"), *headers_of(key if with_key else {}))
    assert exchange(server, begin + GOOD)[0] == (400 if with_key else 401)
    assert ask(server, "GET", "/v1/variables/NEVER", b"", key)[0] == 404


def test_who_never_sends_what_was_announced_is_answered_all_the_same(server: Server, key: dict[str, str]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head("POST", b"/v1/projects/deploy", ("Content-Length", b"5000")))
        assert ask(server, "GET", "/v1/accounts/me", b"", key)[0] == 200
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_no_worker_was_lost(server: Server, key: dict[str, str]) -> None:
    """Stands last, after all that came before."""
    assert ask(server, "GET", "/v1/accounts/me", b"", key)[0] == 200
    for sign in ("Traceback", "WORKER TIMEOUT", "was sent SIG", "Exception"):
        assert sign not in server.console
