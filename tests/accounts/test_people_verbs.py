"""Each verb about people and accounts: what it changes at once, the one event it writes, and whom it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.invitations import Invitation
from accounts.models import Account, Membership, User
from apikeys.models import ApiKey
from keyportal.exceptions import Conflict
from keyportal.policy import Actor, Role
from tests.factories import PASSWORD, AccountFactory, Cast, UserFactory, service_key, user_key

pytestmark = pytest.mark.django_db

Ask = Callable[..., Any]
SHELL = operator_at_shell()
BELOW_OWNER = (Role.ADMIN, Role.READ_WRITE, Role.READ_RUN, Role.READ_ONLY)
BELOW_ADMIN = BELOW_OWNER[1:]


def member(cast: Cast, user: User) -> Membership:
    return Membership.objects.select_related("account", "user").get(account=cast.acme, user=user)


def events_of(act: Callable[[], object]) -> list[AuditEvent]:
    before = AuditEvent.objects.count()
    act()
    return list(AuditEvent.objects.order_by("pk")[before:])


def refused(act: Callable[[], object], error: type[Exception] = PermissionDenied) -> None:
    """The act raises `error` and leaves no event."""
    before = AuditEvent.objects.count()
    with pytest.raises(error):
        act()
    assert AuditEvent.objects.count() == before


def is_signed_in(browser: Client) -> bool:
    return browser.get("/settings/user/api-keys").status_code == 200


# Roles


def test_a_changed_role_holds_on_the_next_request_and_service_keys_keep_theirs(cast: Cast, call_api: Ask) -> None:
    _, own = user_key(cast.adam)
    _, service = ApiKey.objects.issue_service_key(
        by=cast.actor(cast.adam, cast.acme), account=cast.acme, name="Deploy", role=Role.ADMIN
    )
    (event,) = events_of(lambda: member(cast, cast.adam).change_role(Role.READ_ONLY, by=cast.actor(cast.olivia, cast.acme)))
    assert (event.action, event.target_id, event.details) == (
        "member.role_changed",
        str(cast.adam.pk),
        {"role": "READ_ONLY", "was": "ADMIN"},
    )
    assert call_api("/v1/checks", own, cast.acme).status_code == 200
    assert call_api("/v1/checks", service.reveal()).status_code == 200
    refused(lambda: member(cast, cast.rob).change_role(Role.READ_WRITE, by=cast.actor(cast.adam, cast.acme)))


def test_the_same_role_again_is_no_change(cast: Cast) -> None:
    assert events_of(lambda: member(cast, cast.rob).change_role(Role.READ_ONLY, by=cast.actor(cast.adam, cast.acme))) == []


@pytest.mark.parametrize("role", BELOW_ADMIN)
def test_members_below_admin_change_no_role_not_even_their_own(cast: Cast, role: Role) -> None:
    by = cast.actor(cast.member(role), cast.acme)
    for user in (cast.adam, cast.rob, cast.member(role)):
        refused(lambda: member(cast, user).change_role(Role.READ_ONLY, by=by))  # noqa: B023


def test_admins_lower_themselves_and_never_the_owner(cast: Cast) -> None:
    adam = cast.actor(cast.adam, cast.acme)
    refused(lambda: member(cast, cast.adam).change_role(Role.ADMIN, by=adam))
    refused(lambda: member(cast, cast.olivia).change_role(Role.READ_ONLY, by=adam))
    refused(lambda: member(cast, cast.olivia).change_role(Role.READ_ONLY, by=cast.actor(cast.olivia, cast.acme)))
    member(cast, cast.adam).change_role(Role.READ_WRITE, by=adam)
    refused(lambda: member(cast, cast.adam).change_role(Role.ADMIN, by=adam))


@pytest.mark.parametrize("who", ["eve", "oscar"])
def test_outsiders_and_operators_change_no_role(cast: Cast, who: str) -> None:
    outsider = getattr(cast, who)
    for by in (person(outsider), cast.actor(outsider, cast.acme), cast.actor(cast.eve, cast.globex), SHELL):
        refused(lambda: member(cast, cast.rob).change_role(Role.ADMIN, by=by))  # noqa: B023


def test_owner_is_no_role_to_give(cast: Cast) -> None:
    refused(lambda: member(cast, cast.rob).change_role(Role.OWNER, by=cast.actor(cast.olivia, cast.acme)))


# Leaving and removing


def test_a_removed_member_s_key_is_refused_there_and_works_elsewhere(cast: Cast, call_api: Ask) -> None:
    own_account = AccountFactory(owner=cast.wendy)
    _, key = user_key(cast.wendy)
    (event,) = events_of(lambda: member(cast, cast.wendy).remove(by=cast.actor(cast.adam, cast.acme)))
    assert event.action == "member.removed"
    unknown = call_api("/v1/accounts/me", key, cast.globex)
    gone = call_api("/v1/accounts/me", key, cast.acme)
    assert (gone.status_code, gone.content) == (403, unknown.content)
    assert call_api("/v1/accounts/me", key, own_account).status_code == 200
    cast.acme.add_member(cast.wendy, Role.READ_ONLY, by=SHELL)
    assert call_api("/v1/accounts/me", key, cast.acme).status_code == 200


def test_everybody_but_the_owner_leaves(cast: Cast) -> None:
    for role in BELOW_OWNER:
        user = cast.member(role)
        (event,) = events_of(lambda: member(cast, user).remove(by=cast.actor(user, cast.acme)))  # noqa: B023
        assert (event.actor_id, event.target_id) == (user.pk, str(user.pk))
    refused(lambda: member(cast, cast.olivia).remove(by=cast.actor(cast.olivia, cast.acme)))


# Ownership


def test_a_transfer_makes_one_owner_and_the_old_one_admin(cast: Cast) -> None:
    (event,) = events_of(lambda: cast.acme.transfer(cast.rob, by=cast.actor(cast.olivia, cast.acme)))
    assert (event.action, event.target_id, event.details) == (
        "account.transferred",
        str(cast.rob.pk),
        {"was": str(cast.olivia)},
    )
    assert (member(cast, cast.rob).role, member(cast, cast.olivia).role) == (Role.OWNER, Role.ADMIN)
    member(cast, cast.olivia).remove(by=cast.actor(cast.rob, cast.acme))


@pytest.mark.parametrize("role", BELOW_OWNER)
def test_the_owner_alone_transfers(cast: Cast, role: Role) -> None:
    by = cast.actor(cast.member(role), cast.acme)
    for to in (cast.rob, cast.member(role), cast.olivia):
        refused(lambda: cast.acme.transfer(to, by=by))  # noqa: B023
    refused(lambda: cast.acme.transfer(cast.rob, by=SHELL))
    cast.acme.refresh_from_db()
    assert cast.acme.owner == cast.olivia


def test_ownership_goes_to_active_members_alone(cast: Cast) -> None:
    olivia = cast.actor(cast.olivia, cast.acme)
    cast.rob.deactivate(by=SHELL, reason="left")
    for to in (cast.eve, cast.rob):
        refused(lambda: cast.acme.transfer(to, by=olivia), Conflict)  # noqa: B023
    refused(lambda: cast.acme.transfer(cast.olivia, by=olivia))


def test_an_orphaned_account_is_rescued_by_operators_with_a_reason(cast: Cast) -> None:
    refused(lambda: cast.acme.rescue(cast.adam, by=SHELL, reason="she left"), Conflict)
    cast.olivia.deactivate(by=SHELL, reason="left")
    refused(lambda: cast.acme.rescue(cast.adam, by=SHELL, reason=" "))
    refused(lambda: cast.acme.rescue(cast.adam, by=cast.actor(cast.adam, cast.acme), reason="mine now"))
    (event,) = events_of(lambda: cast.acme.rescue(cast.rob, by=SHELL, reason="she left"))
    assert (event.action, event.reason, event.target_id) == ("account.transferred", "she left", str(cast.rob.pk))
    assert member(cast, cast.rob).role is Role.OWNER
    assert Membership.objects.get(account=cast.acme, user=cast.rob).stored_role == "ADMIN"


def test_a_rescue_brings_in_who_was_no_member_but_nobody_unconfirmed_or_deactivated(cast: Cast) -> None:
    cast.olivia.deactivate(by=SHELL, reason="left")
    cast.rob.deactivate(by=SHELL, reason="left")
    refused(lambda: cast.acme.rescue(cast.rob, by=SHELL, reason="mistake"), Conflict)
    squatter = UserFactory()
    EmailAddress.objects.filter(user=squatter).update(verified=False)
    refused(lambda: cast.acme.rescue(squatter, by=SHELL, reason="whose address is it?"), Conflict)
    events = events_of(lambda: cast.acme.rescue(cast.eve, by=SHELL, reason="bought"))
    assert [(event.action, event.target_id) for event in events] == [
        ("member.added", str(cast.eve.pk)),
        ("account.transferred", str(cast.eve.pk)),
    ]
    assert member(cast, cast.eve).role is Role.OWNER


# Suspended accounts


def test_a_suspended_account_is_closed_to_keys_and_resumed_without_loss(cast: Cast, call_api: Ask) -> None:
    keys = [user_key(cast.rob)[1], service_key(cast.acme)[1]]
    ask = lambda: [call_api("/v1/accounts/me", key, cast.acme).status_code for key in keys]  # noqa: E731
    (event,) = events_of(lambda: cast.acme.suspend(by=SHELL, reason="breach"))
    assert (event.action, event.reason) == ("account.suspended", "breach")
    assert ask() == [403, 403]
    assert b"suspended" in call_api("/v1/accounts/me", keys[1]).content
    refused(lambda: cast.acme.suspend(by=SHELL, reason="again"), Conflict)
    (event,) = events_of(lambda: cast.acme.resume(by=SHELL, reason="over"))
    assert event.action == "account.resumed"
    assert ask() == [200, 200]
    refused(lambda: cast.acme.resume(by=SHELL, reason="again"), Conflict)


def test_nothing_changes_in_a_suspended_account_but_keys_can_be_deleted(cast: Cast) -> None:
    key, _ = service_key(cast.acme)
    invitation, _ = Invitation.objects.invite(cast.acme, "x@example.com", Role.ADMIN, by=cast.actor(cast.olivia, cast.acme))
    cast.acme.suspend(by=SHELL, reason="breach")
    olivia, acme = cast.actor(cast.olivia, cast.acme), cast.acme
    for act in (
        lambda: acme.rename("Other", by=olivia),
        lambda: acme.transfer(cast.adam, by=olivia),
        lambda: acme.close(by=olivia),
        lambda: member(cast, cast.rob).remove(by=olivia),
        lambda: member(cast, cast.rob).change_role(Role.ADMIN, by=olivia),
        lambda: member(cast, cast.rob).remove(by=cast.actor(cast.rob, acme)),
        lambda: Invitation.objects.invite(acme, "y@example.com", Role.ADMIN, by=olivia),
        lambda: invitation.resend(by=olivia),
        lambda: invitation.withdraw(by=olivia),
        lambda: ApiKey.objects.issue_service_key(by=olivia, account=acme, name="New", role=Role.READ_ONLY),
    ):
        refused(act)
    assert key.revoke(by=olivia) is True


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_only_operators_with_a_reason_suspend_and_resume(cast: Cast, verb: str) -> None:
    if verb == "resume":
        cast.acme.suspend(by=SHELL, reason="breach")
    for by, reason in ((SHELL, ""), (SHELL, " \n"), (cast.actor(cast.olivia, cast.acme), "why"), (person(cast.oscar), "why")):
        refused(lambda: getattr(cast.acme, verb)(by=by, reason=reason))  # noqa: B023


# Deactivated people


def test_a_deactivated_person_is_out_everywhere_at_once_and_their_service_keys_live(
    cast: Cast, call_api: Ask, signed_in: Callable[[User], Client]
) -> None:
    browser = signed_in(cast.adam)
    _, own = user_key(cast.adam)
    _, service = ApiKey.objects.issue_service_key(
        by=cast.actor(cast.adam, cast.acme), account=cast.acme, name="Deploy", role=Role.READ_ONLY
    )
    (event,) = events_of(lambda: cast.adam.deactivate(by=SHELL, reason="left"))
    assert (event.action, event.reason, event.target_id) == ("user.deactivated", "left", str(cast.adam.pk))
    assert not is_signed_in(browser)
    assert call_api("/v1/accounts/me", own, cast.acme).status_code == 401
    assert call_api("/v1/accounts/me", service.reveal()).status_code == 200
    refused(lambda: cast.adam.deactivate(by=SHELL, reason="again"), Conflict)


def test_after_reactivation_keys_work_and_old_sessions_stay_dead(
    cast: Cast, call_api: Ask, signed_in: Callable[[User], Client]
) -> None:
    untouched, touched = signed_in(cast.adam), signed_in(cast.adam)
    _, own = user_key(cast.adam)
    cast.adam.deactivate(by=SHELL, reason="left")
    assert not is_signed_in(touched)
    (event,) = events_of(lambda: cast.adam.reactivate(by=SHELL, reason="back"))
    assert event.action == "user.reactivated"
    assert call_api("/v1/accounts/me", own, cast.acme).status_code == 200
    # One session knocked while its person was out, the other slept through it all.
    assert not is_signed_in(touched)
    assert not is_signed_in(untouched)
    again = Client()
    again.post("/accounts/login/", {"login": cast.adam.email, "password": PASSWORD})
    assert is_signed_in(again)
    refused(lambda: cast.adam.reactivate(by=SHELL, reason="again"), Conflict)


def test_a_deactivated_person_s_open_page_changes_nothing(cast: Cast) -> None:
    adam, own = cast.actor(cast.adam, cast.acme), cast.actor(cast.adam)
    key, _ = service_key(cast.acme)
    cast.adam.deactivate(by=SHELL, reason="left")
    for act in (
        lambda: member(cast, cast.rob).remove(by=adam),
        lambda: member(cast, cast.adam).remove(by=adam),
        lambda: Invitation.objects.invite(cast.acme, "x@example.com", Role.ADMIN, by=adam),
        lambda: ApiKey.objects.issue_service_key(by=adam, account=cast.acme, name="Late", role=Role.ADMIN),
        lambda: ApiKey.objects.issue_user_key(by=own, name="Late"),
        lambda: key.revoke(by=adam),
        lambda: cast.adam.close(by=own),
    ):
        refused(act)


@pytest.mark.parametrize("verb", ["deactivate", "reactivate"])
def test_only_operators_with_a_reason_deactivate_and_reactivate(cast: Cast, verb: str) -> None:
    if verb == "reactivate":
        cast.rob.deactivate(by=SHELL, reason="left")
    for by, reason in ((SHELL, ""), (cast.actor(cast.olivia, cast.acme), "why"), (person(cast.rob), "why")):
        refused(lambda: getattr(cast.rob, verb)(by=by, reason=reason))  # noqa: B023


# Closed accounts


def test_a_closed_account_is_gone_for_its_people_and_stays_on_record(
    cast: Cast, call_api: Ask, signed_in: Callable[[User], Client]
) -> None:
    browser, (_, own), (key, service) = signed_in(cast.rob), user_key(cast.rob), service_key(cast.acme)
    service_key(cast.acme, name="Deleted before")[0].revoke(by=cast.actor(cast.olivia, cast.acme))
    _, token = Invitation.objects.invite(cast.acme, cast.eve.email, Role.ADMIN, by=cast.actor(cast.olivia, cast.acme))
    events = events_of(lambda: cast.acme.close(by=cast.actor(cast.olivia, cast.acme)))
    assert sorted((event.action, event.target_id) for event in events) == [
        ("account.deleted", str(cast.acme.pk)),
        ("key.revoked", key.public_id),
    ]
    assert call_api("/v1/accounts/me", service).status_code == 401
    assert call_api("/v1/accounts/me", own, cast.acme).status_code == 403
    assert call_api("/v1/accounts", own).json() == []
    for page in ("general", "members", "api-keys"):
        assert browser.get(f"/settings/accounts/{cast.acme.pk}/{page}").status_code == 404
    assert signed_in(cast.eve).post(f"/invitations/{token}/accept").status_code == 409
    record = Account.objects.get(pk=cast.acme.pk)
    assert (record.owner, record.name, record.deleted_at is not None) == (cast.olivia, "Acme Ltd", True)
    assert record.service_keys.count() == 2


def test_a_closed_account_takes_no_more_changes(cast: Cast) -> None:
    olivia = cast.actor(cast.olivia, cast.acme)
    cast.acme.close(by=olivia)
    refused(lambda: cast.acme.close(by=olivia), Conflict)
    refused(lambda: cast.acme.add_member(cast.eve, Role.ADMIN, by=SHELL), Conflict)
    refused(lambda: cast.acme.suspend(by=SHELL, reason="x"), Conflict)
    refused(lambda: cast.acme.rename("Other", by=olivia))
    refused(lambda: Invitation.objects.invite(cast.acme, "x@example.com", Role.ADMIN, by=olivia))
    refused(lambda: ApiKey.objects.issue_service_key(by=olivia, account=cast.acme, name="Late", role=Role.ADMIN))
    cast.olivia.deactivate(by=SHELL, reason="left")
    refused(lambda: cast.acme.rescue(cast.adam, by=SHELL, reason="x"), Conflict)


@pytest.mark.parametrize("role", BELOW_OWNER)
def test_the_owner_alone_closes_an_account(cast: Cast, role: Role) -> None:
    for by in (cast.actor(cast.member(role), cast.acme), cast.actor(cast.eve, cast.globex), SHELL):
        refused(lambda: cast.acme.close(by=by))  # noqa: B023


def test_the_owner_closes_it_from_any_page(cast: Cast) -> None:
    """The actor need not name the account: like every verb, this one looks the role up itself."""
    service_key(cast.acme)
    assert len(events_of(lambda: cast.acme.close(by=person(cast.olivia)))) == 2


# Deleted people


def test_who_owns_an_account_is_not_deleted(cast: Cast) -> None:
    refused(lambda: cast.olivia.close(by=person(cast.olivia)), Conflict)
    cast.acme.transfer(cast.adam, by=cast.actor(cast.olivia, cast.acme))
    cast.olivia.close(by=person(cast.olivia))


def test_a_closed_account_does_not_keep_its_owner(cast: Cast) -> None:
    cast.acme.close(by=cast.actor(cast.olivia, cast.acme))
    cast.olivia.close(by=person(cast.olivia))


def test_a_deleted_person_is_forgotten_and_the_record_keeps_the_snapshot(
    cast: Cast, call_api: Ask, signed_in: Callable[[User], Client]
) -> None:
    browser, (key, own) = signed_in(cast.adam), user_key(cast.adam)
    service, plaintext = ApiKey.objects.issue_service_key(
        by=cast.actor(cast.adam, cast.acme), account=cast.acme, name="Deploy", role=Role.READ_ONLY
    )
    events = events_of(lambda: cast.adam.close(by=person(cast.adam)))
    assert sorted((event.action, event.target_id) for event in events) == [
        ("key.revoked", key.public_id),
        ("member.removed", str(cast.adam.pk)),
        ("user.deleted", str(cast.adam.pk)),
    ]
    assert {event.actor_name for event in events} == {"Adam <adam@example.com>"}
    assert AuditEvent.objects.get(action="user.deleted").target_name == "Adam <adam@example.com>"
    gone = User.objects.get(pk=cast.adam.pk)
    assert (gone.name, gone.is_active, gone.has_usable_password(), gone.is_deleted) == ("", False, False, True)
    assert "adam" not in gone.email
    assert not EmailAddress.objects.filter(email="adam@example.com").exists()
    assert not gone.memberships.exists()
    assert not is_signed_in(browser)
    assert call_api("/v1/accounts/me", own, cast.acme).status_code == 401
    assert call_api("/v1/accounts/me", plaintext.reveal()).status_code == 200
    service.refresh_from_db()
    assert service.revoked_at is None


def test_a_deleted_person_does_not_come_back(cast: Cast, client: Client) -> None:
    cast.rob.close(by=person(cast.rob))
    rob = User.objects.get(pk=cast.rob.pk)
    refused(lambda: rob.reactivate(by=SHELL, reason="sorry"), Conflict)
    refused(lambda: cast.acme.add_member(rob, Role.ADMIN, by=SHELL), Conflict)
    client.post("/accounts/login/", {"login": rob.email, "password": PASSWORD})
    assert not is_signed_in(client)
    # The address is free for somebody new, who is not them.
    client.post("/accounts/signup/", {"email": "rob@example.com", "name": "Rob", "password1": PASSWORD})
    assert User.objects.get(email="rob@example.com").pk != rob.pk


def test_a_deleted_person_opens_no_account_and_operates_nothing(cast: Cast) -> None:
    """In a tab that was open before."""
    oscar = person(cast.oscar)
    cast.oscar.close(by=oscar)
    refused(lambda: Account.objects.open(by=oscar, owner=cast.oscar), Conflict)
    assert not User.objects.get(pk=cast.oscar.pk).is_staff


def test_pages_show_no_made_up_address_of_who_was_deleted(cast: Cast, signed_in: Callable[[User], Client]) -> None:
    Invitation.objects.invite(cast.acme, "nina@example.com", Role.ADMIN, by=cast.actor(cast.adam, cast.acme))
    cast.adam.close(by=person(cast.adam))
    page = signed_in(cast.olivia).get(f"/settings/accounts/{cast.acme.pk}/members").content.decode()
    assert "Deleted user" in page
    assert "deleted.invalid" not in page


def test_an_open_invitation_to_a_deleted_person_is_not_theirs_any_more(cast: Cast) -> None:
    user = UserFactory(email="nina@example.com")
    invitation, _ = Invitation.objects.invite(cast.acme, user.email, Role.ADMIN, by=cast.actor(cast.olivia, cast.acme))
    user.close(by=person(user))
    refused(lambda: invitation.accept(by=person(user)), Conflict)


def test_nobody_deletes_another_s_user(cast: Cast) -> None:
    others: list[Actor] = [cast.actor(cast.olivia, cast.acme), person(cast.adam), SHELL]
    for by in others:
        refused(lambda: cast.rob.close(by=by))  # noqa: B023
