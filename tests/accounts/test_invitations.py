"""An invitation is good once, for 30 days, for one address, in one account, with one role."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.invitations import Invitation, canonical_email
from accounts.models import Account, Membership, User
from keyportal.exceptions import Conflict
from keyportal.policy import GRANTABLE_ROLES, Role
from tests.factories import PASSWORD, Cast, UserFactory

pytestmark = pytest.mark.django_db

SignedIn = Callable[[User], Client]


@pytest.fixture
def nina(cast: Cast) -> User:
    """Somebody who is in no account."""
    user: User = UserFactory(email="nina@example.com", name="Nina")
    return user


def invite(
    cast: Cast, email: str = "nina@example.com", role: Role = Role.READ_WRITE, by: User | None = None
) -> tuple[Any, str]:
    return Invitation.objects.invite(cast.acme, email, role, by=cast.actor(by or cast.olivia, cast.acme))


def accept(client: Client, token: str, **fields: str) -> int:
    return client.post(f"/invitations/{token}/accept", fields).status_code


def role_of(user: User, cast: Cast) -> Role | None:
    membership = Membership.objects.select_related("account").filter(account=cast.acme, user=user).first()
    return membership.role if membership else None


def token_in_mail(number: int = -1) -> str:
    (token,) = set(re.findall(r"http://127\.0\.0\.1:8000/invitations/(\S+)", str(mail.outbox[number].body)))
    return token


def sign_up(client: Client, email: str = "new@example.com") -> Any:
    return client.post("/accounts/signup/", {"email": email, "name": "New", "password1": PASSWORD})


# Once, and in time


@pytest.mark.parametrize("role", GRANTABLE_ROLES)
def test_accepting_makes_a_member_with_the_role_that_was_offered(
    cast: Cast, nina: User, signed_in: SignedIn, role: Role
) -> None:
    _, token = invite(cast, role=role)
    before = AuditEvent.objects.count()
    assert accept(signed_in(nina), token) == 303
    assert role_of(nina, cast) is role
    (event,) = AuditEvent.objects.order_by("pk")[before:]
    assert (event.action, event.actor_id, event.target_id, event.details) == (
        "member.added",
        nina.pk,
        str(nina.pk),
        {"role": role.value},
    )


def test_a_link_that_was_used_lets_nobody_back_in(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    _, token = invite(cast)
    browser = signed_in(nina)
    assert accept(browser, token) == 303
    assert accept(browser, token) == 409
    cast.acme.memberships.get(user=nina).remove(by=cast.actor(cast.olivia, cast.acme))
    assert accept(browser, token) == 409
    assert role_of(nina, cast) is None


@pytest.mark.parametrize(("late", "status"), [(timedelta(seconds=-1), 303), (timedelta(0), 409), (timedelta(days=1), 409)])
def test_it_is_good_for_thirty_days(cast: Cast, nina: User, signed_in: SignedIn, late: timedelta, status: int) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        _, token = invite(cast)
        browser = signed_in(nina)
        Session.objects.update(expire_date=timezone.now() + timedelta(days=99))
        clock.shift(timedelta(days=30) + late)
        assert accept(browser, token) == status
    assert (role_of(nina, cast) is not None) == (status == 303)


def test_a_withdrawn_invitation_is_dead(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    invitation, token = invite(cast)
    assert (
        signed_in(cast.adam).post(f"/settings/accounts/{cast.acme.pk}/invitations/{invitation.pk}/withdraw").status_code == 303
    )
    assert accept(signed_in(nina), token) == 409
    assert role_of(nina, cast) is None
    invitation.refresh_from_db()
    assert invitation.accepted_at is None


def test_sending_again_kills_the_old_link_and_starts_thirty_days_anew(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        invitation, old = invite(cast)
        clock.shift(timedelta(days=29))
        new = invitation.resend(by=cast.actor(cast.adam, cast.acme))
        clock.shift(timedelta(days=29))
        browser = signed_in(nina)
        assert accept(browser, old) == 404
        assert accept(browser, new) == 303


@pytest.mark.parametrize("verb", ["resend", "withdraw"])
@pytest.mark.parametrize("end", ["accepted_at", "withdrawn_at"])
def test_what_has_ended_is_neither_sent_again_nor_withdrawn(cast: Cast, verb: str, end: str) -> None:
    invitation, _ = invite(cast)
    Invitation.objects.filter(pk=invitation.pk).update(**{end: timezone.now()})
    with pytest.raises(Conflict):
        getattr(invitation, verb)(by=cast.actor(cast.olivia, cast.acme))


# For one person, account and role


@pytest.mark.parametrize("who", ["eve", "oscar"])
def test_a_forwarded_link_admits_nobody_else(cast: Cast, signed_in: SignedIn, who: str) -> None:
    _, token = invite(cast)
    other = getattr(cast, who)
    assert accept(signed_in(other), token) == 409
    assert role_of(other, cast) is None
    assert Invitation.objects.get().accepted_at is None


def test_nobody_accepts_without_signing_in(cast: Cast, nina: User) -> None:
    _, token = invite(cast)
    assert accept(Client(), token) == 302
    assert role_of(nina, cast) is None


def test_role_and_account_in_the_form_count_for_nothing(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    _, token = invite(cast, role=Role.READ_ONLY)
    edited = {
        "role": "ADMIN",
        "account": str(cast.globex.pk),
        "account_id": str(cast.globex.pk),
        "is_staff": "1",
        "email": "x@x.y",
    }
    assert accept(signed_in(nina), token, **edited) == 303
    assert [(m.account_id, m.role) for m in nina.memberships.select_related("account")] == [(cast.acme.pk, Role.READ_ONLY)]
    nina.refresh_from_db()
    assert (nina.is_staff, nina.email) == (False, "nina@example.com")


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "%00", "ü", "../accept"])
def test_a_guessed_link_leads_nowhere(cast: Cast, nina: User, signed_in: SignedIn, token: str) -> None:
    invite(cast)
    assert accept(signed_in(nina), token) in (400, 404)


def test_the_hash_is_no_token(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    invitation, _ = invite(cast)
    assert accept(signed_in(nina), invitation.token_hash) == 404


def test_a_member_s_role_never_changes_by_it(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    with pytest.raises(Conflict, match="member already"):
        invite(cast, email="Rob@Example.com", role=Role.ADMIN)
    _, token = invite(cast, role=Role.ADMIN)
    cast.acme.add_member(nina, Role.READ_ONLY, by=operator_at_shell())
    assert accept(signed_in(nina), token) == 409
    assert role_of(nina, cast) is Role.READ_ONLY


def test_an_invitation_of_another_account_is_neither_sent_again_nor_withdrawn_by_its_admins(
    cast: Cast, signed_in: SignedIn
) -> None:
    invitation, _ = invite(cast)
    before = Invitation.objects.values().get()
    for account in (cast.acme, cast.globex):
        for verb in ("resend", "withdraw"):
            url = f"/settings/accounts/{account.pk}/invitations/{invitation.pk}/{verb}"
            assert signed_in(cast.eve).post(url).status_code == 404
    assert Invitation.objects.values().get() == before


# While the inviter may


@pytest.mark.parametrize("end", ["demoted", "removed", "deactivated", "suspended", "closed"])
def test_it_is_refused_when_the_inviter_could_no_longer_invite(cast: Cast, nina: User, signed_in: SignedIn, end: str) -> None:
    _, token = invite(cast, by=cast.adam)
    olivia, adam = cast.actor(cast.olivia, cast.acme), cast.acme.memberships.get(user=cast.adam)
    {
        "demoted": lambda: adam.change_role(Role.READ_WRITE, by=olivia),
        "removed": lambda: adam.remove(by=olivia),
        "deactivated": lambda: cast.adam.deactivate(by=operator_at_shell(), reason="left"),
        "suspended": lambda: cast.acme.suspend(by=operator_at_shell(), reason="breach"),
        "closed": lambda: cast.acme.close(by=olivia),
    }[end]()
    said = {"closed": "withdrawn", "suspended": "Acme Ltd is suspended"}.get(end, "may no longer do so")
    for browser in (Client(), signed_in(nina)):
        assert said in browser.get(f"/invitations/{token}").content.decode()
    assert accept(signed_in(nina), token) == 409
    assert role_of(nina, cast) is None


def test_sent_again_by_another_admin_it_stands_on_that_admin(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    invitation, _ = invite(cast, by=cast.adam)
    token = invitation.resend(by=cast.actor(cast.olivia, cast.acme))
    cast.acme.memberships.get(user=cast.adam).remove(by=cast.actor(cast.olivia, cast.acme))
    assert accept(signed_in(nina), token) == 303


def test_the_mail_names_who_sends_it_again(cast: Cast, signed_in: SignedIn) -> None:
    invitation, _ = invite(cast, by=cast.adam)
    cast.adam.close(by=person(cast.adam))
    signed_in(cast.olivia).post(f"/settings/accounts/{cast.acme.pk}/invitations/{invitation.pk}/resend")
    assert mail.outbox[-1].subject == "Olivia invites you to Acme Ltd"
    assert str(mail.outbox[-1].body).startswith("Olivia <olivia@example.com> invites you")


def test_a_page_that_was_open_when_it_was_sent_again_is_too_late(cast: Cast, nina: User) -> None:
    _, token = invite(cast)
    opened = Invitation.objects.by_token(token)
    assert opened
    Invitation.objects.get().resend(by=cast.actor(cast.olivia, cast.acme))
    with pytest.raises(Conflict, match="newer"):
        opened.accept(by=person(nina))


def test_a_deactivated_person_does_not_accept(cast: Cast, nina: User) -> None:
    invitation, _ = invite(cast)
    nina.deactivate(by=operator_at_shell(), reason="left")
    with pytest.raises(Conflict):
        invitation.accept(by=person(nina))


@pytest.mark.parametrize("role", [Role.READ_WRITE, Role.READ_RUN, Role.READ_ONLY])
def test_members_below_admin_invite_nobody(cast: Cast, signed_in: SignedIn, role: Role) -> None:
    invitation, _ = invite(cast)
    browser, base = signed_in(cast.member(role)), f"/settings/accounts/{cast.acme.pk}"
    assert browser.post(f"{base}/members/invite", {"emails": "x@example.com", "role": "READ_ONLY"}).status_code == 403
    for verb in ("resend", "withdraw"):
        assert browser.post(f"{base}/invitations/{invitation.pk}/{verb}").status_code == 403
    with pytest.raises(PermissionDenied):
        invite(cast, email="x@example.com", by=cast.member(role))
    assert Invitation.objects.count() == 1


# Addresses


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Nina@Example.COM", "nina@example.com"),
        ("NINA@EXAMPLE.COM", "nina@example.com"),
        ("nina@bücher.example", "nina@xn--bcher-kva.example"),
        ("nina@BÜCHER.example", "nina@xn--bcher-kva.example"),
        ("nina@XN--BCHER-KVA.example", "nina@xn--bcher-kva.example"),
    ],
)
def test_an_address_has_one_spelling(written: str, meant: str) -> None:
    assert canonical_email(written) == meant


@pytest.mark.parametrize(
    "local", ["\u212aim", "\u017fam", "\u0130nk", "\u0131nk", "mü", "a\u200bb", "a b", "", '"a b"', '"\x01"', '"a@b"']
)
def test_letters_that_only_pass_for_ascii_are_no_address(local: str) -> None:
    """The Kelvin sign lowers to a plain k, and a long s passes for an s where case is ignored."""
    with pytest.raises(ValidationError):
        canonical_email(f"{local}@example.com")


@pytest.mark.parametrize("domain", ["straße.example", "STRAẞE.example", "μάγος.example", "a\u200db.example"])
def test_a_domain_that_old_and_new_programs_spell_differently_is_no_address(domain: str) -> None:
    """Ours would mail to strasse.example, which may be somebody else's."""
    with pytest.raises(ValidationError):
        canonical_email(f"nina@{domain}")


@pytest.mark.parametrize("invited", ["nina@bücher.example", "Nina@BÜCHER.example", "nina@xn--bcher-kva.example"])
@pytest.mark.parametrize("signed_up", ["nina@bücher.example", "nina@XN--BCHER-KVA.example"])
def test_an_address_of_the_world_is_found_in_either_spelling(cast: Cast, invited: str, signed_up: str) -> None:
    sign_up(Client(), signed_up)
    EmailAddress.objects.update(verified=True)
    nina = User.objects.get(name="New")
    browser = Client()
    assert browser.post("/accounts/login/", {"login": signed_up, "password": PASSWORD}).status_code == 302
    _, token = invite(cast, email=invited)
    assert accept(browser, token) == 303
    assert role_of(nina, cast) is Role.READ_WRITE
    with pytest.raises(Conflict, match="member already"):
        invite(cast, email=invited)


@pytest.mark.parametrize("again", ["nina@example.com", "NINA@example.com"])
def test_an_address_is_invited_once_until_that_has_ended(cast: Cast, again: str) -> None:
    first, _ = invite(cast)
    with pytest.raises(Conflict, match="invited already"):
        invite(cast, email=again)
    with pytest.raises(IntegrityError), transaction.atomic():
        Invitation.objects.create(
            account=cast.acme,
            email="nina@example.com",
            role="ADMIN",
            invited_by=cast.olivia,
            token_hash="0" * 64,
            expires_at=timezone.now(),
        )
    first.withdraw(by=cast.actor(cast.olivia, cast.acme))
    invite(cast, email=again)


def test_an_expired_invitation_makes_room_for_another(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    first, old = invite(cast)
    Invitation.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    _, new = invite(cast, role=Role.READ_ONLY)
    browser = signed_in(nina)
    assert accept(browser, old) == 409
    assert accept(browser, new) == 303
    assert role_of(nina, cast) is Role.READ_ONLY


# No mail relay


def test_an_account_sends_only_so_many_a_day(cast: Cast, settings: Any) -> None:
    settings.INVITATIONS_PER_DAY = 3
    olivia = cast.actor(cast.olivia, cast.acme)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        first, _ = invite(cast, email="a@example.com")
        invite(cast, email="b@example.com", by=cast.adam)
        first.resend(by=olivia)
        for attempt in (lambda: invite(cast, email="c@example.com"), lambda: first.resend(by=olivia)):
            with pytest.raises(Conflict, match="at most 3"):
                attempt()
        # Withdrawing gives nothing back: the mail has gone out.
        first.withdraw(by=olivia)
        with pytest.raises(Conflict, match="at most 3"):
            invite(cast, email="c@example.com")
        # Another account has a day of its own.
        Invitation.objects.invite(cast.globex, "a@example.com", Role.ADMIN, by=cast.actor(cast.eve, cast.globex))
        clock.shift(timedelta(days=1))
        invite(cast, email="c@example.com")


def test_a_person_has_no_second_day_by_opening_another_account(nina: User, settings: Any) -> None:
    settings.INVITATIONS_PER_DAY = 1
    for number in range(2):
        account = Account.objects.open(by=person(nina), owner=nina)
        by = account.present(person(nina))
        with pytest.raises(Conflict, match="at most 1") if number else nullcontext():
            Invitation.objects.invite(account, f"{number}@example.com", Role.ADMIN, by=by)
        account.close(by=by)


def test_what_goes_over_the_limit_is_named_and_not_sent(cast: Cast, signed_in: SignedIn, settings: Any) -> None:
    settings.INVITATIONS_PER_DAY = 2
    url = f"/settings/accounts/{cast.acme.pk}/members/invite"
    fields = {"emails": "a@example.com, b@example.com\nc@example.com;rob@example.com", "role": "READ_ONLY"}
    assert signed_in(cast.adam).post(url, fields).status_code == 303
    assert sorted(Invitation.objects.values_list("email", flat=True)) == ["a@example.com", "b@example.com"]
    assert sorted(message.to for message in mail.outbox) == [["a@example.com"], ["b@example.com"]]


@pytest.mark.parametrize(
    "emails", ["a@example.com\r\nBcc: b@example.com", "a@example.com b", '"a b"@example.com', "a@b", "", " ,;\n"]
)
def test_what_is_no_list_of_addresses_sends_nothing(cast: Cast, signed_in: SignedIn, emails: str) -> None:
    url = f"/settings/accounts/{cast.acme.pk}/members/invite"
    answer = signed_in(cast.adam).post(url, {"emails": emails, "role": "READ_ONLY"})
    assert answer.status_code == 400
    assert ("is not an email address" in answer.content.decode()) == bool(emails.strip(" ,;\n"))
    assert not Invitation.objects.exists()
    assert not mail.outbox


# Nobody is invited as owner


@pytest.mark.parametrize(
    "role",
    ["OWNER", "owner", "Owner", " OWNER", "OWNER\x00", "ＯＷＮＥＲ", "OWΝER", "0WNER", "ADMIN OWNER", "", "4", "Role.OWNER"],
)
def test_owner_is_no_role_to_invite_with_in_any_spelling(cast: Cast, signed_in: SignedIn, role: str) -> None:
    url = f"/settings/accounts/{cast.acme.pk}/members/invite"
    assert signed_in(cast.olivia).post(url, {"emails": "nina@example.com", "role": role}).status_code == 400
    assert not Invitation.objects.exists()


def test_the_verb_and_the_database_refuse_it_too(cast: Cast) -> None:
    with pytest.raises(PermissionDenied):
        invite(cast, role=Role.OWNER)
    invitation, _ = invite(cast)
    with pytest.raises(IntegrityError), transaction.atomic():
        Invitation.objects.filter(pk=invitation.pk).update(role="OWNER")


def test_of_two_roles_the_last_counts_and_owner_beside_another_is_refused(cast: Cast, signed_in: SignedIn) -> None:
    url = f"/settings/accounts/{cast.acme.pk}/members/invite"
    assert signed_in(cast.olivia).post(url, {"emails": "nina@example.com", "role": ["READ_ONLY", "OWNER"]}).status_code == 400
    assert not Invitation.objects.exists()


# The token is in the mail alone


def test_the_token_stands_in_no_table_and_no_session(cast: Cast, signed_in: SignedIn) -> None:
    url = f"/settings/accounts/{cast.acme.pk}/members/invite"
    assert signed_in(cast.adam).post(url, {"emails": "new@example.com", "role": "READ_ONLY"}).status_code == 303
    token = token_in_mail()
    guest = Client()
    assert guest.get(f"/invitations/{token}").status_code == 200
    sign_up(guest)
    guest.post(f"/invitations/{token}/accept")
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            assert token not in repr(cursor.fetchall()), table
    for session in Session.objects.all():
        assert token not in repr(session.get_decoded())


# Signing up by invitation


@pytest.fixture
def guest(cast: Cast) -> Client:
    """A browser in which the link was opened that the invitation of new@example.com holds."""
    _, token = invite(cast, email="new@example.com", role=Role.READ_RUN)
    client = Client()
    assert client.get(f"/invitations/{token}").status_code == 200
    return client


@pytest.mark.parametrize("open_to_all", [True, False])
def test_who_signs_up_by_invitation_joins_and_opens_no_account(
    cast: Cast, guest: Client, settings: Any, open_to_all: bool
) -> None:
    settings.SIGNUP_OPEN = open_to_all
    sign_up(guest, "New@Example.com")
    user = User.objects.get(email="new@example.com")
    assert role_of(user, cast) is Role.READ_RUN
    assert user.memberships.count() == 1
    assert not user.owned_accounts.exists()
    # The link has shown that mail reaches them: no second one, and they are in.
    assert not mail.outbox
    assert user.has_confirmed_address
    assert guest.get("/settings/user/api-keys").status_code == 200


def test_who_has_joined_comes_by_the_link_into_the_account(cast: Cast, nina: User, signed_in: SignedIn) -> None:
    """Sign-up leads back to the link that it came from, which is used by then."""
    _, token = invite(cast, email="new@example.com")
    link, inside = f"/invitations/{token}", f"/settings/accounts/{cast.acme.pk}/general"
    browser = Client()
    browser.get(link)
    answer = browser.post(f"/accounts/signup/?next={link}", {"email": "new@example.com", "name": "New", "password1": PASSWORD})
    assert answer["Location"] == link
    assert browser.get(link)["Location"] == inside
    # To anybody else it is a link that was used.
    assert signed_in(nina).get(link).status_code == Client().get(link).status_code == 200
    cast.acme.memberships.get(user__email="new@example.com").remove(by=cast.actor(cast.olivia, cast.acme))
    assert browser.get(link).status_code == 200


def test_who_signs_up_with_another_address_joins_nothing(cast: Cast, guest: Client) -> None:
    sign_up(guest, "other@example.com")
    user = User.objects.get(email="other@example.com")
    assert role_of(user, cast) is None
    assert user.owned_accounts.count() == 1
    assert not user.has_confirmed_address
    assert guest.get("/settings/user/api-keys").status_code == 302
    assert [message.to for message in mail.outbox] == [["other@example.com"]]


def test_who_signs_up_when_the_inviter_may_no_longer_invite_gets_an_account_of_their_own(cast: Cast, guest: Client) -> None:
    """Nobody ends up without any account because somebody else left in between."""
    cast.acme.transfer(cast.adam, by=cast.actor(cast.olivia, cast.acme))
    cast.acme.memberships.get(user=cast.olivia).remove(by=cast.actor(cast.adam, cast.acme))
    sign_up(guest)
    user = User.objects.get(email="new@example.com")
    assert role_of(user, cast) is None
    assert user.owned_accounts.count() == 1


def test_a_closed_installation_lets_in_the_invited_address_alone(cast: Cast, guest: Client, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    sign_up(guest, "other@example.com")
    assert not User.objects.filter(email="other@example.com").exists()


@pytest.mark.parametrize("end", ["withdrawn", "expired", "accepted", "sent again"])
def test_a_browser_that_saw_the_link_proves_nothing_when_the_invitation_has_ended(
    cast: Cast, guest: Client, settings: Any, end: str
) -> None:
    """The link was opened in time, by whoever held it; the sign-up comes too late."""
    invitation = Invitation.objects.get()
    if end == "sent again":
        invitation.resend(by=cast.actor(cast.olivia, cast.acme))
    else:
        column = {"withdrawn": "withdrawn_at", "expired": "expires_at", "accepted": "accepted_at"}[end]
        Invitation.objects.update(**{column: timezone.now()})
    sign_up(guest)
    user = User.objects.get(email="new@example.com")
    assert not user.has_confirmed_address
    assert role_of(user, cast) is None
    assert guest.get("/settings/user/api-keys").status_code == 302
