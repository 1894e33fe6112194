"""What matters most asks for the password again, ten minutes after the sign-in, and then does what was asked, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.audit import AuditEvent
from accounts.invitations import Invitation
from accounts.models import Account, User
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests.factories import PASSWORD, Cast, service_key, user_key
from tests.sessions import browser_of

pytestmark = pytest.mark.django_db

NONCE = "0123456789abcdef"
TEN_MINUTES = timedelta(minutes=10)


@dataclass
class Act:
    """A guarded form: who sends it, where to, what is in it, and how it is answered when all is well."""

    who: User
    url: str
    fields: dict[str, Any]
    event: str
    status: int = 303


def acts(cast: Cast) -> dict[str, Act]:
    base = f"/settings/accounts/{cast.acme.pk}"
    key = {"name": "Laptop", "expires": "90", "nonce": NONCE}
    invitation, _ = Invitation.objects.invite(cast.acme, "a@example.com", Role.ADMIN, by=cast.actor(cast.olivia, cast.acme))
    revocable, _ = user_key(cast.rob)
    admin = {"reason": "breach", "confirm": "yes"}
    return {
        "create a user key": Act(cast.rob, "/settings/user/api-keys/new", key, "key.created", 201),
        "create a service key": Act(cast.adam, f"{base}/api-keys/new", key | {"role": "ADMIN"}, "key.created", 201),
        "invite an admin": Act(
            cast.adam, f"{base}/members/invite", {"emails": "b@example.com", "role": "ADMIN"}, "member.invited"
        ),
        "invite an admin again": Act(cast.adam, f"{base}/invitations/{invitation.pk}/resend", {}, "invitation.resent"),
        "change a role": Act(cast.adam, f"{base}/members/{cast.rob.pk}/role", {"role": "READ_WRITE"}, "member.role_changed"),
        "let API keys manage members": Act(
            cast.olivia, f"{base}/policies", {"keys_manage_members": "on"}, "account.policy_changed"
        ),
        "ask something of keys": Act(
            cast.adam,
            f"{base}/general/keys",
            {"most_service_keys": "5", "from_day": f"{timezone.now():%Y-%m-%d}"},
            "account.policy_changed",
        ),
        "transfer the ownership": Act(
            cast.olivia,
            f"{base}/transfer",
            {"user_id": str(cast.rob.pk), "confirm_name": "Acme Ltd"},
            "account.transferred",
        ),
        "delete the account": Act(cast.olivia, f"{base}/delete", {"confirm_name": "Acme Ltd"}, "account.deleted"),
        "delete one's own user": Act(cast.rhea, "/settings/user/delete", {"confirm_name": "rhea@example.com"}, "user.deleted"),
        "suspend an account": Act(
            cast.oscar,
            "/admin/accounts/account/",
            {"action": "suspend_selected", "_selected_action": str(cast.globex.pk), **admin},
            "account.suspended",
            302,
        ),
        "add a member": Act(
            cast.oscar,
            "/admin/accounts/membership/add/",
            {"account": str(cast.acme.pk), "user": str(cast.eve.pk), "stored_role": "ADMIN", "reason": "asked for by phone"},
            "member.added",
            302,
        ),
        "deactivate a user": Act(
            cast.oscar,
            "/admin/accounts/user/",
            {"action": "deactivate_selected", "_selected_action": str(cast.rob.pk), **admin},
            "user.deactivated",
            302,
        ),
        "revoke a key": Act(
            cast.oscar,
            "/admin/apikeys/apikey/",
            {"action": "revoke_selected", "_selected_action": str(revocable.pk), **admin},
            "key.revoked",
            302,
        ),
        "suspend a key": Act(
            cast.oscar,
            "/admin/apikeys/apikey/",
            {"action": "suspend_selected", "_selected_action": str(revocable.pk), **admin},
            "key.suspended",
            302,
        ),
    }


NAMES = (
    "create a user key",
    "create a service key",
    "invite an admin",
    "invite an admin again",
    "change a role",
    "let API keys manage members",
    "ask something of keys",
    "transfer the ownership",
    "delete the account",
    "delete one's own user",
    "suspend an account",
    "add a member",
    "deactivate a user",
    "revoke a key",
    "suspend a key",
)


@pytest.fixture(params=NAMES)
def act(cast: Cast, request: pytest.FixtureRequest) -> Act:
    table = acts(cast)
    assert tuple(table) == NAMES
    return table[request.param]


def events(act: Act) -> int:
    return AuditEvent.objects.filter(action=act.event).count()


def confirm(browser: Client, url: str, password: str = PASSWORD) -> Any:
    return browser.post("/accounts/reauthenticate/", {"password": password, "next": url})


def is_asked(answer: Any, act: Act) -> bool:
    return answer.status_code == 302 and answer["Location"] == f"/accounts/reauthenticate/?next={quote(act.url, safe='')}"


def test_within_ten_minutes_nothing_is_asked(act: Act) -> None:
    before = events(act)
    assert browser_of(act.who, TEN_MINUTES - timedelta(seconds=30)).post(act.url, act.fields).status_code == act.status
    assert events(act) == before + 1


def test_after_ten_minutes_the_form_waits_for_the_password_and_is_answered_then_once(act: Act) -> None:
    before, browser = events(act), browser_of(act.who, TEN_MINUTES)
    asked = browser.post(act.url, act.fields)
    assert is_asked(asked, act)
    assert events(act) == before
    assert browser.get(asked["Location"]).status_code == 200
    answer = confirm(browser, act.url)
    assert answer.status_code == act.status
    assert events(act) == before + 1
    # The form is used up: the same password once more does nothing.
    confirm(browser, act.url)
    assert events(act) == before + 1


def test_a_wrong_password_changes_nothing_and_loses_nothing(act: Act) -> None:
    before, browser = events(act), browser_of(act.who, TEN_MINUTES)
    browser.post(act.url, act.fields)
    for wrong in ("a wrong password!", ""):
        page = confirm(browser, act.url, wrong)
        assert page.status_code == 200
        assert is_asked(browser.post(act.url, act.fields), act)
    assert events(act) == before
    assert confirm(browser, act.url).status_code == act.status
    assert events(act) == before + 1


def test_a_session_without_any_record_is_asked(act: Act) -> None:
    browser = Client()
    browser.force_login(act.who)
    assert is_asked(browser.post(act.url, act.fields), act)


def test_ten_minutes_are_ten_minutes(cast: Cast) -> None:
    act = acts(cast)["create a user key"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        browser = browser_of(act.who)
        clock.shift(TEN_MINUTES - timedelta(seconds=1))
        assert browser.post(act.url, act.fields).status_code == 201
        clock.shift(timedelta(seconds=1))
        assert is_asked(browser.post(act.url, act.fields), act)
        confirm(browser, act.url)
        clock.shift(TEN_MINUTES - timedelta(seconds=1))
        assert browser.post(act.url, act.fields | {"nonce": NONCE[::-1]}).status_code == 201


def test_a_real_sign_in_counts_as_one(cast: Cast) -> None:
    """allauth itself would ask at once, even right after the sign-in."""
    browser = Client()
    browser.post("/accounts/login/", {"login": "rob@example.com", "password": PASSWORD})
    act = acts(cast)["create a user key"]
    assert browser.post(act.url, act.fields).status_code == 201


@pytest.mark.parametrize("invited", [True, False])
def test_who_has_just_signed_up_is_asked_nothing(cast: Cast, invited: bool) -> None:
    """They have just chosen the password: the first thing that they make here is a key."""
    browser = Client()
    if invited:
        olivia = cast.actor(cast.olivia, cast.acme)
        _, token = Invitation.objects.invite(cast.acme, "new@example.com", Role.READ_ONLY, by=olivia)
        browser.get(f"/invitations/{token}")
    browser.post("/accounts/signup/", {"email": "new@example.com", "name": "New", "password1": PASSWORD})
    if not invited:
        (link,) = set(re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(mail.outbox[-1].body)))
        browser.post(link)
    with time_machine.travel(timezone.now() + TEN_MINUTES - timedelta(seconds=30)) as clock:
        act = acts(cast)["create a user key"]
        assert browser.post(act.url, act.fields).status_code == 201
        clock.shift(timedelta(minutes=1))
        assert is_asked(browser.post(act.url, act.fields), act)


def test_the_reveal_comes_after_the_password_and_the_key_is_one(cast: Cast) -> None:
    act, browser = acts(cast)["create a user key"], browser_of(cast.rob, TEN_MINUTES)
    had = cast.rob.api_keys.count()
    browser.post(act.url, act.fields)
    page = confirm(browser, act.url)
    key = ApiKey.objects.get(name="Laptop")
    assert key.public_id in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    again = browser.post(act.url, act.fields)
    assert again.status_code == 409
    assert cast.rob.api_keys.count() == had + 1
    # Neither the waiting form nor its answer leaves the key in the session.
    assert key.public_id not in repr(dict(browser.session.items()))


def test_what_is_no_longer_allowed_when_the_password_comes_is_refused(cast: Cast) -> None:
    act, browser = acts(cast)["change a role"], browser_of(cast.adam, TEN_MINUTES)
    browser.post(act.url, act.fields)
    cast.acme.memberships.filter(user=cast.adam).update(stored_role=Role.READ_ONLY)
    assert confirm(browser, act.url).status_code == 403
    assert cast.acme.memberships.get(user=cast.rob).role is Role.READ_ONLY


def test_a_form_with_a_mistake_comes_back_before_any_password(cast: Cast) -> None:
    act, browser = acts(cast)["create a user key"], browser_of(cast.rob, TEN_MINUTES)
    assert browser.post(act.url, act.fields | {"name": ""}).status_code == 400
    assert is_asked(browser.post(act.url, act.fields), act)


@pytest.mark.parametrize(
    "name", ["create a service key", "invite an admin", "invite an admin again", "change a role", "transfer the ownership"]
)
def test_who_may_not_is_told_so_and_asked_for_no_password(cast: Cast, name: str) -> None:
    act = acts(cast)[name]
    assert browser_of(cast.wendy, TEN_MINUTES).post(act.url, act.fields).status_code == 403


def test_a_filtered_list_of_the_admin_keeps_its_filter_through_the_password(cast: Cast) -> None:
    """All that the filter found is chosen: without the filter that would be everybody."""
    url, browser = "/admin/accounts/user/?q=rob@", browser_of(cast.oscar, TEN_MINUTES)
    fields = {"action": "deactivate_selected", "select_across": "1", "_selected_action": str(cast.rob.pk)}
    asked = browser.post(url, fields | {"reason": "breach", "confirm": "yes"})
    (back,) = parse_qs(urlsplit(asked["Location"]).query)["next"]
    assert confirm(browser, back).status_code == 302
    assert [user.email for user in User.objects.filter(is_active=False)] == ["rob@example.com"]


def test_the_password_leads_to_no_other_site(cast: Cast) -> None:
    browser = browser_of(cast.rob, TEN_MINUTES)
    answer = confirm(browser, "https://evil.example/")
    assert "evil.example" not in answer.get("Location", "")


def test_one_person_s_waiting_form_is_not_another_s(cast: Cast) -> None:
    """Rob's form waits; he signs out, Wendy signs in at the same browser and is asked for her password."""
    act, browser = acts(cast)["create a user key"], browser_of(cast.rob, TEN_MINUTES)
    browser.post(act.url, act.fields)
    browser.post("/accounts/logout/")
    browser.post("/accounts/login/", {"login": "wendy@example.com", "password": PASSWORD})
    confirm(browser, act.url)
    assert not ApiKey.objects.filter(name="Laptop").exists()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("members/invite", {"emails": "b@example.com", "role": "READ_WRITE"}),
        ("members/{rob}/remove", {}),
        ("invitations/{invitation}/withdraw", {}),
        ("general", {"name": "Acme"}),
        ("leave", {}),
    ],
)
def test_what_is_less_grave_asks_for_no_password(cast: Cast, path: str, fields: dict[str, str]) -> None:
    invitation, _ = Invitation.objects.invite(cast.acme, "a@example.com", Role.READ_ONLY, by=cast.actor(cast.olivia, cast.acme))
    url = f"/settings/accounts/{cast.acme.pk}/{path}".format(rob=cast.rob.pk, invitation=invitation.pk)
    assert browser_of(cast.adam, timedelta(days=1)).post(url, fields).status_code == 303


def test_pages_and_deleting_a_key_ask_for_nothing(cast: Cast) -> None:
    browser, base = browser_of(cast.olivia, timedelta(days=1)), f"/settings/accounts/{cast.acme.pk}"
    for url in ("/settings/user/api-keys/new", f"{base}/api-keys/new", f"{base}/transfer", f"{base}/delete"):
        assert browser.get(url).status_code == 200
    key, _ = service_key(cast.acme)
    assert browser.post(f"{base}/api-keys/{key.public_id}/delete").status_code == 303


def test_strangers_learn_nothing_by_being_asked(cast: Cast) -> None:
    """Outsiders are asked alike for an account that exists and one that does not, and then get the same 404."""
    answers = []
    for account in (cast.acme.pk, "00000000-0000-4000-8000-000000000000"):
        url, browser = f"/settings/accounts/{account}/transfer", browser_of(cast.eve, TEN_MINUTES)
        asked = browser.post(url, {"confirm_name": "x"})
        done = confirm(browser, url) if asked.status_code == 302 else asked
        answers.append((asked.status_code, done.status_code))
    assert answers[0] == answers[1]
    assert answers[0][1] == 404
    assert Account.objects.get(pk=cast.acme.pk).owner == cast.olivia
