"""Many requests sent whole before any answer is read, on kept and on fresh connections: what a stop must not lose."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.load import Answer, Asker, Pending

EACH = 3  # requests of every asker, on kept and on fresh connections each


@contextmanager
def in_flight(port: int, asked_by: list[Asker]) -> Iterator[list[Answer]]:
    """Inside, all is sent; afterwards the list has the answers."""
    kept = [(http.client.HTTPConnection("127.0.0.1", port, timeout=45), asker) for asker in asked_by for _ in range(EACH)]
    fresh = [(http.client.HTTPConnection("127.0.0.1", port, timeout=45), asker) for asker in asked_by for _ in range(EACH)]
    for connection, asker in kept:
        Pending(connection, asker).answer()
    pending = [Pending(connection, asker) for connection, asker in [*kept, *fresh]]
    answers: list[Answer] = []
    yield answers
    answers += [one.answer()[0] for one in pending]
    for connection, _ in [*kept, *fresh]:
        connection.close()
