"""On connections that are warm in every worker: who loses a right is refused on the very next request, and from then on.

PROOF_PAIRS says how often a right is taken and given back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from accounts.access import operator_at_shell, person
from accounts.models import Account, Membership
from keyportal.policy import Role
from tests import factories
from tests.browser.calls import Connection
from tests.browser.server import Server
from tests.proof.serving import served

PAIRS = int(os.environ.get("PROOF_PAIRS", "1000"))
CREATE = ("POST", "/v1/variables", '{"key": "REGION", "value": "eu-west-1"}')
READ, WRITE = ("GET", "/v1/checks"), ("PUT", "/v1/variables/REGION", '{"value": "eu-central-1"}')
WORKERS = 2


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    """With limits that count and are never reached."""
    limits = {"API_REQUESTS_PER_MINUTE": "1000000", "API_FAILURES_PER_MINUTE": "1000000"}
    with served(tmp_path, WEB_WORKERS=str(WORKERS), **limits) as server:
        yield server


@pytest.fixture
def warm(server: Server) -> Iterator[list[Connection]]:
    """One connection for each worker, known by the process that holds its other end."""
    held: dict[int, Connection] = {}
    deadline = time.monotonic() + 60  # the second worker may still be starting
    with ExitStack() as stack:
        while len(held) < WORKERS:
            assert time.monotonic() < deadline, f"of the workers {server.workers} only {list(held)} took connections"
            made = stack.enter_context(closing(Connection(server)))
            made.status("nobody's key")  # answered, so that a worker has it
            held.setdefault(worker_of(made, server), made)
        yield list(held.values())


def worker_of(made: Connection, server: Server) -> int:
    """The worker that holds the server's end of a connection, as the system tells it."""
    ends = f"0100007F:{server.port:04X} 0100007F:{made.port():04X}"
    (inode,) = (line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if ends in line)
    (holder,) = (pid for pid in server.workers if f"socket:[{inode}]" in open_files(pid))
    return holder


def open_files(pid: int) -> Iterator[str]:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(file)


@dataclass
class Change:
    """What ends a right, what gives it back, the call that it is about, and how that is answered in between."""

    name: str
    do: Callable[[], Any]
    undo: Callable[[], Any]
    call: tuple[str, ...]
    refused: int


def changes(cast: factories.Cast) -> list[Change]:
    acme, wendy, oscar = cast.acme, cast.wendy, operator_at_shell()

    def olivia() -> Any:
        return acme.present(person(cast.olivia))

    def membership() -> Membership:
        return Membership.objects.get(account=acme, user=wendy)

    def fresh() -> Account:
        return Account.objects.get(pk=acme.pk)

    return [
        Change(
            "removed",
            lambda: membership().remove(by=olivia()),
            lambda: fresh().add_member(wendy, Role.READ_WRITE, by=oscar),
            READ,
            403,
        ),
        Change(
            "demoted",
            lambda: membership().change_role(Role.READ_RUN, by=olivia()),
            lambda: membership().change_role(Role.READ_WRITE, by=olivia()),
            WRITE,
            403,
        ),
        Change(
            "deactivated",
            lambda: wendy.deactivate(by=oscar, reason="left"),
            lambda: wendy.reactivate(by=oscar, reason="back"),
            READ,
            401,
        ),
        Change(
            "suspended",
            lambda: fresh().suspend(by=oscar, reason="breach"),
            lambda: fresh().resume(by=oscar, reason="mended"),
            READ,
            403,
        ),
    ]


def test_a_right_that_ended_is_refused_by_every_worker_at_once_and_from_then_on(server: Server, warm: list[Connection]) -> None:
    cast = factories.make_cast()
    _, key = factories.user_key(cast.wendy)

    def answers(call: tuple[str, ...]) -> list[int]:
        """One call on each connection, all of them sent before any answer is read."""
        for made in warm:
            made.ask(key, str(cast.acme.pk), *call)
        return [made.answer() for made in warm]

    warm[0].ask(key, str(cast.acme.pk), *CREATE)
    assert warm[0].answer() == 201
    for number, change in enumerate(islice(cycle(changes(cast)), PAIRS)):
        said = f"pair {number}: {change.name}"
        assert answers(change.call) == [200] * WORKERS, f"{said}, before"
        change.do()
        assert answers(change.call) == [change.refused] * WORKERS, f"{said}, the very next request"
        assert answers(change.call) == [change.refused] * WORKERS, f"{said}, the one after"
        change.undo()
    assert answers(WRITE) == [200] * WORKERS
