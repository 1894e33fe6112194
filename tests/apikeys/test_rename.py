"""A key gets another name, by its page and by the verb; everything else about it stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from apikeys.models import ApiKey, KeyStandsStill
from keyportal.policy import Role
from tests.factories import Cast, service_key, user_key
from tests.sessions import browser_of

pytestmark = pytest.mark.django_db


def renamed() -> list[tuple[str, str]]:
    """What was called how before, and how it is called now, in order."""
    events = AuditEvent.objects.filter(action=AuditEvent.Action.KEY_RENAMED).order_by("pk")
    return [(event.details["was"], event.target_name) for event in events]


@pytest.mark.parametrize("kind", ["user", "service"])
def test_the_page_shows_the_form_and_takes_the_new_name(cast: Cast, kind: str) -> None:
    key, _ = user_key(cast.olivia) if kind == "user" else service_key(cast.acme, name="Laptop CLI")
    browser = browser_of(cast.olivia)
    page = browser.get(key.rename_url)
    assert page.status_code == 200
    assert "<dialog" in page.content.decode()
    assert page.context["dialog"] == "rename"
    assert page.context["rename_form"]["name"].value() == "Laptop CLI"

    answer = browser.post(key.rename_url, {"name": "  Büro CLI  "})
    assert (answer.status_code, answer["Location"]) == (303, key.get_absolute_url())
    after = ApiKey.objects.get(pk=key.pk)
    assert (after.name, after.public_id, after.secret_hash) == ("Büro CLI", key.public_id, key.secret_hash)
    assert renamed() == [("Laptop CLI", "Büro CLI")]
    text = browser.get(key.get_absolute_url()).content.decode()
    assert "Büro CLI" in text
    assert "Before: <bdi>Laptop CLI</bdi>" in text


@pytest.mark.parametrize(
    "name", ["", "   ", "W" * 101, "with\x00nul", "tab\tin it", "right\u202eleft", "\u200b"], ids=lambda name: ascii(name)[:12]
)
def test_a_name_that_no_new_key_could_have_is_refused_in_the_dialog(cast: Cast, name: str) -> None:
    key, _ = user_key(cast.olivia)
    browser = browser_of(cast.olivia)
    answer = browser.post(key.rename_url, {"name": name})
    created = browser.post(key.new_url, {"name": name, "expires": "30", "nonce": "a-nonce-of-this-test"})
    assert (answer.status_code, created.status_code) == (400, 400)
    assert answer.context["rename_form"].errors["name"] == created.context["form"].errors["name"]
    assert answer.context["dialog"] == "rename"
    assert ApiKey.objects.get(pk=key.pk).name == "Laptop CLI"
    if name.strip():
        with pytest.raises(ValidationError):
            key.rename(by=cast.actor(cast.olivia), name=name)
    assert renamed() == []


def test_the_name_it_has_already_is_no_change(cast: Cast) -> None:
    key, _ = user_key(cast.olivia)
    assert key.rename(by=cast.actor(cast.olivia), name="Laptop CLI") is False
    assert browser_of(cast.olivia).post(key.rename_url, {"name": "Laptop CLI"}).status_code == 303
    assert renamed() == []


def test_a_deleted_key_keeps_its_name(cast: Cast) -> None:
    key, _ = user_key(cast.olivia)
    browser = browser_of(cast.olivia)
    key.revoke(by=cast.actor(cast.olivia))
    for answer in (browser.get(key.rename_url), browser.post(key.rename_url, {"name": "Late"})):
        assert answer.status_code == 409
        assert "This key was deleted. It keeps its name." in answer.content.decode()
        assert f'href="{key.get_absolute_url()}"' in answer.content.decode()
    with pytest.raises(KeyStandsStill):
        key.rename(by=cast.actor(cast.olivia), name="Late")
    assert ApiKey.objects.get(pk=key.pk).name == "Laptop CLI"
    assert key.rename_url not in browser.get(key.get_absolute_url()).content.decode()


def test_a_user_key_is_renamed_by_its_user_alone(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    for other in (cast.olivia, cast.adam, cast.eve):
        assert browser_of(other).post(key.rename_url, {"name": "Mine"}).status_code == 404
        with pytest.raises(PermissionDenied):
            key.rename(by=cast.actor(other, cast.acme), name="Mine")
    with pytest.raises(PermissionDenied):
        key.rename(by=operator_at_shell(), name="Mine")
    assert key.rename(by=cast.actor(cast.wendy), name="Hers") is True
    assert key.name == "Hers"


@pytest.mark.parametrize("role", list(Role))
def test_a_service_key_is_renamed_by_admin_and_owner_while_the_account_is_not_suspended(cast: Cast, role: Role) -> None:
    key, _ = service_key(cast.acme)
    browser, actor = browser_of(cast.member(role)), cast.actor(cast.member(role), cast.acme)
    may = role in (Role.ADMIN, Role.OWNER)
    assert browser.post(key.rename_url, {"name": "By the door"}).status_code == (303 if may else 403)
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    assert browser.post(key.rename_url, {"name": "Suspended"}).status_code == 403
    with pytest.raises(PermissionDenied):
        key.rename(by=actor, name="Suspended")
    assert ApiKey.objects.get(pk=key.pk).name == ("By the door" if may else "Deploy")


def test_a_demotion_counts_though_the_page_was_open_before(cast: Cast) -> None:
    key, _ = service_key(cast.acme)
    adam = cast.actor(cast.adam, cast.acme)
    cast.acme.memberships.filter(user=cast.adam).update(stored_role=Role.READ_WRITE)
    with pytest.raises(PermissionDenied):
        key.rename(by=adam, name="Late")


def test_renaming_asks_for_no_fresh_sign_in(cast: Cast) -> None:
    key, _ = user_key(cast.olivia)
    assert browser_of(cast.olivia, ago=timedelta(hours=5)).post(key.rename_url, {"name": "Anew"}).status_code == 303
