"""One form makes one key, however often and at whatever moment it is sent."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.audit import AuditEvent
from accounts.models import User
from apikeys.models import ApiKey
from tests import factories
from tests.sessions import browser_of

NONCE = "one-nonce-for-one-key"
AT_ONCE = 20


def form(nonce: str = NONCE, **changes: str) -> dict[str, str]:
    return {"name": "Laptop CLI", "role": "READ_ONLY", "expires": "30", "nonce": nonce, **changes}


def urls(cast: factories.Cast) -> dict[str, str]:
    return {"user": reverse("user_key_new"), "service": reverse("service_key_new", args=[cast.acme.pk])}


def browser(user: User) -> Client:
    return browser_of(user)


def created() -> int:
    return AuditEvent.objects.filter(action=AuditEvent.Action.KEY_CREATED).count()


@pytest.mark.parametrize("kind", ["user", "service"])
def test_a_form_sent_again_is_409_shows_the_public_id_and_makes_no_second_key(cast: factories.Cast, kind: str) -> None:
    client, url = browser(cast.olivia), urls(cast)[kind]
    first = client.post(url, form())
    key = ApiKey.objects.get()
    again = client.post(url, form(name="Another name"))
    assert (first.status_code, again.status_code) == (201, 409)
    assert key.masked in again.content.decode()
    assert key.delete_url in again.content.decode()
    assert "already shown" in again.content.decode()
    assert "data-secret" not in again.content.decode()
    assert (ApiKey.objects.get().name, created()) == ("Laptop CLI", 1)


def test_a_form_sent_again_after_the_key_was_deleted_makes_no_new_one(cast: factories.Cast) -> None:
    client, url = browser(cast.olivia), urls(cast)["user"]
    client.post(url, form())
    assert client.post(ApiKey.objects.get().delete_url).status_code == 303
    assert client.post(url, form()).status_code == 409
    assert ApiKey.objects.count() == 1


def test_the_page_of_a_repeated_form_offers_to_delete_the_key_and_create_another(cast: factories.Cast) -> None:
    client, url = browser(cast.olivia), urls(cast)["user"]
    client.post(url, form())
    client.post(url, form())
    key = ApiKey.objects.get()
    response = client.post(key.delete_url, {"then": "create"})
    assert (response.status_code, response["Location"]) == (303, url)
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert client.post(url, form("the-next-form-s-nonce")).status_code == 201


def test_another_person_s_form_may_carry_the_same_nonce(cast: factories.Cast) -> None:
    """It is unique with its maker, so that nobody can spend somebody else's."""
    for user in (cast.olivia, cast.adam):
        assert browser(user).post(urls(cast)["user"], form()).status_code == 201
    assert ApiKey.objects.count() == 2


def test_one_nonce_serves_one_form_across_both_kinds_of_key(cast: factories.Cast) -> None:
    client = browser(cast.olivia)
    assert client.post(urls(cast)["user"], form()).status_code == 201
    assert client.post(urls(cast)["service"], form()).status_code == 409
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "nonce", ["", "short", "x" * 65, "spaces in a nonce here", "ünïcödé-nonce-0000", "nonce\x00with-a-nul-000"]
)
def test_a_form_without_a_proper_nonce_makes_nothing(cast: factories.Cast, nonce: str) -> None:
    assert browser(cast.olivia).post(urls(cast)["user"], form(nonce)).status_code == 400
    assert ApiKey.objects.count() == 0


def test_each_form_that_is_shown_carries_a_nonce_of_its_own(cast: factories.Cast) -> None:
    client = browser(cast.olivia)
    nonces = {client.get(urls(cast)["user"]).context["form"]["nonce"].value() for _ in range(5)}
    assert len(nonces) == 5


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["user", "service"])
def test_twenty_sendings_at_once_make_one_key(cast: factories.Cast, kind: str) -> None:
    client, url = browser(cast.olivia), urls(cast)[kind]
    barrier = threading.Barrier(AT_ONCE)

    def send(_: int) -> int:
        copy = Client()
        copy.cookies = client.cookies
        barrier.wait(timeout=30)
        try:
            return copy.post(url, form()).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(send, range(AT_ONCE)))
    assert answers == {201: 1, 409: AT_ONCE - 1}
    assert (ApiKey.objects.count(), created()) == (1, 1)
