"""Nobody learns who has a user here: each form answers a known address as it does an unknown one, to the byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.access import operator_at_shell, person
from accounts.models import User
from tests.factories import PASSWORD, Cast, UserFactory
from tests.proof.world import undone
from tests.sessions import browser_of

pytestmark = pytest.mark.django_db

# What differs between any two answers: IDs of rows and requests, tokens against forged forms, nonces of forms.
RANDOM = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=<code translate=.no.>)[0-9a-f]{32}"
    r"|(?<=name=.csrfmiddlewaretoken. value=.)\w{64}|(?<=name=.nonce. value=.)[\w-]+"
)


def deactivated() -> str:
    user: User = UserFactory(email="gone@example.com")
    user.deactivate(by=operator_at_shell(), reason="left")
    return user.email


def unconfirmed() -> str:
    user: User = UserFactory(email="early@example.com")
    EmailAddress.objects.filter(user=user).update(verified=False)
    return user.email


def without_a_password() -> str:
    return User.objects.enroll(by=operator_at_shell(), email="enrolled@example.com").email


def deleted() -> str:
    user: User = UserFactory(email="deleted@example.com")
    user.close(by=person(user))
    return "deleted@example.com"


def waited_for() -> str:
    address = "early@example.org"
    EmailAddress.objects.create(user=User.objects.get(email="rob@example.com"), email=address)
    return address


KNOWN: dict[str, Callable[[], str]] = {
    "a member": lambda: "rob@example.com",
    "an operator": lambda: "oscar@example.com",
    "deactivated": deactivated,
    "unconfirmed": unconfirmed,
    "without a password": without_a_password,
    "deleted": deleted,
    "waited for": waited_for,
}


@pytest.fixture(params=KNOWN)
def known(cast: Cast, request: pytest.FixtureRequest) -> str:
    """The address of somebody, in each state that they can be in."""
    return KNOWN[request.param]()


def unknown(known: str) -> str:
    """An address that nobody has, as long as `known`, so that the answers are as long too."""
    return f"zz{known[2:]}"


# What is posted where, "…" standing for the address, and "A" for the account of Eve, who has to be signed in for some.
FORMS: dict[str, tuple[bool, list[tuple[str, dict[str, str]]]]] = {
    "sign-in": (False, [("/accounts/login/", {"login": "…", "password": "a wrong password!"})]),
    "sign-up, then sign-in": (
        False,
        [
            ("/accounts/signup/", {"email": "…", "name": "New", "password1": f"{PASSWORD} of mine"}),
            ("/accounts/login/", {"login": "…", "password": f"{PASSWORD} of mine"}),
        ],
    ),
    "reset": (False, [("/accounts/password/reset/", {"email": "…"})]),
    "sign-up": (False, [("/accounts/signup/", {"email": "…", "name": "New", "password1": f"{PASSWORD} of mine"})]),
    "invitation": (True, [("/settings/accounts/A/members/invite", {"emails": "…", "role": "READ_ONLY"})]),
    "change of address": (
        True,
        [
            ("/accounts/reauthenticate/", {"password": PASSWORD}),
            ("/accounts/email/", {"email": "…", "action_add": ""}),
        ],
    ),
}
# Where an asker may look next for a difference.
AFTERWARDS = ["/accounts/login/", "/accounts/confirm-email/", "/accounts/email/", "/settings/accounts/A/members"]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def one_moment() -> Iterator[None]:
    """All answers are of the same second."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


def answers(cast: Cast, form: str, address: str, *, times: int = 1) -> list[dict[str, Any]]:
    """All that is seen by who sends the form with `address`, goes where the answer leads, and looks around."""
    signed_in, posts = FORMS[form]
    got: list[Any] = []
    cache.clear()
    mail.outbox.clear()
    with undone():
        client = browser_of(cast.eve) if signed_in else Client()
        for path, fields in posts * times:
            sent = {name: value.replace("…", address) for name, value in fields.items()}
            got.append(client.post(path.replace("/A/", f"/{cast.globex.pk}/"), sent))
            while got[-1].status_code in (302, 303):
                got.append(client.get(got[-1]["Location"]))
        afterwards = [path.replace("/A/", f"/{cast.globex.pk}/") for path in [*AFTERWARDS, *links_of_invitations()]]
        got += [browser.get(path) for path in afterwards for browser in (client, Client())]
    return [seen(answer, address) for answer in got]


def links_of_invitations() -> list[str]:
    return re.findall(r"/invitations/\S+", "".join(str(message.body) for message in mail.outbox))


def seen(answer: Any, address: str) -> dict[str, Any]:
    """All that a browser gets, without what is random and the address that was typed."""

    def masked(text: str) -> str:
        for token in links_of_invitations():
            text = text.replace(token, "…")
        return RANDOM.sub("…", text.replace(address, "…"))

    return {
        "status": answer.status_code,
        "headers": {name: masked(value) for name, value in answer.items() if name != "X-Request-ID"},
        "cookies": {name: {"emptied": cookie.value == "", **cookie} for name, cookie in answer.cookies.items()},
        "body": masked(answer.content.decode()),
    }


def test_one_form_is_answered_the_same(cast: Cast, known: str, form: str) -> None:
    there = answers(cast, form, known)
    assert there[0]["status"] in (200, 302, 303)
    assert there == answers(cast, form, unknown(known))


def test_who_tries_until_it_is_refused_is_refused_the_same(cast: Cast, known: str, form: str, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    there = answers(cast, form, known, times=7)
    assert there == answers(cast, form, unknown(known), times=7)


class CountingHasher(MD5PasswordHasher):
    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.hashed += 1
        return super().encode(password, salt)


def test_as_many_passwords_are_hashed(cast: Cast, known: str, form: str, settings: Any) -> None:
    """The one thing that takes long enough to be told apart by a clock."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    work = []
    for address in (known, unknown(known)):
        CountingHasher.hashed = 0
        answers(cast, form, address)
        work.append(CountingHasher.hashed)
    assert work[0] == work[1]
