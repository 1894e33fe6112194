"""The product as it is served, over raw sockets: what it does with requests that are none, that are two, or that never end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apikeys.secret import Kind, Secret
from keyportal import worker
from tests.browser.server import DATABASE, Server

THREADS = 2
HOST = b"Host: 127.0.0.1\r\n"
# What follows on the same connection: whoever is answered twice was misled about where the first request ends.
NEXT = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, so that what holds it up is seen, with everything in its log and no limits."""
    options = {"WEB_WORKERS": "1", "WEB_THREADS": str(THREADS), "LOG_LEVEL": "DEBUG", "API_FAILURES_PER_MINUTE": "0"}
    server = Server.start(tmp_path_factory.mktemp("server"), _shared(tmp_path_factory), **options)
    yield server
    server.stop()


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"


@contextlib.contextmanager
def connected(server: Server, request: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        yield connection


def answers(server: Server, request: bytes) -> tuple[list[int], bytes]:
    """The statuses of all answers until the server closes, and all it sent. The request has to make it close."""
    received = b""
    with connected(server, request) as connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return [int(status) for status in re.findall(rb"(?:^|\n|})HTTP/1\.\d (\d+) ", received)], received


def request(*headers: bytes, line: bytes = b"GET /gateway/verify", closing: bool = True) -> bytes:
    last = (b"Connection: close",) if closing else ()
    return line + b" HTTP/1.1\r\n" + HOST + b"".join(header + b"\r\n" for header in (*headers, *last)) + b"\r\n"


def bearer(server: Server) -> bytes:
    return b"Authorization: Bearer " + server.facts["user_key"].encode()


def account(server: Server, name: bytes = b"X-Checkly-Account") -> bytes:
    return name + b": " + server.account_id.encode()


def assert_alive(server: Server) -> None:
    assert answers(server, request(line=b"GET /readyz"))[0] == [200]


# Headers


@pytest.mark.parametrize("name", [b"X_Checkly_Account", b"X-Checkly_Account", b"X_CHECKLY_ACCOUNT"])
def test_a_header_with_an_underscore_passes_for_no_other(server: Server, name: bytes) -> None:
    alias, forged = account(server, name), name + b": 00000000-0000-4000-8000-000000000000"
    assert answers(server, request(bearer(server), alias))[0] == [403]
    assert answers(server, request(bearer(server), forged, account(server)))[0] == [200]
    assert answers(server, request(bearer(server), account(server), forged))[0] == [200]


def test_a_header_that_comes_twice_counts_for_neither(server: Server) -> None:
    assert answers(server, request(bearer(server), bearer(server), account(server)))[0] == [401]
    assert answers(server, request(bearer(server), account(server), account(server)))[0] == [403]
    assert answers(server, request(HOST.strip(), bearer(server), account(server)))[0] == [400]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"X-A: " + b"a" * 8_000, 200),
        (b"X-A: " + b"a" * 9_000, 431),
        (b"X-A: " + b"a" * 64 * 1024, 431),
        (b"X-A: " + b"a" * 1024 * 1024, 431),
        (b"\r\n".join(b"X-%d: a" % number for number in range(200)), 431),
        (b"X-A: a\r\n b", 400),
        (b"X-A : a", 400),
        (b" X-A: a", 400),
        (b"X A: a", 400),
        (b"X-A", 400),
        (b": a", 400),
        (b"X-A: a\0b", 400),
        (b"X-A\0: a", 400),
        (b"X-A: a\x01b", 400),
        (b"X-A: a\x7fb", 400),
        (b"X-A: a\rX-B: b", 400),
        (b"X-A: a\nX-B: b", 400),
        (b"X-\xc3\xa9: a", 400),
        (b"X-A: \xc3\xa9", 200),
        (b"Expect: 200-ok", 417),
    ],
)
def test_a_head_out_of_form_or_measure_is_refused_and_ends_the_connection(server: Server, header: bytes, status: int) -> None:
    whole = request(bearer(server), account(server), header, closing=status == 200)
    statuses, received = answers(server, whole + (NEXT if status != 200 else b""))
    assert statuses == [status]
    assert Secret.from_header(bearer(server).decode().partition(": ")[2]).reveal().encode() not in received


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /" + b"a" * 7_000, 404),
        (b"GET /" + b"a" * 20_000, 414),
        (b"GET /" + b"a" * 200_000, 414),
        (b"GET gateway/verify", 400),
        (b"GET *", 400),
        (b"get /gateway/verify", 400),
        (b"G=T /gateway/verify", 400),
        (b"GET /gateway/verify\xe9", 400),
        (b"GET /gateway/verify\0", 400),
        (b"GET /gateway/verify HTTP/2.0\r\nX-A:", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM", 400),
        (b"GET /gateway/verify%00", 400),
        (b"GET /gateway/verify/%00", 403),
        (b"GET /gateway%2Fverify", 200),
        (b"GET /a/../gateway/verify", 404),
        (b"GET http://elsewhere.example/gateway/verify", 200),
        (b"GET http://elsewhere.example/v1/accounts/me", 200),
        (b"CONNECT /gateway/verify", 200),
        (b"CONNECT elsewhere.example:443", 404),
        (b"OPTIONS *", 404),
    ],
)
def test_a_target_names_a_path_of_ours_or_nothing(server: Server, line: bytes, status: int) -> None:
    assert answers(server, request(bearer(server), account(server), line=line))[0] == [status]


def test_a_malformed_request_s_key_does_not_reach_the_log(server: Server) -> None:
    plaintext = Secret.generate(Kind.USER).reveal()
    key = plaintext.encode()
    for malformed in (
        b"GET / HTTP/1.1\r\nAuthorization Bearer " + key + b"\r\n\r\n",
        b"GET /?k=" + key + b" " + key + b" HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthori zation: Bearer " + key + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: " + key + b"\r\n\r\n",
    ):
        assert answers(server, malformed)[0] == [400]
    assert "[scrubbed]" in server.console
    assert plaintext[16:32] not in server.console


# Bodies: where a request ends


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5, 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: +5\r\n\r\n0\r\n\r\n",
        b"Content-Length: -5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0x5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0_5\r\n\r\n0\r\n\r\n",
        b"Content-Length:\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhiXX0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\nhi\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
    ],
)
def test_a_request_whose_end_is_in_doubt_is_the_last_on_its_connection(server: Server, framing: bytes) -> None:
    head = b"POST /v1/variables HTTP/1.1\r\n" + HOST + bearer(server) + b"\r\n" + account(server) + b"\r\n"
    # The half-close ends what an endless chunk would wait for.
    with connected(server, head + framing + NEXT) as connection, contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65536):
            received += data
    assert len(re.findall(rb"HTTP/1\.\d \d+ ", received)) == 1
    assert re.match(rb"HTTP/1\.\d (400|415|501) ", received)
    assert_alive(server)


@pytest.mark.parametrize("path", [b"/gateway/verify", b"/v1/accounts/me", b"/healthz", b"/accounts/login/"])
@pytest.mark.parametrize(
    "body", [b"Content-Length: %d\r\n\r\n" % len(NEXT) + NEXT, b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"]
)
def test_a_body_that_nobody_reads_is_no_further_request(server: Server, path: bytes, body: bytes) -> None:
    last = request(line=b"GET /gateway/verify/nothing")
    statuses, _ = answers(server, b"POST " + path + b" HTTP/1.1\r\n" + HOST + body + last)
    assert len(statuses) == 2
    assert statuses[-1] == 401


def test_requests_sent_in_one_go_are_answered_one_by_one(server: Server) -> None:
    good = request(bearer(server), account(server), closing=False)
    statuses, _ = answers(server, good + request(closing=False) + NEXT + good + request(line=b"GET /nothing"))
    assert statuses == [200, 401, 200, 200, 404]


def test_what_the_loop_answers_is_what_a_thread_answers(server: Server) -> None:
    """A body, were it empty, sends a request to the threads."""
    for headers in ([bearer(server), account(server)], [bearer(server)], []):
        in_the_loop = answers(server, request(*headers))[1]
        by_a_thread = answers(server, request(*headers, b"Content-Length: 0"))[1]
        date = re.compile(rb"Date: [^\r]*")
        assert date.sub(b"", in_the_loop) == date.sub(b"", by_a_thread)


def test_an_old_proxy_s_request_is_answered_and_its_connection_closed(server: Server) -> None:
    old = b"GET /gateway/verify HTTP/1.0\r\n" + bearer(server) + b"\r\n" + account(server) + b"\r\n\r\n"
    assert answers(server, old)[0] == [200]


# Clients that stall


def test_clients_that_send_nothing_or_half_a_head_hold_up_nobody(server: Server) -> None:
    with contextlib.ExitStack() as stalled:
        for beginning in (b"", b"G", b"GET / HTTP/1.1\r\nHost: 127", NEXT[:-2]) * 3 * THREADS:
            stalled.enter_context(connected(server, beginning))
        assert_alive(server)
        slow = stalled.enter_context(connected(server))
        for byte in NEXT:
            slow.sendall(bytes([byte]))
        assert slow.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_clients_that_withhold_their_bodies_do_not_keep_gateways_waiting(server: Server) -> None:
    withheld = b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n"
    with contextlib.ExitStack() as stalled:
        clients = [stalled.enter_context(connected(server, withheld)) for _ in range(THREADS)]
        time.sleep(0.5)  # all threads are taken by now
        assert answers(server, request(bearer(server), account(server)))[0] == [200]
        with connected(server, NEXT) as waiting:
            waiting.settimeout(0.5)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            for client in clients:
                client.close()
            waiting.settimeout(10)
            assert waiting.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_clients_that_do_not_close_after_a_refusal_hold_up_nobody(server: Server) -> None:
    with contextlib.ExitStack() as lingering:
        for _ in range(20):
            client = lingering.enter_context(connected(server, b"NONSENSE\r\n\r\n"))
            assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert_alive(server)


def test_clients_that_go_away_leave_nothing_behind(server: Server) -> None:
    whole, logged = request(bearer(server), account(server), line=b"GET /v1/checks"), len(server.console)
    for cut in (1, len(whole) // 2, len(whole)):
        for _ in range(10):
            with connected(server, whole[:cut]):
                pass
    assert_alive(server)
    assert "Traceback" not in server.console[logged:]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[worker.Line, socket.socket]]:
    """A connection whose patience is short, and its other end."""
    monkeypatch.setattr(worker, "REQUEST_SECONDS", 0.3)
    ours, theirs = socket.socketpair()
    with worker.Line(fileno=ours.detach()) as line, theirs:
        yield line, theirs


def test_a_client_that_sends_a_byte_at_a_time_is_not_read_for_ever(line: tuple[worker.Line, socket.socket]) -> None:
    ours, theirs = line
    ours.setblocking(True)

    def read_on() -> None:
        while True:
            theirs.sendall(b"x")
            assert ours.recv(1) == b"x"

    with pytest.raises(ConnectionResetError):
        read_on()


def test_an_answer_that_is_not_fetched_is_given_up(line: tuple[worker.Line, socket.socket]) -> None:
    ours, _ = line
    ours.setblocking(True)
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 10_000_000)
    ours.in_the_loop = True
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 10_000_000)


def test_half_of_a_second_request_keeps_no_thread(server: Server) -> None:
    """Sent behind a whole one, by as many clients as there are threads."""
    with contextlib.ExitStack() as stack:
        for _ in range(THREADS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            client.sendall(request(line=b"GET /healthz", closing=False) + b"GET /heal")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert_alive(server)
        client.sendall(b"thz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        rest = b""
        while part := client.recv(4096):  # the first answer's body may come first
            rest += part
        assert b"HTTP/1.1 200" in rest


def test_a_head_without_end_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        with contextlib.suppress(OSError):
            client.sendall(b"GET /healthz HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 8000 + b"\r\n")
            for _ in range(9):
                client.sendall(b"X-Filler: " + b"x" * 8000 + b"\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 431")


# Processes, threads and connections


def test_a_thread_keeps_its_connection_to_the_database(server: Server) -> None:
    """And the loop and the record of use have one each: no more of them, however many ask."""
    ask = request(bearer(server), account(server), line=b"GET /v1/accounts/me")
    with ThreadPoolExecutor(8) as clients:
        assert {tuple(answers(server, asked)[0]) for asked in clients.map(lambda _: ask, range(40))} == {(200,)}
        list(clients.map(lambda _: answers(server, ask), range(40)))
    (pid,) = server.workers
    opened = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.exists()]
    assert 1 <= opened.count(str(server.folder / DATABASE)) <= THREADS + 2


def test_a_worker_that_is_killed_is_replaced(server: Server) -> None:
    (pid,) = server.workers
    os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if server.workers and pid not in server.workers:
            break
        time.sleep(0.1)
    assert_alive(server)


def test_a_server_that_is_told_to_stop_finishes_what_it_has_begun(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = Server.start(tmp_path, _shared(tmp_path_factory), WEB_WORKERS="1")
    assert server.process
    body = b'{"key": "LATE", "value": "but whole"}'
    headers = (bearer(server), account(server), b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    with server.slow_to_write():
        late = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        late.sendall(request(*headers, line=b"POST /v1/variables") + body)
        time.sleep(1)  # it waits for the write lock by now
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
    with late:
        assert late.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert server.process.wait(timeout=20) == 0


def test_what_was_sent_before_the_server_is_told_to_stop_is_answered(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also on connections that no worker has taken yet."""
    server = Server.start(tmp_path, _shared(tmp_path_factory), API_FAILURES_PER_MINUTE="0")
    try:
        with contextlib.ExitStack() as stack:
            sent = [stack.enter_context(connected(server, request(bearer(server), account(server)))) for _ in range(60)]
            assert server.process
            server.process.send_signal(signal.SIGTERM)
            statuses = [connection.recv(4096)[:12] for connection in sent]
        assert statuses == [b"HTTP/1.1 200"] * len(sent)
        server.process.wait(timeout=20)
    finally:
        server.stop()
