"""What stands behind the gateways here: an application that remembers what has reached it, and a KeyPortal in trouble."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "Get", "GETX")


@dataclass(frozen=True)
class Received:
    """One request, as it was on the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of every header that somebody could take for `name`, as CGI and its heirs spell them."""
        return [value for known, value in self.headers if _folded(known) == _folded(name)]


def _folded(name: str) -> str:
    return name.upper().replace("-", "_")


class Application:
    """Answers 200 to everything, and echoes one message where it is asked for a WebSocket."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                # Not self.path: it has lost the second slash of two.
                target = self.raw_requestline.split()[1].decode("latin-1")
                received.append(Received(self.command, target, list(self.headers.raw_items()), self._body()))  # type: ignore[attr-defined]
                if self.headers.get("Upgrade", "").lower() == "websocket":
                    self._echo()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "11")
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else b"application")

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                whole = b""
                while size := int(self.rfile.readline(), 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return whole

            def _echo(self) -> None:
                self.close_connection = True
                self.wfile.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                )
                self.wfile.write(self.connection.recv(100))

            def log_message(self, *_: Any) -> None:
                pass

        for method in METHODS:
            setattr(Handler, f"do_{method}", Handler.answer)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_port


@contextmanager
def serving() -> Iterator[Application]:
    application = Application()
    thread = threading.Thread(target=application.server.serve_forever, daemon=True)
    thread.start()
    yield application
    application.server.shutdown()
    application.server.server_close()


def with_status(status: int, header: str = "Content-Type: text/plain") -> bytes:
    return f"HTTP/1.1 {status} Told\r\n{header}\r\nContent-Length: 0\r\n\r\n".encode()


class Trouble:
    """In place of KeyPortal: keeps what it was asked, and answers with the bytes in `answer`; where that is empty, not at all."""

    def __init__(self) -> None:
        self.answer = with_status(401)
        self.asked: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def opened(self) -> int:
        """How many connections there have been."""
        return len(self._open)

    def stop(self) -> None:
        """From now on connections are refused."""
        with suppress(OSError):  # stopped before
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            heard = b""
            while piece := connection.recv(65536):
                heard += piece
                while b"\r\n\r\n" in heard:
                    question, _, heard = heard.partition(b"\r\n\r\n")
                    self.asked.append(question)
                    connection.sendall(self.answer)
