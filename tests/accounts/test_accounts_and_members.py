"""Accounts have one owner, members one role, and every change one AuditEvent."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.models import Account, Membership, User
from keyportal.exceptions import Conflict
from keyportal.policy import Role
from tests.factories import Cast, UserFactory, user_key

pytestmark = pytest.mark.django_db


def test_the_owner_is_a_member_whose_effective_role_is_owner(cast: Cast) -> None:
    membership = Membership.objects.get(account=cast.acme, user=cast.olivia)
    assert membership.stored_role == Role.ADMIN
    assert membership.role is Role.OWNER


def test_opening_an_account_makes_its_owner_a_member_and_records_it() -> None:
    user = UserFactory()
    account = Account.objects.open(by=person(user), owner=user)
    assert account.name == user.email
    assert account.memberships.get().role is Role.OWNER
    event = AuditEvent.objects.get(action=AuditEvent.Action.ACCOUNT_OPENED)
    assert (event.account_id, event.actor_id, event.actor_name) == (account.pk, user.pk, str(user))


def test_nobody_opens_an_account_for_somebody_else(cast: Cast) -> None:
    with pytest.raises(PermissionDenied):
        Account.objects.open(by=person(cast.eve), owner=cast.rob)


def test_the_database_refuses_an_account_without_an_owner(cast: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.filter(pk=cast.acme.pk).update(owner=None)
    with pytest.raises(ProtectedError):
        cast.olivia.delete()


def test_the_database_refuses_owner_as_a_stored_role(cast: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(user=cast.rob).update(stored_role="OWNER")


def test_a_person_is_a_member_once(cast: Cast) -> None:
    with pytest.raises(Conflict):
        cast.acme.add_member(cast.rob, Role.ADMIN, by=operator_at_shell())
    assert Membership.objects.get(account=cast.acme, user=cast.rob).role is Role.READ_ONLY


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_members_are_not_added_by_admins_or_owners(cast: Cast, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        cast.acme.add_member(cast.eve, Role.READ_ONLY, by=cast.actor(cast.member(role), cast.acme))


def test_removing_a_member_deletes_one_row_and_touches_no_key(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    Membership.objects.get(account=cast.acme, user=cast.wendy).remove(by=cast.actor(cast.adam, cast.acme))
    assert not Membership.objects.filter(account=cast.acme, user=cast.wendy).exists()
    key.refresh_from_db()
    assert key.revoked_at is None
    event = AuditEvent.objects.get(action=AuditEvent.Action.MEMBER_REMOVED)
    assert (event.target_id, event.details) == (str(cast.wendy.pk), {"role": "READ_WRITE"})


def test_a_stale_actor_is_read_again_under_the_lock(cast: Cast) -> None:
    """Adam's page was open when he was demoted: what counts is the role he has when the verb runs."""
    adam = cast.actor(cast.adam, cast.acme)
    Membership.objects.filter(account=cast.acme, user=cast.adam).update(stored_role=Role.READ_ONLY)
    with pytest.raises(PermissionDenied):
        Membership.objects.get(account=cast.acme, user=cast.rob).remove(by=adam)


def test_removing_twice_is_a_conflict(cast: Cast) -> None:
    membership = Membership.objects.get(account=cast.acme, user=cast.rob)
    membership.remove(by=cast.actor(cast.olivia, cast.acme))
    with pytest.raises(Conflict):
        membership.remove(by=cast.actor(cast.olivia, cast.acme))


def test_addresses_are_kept_in_lower_case() -> None:
    assert User.objects.create_user("Mixed.Case@Example.COM").email == "mixed.case@example.com"
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("mixed.case@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(email="mixed.case@example.com").update(email="UPPER@example.com")


def test_enrolling_refuses_what_is_no_address_and_who_is_known(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        User.objects.enroll(by=operator_at_shell(), email="not an address")
    with pytest.raises(Conflict):
        User.objects.enroll(by=operator_at_shell(), email="Rob@Example.com")
    with pytest.raises(PermissionDenied):
        User.objects.enroll(by=person(cast.olivia), email="new@example.com")
