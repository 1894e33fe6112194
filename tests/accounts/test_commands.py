"""create_account, create_operator and createsuperuser: links instead of default passwords."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.audit import AuditEvent
from accounts.models import Account, User
from keyportal.policy import Role
from tests.factories import Cast

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "correct horse battery staple"


def run(command: str, **options: str) -> str:
    out = StringIO()
    call_command(command, stdout=out, **options)
    return out.getvalue()


def set_password_by(link: str) -> Client:
    """Follow the printed link in a browser and set a password."""
    client = Client()
    page = client.get(link.removeprefix("http://127.0.0.1:8000"), follow=True)
    assert page.status_code == 200
    done = client.post(page.request["PATH_INFO"], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert done.status_code == 302, done.content
    return client


def link_in(text: str) -> str:
    found = re.search(r"http://\S+", text)
    assert found
    return found.group()


def sign_in(email: str) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": NEW_PASSWORD})
    return client


def test_an_account_is_opened_and_its_owner_signs_in_by_the_link() -> None:
    printed = run("create_account", name="Acme Ltd", owner_email="Olivia@Example.com")
    account = Account.objects.get(name="Acme Ltd")
    assert str(account.pk) in printed
    assert account.owner.email == "olivia@example.com"
    assert not account.owner.has_usable_password()
    set_password_by(link_in(printed))
    assert sign_in("olivia@example.com").get("/settings/user/api-keys").status_code == 200


def test_the_link_works_once() -> None:
    printed = run("create_account", name="Acme Ltd", owner_email="olivia@example.com")
    set_password_by(link_in(printed))
    again = Client().get(link_in(printed).removeprefix("http://127.0.0.1:8000"), follow=True)
    assert b"password1" not in again.content


def test_a_known_owner_gets_no_link_and_keeps_their_password(cast: Cast) -> None:
    printed = run("create_account", name="Second", owner_email=cast.olivia.email)
    assert "http" not in printed
    assert Account.objects.get(name="Second").memberships.get().role is Role.OWNER


@pytest.mark.parametrize(("name", "email"), [("\u202eevil", "a@example.com"), ("", "a@example.com"), ("Acme", "no address")])
def test_bad_input_makes_neither_user_nor_account(name: str, email: str) -> None:
    with pytest.raises(CommandError):
        run("create_account", name=name or "\t", owner_email=email)
    assert not User.objects.exists()
    assert not Account.objects.exists()


def test_an_operator_sets_a_password_by_the_link_and_opens_the_admin() -> None:
    printed = run("create_operator", email="oscar@example.com")
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, False, False)
    set_password_by(link_in(printed))
    assert sign_in("oscar@example.com").get("/admin/").status_code == 200
    assert AuditEvent.objects.get(action="user.created").details == {"operator": True}


def test_a_member_is_not_made_operator_silently(cast: Cast) -> None:
    with pytest.raises(CommandError, match="already"):
        run("create_operator", email=cast.rob.email)
    cast.rob.refresh_from_db()
    assert not cast.rob.is_staff


def test_createsuperuser_names_the_command_to_use() -> None:
    with pytest.raises(CommandError, match="create_operator"):
        run("createsuperuser")


def test_an_unconfirmed_sign_up_with_the_address_loses_its_password(client: Client) -> None:
    """Somebody signs up with an address that is not theirs and waits for it to be given an account."""
    client.post("/accounts/signup/", {"email": "olivia@example.com", "name": "Eve", "password1": NEW_PASSWORD})
    printed = run("create_account", name="Acme Ltd", owner_email="olivia@example.com")
    assert sign_in("olivia@example.com").get("/settings/user/api-keys").status_code == 302
    set_password_by(link_in(printed))
    user = User.objects.get(email="olivia@example.com")
    assert (user.name, user.has_confirmed_address) == ("", True)
