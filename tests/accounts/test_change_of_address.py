"""One address a person: a new one counts once its link was opened, and the old one is told."""

from __future__ import annotations

import re
from datetime import timedelta

from django.core import mail
from django.test import Client

from accounts.models import User
from tests.factories import PASSWORD, Cast
from tests.sessions import browser_of

CHANGE = {"email": "rob@example.org", "action_add": ""}


def signs_in(address: str) -> bool:
    return Client().post("/accounts/login/", {"login": address, "password": PASSWORD}).get("Location") == "/"


def waiting(browser: Client) -> bool:
    browser.get("/accounts/email/")  # takes the message along
    return "rob@example.org" in browser.get("/accounts/email/").content.decode()


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
    (link,) = set(re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(mail.outbox[0].body)))
    browser.post(link)
    assert User.objects.get(pk=cast.rob.pk).email == "rob@example.org"
    assert signs_in("rob@example.org")
    assert not signs_in("rob@example.com")
    assert mail.outbox[-1].to == ["rob@example.com"]


def test_a_change_that_waits_can_be_cancelled(cast: Cast) -> None:
    browser = browser_of(cast.rob)
    browser.post("/accounts/email/", CHANGE)
    (link,) = set(re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(mail.outbox[0].body)))
    browser.post("/accounts/email/", {"email": "rob@example.org", "action_remove": ""})
    assert not waiting(browser)
    browser.post(link)
    assert User.objects.get(pk=cast.rob.pk).email == "rob@example.com"
