"""Two servers over one PostgreSQL and one Redis, as on two hosts behind a balancer: what one does holds at the other at once."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography.fernet import Fernet
from django.db import connection
from django.db.models import Sum

from apikeys.usage import Usage
from keyportal.policy import Role
from tests import factories
from tests.browser.calls import Connection
from tests.browser.server import Server
from tests.proof.serving import reachable
from tests.proof.visitor import Visitor, may_sign_in

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

A_MINUTE, FAILURES = 50, 20
NEW = "/settings/user/api-keys/new"

Pair = tuple[Server, Server]


@pytest.fixture(scope="module")
def served(django_db_setup: None, django_db_blocker: Any, redis_url: str, tmp_path_factory: Any) -> Iterator[Pair]:
    """They share what docs/scaling.md says that hosts share, and nothing else: not even a folder."""
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: set DATABASE_URL=postgres://…")
    shared = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "CACHE_URL": redis_url,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "API_REQUESTS_PER_MINUTE": str(A_MINUTE),
        "API_FAILURES_PER_MINUTE": str(FAILURES),
    }
    with ExitStack() as stack, django_db_blocker.unblock(), reachable(Path()) as url:
        servers = [Server.over(url, tmp_path_factory.mktemp(name), **shared) for name in ("one", "two")]
        for server in servers:
            stack.callback(server.stop)
        yield servers[0], servers[1]


@pytest.fixture
def pair(served: Pair, redis_url: str) -> Pair:
    """Before anything was counted."""
    redis.Redis.from_url(redis_url).flushall()
    return served


def asked(server: Server, key: str, path: str = "/gateway/verify") -> tuple[int, str]:
    """Status and body, over a connection made for it."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as made:
        made.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = made.getresponse()
        return answer.status, answer.read().decode()


def test_a_key_made_through_one_works_at_the_other_and_is_refused_there_once_it_is_deleted(pair: Pair) -> None:
    cast = factories.make_cast()
    one, two = pair
    wendy = Visitor(one)
    wendy.sign_in(cast.wendy)
    for _ in range(5):
        page = wendy.submit(NEW, name="Laptop CLI", expires="never", nonce=secrets.token_urlsafe(16))
        (key,) = set(re.findall(r"cu_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", page))
        with closing(Connection(two)) as warm:
            assert [warm.status(key, str(cast.acme.pk)) for _ in range(3)] == [200] * 3
            public_id = key.rpartition("_")[0]
            assert wendy.post(f"/settings/user/api-keys/{public_id}/delete", confirm="on") == 303
            assert [warm.status(key, str(cast.acme.pk)) for _ in range(3)] == [401] * 3


def test_a_session_of_one_is_a_session_of_the_other_until_it_is_signed_out(pair: Pair) -> None:
    cast = factories.make_cast()
    one, two = pair
    wendy = Visitor(one)
    wendy.sign_in(cast.wendy)
    elsewhere = wendy.at(two)
    assert elsewhere.get("/settings/user/api-keys")[0] == 200
    assert wendy.post("/accounts/logout/") == 302
    assert elsewhere.get("/settings/user/api-keys")[0] == 302


def test_the_limit_of_a_key_counts_what_both_were_asked(pair: Pair) -> None:
    _, key = factories.service_key(factories.make_cast().acme)
    servers = pair
    started = time.monotonic()
    statuses = [asked(servers[number % 2], key, "/v1/accounts/me")[0] for number in range(A_MINUTE + 20)]
    assert time.monotonic() - started < 50, "too slow for a limit of a minute"
    # The minute that slides gives some back meanwhile.
    assert A_MINUTE <= statuses.count(200) < A_MINUTE + 20
    assert set(statuses) == {200, 429}
    assert [asked(server, key, "/v1/accounts/me")[0] for server in servers] == [429, 429]


def test_failures_at_an_address_count_together(pair: Pair) -> None:
    _, key = factories.service_key(factories.make_cast().acme)
    one, two = pair
    assert [asked(one, "garbage", "/v1/accounts/me")[0] for _ in range(FAILURES + 1)] == [401] * FAILURES + [429]
    assert asked(two, "garbage", "/v1/accounts/me")[0] == 429
    assert asked(two, key, "/v1/accounts/me")[0] == 429, "a key that was never seen"


def test_attempts_to_sign_in_count_together(pair: Pair) -> None:
    may_sign_in(wendy := factories.make_cast().wendy)
    one, two = pair
    guesser = Visitor(one)

    def guess() -> str:
        return guesser.submit("/accounts/login/", login=wendy.email, password="not her password at all")

    tries = next(number for number in range(50) if "Too many failed login attempts" in guess())
    assert tries >= 3
    herself = Visitor(two)
    page = herself.submit("/accounts/login/", login=wendy.email, password=factories.PASSWORD)
    assert "Too many failed login attempts" in page
    assert herself.get("/settings/user/api-keys")[0] == 302


def test_the_record_of_use_adds_up(pair: Pair) -> None:
    _, key = factories.service_key(factories.make_cast().acme)
    for server in pair:
        assert [asked(server, key)[0] for _ in range(30)] == [200] * 30
    deadline = time.monotonic() + 20  # each writes what it has counted once a second
    while (counted := Usage.objects.aggregate(all=Sum("requests", default=0))["all"]) < 60 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert counted == 60
    assert Usage.objects.values("outcome", "client", "network").distinct().count() == 1


def test_a_variable_written_at_one_reads_at_the_other(pair: Pair) -> None:
    cast = factories.make_cast()
    _, key = factories.service_key(cast.acme, Role.READ_WRITE)
    one, two = pair
    with closing(Connection(one)) as writer:
        writer.ask(key, None, "POST", "/v1/variables", json.dumps({"key": "REGION", "value": "eu-west-1"}))
        assert writer.answer() == 201
    assert json.loads(asked(two, key, "/v1/variables/REGION")[1])["value"] == "eu-west-1"
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM v1_variable")
        assert "eu-west-1" not in cursor.fetchone()[0]
