"""A deleted key is refused by every worker from then on: not a figure but a proof, which fails the run.

The keys are deleted on the page, through one of three workers. Every request that is counted was begun after the
answer to that.
"""

from __future__ import annotations

import http.client
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from tests.benchmarks.contenders import BY_NAME, ME, VERIFY
from tests.benchmarks.databases import Setup
from tests.benchmarks.process import Wrong
from tests.benchmarks.seed import Asked
from tests.benchmarks.server import served
from tests.benchmarks.table import say

KEPT = 24  # connections, opened and used before the deletion
REQUESTS = 500  # for each key, half of them over the kept connections
ENDPOINTS = (BY_NAME[VERIFY], BY_NAME[ME])


def measure(setup: Setup) -> None:
    number = 4 if setup.short else 20
    # The last ones: no other part asks for them again.
    keys = [setup.asked.pop() for _ in range(number)]
    with served(setup.folder, 3) as server, ThreadPoolExecutor(8) as threads:
        if len(server.processes) < 4:
            raise RuntimeError("The server was to have three workers.")
        allowed = sum(_allowed_after_deletion(server.port, key, threads) for key in keys)
    say("revocation", f"requests allowed of {number * REQUESTS:,} begun after the deletion", allowed, "", ("≤", 0))
    if allowed:
        raise Wrong(f"{allowed} requests with deleted keys were allowed.")


def _allowed_after_deletion(port: int, key: Asked, threads: ThreadPoolExecutor) -> int:
    delete = _deletion(port, key)
    kept = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(KEPT)]
    before = [_status(connection, key, number) for number, connection in enumerate(kept)]
    if set(before) != {200}:
        raise Wrong(f"Before its deletion a key was answered {set(before)}.")
    delete()
    each = REQUESTS // 2 // KEPT
    over_kept = threads.map(lambda connection: [_status(connection, key, number) for number in range(each)], kept)
    rest = REQUESTS - each * KEPT
    over_fresh = threads.map(lambda number: _status_on_fresh(port, key, number), range(rest))
    statuses = [*(status for some in over_kept for status in some), *over_fresh]
    for connection in kept:
        connection.close()
    others = set(statuses) - {200, 401}
    if others or len(statuses) != REQUESTS:
        raise Wrong(f"{len(statuses)} requests with a deleted key were answered {others or 'in part'}.")
    return statuses.count(200)


def _status(connection: http.client.HTTPConnection, key: Asked, number: int) -> int:
    endpoint = ENDPOINTS[number % 2]
    connection.request("GET", endpoint.path, headers=endpoint.headers(key))
    response = connection.getresponse()
    response.read()
    return response.status


def _status_on_fresh(port: int, key: Asked, number: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return _status(connection, key, number)
    finally:
        connection.close()


def _deletion(port: int, key: Asked) -> Callable[[], None]:
    """What presses "Delete" on the key's page, in a browser that its owner has just signed in with."""
    from accounts.models import User
    from apikeys.models import ApiKey
    from tests.sessions import browser_of

    user = User.objects.get(email=key["email"])
    name = ApiKey.objects.get(public_id=key["public_id"]).name
    token = secrets.token_hex(16)
    session = browser_of(user).cookies[settings.SESSION_COOKIE_NAME].value
    form = urlencode({"csrfmiddlewaretoken": token, "confirm_name": name})
    headers = {
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={token}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    path = reverse("user_key_delete", args=[key["public_id"]])

    def delete() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", path, form, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status != 303 or response.headers["Location"] != reverse("user_keys"):
            raise Wrong(f"The deletion was answered {response.status} {response.headers['Location']}.")

    return delete
