"""Somebody who calls the gateway over one connection that stays open, and may send what no library would."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Self

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


class Caller:
    """Sends `key` and `account` with each request, where they are given."""

    def __init__(self, port: int, key: str | None, account: str | None, address: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60, source_address=(address, 0))
        self._usual = [
            *([("Authorization", f"Bearer {key}")] if key else []),
            *([("X-Checkly-Account", account)] if account else []),
        ]

    def __enter__(self) -> Self:
        self._connection.auto_open = 0  # type: ignore[assignment]  # a second connection would prove nothing about the first
        self._connection.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str, headers: Headers = ()) -> Answer:
        return self.send("GET", path, headers)

    def send(self, method: str, path: str, headers: Headers = (), body: bytes | list[bytes] = b"") -> Answer:
        """A body that is a list goes out in chunks."""
        self._begin(method, path, headers, body)
        self._finish(body)
        return self._answer()

    def send_when_told_to(self, path: str, body: bytes) -> tuple[bool, Answer]:
        """POST with `Expect: 100-continue`; whether the body was asked for, without which it is not sent."""
        self._begin("POST", path, [("Expect", "100-continue")], body)
        told = self.socket.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 100"
        if told:
            self._finish(body)
        return told, self._answer()

    def reconnect(self) -> None:
        self._connection.close()
        self._connection.connect()

    @property
    def socket(self) -> socket.socket:
        """For what is no HTTP any more."""
        return self._connection.sock

    def _begin(self, method: str, path: str, headers: Headers, body: bytes | list[bytes]) -> None:
        self._connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (*self._usual, *headers):
            self._connection.putheader(name, value)
        if isinstance(body, list):
            self._connection.putheader("Transfer-Encoding", "chunked")
        elif body:
            self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders()

    def _finish(self, body: bytes | list[bytes]) -> None:
        pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*body, b""]] if isinstance(body, list) else [body]
        try:
            for piece in pieces:
                self._connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # who refuses may hang up before all has arrived; the answer is there

    def _answer(self) -> Answer:
        answer = self._connection.getresponse()
        upgraded = answer.status == 101
        return Answer(answer.status, answer.getheaders(), b"" if upgraded else answer.read())
