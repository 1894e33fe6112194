"""A mail server on loopback, which may hang: it takes connections then, and never says a word."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer


@dataclass
class Held:
    """A connection that waits for the first word. Who waits may give up, or the server lets go."""

    given_up: bool = False
    let_go: threading.Event = field(default_factory=threading.Event)


class MailServer(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.hangs = False
        self.held: list[Held] = []
        self.mails: list[EmailMessage] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def next_held(self) -> Held:
        """The connection that is held now, waited for."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if waiting := [held for held in self.held if not held.given_up and not held.let_go.is_set()]:
                return waiting[0]
            time.sleep(0.02)
        raise AssertionError(f"Nobody waits. So far there were {self.held}")


class _Conversation(StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        if self.server.hangs:
            self._hold()
        else:
            self._take_mails()

    def _hold(self) -> None:
        held = Held()
        self.server.held.append(held)
        while not held.let_go.is_set() and not held.given_up:
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            held.given_up = bool(readable) and not self.connection.recv(1)

    def _take_mails(self) -> None:
        self._say("220 mail.example.com")
        for line in self.rfile:
            verb = line.strip().upper()
            if verb == b"DATA":
                self._say("354 Go on")
                self.server.mails.append(message_from_bytes(b"".join(self._data()), policy=policy.default))
            self._say("221 Bye" if verb == b"QUIT" else "250 OK")

    def _data(self) -> Iterator[bytes]:
        for line in self.rfile:
            if line == b".\r\n":
                return
            yield line.removeprefix(b".")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
