"""Beside a reference model: whatever people do in whatever order, each key reaches just what the model says.

PROOF_EXAMPLES and PROOF_STEPS say how many walks, and how long each is.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.invitations import Invitation
from accounts.models import Account, Membership, User
from apikeys.authentication import check_key
from apikeys.models import ApiKey
from apikeys.secret import Secret
from keyportal.exceptions import Conflict, InvalidCredential
from keyportal.policy import GRANTABLE_ROLES, Actor, Role
from tests import factories
from tests.proof import model
from tests.proof.model import Model, Refused

PEOPLE = ("olivia", "adam", "wendy", "eve")
OWNERS = {"acme": "olivia", "globex": "eve"}
REFUSALS = (PermissionDenied, Conflict, ObjectDoesNotExist)

# "owner": whoever owns the account then. By chance alone most of what people ask would be refused.
askers = st.sampled_from(["owner", "owner", *PEOPLE])
people = st.sampled_from(PEOPLE)
accounts = st.sampled_from(list(OWNERS))
roles = st.sampled_from(GRANTABLE_ROLES)


class People(RuleBasedStateMachine):
    """One walk. What the verbs do is undone at its end: a savepoint holds it."""

    users: dict[str, User]
    nouns: dict[str, Account]
    beginning: tuple[Model, dict[int, str]]

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.client = Client()
        self.model, self.secrets = deepcopy(self.beginning)
        self.tokens: dict[tuple[str, str], Invitation] = {}
        self.pages: dict[tuple[str, str], Actor] = {}
        self.events = AuditEvent.objects.count()

    # What both sides do, and what is asked after it

    def both(self, expected: Callable[[], int], verb: Callable[[], Any], *, account: str = "", who: str = "") -> Any:
        """Do it here and in the model; then ask the API with the keys that it concerns."""
        done = None
        try:
            events = expected()
        except Refused:
            events = 0
            with pytest.raises(REFUSALS), transaction.atomic():
                verb()
        else:
            done = verb()
        self.events += events
        assert AuditEvent.objects.count() == self.events
        for pk, key in self.model.keys.items():
            if (who and key.user == who) or (account and key.account == account):
                for name in [account] if account else OWNERS:
                    self.ask(pk, name)
        return done

    def ask(self, pk: int, account: str) -> None:
        """The API's answer and the role it answers in are the model's."""
        status, role = self.model.answer(self.model.keys[pk], account)
        bearer, header = f"Bearer {self.secrets[pk]}", str(self.nouns[account].pk)
        answer = self.client.get("/v1/accounts/me", headers={"Authorization": bearer, "X-Checkly-Account": header})
        assert answer.status_code == status, (self.model.keys[pk], account, answer.content)
        try:
            assert check_key(Secret.from_header(bearer), header, None).actor.role == role
        except InvalidCredential:
            assert status == 401

    def asker(self, by: str, account: str) -> str:
        return (self.model.accounts[account].owner or "olivia") if by == "owner" else by

    def actor(self, who: str, account: str) -> Actor:
        """`who` on a page of `account`, opened long ago: the role it was read with may be theirs no more."""
        if (who, account) not in self.pages:
            self.open_page(who, account)
        return self.pages[who, account]

    def asker_about(self, by: str, key: model.Key) -> tuple[str, Actor]:
        """Who asks for something about a key, and as whom; "owner" is whom a user key belongs to."""
        by = self.asker(by, key.account) if key.account else (key.user if by == "owner" else by)
        return by, self.actor(by, key.account) if key.account else person(self.users[by])

    def member(self, account: str, who: str) -> Membership:
        return Membership.objects.get(account=self.nouns[account], user=self.users[who])

    @rule(who=people, account=accounts)
    def open_page(self, who: str, account: str) -> None:
        self.pages[who, account] = Account.objects.get(pk=self.nouns[account].pk).present(person(self.users[who]))

    # Invitations

    @rule(by=askers, account=accounts, who=people, role=roles)
    def invite(self, by: str, account: str, who: str, role: Role) -> None:
        by = self.asker(by, account)
        verb = lambda: Invitation.objects.invite(  # noqa: E731
            self.nouns[account], self.users[who].email, role, by=self.actor(by, account)
        )
        done = self.both(lambda: self.model.invite(by, account, who, role), verb, account=account, who=who)
        if done:
            self.tokens[account, who] = done[0]

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        account, who = data.draw(st.sampled_from(sorted(self.tokens)))
        invitation = Invitation.objects.get(pk=self.tokens[account, who].pk)
        verb = lambda: invitation.accept(by=person(self.users[who]))  # noqa: E731
        self.both(lambda: self.model.accept(who, account), verb, account=account, who=who)

    @precondition(lambda self: self.tokens)
    @rule(by=askers, data=st.data())
    def withdraw(self, by: str, data: st.DataObject) -> None:
        account, who = data.draw(st.sampled_from(sorted(self.tokens)))
        by = self.asker(by, account)
        invitation = Invitation.objects.get(pk=self.tokens[account, who].pk)
        verb = lambda: invitation.withdraw(by=self.actor(by, account))  # noqa: E731
        self.both(lambda: self.model.withdraw(by, account, who), verb, account=account, who=who)

    # Members

    @rule(account=accounts, who=people, role=roles)
    def add(self, account: str, who: str, role: Role) -> None:
        verb = lambda: self.nouns[account].add_member(self.users[who], role, by=operator_at_shell())  # noqa: E731
        self.both(lambda: self.model.add(account, who, role), verb, account=account, who=who)

    @rule(by=askers, account=accounts, who=people, role=roles)
    def change_role(self, by: str, account: str, who: str, role: Role) -> None:
        by = self.asker(by, account)
        verb = lambda: self.member(account, who).change_role(role, by=self.actor(by, account))  # noqa: E731
        self.both(lambda: self.model.change_role(by, account, who, role), verb, account=account, who=who)

    @rule(by=askers, account=accounts, who=people)
    def remove(self, by: str, account: str, who: str) -> None:
        by = self.asker(by, account)
        verb = lambda: self.member(account, who).remove(by=self.actor(by, account))  # noqa: E731
        self.both(lambda: self.model.remove(by, account, who), verb, account=account, who=who)

    @rule(account=accounts, who=people)
    def leave(self, account: str, who: str) -> None:
        self.remove(who, account, who)

    @rule(by=askers, account=accounts, to=people)
    def transfer(self, by: str, account: str, to: str) -> None:
        by = self.asker(by, account)
        verb = lambda: self.nouns[account].transfer(self.users[to], by=self.actor(by, account))  # noqa: E731
        self.both(lambda: self.model.transfer(by, account, to), verb, account=account, who=to)

    # Operators. One person and one account at a time, or soon nothing would be allowed to anybody.

    @precondition(lambda self: not self.model.deactivated)
    @rule(who=people)
    def deactivate(self, who: str) -> None:
        self.model.deactivated.add(who)
        self.both(lambda: 1, lambda: self.users[who].deactivate(by=operator_at_shell(), reason="lost laptop"), who=who)

    @precondition(lambda self: self.model.deactivated)
    @rule()
    def reactivate(self) -> None:
        who = self.model.deactivated.pop()
        self.both(lambda: 1, lambda: self.users[who].reactivate(by=operator_at_shell(), reason="found"), who=who)

    @precondition(lambda self: not any(one.suspended or one.closed for one in self.model.accounts.values()))
    @rule(account=accounts)
    def suspend(self, account: str) -> None:
        self.model.accounts[account].suspended = True
        self.both(lambda: 1, lambda: self.nouns[account].suspend(by=operator_at_shell(), reason="breach"), account=account)

    @precondition(lambda self: any(one.suspended for one in self.model.accounts.values()))
    @rule()
    def resume(self) -> None:
        (account,) = (name for name, one in self.model.accounts.items() if one.suspended)
        self.model.accounts[account].suspended = False
        self.both(lambda: 1, lambda: self.nouns[account].resume(by=operator_at_shell(), reason="over"), account=account)

    @precondition(lambda self: not any(one.closed for one in self.model.accounts.values()))
    @rule(by=askers, account=accounts, sure=st.sampled_from([False] * 7 + [True]))
    def close(self, by: str, account: str, sure: bool) -> None:
        by = self.asker(by, account)
        if sure:
            verb = lambda: self.nouns[account].close(by=self.actor(by, account))  # noqa: E731
            self.both(lambda: self.model.close(by, account), verb, account=account, who=by)

    # Keys

    @precondition(lambda self: len(self.secrets) < 12)
    @rule(by=askers, account=st.sampled_from(["", *OWNERS]), role=roles)
    def create(self, by: str, account: str, role: Role) -> None:
        by = self.asker(by, account or "acme")
        if account:
            verb = lambda: ApiKey.objects.issue_service_key(  # noqa: E731
                by=self.actor(by, account), account=self.nouns[account], name="Deploy", role=role
            )
        else:
            verb = lambda: ApiKey.objects.issue_user_key(by=person(self.users[by]), name="Laptop")  # noqa: E731
        done = self.both(lambda: self.model.create(by, account), verb)
        if done:
            pk = done[0].pk
            self.secrets[pk] = done[1].reveal()
            self.model.keys[pk] = model.Key(account=account, role=role) if account else model.Key(user=by)
            self.ask(pk, account or "acme")

    @precondition(lambda self: self.secrets)
    @rule(by=askers, data=st.data())
    def delete(self, by: str, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.secrets)))
        key = self.model.keys[pk]
        by, actor = self.asker_about(by, key)
        if not key.deleted:
            self.both(lambda: self.model.delete(by, key), lambda: ApiKey.objects.get(pk=pk).revoke(by=actor))
        self.ask(pk, key.account or "acme")

    @precondition(lambda self: len(self.secrets) < 12)
    @rule(by=askers, overlap=st.sampled_from([timedelta(0), timedelta(hours=24), timedelta(days=7)]), data=st.data())
    def rotate(self, by: str, overlap: timedelta, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.secrets)))
        key = self.model.keys[pk]
        by, actor = self.asker_about(by, key)
        verb = lambda: ApiKey.objects.get(pk=pk).rotate(by=actor, overlap=overlap)  # noqa: E731
        done = self.both(lambda: self.model.rotate(by, key, bool(overlap)), verb)
        if done:
            self.secrets[done[0].pk] = done[1].reveal()
            self.model.keys[done[0].pk] = model.Key(user=key.user, account=key.account, role=key.role)
            self.ask(done[0].pk, key.account or "acme")
        self.ask(pk, key.account or "acme")

    @precondition(lambda self: self.secrets)
    @rule(by=askers, data=st.data())
    def rename(self, by: str, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.secrets)))
        key = self.model.keys[pk]
        by, actor = self.asker_about(by, key)
        name = f"Name {self.events}"
        self.both(lambda: self.model.rename(by, key), lambda: ApiKey.objects.get(pk=pk).rename(by=actor, name=name))
        self.ask(pk, key.account or "acme")

    @precondition(lambda self: self.secrets)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.secrets)))
        ApiKey.objects.filter(pk=pk).update(expires_at=timezone.now())
        self.model.keys[pk].expired = True
        self.ask(pk, self.model.keys[pk].account or "globex")

    # Always

    @invariant()
    def members_are_the_model_s_and_each_open_account_has_one_owner_among_them(self) -> None:
        rows = Membership.objects.filter(account__in=self.nouns.values()).values_list(
            "account_id", "user_id", "stored_role", "account__owner_id"
        )
        here = {(account, user): Role.OWNER if user == owner else role for account, user, role, owner in rows}
        there = {
            (self.nouns[name].pk, self.users[who].pk): Role(self.model.role(who, name) or "")
            for name, account in self.model.accounts.items()
            for who in account.members
        }
        assert here == there
        for name, account in self.model.accounts.items():
            owners = [role for (pk, _), role in here.items() if pk == self.nouns[name].pk and role is Role.OWNER]
            assert len(owners) == (0 if account.closed else 1)

    def teardown(self) -> None:
        try:
            for pk in self.secrets if sys.exc_info()[0] is None else ():
                for account in OWNERS:
                    self.ask(pk, account)
        finally:
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)


def begin() -> tuple[Model, dict[int, str]]:
    """Two accounts with a service key each, four people with a key each, as both sides see them."""
    users = {name: factories.UserFactory(email=f"{name}@example.com", name=name) for name in PEOPLE}
    nouns = {name: factories.AccountFactory(name=name, owner=users[owner]) for name, owner in OWNERS.items()}
    there = Model({name: model.Account(owner, {owner: "ADMIN"}) for name, owner in OWNERS.items()})
    for who, role in (("adam", Role.ADMIN), ("wendy", Role.READ_WRITE)):
        nouns["acme"].add_member(users[who], role, by=operator_at_shell())
        there.add("acme", who, role)
    secrets = {}
    for key, (row, secret) in [
        *((model.Key(user=who), factories.user_key(users[who])) for who in PEOPLE),
        *((model.Key(account=name, role="READ_WRITE"), factories.service_key(nouns[name])) for name in OWNERS),
    ]:
        there.keys[row.pk], secrets[row.pk] = key, secret
    People.users, People.nouns = users, nouns
    return there, secrets


@pytest.mark.django_db
def test_whatever_people_do_each_key_reaches_just_what_the_model_says(settings_of_the_walk: hypothesis_settings) -> None:
    People.beginning = begin()
    run_state_machine_as_test(People, settings=settings_of_the_walk)


@pytest.fixture
def settings_of_the_walk(settings: Any, caplog: pytest.LogCaptureFixture) -> Any:
    settings.INVITATIONS_PER_DAY = 1000
    caplog.set_level(logging.ERROR, "django.request")
    return hypothesis_settings(
        max_examples=int(os.environ.get("PROOF_EXAMPLES", "200")),
        stateful_step_count=int(os.environ.get("PROOF_STEPS", "50")),
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
