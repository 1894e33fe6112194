"""What the pages of people say: who stops working with whom, what waits, and the way on for who is nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import person
from accounts.invitations import Invitation
from accounts.models import Account, User
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests.factories import AccountFactory, Cast, UserFactory, user_key

pytestmark = pytest.mark.django_db

SignedIn = Callable[[User], Client]


def words(answer: Any) -> str:
    """The page's text, its white space made one space."""
    text = re.sub(r"<[^>]+>", "", answer.content.decode())
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


def url(account: Account, path: str) -> str:
    return f"/settings/accounts/{account.pk}/{path}"


def made_by(user: User, account: Account, **changes: Any) -> None:
    key, _ = ApiKey.objects.issue_service_key(
        by=account.present(person(user)), account=account, name="Deploy", role=Role.READ_ONLY
    )
    ApiKey.objects.filter(pk=key.pk).update(**changes)


def test_removing_says_what_stops_and_what_lasts_with_a_link(cast: Cast, signed_in: SignedIn) -> None:
    for _ in range(3):
        user_key(cast.adam)
    user_key(cast.adam, expires_at=timezone.now())
    user_key(cast.adam, suspended_at=timezone.now())
    for changes in ({}, {}, {"expires_at": timezone.now()}):
        made_by(cast.adam, cast.acme, **changes)
    page = signed_in(cast.olivia).get(url(cast.acme, f"members/{cast.adam.pk}/remove"))
    assert "3 of Adam's keys stop working in Acme Ltd. The 2 service keys they made keep working." in words(page)
    assert f'<a href="{url(cast.acme, "api-keys")}">2 service keys</a>' in page.content.decode()


def test_one_key_stops_and_none_is_said_as_well(cast: Cast, signed_in: SignedIn) -> None:
    user_key(cast.wendy)
    olivia = signed_in(cast.olivia)
    assert "1 of Wendy's keys stops working in Acme Ltd." in words(
        olivia.get(url(cast.acme, f"members/{cast.wendy.pk}/remove"))
    )
    assert "Rob has no key that stops working." in words(olivia.get(url(cast.acme, f"members/{cast.rob.pk}/remove")))


def test_who_leaves_is_told_of_their_own_keys_and_gets_no_link_to_what_they_may_not_see(
    cast: Cast, signed_in: SignedIn
) -> None:
    user_key(cast.wendy)
    cast.acme.memberships.filter(user=cast.wendy).update(stored_role=Role.ADMIN)
    made_by(cast.wendy, cast.acme)
    wendy = signed_in(cast.wendy)
    assert url(cast.acme, "api-keys") in wendy.get(url(cast.acme, "leave")).content.decode().partition("<dialog")[2]
    cast.acme.memberships.filter(user=cast.wendy).update(stored_role=Role.READ_WRITE)
    page = wendy.get(url(cast.acme, "leave"))
    assert "1 of your keys stops working in Acme Ltd. The 1 service key you made keeps working." in words(page)
    assert url(cast.acme, "api-keys") not in page.content.decode()


def test_admins_read_how_many_keys_a_member_has_and_members_do_not(cast: Cast, signed_in: SignedIn) -> None:
    user_key(cast.wendy, name="A private name")
    admin = signed_in(cast.adam).get(url(cast.acme, "members"))
    assert "1 usable" in words(admin)
    assert "None" in words(admin)
    assert "A private name" not in words(admin)
    member = signed_in(cast.rob).get(url(cast.acme, "members"))
    assert "usable" not in words(member)
    assert "Their keys" not in words(member)


def test_what_waits_says_until_when_and_what_has_expired_is_marked(cast: Cast, signed_in: SignedIn) -> None:
    actor = cast.actor(cast.olivia, cast.acme)
    for email in ("open@example.com", "late@example.com"):
        Invitation.objects.invite(cast.acme, email, Role.READ_ONLY, by=actor)
    Invitation.objects.filter(email="open@example.com").update(expires_at=timezone.now() + timedelta(days=6))
    Invitation.objects.filter(email="late@example.com").update(expires_at=timezone.now())
    page = words(signed_in(cast.olivia).get(url(cast.acme, "members")))
    assert re.search(r"late@example\.com Read Only Olivia Expired Resend", page)
    assert re.search(r"open@example\.com Read Only Olivia in 6 days Resend", page)


def test_ownership_is_offered_only_where_somebody_can_take_it(cast: Cast, signed_in: SignedIn) -> None:
    alone = words(signed_in(cast.eve).get(url(cast.globex, "general")))
    assert "You cannot transfer the ownership of the account if there are no other members." in alone
    assert url(cast.globex, "transfer") not in signed_in(cast.eve).get(url(cast.globex, "general")).content.decode()
    assert url(cast.acme, "transfer") in signed_in(cast.olivia).get(url(cast.acme, "general")).content.decode()


# In no account


def test_who_is_in_no_account_is_led_from_home_to_a_page_that_opens_one(signed_in: SignedIn) -> None:
    nina = UserFactory(email="nina@example.com")
    browser = signed_in(nina)
    page = browser.get("/", follow=True)
    assert "You are in no account" in words(page)
    assert browser.post("/settings/accounts/new", {"name": " "}).status_code == 400
    answer = browser.post("/settings/accounts/new", {"name": "Initech"})
    account = nina.owned_accounts.get()
    assert (answer.status_code, answer["Location"]) == (303, url(account, "general"))
    assert account.name == "Initech"
    assert browser.get("/")["Location"] == "/settings/user/api-keys"


def test_who_is_in_an_account_opens_no_second_one_here(cast: Cast, signed_in: SignedIn) -> None:
    assert signed_in(cast.rob).post("/settings/accounts/new", {"name": "Another"}).status_code == 409
    assert not cast.rob.owned_accounts.exists()


def test_who_still_owns_an_account_is_told_which_and_stays(cast: Cast, signed_in: SignedIn) -> None:
    answer = signed_in(cast.olivia).post("/settings/user/delete", {"confirm_name": "olivia@example.com"})
    assert answer.status_code == 409
    assert "You still own accounts" in answer.content.decode()
    assert f"/settings/accounts/{cast.acme.pk}/general" in answer.content.decode()
    assert not User.objects.get(pk=cast.olivia.pk).is_deleted


def test_where_sign_up_is_closed_nobody_opens_an_account(signed_in: SignedIn, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    browser = signed_in(UserFactory(email="nina@example.com"))
    page = browser.get("/settings/account/members")
    assert "open one of your own" not in words(page)
    assert browser.post("/settings/accounts/new", {"name": "Another"}).status_code == 403


def test_who_has_left_their_last_account_finds_the_way_on(signed_in: SignedIn) -> None:
    account = AccountFactory()
    browser = signed_in(account.owner)
    browser.post(url(account, "delete"), {"confirm_name": account.name})
    assert "You are in no account" in words(browser.get("/", follow=True))
