"""Ten thousand variables or checks: each page costs the same few queries, and opens no more than it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from keyportal import encryption
from keyportal.policy import Role
from keyportal.v1.checks import CheckIn
from keyportal.v1.documents import write
from keyportal.v1.models import Check, CheckGroup, Variable
from tests import factories
from tests.proof.test_matrix_of_keys import ROWS
from tests.statements import statements

MANY = 10_000
LISTS = [row for row in ROWS if row[1] == "GET" and "{" not in row[2] and row[3] != "public"]


def fill(cast: factories.Cast, count: int) -> None:
    Variable.objects.bulk_create(Variable(account=cast.acme, key=f"KEY_{n:05}", value="v") for n in range(count))
    checks = [Check(account=cast.acme, check_type="API") for _ in range(count)]
    for n, check in enumerate(checks):
        write(check, CheckIn(name=f"Check {n:05}", tags=["all"]))
    Check.objects.bulk_create(checks)


@pytest.fixture
def ask(cast: factories.Cast) -> Callable[[str], Any]:
    client = Client(headers={"Authorization": f"Bearer {factories.service_key(cast.acme, Role.ADMIN)[1]}"})
    client.get("/v1/accounts/me")  # the use is noted
    return client.get


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row[2])
def test_each_list_costs_the_same_number_of_queries_whatever_is_in_it(
    cast: factories.Cast, ask: Callable[[str], Any], row: tuple[Any, ...]
) -> None:
    costs = []
    for more in (1, 40):
        fill_all(cast, more)
        with statements() as queries:
            assert ask(row[2]).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 4


def fill_all(cast: factories.Cast, count: int) -> None:
    Variable.objects.filter(account=cast.acme).delete()
    fill(cast, count)
    factories.CheckGroupFactory.create_batch(count, account=cast.acme)
    for member in factories.UserFactory.create_batch(count):
        cast.acme.memberships.create(user=member, stored_role=Role.READ_ONLY)


@pytest.mark.parametrize("path", ["/v1/variables", "/v1/checks", "/v1/checks?tag=all"])
def test_a_page_of_ten_thousand_opens_what_it_shows_and_no_more(
    cast: factories.Cast, ask: Callable[[str], Any], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cast, MANY)
    opened: list[str] = []
    real = encryption.decrypt
    monkeypatch.setattr(encryption, "decrypt", lambda token: opened.append(token) or real(token))
    for page in (1, MANY // 200, MANY // 100):
        opened.clear()
        with statements() as queries:
            answer = ask(f"{path}{'&' if '?' in path else '?'}limit=100&page={page}")
        assert len(answer.json()) == len(opened) == 100
        assert answer["Content-Range"] == f"{(page - 1) * 100}-{page * 100 - 1}/{MANY}"
        assert len(queries) <= 4


@pytest.mark.parametrize("model", [Variable, Check, CheckGroup])
def test_the_order_of_a_list_is_that_of_an_index(cast: factories.Cast, model: Any) -> None:
    """Otherwise each page would sort the whole account first."""
    plan = model.objects.filter(account=cast.acme).explain()
    if connection.vendor == "sqlite":
        assert "USING INDEX" in plan
        assert "TEMP B-TREE" not in plan
