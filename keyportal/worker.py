"""gunicorn's worker with threads, made to wait for nobody without end, and quick where gateways ask.

A thread is busy with one request at a time, and a client that sends half of one would keep it for ever. So heads are
read in the worker's loop, which waits for thousands at once, and a thread's own reading and writing end in time.

Where all that it needs are files of this machine and a cheap hash, the gateways' question is answered in the loop itself:
handing it to a thread and back costs more than the answer. All else is for the threads, which wait side by side: for
PostgreSQL and Redis, which may be far away or hang, and for whatever else takes its time.
"""

from __future__ import annotations

import errno
import re
import socket
import time
from collections import deque
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

# How long a head may take to arrive, and then the rest of its request; and how long an answer may take to be fetched.
HEAD_SECONDS = 20
REQUEST_SECONDS = 30
# How long a connection that is closed on our side waits for the client to close its own, lest the answer be cut off.
LINGER_SECONDS = 2
# For how long a worker that has connections leaves the next one to the others, lest the first to wake take them all.
LEAVE_SECONDS = 0.0003
# How long a worker leaves new connections alone that the system has no room for.
FULL_SECONDS = 0.05
# Up to so many KiB, times passes, a key's hash takes less time than a thread takes to be given the request.
CHEAP_HASH_KIB = 64
# The longest head, all lines together.
_CHUNK = 64 * 1024
_TOO_LONG = b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_HAS_BODY = (b"\ncontent-length", b"\ntransfer-encoding", b"\nexpect")


class QuietLogger(Logger):
    """Writes no access log, nor gathers what would stand in one, as a configured logger does for each request."""

    def access(self, *args: Any) -> None:
        """A reverse proxy keeps one."""


class Line(socket.socket):
    """A client's connection. When it blocks, then until a moment that is set when it begins to."""

    _ends = 0.0
    in_the_loop = False

    def setblocking(self, flag: bool) -> None:
        self._ends = time.monotonic() + REQUEST_SECONDS
        self.settimeout(REQUEST_SECONDS if flag else 0)

    def recv(self, *args: Any) -> bytes:
        try:
            if patience := self.gettimeout():
                left = self._ends - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self.settimeout(min(patience, left))
            return super().recv(*args)
        except TimeoutError:
            # As gunicorn hears of a client that went away, which is no error of ours.
            raise ConnectionResetError(errno.ECONNRESET, "The client took too long to send its request.") from None

    def sendall(self, data: Any, *args: Any) -> None:
        if not self.in_the_loop:
            try:
                super().sendall(data, *args)
            except TimeoutError:
                raise BrokenPipeError(errno.EPIPE, "The client does not fetch its answers.") from None
            return
        self.settimeout(0)
        try:
            sent = self.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            raise BrokenPipeError(errno.EPIPE, "The client does not fetch its answers.")


class Connection(TConn):
    """A connection whose graceful close does not hold up the loop, as gunicorn's own does for two seconds."""

    def __init__(self, worker: Worker, line: Line, address: Any, listener: socket.socket) -> None:
        super().__init__(worker.cfg, line, address, listener.getsockname())
        self.worker = worker

    def close(self, graceful: bool = False) -> None:
        if not (graceful and self.worker.linger(self)):
            super().close()


class Worker(ThreadWorker):
    """What `worker_class` names in keyportal/gunicorn.py."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lingering: deque[Connection] = deque()

    def run(self) -> None:
        from apikeys.gateway_path import PATH  # models can be imported from here on

        asks = rb"(?:GET|HEAD) %s[/? ]" % re.escape(PATH.encode()) if _answers_wait_for_nothing() else rb"(?!)"
        self._answered_now = re.compile(asks)
        super().run()

    def set_accept_enabled(self, enabled: bool) -> None:
        """When it stops, it takes what has been sent to it already, which would be lost with the listener."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.setblocking(False)
                while self._accepted(listener):
                    pass

    def accept(self, listener: socket.socket) -> None:
        if self._accepted(listener) and self.nr_conns > 1 and self.cfg.workers > 1:
            time.sleep(LEAVE_SECONDS)

    def _accepted(self, listener: socket.socket) -> bool:
        """Whether a connection was there to take."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED):  # another worker took it, or the client is gone
                return False
            if error.errno in (errno.EMFILE, errno.ENFILE):  # whoever is connected is served on; the others wait
                time.sleep(FULL_SECONDS)
                return False
            raise
        self.nr_conns += 1
        line = Line(fileno=client.detach())
        connection = Connection(self, line, address, listener)
        connection.init()
        connection.data_ready = True
        line.setblocking(False)
        self.poller.register(line, EVENT_READ, None)
        self._await_head(connection)
        return True

    def on_client_socket_readable(self, connection: Connection, line: Line) -> None:
        self._read_head(connection, self.keepalived_conns)

    def on_pending_socket_readable(self, connection: Connection, line: Line) -> None:
        self._read_head(connection, self.pending_conns)

    def enqueue_req(self, connection: Connection) -> None:
        """Give a thread what is whole. Of a request sent behind another only a part may have come: the loop waits for the rest."""
        head = connection.parser.unreader.buf.getvalue()
        if _is_whole(head):
            super().enqueue_req(connection)
            return
        connection.sock.setblocking(False)
        self.poller.register(connection.sock, EVENT_READ, None)
        self._await_head(connection)

    def _await_head(self, connection: Connection) -> None:
        connection.timeout = time.monotonic() + HEAD_SECONDS
        self.pending_conns.append(connection)
        self.poller.modify(connection.sock, EVENT_READ, partial(self.on_pending_socket_readable, connection))

    def _read_head(self, connection: Connection, waiting: deque[Connection]) -> None:
        """Take what has come, and have the request handled when its head is whole."""
        try:
            data = connection.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer = connection.parser.unreader.buf
        buffer.seek(0, 2)
        buffer.write(data)
        head = buffer.getvalue()
        if data and not _is_whole(head) and len(head) < _CHUNK:
            if waiting is self.keepalived_conns:
                waiting.remove(connection)
                self._await_head(connection)
            return
        if data and not _is_whole(head):
            connection.sock.send(_TOO_LONG % (b"431 Header Fields Too Large" if b"\n" in head else b"414 URI Too Long"))
            data = b""
        if self._answered_now.match(head) and _is_all(head):
            self._answer_now(connection, waiting)
            return
        waiting.remove(connection)
        self.poller.unregister(connection.sock)
        if data:
            self.enqueue_req(connection)
        else:
            self.nr_conns -= 1
            connection.close()

    def _answer_now(self, connection: Connection, waiting: deque[Connection]) -> None:
        waiting.remove(connection)
        connection.sock.in_the_loop = True
        kept = self.handle(connection)
        connection.sock.in_the_loop = False
        if kept and waiting is self.keepalived_conns:
            connection.sock.setblocking(False)
            connection.set_timeout()
            waiting.append(connection)
        else:
            self.poller.unregister(connection.sock)
            self.finish_request(connection, _Done(kept))

    def linger(self, connection: Connection) -> bool:
        """Tell the client that nothing more comes, and close when it has closed as well, or after a while."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
            connection.sock.setblocking(False)
            self.poller.register(connection.sock, EVENT_READ, partial(self._until_closed, connection))
        except (OSError, ValueError):
            return False
        self.nr_conns += 1
        connection.timeout = time.monotonic() + LINGER_SECONDS
        self.lingering.append(connection)
        return True

    def _until_closed(self, connection: Connection, line: Line) -> None:
        try:
            if line.recv(_CHUNK):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.lingering.remove(connection)
        self._end(connection)

    def murder_pending(self) -> None:
        super().murder_pending()
        now = time.monotonic()
        while self.lingering and self.lingering[0].timeout <= now:
            self._end(self.lingering.popleft())

    def _cap_keepalive(self, deadline: float) -> None:
        """Called when the worker stops: what has not begun a request by then is closed."""
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def _end(self, connection: Connection) -> None:
        self.poller.unregister(connection.sock)
        self.nr_conns -= 1
        connection.close()


class _Done:
    """What `finish_request` takes: a future whose result is there."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def cancelled(self) -> bool:
        return False

    def result(self) -> Any:
        return self._result


def _answers_wait_for_nothing() -> bool:
    """Whether the gateways' question is answered without another machine, and with a hash that takes microseconds."""
    from django.conf import settings
    from django.db import connection

    from keyportal import limits

    is_cheap = settings.KEY_HASH_MEMORY_KIB * settings.KEY_HASH_TIME <= CHEAP_HASH_KIB
    return connection.vendor == "sqlite" and not limits.counts_in_redis() and is_cheap


def _is_whole(head: bytes) -> bool:
    """Whether the empty line has come. Ends of lines that are none go to the parser, which refuses them."""
    return b"\n\r\n" in head or b"\n\n" in head


def _is_all(head: bytes) -> bool:
    """Whether nothing comes after the head: no body, and no further request."""
    lower = head.lower()
    return head.find(b"\r\n\r\n") == len(head) - 4 and not any(name in lower for name in _HAS_BODY)
