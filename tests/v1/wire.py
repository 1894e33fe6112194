"""The bytes of HTTP: to the server as a client sends them, and back."""

from __future__ import annotations

import contextlib
import json
import socket
from http.client import HTTPConnection
from typing import Any

from tests.browser.server import Server


def connect(server: Server) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", server.port, timeout=30)


def send(
    connection: HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str], chunked: bool = False
) -> tuple[int, Any]:
    """Send all of it, as most clients do, and only then look for an answer: its status, and its JSON, in the contract's shape."""
    pieces = iter([body[n : n + 10_000] for n in range(0, len(body), 10_000)]) if chunked else body
    coding = {"Transfer-Encoding": "chunked"} if chunked else {}
    connection.request(method, path, pieces, headers | coding, encode_chunked=chunked)
    response = connection.getresponse()
    content = json.loads(response.read() or b"null")
    if response.status >= 400:
        assert_shaped(response.status, content)
    return response.status, content


def ask(server: Server, method: str, path: str, body: bytes, headers: dict[str, str], chunked: bool = False) -> tuple[int, Any]:
    """The same over a connection of its own."""
    connection = connect(server)
    try:
        return send(connection, method, path, body, headers, chunked)
    finally:
        connection.close()


def assert_shaped(status: int, content: Any) -> None:
    assert set(content) == {"statusCode", "error", "message"}
    assert content["statusCode"] == status
    assert content["message"].strip()


def head(method: str, path: bytes, *headers: tuple[str, bytes]) -> bytes:
    """The beginning of a request, with headers as they stand there, in their order."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), path), b"Host: 127.0.0.1"]
    return b"\r\n".join([*lines, *(b"%s: %s" % (name.encode(), value) for name, value in headers)]) + b"\r\n\r\n"


def exchange(server: Server, request: bytes) -> tuple[int, bytes]:
    """Say `request` and that nothing follows: the status that came back, and the body. Status 0 is no answer at all."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        with contextlib.suppress(OSError):  # who answers at once may not hear us out
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65_536):
            answer += more
    first, _, rest = answer.partition(b"\r\n")
    return int(first.split()[1]) if first else 0, rest.partition(b"\r\n\r\n")[2]
