"""Two people at once, on PostgreSQL with real threads: one wins, and what is left could have come about in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import connection

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.invitations import Invitation
from accounts.models import Account, Membership, User
from apikeys.models import ApiKey
from keyportal.exceptions import Conflict
from keyportal.policy import Actor, Role
from tests.factories import AccountFactory, UserFactory

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

ROUNDS = 30
LOST = (PermissionDenied, Conflict, ObjectDoesNotExist)
Action = AuditEvent.Action


def at_once(*acts: Callable[[], Any]) -> list[bool]:
    """Start the acts together, each in a thread with a connection of its own. Which of them were done?

    Who lost was told so; any other exception, a deadlock among them, is raised here.
    """
    barrier = threading.Barrier(len(acts), timeout=10)
    done = [False] * len(acts)
    broken: list[BaseException] = []

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait()
            act()
            done[number] = True
        except LOST:
            pass
        except BaseException as error:
            broken.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    for error in broken:
        raise error
    return done


class Round:
    """An account of Olivia's with Adam and Wendy in it, and the events since it was made."""

    def __init__(self) -> None:
        self.olivia, self.adam, self.wendy, self.eve = (UserFactory(name=name) for name in ("Olivia", "Adam", "Wendy", "Eve"))
        self.account: Account = AccountFactory(owner=self.olivia)
        self.account.add_member(self.adam, Role.ADMIN, by=operator_at_shell())
        self.account.add_member(self.wendy, Role.READ_WRITE, by=operator_at_shell())
        self.before = AuditEvent.objects.count()

    def actor(self, user: User) -> Actor:
        """As on a page that was open before either began."""
        return self.account.present(person(user))

    def member(self, user: User) -> Membership:
        return Membership.objects.get(account=self.account, user=user)

    def role(self, user: User) -> Role | None:
        membership = Membership.objects.select_related("account").filter(account=self.account, user=user).first()
        return membership.role if membership else None

    def check(self, done: list[bool]) -> list[str]:
        """One owner who is a member; one event for each act that was done, in the order of their commits."""
        owners = [m for m in Membership.objects.select_related("account").filter(account=self.account) if m.role is Role.OWNER]
        assert len(owners) == 1
        events = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)[self.before :])
        assert len(events) == sum(done)
        return events


@pytest.fixture
def rounds() -> Iterator[Round]:
    return (Round() for _ in range(ROUNDS))


def test_of_two_transfers_one_wins(rounds: Iterator[Round]) -> None:
    for here in rounds:
        olivia = here.actor(here.olivia)
        done = at_once(
            lambda: here.account.transfer(here.adam, by=olivia),  # noqa: B023
            lambda: here.account.transfer(here.wendy, by=olivia),  # noqa: B023
        )
        here.check(done)
        assert sorted(done) == [False, True]
        winner, loser = (here.adam, here.wendy) if done[0] else (here.wendy, here.adam)
        assert here.role(winner) is Role.OWNER
        assert here.role(loser) is (Role.READ_WRITE if loser is here.wendy else Role.ADMIN)
        assert here.role(here.olivia) is Role.ADMIN


def test_transfer_and_removal_of_its_target(rounds: Iterator[Round]) -> None:
    for here in rounds:
        olivia, adam, target = here.actor(here.olivia), here.actor(here.adam), here.member(here.wendy)
        done = at_once(
            lambda: here.account.transfer(here.wendy, by=olivia),  # noqa: B023
            lambda: target.remove(by=adam),  # noqa: B023
        )
        here.check(done)
        assert sorted(done) == [False, True]
        assert here.role(here.wendy) is (Role.OWNER if done[0] else None)
        assert here.role(here.olivia) is (Role.ADMIN if done[0] else Role.OWNER)


def test_transfer_and_deactivation_of_its_target(rounds: Iterator[Round]) -> None:
    for here in rounds:
        olivia = here.actor(here.olivia)
        done = at_once(
            lambda: here.account.transfer(here.wendy, by=olivia),  # noqa: B023
            lambda: here.wendy.deactivate(by=operator_at_shell(), reason="left"),  # noqa: B023
        )
        events = here.check(done)
        assert done[1]
        # Whoever is deactivated first receives nothing; an owner may be deactivated later.
        assert events == ([Action.ACCOUNT_TRANSFERRED] if done[0] else []) + [Action.USER_DEACTIVATED]
        assert here.role(here.wendy) is (Role.OWNER if done[0] else Role.READ_WRITE)


def test_demotion_and_a_service_key_of_the_demoted(rounds: Iterator[Round]) -> None:
    for here in rounds:
        olivia, adam, member = here.actor(here.olivia), here.actor(here.adam), here.member(here.adam)
        done = at_once(
            lambda: member.change_role(Role.READ_ONLY, by=olivia),  # noqa: B023
            lambda: ApiKey.objects.issue_service_key(by=adam, account=here.account, name="Late", role=Role.ADMIN),  # noqa: B023
        )
        events = here.check(done)
        assert done[0]
        assert here.account.service_keys.count() == int(done[1])
        assert events == ([Action.KEY_CREATED] if done[1] else []) + [Action.MEMBER_ROLE_CHANGED]


def test_accepting_and_withdrawing(rounds: Iterator[Round]) -> None:
    for here in rounds:
        olivia = here.actor(here.olivia)
        invitation, _ = Invitation.objects.invite(here.account, here.eve.email, Role.READ_ONLY, by=olivia)
        here.before += 1
        done = at_once(
            lambda: invitation.accept(by=person(here.eve)),  # noqa: B023
            lambda: invitation.withdraw(by=olivia),  # noqa: B023
        )
        here.check(done)
        assert sorted(done) == [False, True]
        invitation.refresh_from_db()
        assert here.role(here.eve) is (Role.READ_ONLY if done[0] else None)
        assert (invitation.accepted_at is not None, invitation.withdrawn_at is not None) == tuple(done)


def test_accepting_twice_makes_one_member(rounds: Iterator[Round]) -> None:
    for here in rounds:
        invitation, _ = Invitation.objects.invite(here.account, here.eve.email, Role.READ_RUN, by=here.actor(here.olivia))
        here.before += 1
        done = at_once(*[lambda: invitation.accept(by=person(here.eve))] * 2)  # noqa: B023
        here.check(done)
        assert sorted(done) == [False, True]
        assert here.role(here.eve) is Role.READ_RUN


def test_leaving_and_transfer_to_who_leaves(rounds: Iterator[Round]) -> None:
    for here in rounds:
        olivia, adam, member = here.actor(here.olivia), here.actor(here.adam), here.member(here.adam)
        done = at_once(
            lambda: member.remove(by=adam),  # noqa: B023
            lambda: here.account.transfer(here.adam, by=olivia),  # noqa: B023
        )
        here.check(done)
        assert sorted(done) == [False, True]
        assert here.role(here.adam) is (None if done[0] else Role.OWNER)
        assert here.role(here.olivia) is (Role.OWNER if done[0] else Role.ADMIN)


@pytest.mark.parametrize("act", ["added", "invited"])
def test_joining_and_deleting_one_s_own_user(rounds: Iterator[Round], act: str) -> None:
    """Who is deleted is a member of nothing, whoever was first."""
    for here in rounds:
        join: Callable[[], Any] = lambda: here.account.add_member(here.eve, Role.ADMIN, by=operator_at_shell())  # noqa: B023, E731
        if act == "invited":
            invitation, _ = Invitation.objects.invite(here.account, here.eve.email, Role.ADMIN, by=here.actor(here.olivia))
            here.before += 1
            join = lambda: invitation.accept(by=person(here.eve))  # noqa: B023, E731
        done = at_once(join, lambda: here.eve.close(by=person(here.eve)))  # noqa: B023
        if done[1]:
            assert here.role(here.eve) is None
        else:
            assert here.role(here.eve) is Role.ADMIN


def test_opening_an_account_and_deleting_one_s_own_user(rounds: Iterator[Round]) -> None:
    """No account belongs to somebody who is deleted."""
    for here in rounds:
        done = at_once(
            lambda: Account.objects.open(by=person(here.eve), owner=here.eve),  # noqa: B023
            lambda: here.eve.close(by=person(here.eve)),  # noqa: B023
        )
        assert done[0] is Account.objects.filter(owner=here.eve).exists()
        assert not (done[0] and done[1])
