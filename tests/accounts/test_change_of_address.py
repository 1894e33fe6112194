"""One address a person: a new one counts once its link was opened, and the old one is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.factories import PASSWORD, Cast, user_key
from tests.sessions import browser_of

CHANGE = {"email": "rob@example.org", "action_add": ""}


def signs_in(address: str) -> bool:
    return Client().post("/accounts/login/", {"login": address, "password": PASSWORD}).get("Location") == "/"


def waiting(browser: Client) -> bool:
    browser.get("/accounts/email/")  # takes the message along
    return "rob@example.org" in browser.get("/accounts/email/").content.decode()


def mailed_link() -> str:
    (link,) = set(re.findall(r"http://127\.0\.0\.1:8000(/accounts/confirm-email/\S+)", str(mail.outbox[-1].body)))
    return link


def sign_up(browser: Client) -> None:
    browser.post("/accounts/signup/", {"email": "rob@example.org", "name": "New", "password1": PASSWORD})


def test_it_asks_for_the_password_ten_minutes_after_the_sign_in_and_not_before(cast: Cast) -> None:
    asked = browser_of(cast.rob, timedelta(minutes=10)).post("/accounts/email/", CHANGE)
    assert (asked.status_code, asked["Location"]) == (302, "/accounts/reauthenticate/?next=%2Faccounts%2Femail%2F")
    assert not mail.outbox
    done = browser_of(cast.rob, timedelta(minutes=9)).post("/accounts/email/", CHANGE)
    assert (done.status_code, done["Location"]) == (302, "/accounts/email/")
    assert [message.to for message in mail.outbox] == [["rob@example.org"]]


def test_the_new_address_counts_when_its_link_was_opened(cast: Cast) -> None:
    browser = browser_of(cast.rob)
    browser.post("/accounts/email/", CHANGE)
    assert waiting(browser)
    assert signs_in("rob@example.com")
    assert not signs_in("rob@example.org")
    link = mailed_link()
    browser.post(link)
    assert User.objects.get(pk=cast.rob.pk).email == "rob@example.org"
    assert signs_in("rob@example.org")
    assert not signs_in("rob@example.com")
    assert mail.outbox[-1].to == ["rob@example.com"]


def test_a_change_that_waits_can_be_cancelled(cast: Cast) -> None:
    browser = browser_of(cast.rob)
    browser.post("/accounts/email/", CHANGE)
    link = mailed_link()
    browser.post("/accounts/email/", {"email": "rob@example.org", "action_remove": ""})
    assert not waiting(browser)
    browser.post(link)
    assert User.objects.get(pk=cast.rob.pk).email == "rob@example.com"


def test_its_link_counts_only_where_its_person_is_signed_in(cast: Cast) -> None:
    """Else whoever reads the mail and confirms has somebody else's user, with the keys of who made it."""
    browser = browser_of(cast.rob)
    browser.post("/accounts/email/", CHANGE)
    link = mailed_link()
    for other in (Client(), browser_of(cast.eve)):
        page = other.post(link, follow=True)
        assert "Sign in as who asked for this address" in page.content.decode()
        assert User.objects.get(pk=cast.rob.pk).email == "rob@example.com"
    browser.post(link)
    assert User.objects.get(pk=cast.rob.pk).email == "rob@example.org"


def test_who_waits_for_an_address_is_not_who_signs_up_with_it(cast: Cast, call_api: Callable[..., Any]) -> None:
    """Somebody waits for an address that is not theirs, with a key, until its owner comes and is made an admin."""
    _, key = user_key(cast.eve)
    browser_of(cast.eve).post("/accounts/email/", CHANGE)
    newcomer = Client()
    sign_up(newcomer)
    newcomer.post(mailed_link())
    user = User.objects.get(email="rob@example.org")
    assert newcomer.session["_auth_user_id"] == str(user.pk) != str(cast.eve.pk)
    cast.acme.memberships.create(user=user, stored_role="ADMIN")
    assert call_api("/v1/checks", key, cast.acme).status_code == 403


def test_an_address_that_is_waited_for_resets_no_password(cast: Cast) -> None:
    browser_of(cast.rob).post("/accounts/email/", CHANGE)
    Client().post("/accounts/password/reset/", {"email": "rob@example.org"})
    assert mail.outbox[-1].to == ["rob@example.org"]
    assert "nobody signs in here with that address" in str(mail.outbox[-1].body)


def test_an_address_that_somebody_has_signed_up_with_stays_theirs(cast: Cast) -> None:
    """Also where they have not confirmed it yet."""
    browser = browser_of(cast.rob)
    browser.post("/accounts/email/", CHANGE)
    link = mailed_link()
    sign_up(Client())
    page = browser.post(link, follow=True)
    assert (page.status_code, "Somebody else has signed up with this address" in page.content.decode()) == (200, True)
    assert User.objects.get(pk=cast.rob.pk).email == "rob@example.com"
    assert list(EmailAddress.objects.filter(user=cast.rob, verified=True).values_list("email", "primary")) == [
        ("rob@example.com", True)
    ]
