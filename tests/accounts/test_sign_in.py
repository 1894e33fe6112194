"""Sign-up, confirmation, sign-in, reset and sign-out, as django-allauth does them for us."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.access import operator_at_shell
from accounts.models import Account, User
from keyportal.policy import Role
from tests.factories import PASSWORD, Cast, UserFactory
from tests.redis_server import RedisServer
from tests.sessions import browser_of

pytestmark = pytest.mark.django_db

NEW = {"email": "New.Person@Example.com", "name": "New Person", "password1": PASSWORD}


def link_in_mail() -> str:
    """The path of the one link in the last mail."""
    (link,) = set(re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(mail.outbox[-1].body)))
    return link


def sign_in(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Any:
    headers = {name: extra.pop(name) for name in ("HTTP_HOST", "REMOTE_ADDR") if name in extra}
    return client.post("/accounts/login/", {"login": email, "password": password, **extra}, **headers)


def test_sign_up_makes_a_person_and_a_first_account_named_after_the_address(client: Client) -> None:
    assert client.post("/accounts/signup/", NEW).status_code == 302
    user = User.objects.get(email="new.person@example.com")
    assert user.name == "New Person"
    account = Account.objects.get()
    assert (account.name, account.owner, account.memberships.get().role) == ("new.person@example.com", user, Role.OWNER)


def test_nobody_enters_before_the_address_is_confirmed(client: Client) -> None:
    client.post("/accounts/signup/", NEW)
    assert client.get("/settings/user/api-keys").status_code == 302
    sign_in(client, "new.person@example.com")
    assert client.get("/settings/user/api-keys").status_code == 302
    link = link_in_mail()
    # Opening the link confirms nothing by itself: mail scanners open links.
    assert client.get(link).status_code == 200
    sign_in(client, "new.person@example.com")
    assert client.get("/settings/user/api-keys").status_code == 302
    client.post(link)
    sign_in(client, "new.person@example.com")
    assert client.get("/settings/user/api-keys").status_code == 200


def test_sign_up_with_a_known_address_says_the_same_and_makes_nothing(client: Client, cast: Cast) -> None:
    fresh = Client().post("/accounts/signup/", NEW)
    known = client.post("/accounts/signup/", NEW | {"email": "Rob@example.com"})
    assert (known.status_code, known["Location"]) == (fresh.status_code, fresh["Location"])
    assert User.objects.filter(email="rob@example.com").count() == 1
    assert cast.rob.owned_accounts.count() == 0


@pytest.mark.parametrize(
    "change", [{"password1": "short"}, {"password1": "password1234567"[:14]}, {"name": "\u202eevil"}, {"email": "nobody"}]
)
def test_bad_input_is_shown_with_the_form_and_makes_nothing(client: Client, change: dict[str, str]) -> None:
    page = client.post("/accounts/signup/", NEW | change)
    assert page.status_code == 200
    assert not User.objects.exists()
    assert not Account.objects.exists()


def test_a_closed_installation_lets_nobody_sign_up(client: Client, settings: Any) -> None:
    settings.SIGNUP_OPEN = False
    assert "password1" not in client.get("/accounts/signup/").content.decode()
    client.post("/accounts/signup/", NEW)
    assert not User.objects.exists()


def test_sign_in_and_out(client: Client, cast: Cast) -> None:
    assert sign_in(client, "Rob@Example.com")["Location"] == "/"
    assert client.get("/")["Location"] == "/settings/user/api-keys"
    # A link cannot sign anybody out.
    client.get("/accounts/logout/")
    assert client.get("/settings/user/api-keys").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/settings/user/api-keys").status_code == 302


def test_a_deactivated_person_does_not_enter_and_open_sessions_end(client: Client, cast: Cast, signed_in: Any) -> None:
    session = signed_in(cast.rob)
    User.objects.filter(pk=cast.rob.pk).update(is_active=False)
    assert session.get("/settings/user/api-keys").status_code == 302
    sign_in(client, "rob@example.com")
    assert client.get("/settings/user/api-keys").status_code == 302


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example/x", "/\\evil.example", "javascript:alert(1)"])
def test_sign_in_sends_nobody_elsewhere(client: Client, cast: Cast, target: str) -> None:
    assert sign_in(client, "rob@example.com", next=target)["Location"] == "/"


def test_the_page_that_was_asked_for_comes_after_sign_in(client: Client, cast: Cast) -> None:
    wanted = f"/settings/accounts/{cast.acme.pk}/general"
    assert client.get(wanted)["Location"] == f"/accounts/login/?next={wanted}"
    assert sign_in(client, "rob@example.com", next=wanted)["Location"] == wanted


def test_a_password_is_reset_by_the_mailed_link_once(client: Client, cast: Cast) -> None:
    client.post("/accounts/password/reset/", {"email": "rob@example.com"})
    link = link_in_mail()
    page = client.get(link, follow=True)
    client.post(page.request["PATH_INFO"], {"password1": "another long password", "password2": "another long password"})
    assert sign_in(Client(), "rob@example.com").status_code == 200
    assert sign_in(Client(), "rob@example.com", "another long password").status_code == 302
    assert "password1" not in Client().get(link, follow=True).content.decode()


def test_a_mailed_link_does_not_outlive_a_deactivation(client: Client, cast: Cast) -> None:
    client.post("/accounts/password/reset/", {"email": "rob@example.com"})
    link = link_in_mail()
    assert b"Choose a new password" in Client().get(link, follow=True).content
    cast.rob.deactivate(by=operator_at_shell(), reason="breach")
    assert b"This link no longer works" in Client().get(link, follow=True).content
    cast.rob.reactivate(by=operator_at_shell(), reason="explained")
    assert b"This link no longer works" in Client().get(link, follow=True).content


def test_reset_answers_the_same_for_unknown_addresses(cast: Cast) -> None:
    answers = [Client().post("/accounts/password/reset/", {"email": email}) for email in ("rob@example.com", "bob@example.com")]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert [message.to for message in mail.outbox] == [["rob@example.com"], ["bob@example.com"]]


def test_links_in_mails_come_from_the_public_url_whatever_the_host_header_says(client: Client, cast: Cast) -> None:
    client.post("/accounts/password/reset/", {"email": "rob@example.com"}, headers={"Host": "localhost"})
    assert "localhost" not in str(mail.outbox[-1].body)
    assert link_in_mail()


def test_who_has_not_confirmed_their_address_is_sent_the_link_again_and_not_let_in(db: None) -> None:
    user = UserFactory(email="early@example.com")
    EmailAddress.objects.filter(user=user).update(verified=False)
    client = Client()
    answer = client.post("/accounts/login/", {"login": "early@example.com", "password": PASSWORD})
    assert answer.status_code == 200
    assert b"or the address is not confirmed yet" in answer.content
    assert client.get("/settings/user/api-keys").status_code == 302
    (message,) = mail.outbox
    assert "/accounts/confirm-email/" in message.body
    client.post("/accounts/login/", {"login": "early@example.com", "password": "a wrong password!"})
    assert len(mail.outbox) == 1


def test_failed_attempts_count_whatever_port_the_host_header_names(cast: Cast, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    for port in range(1, 6):
        sign_in(Client(), cast.wendy.email, "not her password", HTTP_HOST=f"127.0.0.1:{port}", REMOTE_ADDR=f"192.0.2.{port}")
    page = sign_in(Client(), cast.wendy.email, HTTP_HOST="127.0.0.1:6", REMOTE_ADDR="192.0.2.6")
    assert "Too many failed login attempts" in page.content.decode()


def test_while_redis_is_away_signing_in_is_503_and_pages_are_served(
    cast: Cast, client: Client, settings: Any, own_redis: RedisServer
) -> None:
    """Its limits must not be lifted, so nobody gets in; whoever is in stays in."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": own_redis.url}}
    inside = browser_of(cast.wendy)
    own_redis.stop()
    client.raise_request_exception = False
    refused = sign_in(client, cast.wendy.email)
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert inside.get("/settings/user/api-keys").status_code == 200
    own_redis.start()
    assert sign_in(client, cast.wendy.email).status_code == 302
