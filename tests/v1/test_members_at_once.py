"""A key manages members while its own right ends, on PostgreSQL with real threads: the account's lock decides."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction

from accounts.access import person
from accounts.models import Account, Membership
from keyportal.policy import Role
from tests import factories
from tests.v1.calls import Machine, of_person, of_service, until_somebody_waits

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ME = "/v1/accounts/me/members"


@pytest.fixture
def cast(transactional_db: None) -> factories.Cast:
    cast = factories.make_cast()
    Account.objects.filter(pk=cast.acme.pk).update(keys_manage_members=True)
    return cast


def raise_rob(machine: Machine, cast: factories.Cast) -> Any:
    return machine.send("PATCH", f"{ME}/{cast.rob.pk}", {"role": "READ_WRITE"})


def test_a_key_whose_person_is_demoted_while_it_waits_for_the_account_changes_nothing(
    cast: factories.Cast, background: ThreadPoolExecutor
) -> None:
    """The key was checked as an admin's: what counts is the role under the lock."""
    machine = of_person(cast.adam, cast.acme)
    with transaction.atomic():
        cast.acme.memberships.get(user=cast.adam).change_role(Role.READ_ONLY, by=person(cast.olivia))
        answer = background.submit(raise_rob, machine, cast)
        until_somebody_waits()
    assert answer.result(30).status_code == 403
    assert cast.acme.memberships.get(user=cast.rob).role is Role.READ_ONLY


def test_a_key_that_waits_while_the_owner_forbids_it_changes_nothing(
    cast: factories.Cast, background: ThreadPoolExecutor
) -> None:
    machine = of_service(cast.acme, Role.ADMIN)
    with transaction.atomic():
        cast.acme.let_keys_manage_members(False, by=person(cast.olivia))
        answer = background.submit(raise_rob, machine, cast)
        until_somebody_waits()
    assert answer.result(30).status_code == 403
    assert cast.acme.memberships.get(user=cast.rob).role is Role.READ_ONLY


def test_a_removal_that_comes_with_a_change_waits_for_its_answer(
    cast: factories.Cast, background: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, answers = Membership.change_role, []
    changer, remover = (of_service(cast.acme, Role.ADMIN) for _ in range(2))

    def change_and_let_the_removal_begin(*args: Any, **kwargs: Any) -> None:
        change(*args, **kwargs)
        answers.append(background.submit(remover.delete, f"{ME}/{cast.rob.pk}"))
        until_somebody_waits(or_done=answers[0])

    monkeypatch.setattr(Membership, "change_role", change_and_let_the_removal_begin)
    changed = raise_rob(changer, cast)
    assert (changed.status_code, changed.json().get("role")) == (200, "READ_WRITE")
    assert answers[0].result(30).status_code == 204
    assert not cast.acme.memberships.filter(user=cast.rob).exists()
