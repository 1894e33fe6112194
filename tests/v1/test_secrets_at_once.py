"""What becomes secret stays secret when somebody else writes the same moment, on PostgreSQL with real threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction

from keyportal.v1.models import Check, CheckGroup, Variable
from tests import factories
from tests.v1.calls import KINDS, Kind, Machine, at_once, of_service, until_somebody_waits

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def machines(transactional_db: None) -> list[Machine]:
    acme = factories.make_cast().acme
    return [of_service(acme), of_service(acme)]


def test_a_variable_that_another_makes_secret_is_secret_after_both(
    machines: list[Machine], background: ThreadPoolExecutor
) -> None:
    one, other = machines
    one.send("POST", "/v1/variables", {"key": "A", "value": "1"})
    with transaction.atomic():
        one.send("PUT", "/v1/variables/A", {"value": "2", "secret": True})
        answer = background.submit(other.send, "PUT", "/v1/variables/A", {"value": "3"})
        until_somebody_waits()
    assert answer.result(30).json() == {"key": "A", "value": None, "locked": False, "secret": True}
    assert list(Variable.objects.values_list("value", "secret")) == [("3", True)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_document_s_variable_that_another_makes_secret_is_secret_after_both(
    machines: list[Machine], background: ThreadPoolExecutor, kind: Kind
) -> None:
    def body(**variable: Any) -> dict[str, Any]:
        return {"name": "One", "environmentVariables": [{"key": "A"} | variable]}

    one, other = machines
    path = kind.changed.format(**one.send("POST", kind.made, body(value="1")).json())
    with transaction.atomic():
        one.send("PUT", path, body(value="2", secret=True))
        answer = background.submit(other.send, "PUT", path, body(value=None, secret=False))
        until_somebody_waits()
    assert answer.result(30).json()["environmentVariables"] == [{"key": "A", "value": None, "locked": False, "secret": True}]
    (variable,) = (Check if kind.name == "check" else CheckGroup).objects.get().document["environmentVariables"]
    assert (variable["value"], variable["secret"]) == ("2", True)


def test_a_change_and_a_removal_at_once_come_one_after_the_other(machines: list[Machine]) -> None:
    one, other = machines
    for _ in range(20):
        one.send("POST", "/v1/variables", {"key": "A", "value": "1"})
        changed, removed = at_once(
            lambda: one.send("PUT", "/v1/variables/A", {"value": "2"}), lambda: other.delete("/v1/variables/A")
        )
        assert removed.status_code == 204
        assert changed.status_code in (200, 404)
        assert not Variable.objects.exists()
