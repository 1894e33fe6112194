"""Machines that call the API with one key, one after the other or all at once, and where documents are found."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test import Client

from accounts.models import Account, User
from keyportal.policy import GRANTABLE_ROLES, Role
from tests import factories


class Machine(Client):
    """A client that sends `key` with every call, and `account` where one is given. Answers 500 come back as such."""

    def __init__(self, key: str, account: Account | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} | ({"X-Checkly-Account": str(account.pk)} if account else {})
        super().__init__(headers=headers, raise_request_exception=False)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return self.generic(method, path, b"" if body is None else json.dumps(body), "application/json")


def of_service(account: Account, role: Role = Role.READ_WRITE) -> Machine:
    return Machine(factories.service_key(account, role)[1])


def of_person(user: User, account: Account) -> Machine:
    return Machine(factories.user_key(user)[1], account)


def everybody_in_acme(cast: factories.Cast) -> dict[Role, list[Machine]]:
    """By role, a key of the person and a service key; an owner has no service key of that role."""
    return {
        role: [of_person(cast.member(role), cast.acme), *([of_service(cast.acme, role)] if role in GRANTABLE_ROLES else [])]
        for role in Role
    }


@dataclass(frozen=True)
class Kind:
    """One kind of document: where it is listed and made, and where one is read and changed."""

    name: str
    all: str
    made: str
    read: str
    changed: str


KINDS = (
    Kind("check", "/v1/checks", "/v1/checks/api", "/v1/checks/{id}", "/v1/checks/api/{id}"),
    Kind("group", "/v1/check-groups", "/v1/check-groups", "/v1/check-groups/{id}", "/v1/check-groups/{id}"),
    Kind("group v2", "/v1/check-groups", "/v1/check-groups", "/v1/check-groups/{id}", "/v2/check-groups/{id}"),
)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls answer that start together, each in a thread with a connection of its own."""
    barrier = threading.Barrier(len(calls), timeout=10)
    answers: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait()
            answers[number] = call()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert None not in answers, "somebody waits for ever, or broke"
    return answers


def until_somebody_waits(*, or_done: Future[Any] | None = None) -> None:
    """Returns when another connection to this PostgreSQL database waits for a lock, or did not have to."""
    for _ in range(500):
        if or_done and or_done.done():
            return
        with connection.cursor() as cursor:
            # What a transaction has seen of the others' activity stays as it was, unless it is dropped.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")
