"""The account's General page says whether API keys may manage members; the owner alone decides it, freshly signed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from accounts.models import User
from keyportal.policy import Role
from tests import factories
from tests.factories import PASSWORD, Cast
from tests.sessions import browser_of

SignedIn = Callable[[User], Client]

ON, OFF = {"keys_manage_members": "on"}, {}
ALLOWED = "API keys with the role Admin may change roles and remove members."
FORBIDDEN = "API keys may list members, and change nothing about them."


@pytest.fixture
def page(cast: Cast) -> str:
    return f"/settings/accounts/{cast.acme.pk}/general"


@pytest.fixture
def switch(cast: Cast) -> str:
    return f"/settings/accounts/{cast.acme.pk}/policies"


def words(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", "", answer.content.decode()).split())


def allowed(cast: Cast) -> bool:
    cast.acme.refresh_from_db()
    return cast.acme.keys_manage_members


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="account.policy_changed").order_by("pk"))


def test_the_owner_switches_it_on_and_off_and_keys_follow_at_once(
    cast: Cast, signed_in: SignedIn, page: str, switch: str
) -> None:
    olivia = signed_in(cast.olivia)
    adam = Client(headers={"Authorization": f"Bearer {factories.service_key(cast.acme, Role.ADMIN)[1]}"})

    def change() -> int:
        path = f"/v1/accounts/me/members/{cast.rob.pk}"
        return adam.patch(path, {"role": "READ_RUN"}, "application/json").status_code

    assert not allowed(cast)
    assert FORBIDDEN in words(olivia.get(page))
    assert change() == 403
    answer = olivia.post(switch, ON, follow=True)
    assert answer.redirect_chain == [(page, 303)]
    assert "API keys may manage members." in words(answer)
    assert ALLOWED in words(olivia.get(page))
    assert change() == 200
    answer = olivia.post(switch, OFF, follow=True)
    assert "API keys can no longer manage members." in words(answer)
    assert FORBIDDEN in words(olivia.get(page))
    assert change() == 403


def test_the_button_sends_the_opposite_of_what_is(cast: Cast, signed_in: SignedIn, page: str, switch: str) -> None:
    olivia = signed_in(cast.olivia)
    for button, sends in (("Let keys manage members", True), ("Stop allowing it", False)):
        form = re.search(rf'<form method="post" action="{switch}">(.*?)</form>', olivia.get(page).content.decode(), re.S)
        assert form
        assert button in form[1]
        assert ('<input type="hidden" name="keys_manage_members" value="on">' in form[1]) == sends
        olivia.post(switch, ON if sends else OFF)
        assert allowed(cast) == sends


def test_an_admin_reads_how_it_stands_and_who_decides_and_finds_no_button(
    cast: Cast, signed_in: SignedIn, page: str, switch: str
) -> None:
    adam = signed_in(cast.adam)
    assert f"{FORBIDDEN} The owner decides that." in words(adam.get(page))
    cast.acme.let_keys_manage_members(True, by=cast.actor(cast.olivia, cast.acme))
    answer = adam.get(page)
    assert f"{ALLOWED} The owner decides that." in words(answer)
    assert switch not in answer.content.decode()
    assert "The owner decides that." not in words(signed_in(cast.olivia).get(page))


def test_members_below_admin_read_nothing_of_it(cast: Cast, signed_in: SignedIn, page: str) -> None:
    for user in (cast.wendy, cast.rhea, cast.rob):
        assert "API keys and members" not in words(signed_in(user).get(page))


@pytest.mark.parametrize("form", [ON, OFF])
def test_nobody_but_the_owner_changes_it(cast: Cast, signed_in: SignedIn, switch: str, form: dict[str, str]) -> None:
    cast.acme.let_keys_manage_members(not form, by=cast.actor(cast.olivia, cast.acme))
    before = allowed(cast), len(events())
    for user in (cast.adam, cast.wendy, cast.rhea, cast.rob):
        answer = signed_in(user).post(switch, form)
        assert answer.status_code == 403
        assert "Only the owner can let API keys manage members." in answer.content.decode()
    for user in (cast.eve, cast.oscar):
        assert signed_in(user).post(switch, form).status_code == 404
    assert Client().post(switch, form).status_code == 302
    assert (allowed(cast), len(events())) == before


def test_no_key_changes_it(cast: Cast, switch: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.user_key(cast.olivia)[1]}"})
    answer = client.post(switch, ON)
    assert (answer.status_code, allowed(cast)) == (302, False)
    assert answer["Location"].startswith("/accounts/login/")


def test_ten_minutes_after_the_sign_in_the_password_is_asked_and_then_it_is_done(cast: Cast, switch: str) -> None:
    olivia = browser_of(cast.olivia, timedelta(minutes=10))
    asked = olivia.post(switch, ON)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert not allowed(cast)
    assert olivia.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": switch}).status_code == 303
    assert allowed(cast)
    # An admin whose sign-in is as old is refused without being asked for anything.
    assert browser_of(cast.adam, timedelta(minutes=10)).post(switch, OFF).status_code == 403


def test_the_record_says_who_decided_what_from_where(cast: Cast, signed_in: SignedIn, switch: str) -> None:
    olivia = signed_in(cast.olivia)
    answers = [olivia.post(switch, form, REMOTE_ADDR="192.0.2.77") for form in (ON, ON, OFF, OFF)]
    assert [answer.status_code for answer in answers] == [303] * 4
    on, off = events()  # what changes nothing is not recorded
    assert [on.details, off.details] == [{"keys_manage_members": True}, {"keys_manage_members": False}]
    for event, answer in ((on, answers[0]), (off, answers[2])):
        assert (event.via, event.actor_id, event.account_id) == ("session", cast.olivia.pk, cast.acme.pk)
        assert (event.address, event.request_id) == ("192.0.2.77", answer["X-Request-ID"])


def test_whoever_owns_it_now_decides(cast: Cast, signed_in: SignedIn, switch: str) -> None:
    olivia, adam, owner = signed_in(cast.olivia), signed_in(cast.adam), cast.actor(cast.olivia, cast.acme)
    cast.acme.transfer(cast.adam, by=owner)
    assert olivia.post(switch, ON).status_code == 403
    # So it is for a page that was opened by the owner of before: the verb reads who owns it now.
    with pytest.raises(PermissionDenied):
        cast.acme.let_keys_manage_members(True, by=owner)
    assert adam.post(switch, ON).status_code == 303
    assert allowed(cast)


def test_in_a_suspended_account_it_stays_as_it_is(cast: Cast, signed_in: SignedIn, page: str, switch: str) -> None:
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    olivia = signed_in(cast.olivia)
    assert olivia.post(switch, ON).status_code == 403
    assert switch not in olivia.get(page).content.decode()
    assert not allowed(cast)


def test_a_get_changes_nothing(cast: Cast, signed_in: SignedIn, switch: str) -> None:
    answer = signed_in(cast.olivia).get(switch, ON)
    assert (answer.status_code, allowed(cast)) == (405, False)


def test_a_new_account_lets_no_key_manage_members(cast: Cast) -> None:
    assert not factories.AccountFactory().keys_manage_members
