"""Suspension: by operators alone, with a reason that the people concerned read, and until it is undone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from apikeys import models
from apikeys.models import ApiKey
from keyportal.policy import Actor, Role
from tests.factories import Cast, service_key, user_key

pytestmark = pytest.mark.django_db

KEYS = "/admin/apikeys/apikey/"
REASON = "Seen in a public log"


def oscar_of(cast: Cast) -> Actor:
    return Actor(via="operator", user_id=cast.oscar.pk, name=str(cast.oscar), address="198.51.100.99")


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_nobody_but_an_operator_with_a_reason_suspends_or_resumes(cast: Cast, verb: str) -> None:
    key, _ = service_key(cast.acme)
    own, _ = user_key(cast.wendy)
    if verb == "resume":
        ApiKey.objects.all().suspend(by=operator_at_shell(), reason=REASON)
    askers = [cast.actor(cast.member(role), cast.acme) for role in Role] + [cast.actor(cast.wendy), cast.actor(cast.oscar)]
    for one in (key, own):
        for asker in askers:
            with pytest.raises(PermissionDenied, match="operators"):
                getattr(one, verb)(by=asker, reason=REASON)
        with pytest.raises(PermissionDenied, match="reason"):
            getattr(one, verb)(by=operator_at_shell(), reason=" ")
    assert ApiKey.objects.filter(suspended_at=None).count() == (2 if verb == "suspend" else 0)


def test_a_suspended_key_is_refused_at_once_and_works_again_when_resumed(cast: Cast, call_api: Any) -> None:
    key, plaintext = user_key(cast.wendy)
    assert call_api("/v1/checks", plaintext, cast.acme).status_code == 200
    assert key.suspend(by=oscar_of(cast), reason=REASON) is True
    refused = call_api("/v1/checks", plaintext, cast.acme)
    assert refused.status_code == 401
    assert "suspended" in refused.json()["message"]
    assert key.suspend(by=operator_at_shell(), reason="again") is False
    kept = ApiKey.objects.get()
    assert (kept.suspended_by, kept.suspended_by_name, kept.suspended_reason) == (cast.oscar, str(cast.oscar), REASON)
    assert key.resume(by=operator_at_shell(), reason="A false alarm") is True
    assert call_api("/v1/checks", plaintext, cast.acme).status_code == 200
    assert key.resume(by=operator_at_shell(), reason="again") is False
    kept = ApiKey.objects.get()
    assert (kept.suspended_at, kept.suspended_by, kept.suspended_by_name, kept.suspended_reason) == (None, None, "", "")
    events = AuditEvent.objects.filter(target_id=key.public_id).values_list("action", "reason", "actor_id")
    assert list(events)[:2] == [
        ("key.resumed", "A false alarm", None),
        ("key.suspended", REASON, cast.oscar.pk),
    ]
    assert len(events) == 3


def test_a_revoked_key_is_passed_over_and_stays_revoked(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    late, _ = user_key(cast.wendy)
    late.suspend(by=operator_at_shell(), reason=REASON)
    ApiKey.objects.all().revoke(by=cast.actor(cast.wendy))
    before = list(ApiKey.objects.order_by("pk").values())
    assert ApiKey.objects.all().suspend(by=operator_at_shell(), reason=REASON) == 0
    assert ApiKey.objects.all().resume(by=operator_at_shell(), reason=REASON) == 0
    assert list(ApiKey.objects.order_by("pk").values()) == before
    key.refresh_from_db()
    assert key.state.value == "deleted"


def test_many_keys_go_in_batches_with_one_event_each_and_one_mail_a_person(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BATCH", 3)
    for n in range(8):
        user_key(cast.wendy, name=f"Key {n}")
    mail.outbox = []
    assert ApiKey.objects.all().suspend(by=oscar_of(cast), reason=REASON) == 8
    assert ApiKey.objects.all().resume(by=oscar_of(cast), reason="A false alarm") == 8
    assert AuditEvent.objects.filter(action="key.suspended").count() == 8
    suspended, resumed = mail.outbox
    assert (suspended.to, suspended.subject) == (["wendy@example.com"], "8 API keys were suspended")
    assert (resumed.to, resumed.subject) == (["wendy@example.com"], "8 API keys were resumed")
    assert f"Reason: {REASON}" in suspended.body
    assert "until an operator resumes them" in suspended.body
    assert "They work again" in resumed.body
    for message in (suspended, resumed):
        assert "Oscar <oscar@example.com> (an operator of this installation)" in message.body
        assert "198.51.100.99" not in message.body


def test_the_key_s_page_says_who_suspended_it_and_why(cast: Cast, signed_in: Any) -> None:
    key, _ = user_key(cast.wendy)
    page = f"/settings/user/api-keys/{key.public_id}"
    key.suspend(by=oscar_of(cast), reason=f"<b>{REASON}</b>")
    shown = signed_in(cast.wendy).get(page).content.decode()
    assert "by <bdi>Oscar &lt;oscar@example.com&gt;</bdi>" in shown
    assert f"&lt;b&gt;{REASON}" in shown
    assert "198.51.100.99" not in shown
    key.resume(by=oscar_of(cast), reason="A false alarm")
    shown = signed_in(cast.wendy).get(page).content.decode()
    assert REASON not in shown
    assert "Resumed" in shown  # in its history


def post(client: Client, verb: str, keys: list[ApiKey], **fields: str) -> Any:
    form = {"action": f"{verb}_selected", "_selected_action": [key.pk for key in keys], **fields}
    return client.post(KEYS, form, follow=True)


def test_the_admin_counts_first_then_asks_for_a_reason_then_suspends_and_resumes(cast: Cast, signed_in: Any) -> None:
    oscar: Client = signed_in(cast.oscar)
    one, two, other = user_key(cast.wendy)[0], service_key(cast.acme)[0], user_key(cast.rob)[0]
    for verb, done in (("suspend", "Suspended 2 keys"), ("resume", "Resumed 2 keys")):
        asked = post(oscar, verb, [one, two]).content.decode()
        assert "2 keys" in asked
        assert f'value="{verb.capitalize()} 2 keys"' in asked
        assert "This field is required" in post(oscar, verb, [one, two], confirm="yes", reason=" ").content.decode()
        assert ApiKey.objects.filter(suspended_at=None).count() == (3 if verb == "suspend" else 1)
        assert done in post(oscar, verb, [one, two], confirm="yes", reason=REASON).content.decode()
        assert ApiKey.objects.filter(suspended_at=None).count() == (1 if verb == "suspend" else 3)
    other.refresh_from_db()
    assert other.suspended_at is None
    assert "Nothing was changed" in post(oscar, "resume", [one, two]).content.decode()


def test_the_admin_s_page_in_between_names_twenty_and_counts_the_others(cast: Cast, signed_in: Any) -> None:
    keys = [user_key(cast.wendy, name=f"Number {n};")[0] for n in range(25)]
    for verb in ("suspend", "revoke"):
        page = post(signed_in(cast.oscar), verb, keys).content.decode()
        assert page.count("<bdi>Number ") == 20
        assert "… and 5 more" in page
        assert page.count('name="_selected_action"') == 25
