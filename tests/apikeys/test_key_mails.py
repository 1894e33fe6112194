"""Who is told what of a key by mail: those it belongs to, once, with who, when and from where, and never a secret."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import operator_at_shell
from accounts.models import User
from accounts.outbox import Mail
from apikeys import mails, models
from apikeys.digests import MOST_LISTED, Digest
from apikeys.models import AlreadyShown, ApiKey
from keyportal.policy import Actor, Role
from tests.factories import Cast, UserFactory, service_key, user_key

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_use(settings: Any) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def at_home(actor: Actor) -> Actor:
    return replace(actor, address="192.0.2.7")


def new_mails() -> list[Any]:
    """The mails since the last look."""
    found, mail.outbox = list(mail.outbox), []
    return found


def addresses(messages: list[Any]) -> list[str]:
    assert all(len(message.to) == 1 for message in messages)
    return sorted(message.to[0].partition("@")[0] for message in messages)


def test_a_new_user_key_is_told_to_its_user_without_its_secret(cast: Cast) -> None:
    key, secret = ApiKey.objects.issue_user_key(by=at_home(cast.actor(cast.wendy)), name="Laptop & <CLI>")
    (message,) = new_mails()
    assert message.to == ["wendy@example.com"]
    assert message.subject == "API key “Laptop & <CLI>” was created"
    for fact in (
        "“Laptop & <CLI>”",
        f"Key ID: {key.public_id}",
        f"Key: {key.masked}",
        "Expires: never",
        "Created by Wendy <wendy@example.com> on 22 Nov 2026, 12:00 UTC, from 192.0.2.7.",
        f"See this key:\nhttps://keys.example.com/settings/user/api-keys/{key.public_id}\n",
        "change your password",
    ):
        assert fact in message.body, fact
    plaintext = secret.reveal()
    assert plaintext not in message.body
    assert plaintext[16:40] not in message.body


def test_a_new_service_key_is_told_to_owner_and_admins_its_maker_too(cast: Cast) -> None:
    UserFactory(email="gone@example.com", is_active=False)
    gone = cast.acme.add_member(UserFactory(email="away@example.com"), Role.ADMIN, by=operator_at_shell()).user
    type(gone).objects.filter(pk=gone.pk).update(is_active=False)
    ApiKey.objects.issue_service_key(
        by=cast.actor(cast.adam, cast.acme),
        account=cast.acme,
        name="Deploy",
        role=Role.READ_RUN,
        expires_at=NOON + timedelta(1),
    )
    told = new_mails()
    assert addresses(told) == ["adam", "olivia"]
    for message in told:
        assert message.subject == "Service API key “Deploy” of Acme Ltd was created"
        assert "acts in Acme Ltd, as Read & Run" in message.body
        assert "Expires: 23 Nov 2026, 12:00 UTC" in message.body
        assert "from" not in message.body.split("Created by")[1].splitlines()[0]  # no address is known


def test_a_form_sent_twice_is_told_once(cast: Cast) -> None:
    for _ in range(2):
        try:
            ApiKey.objects.issue_user_key(by=cast.actor(cast.wendy), name="Laptop", nonce="once")
        except AlreadyShown:
            again = True
    assert again
    assert len(new_mails()) == 1


def test_what_is_rolled_back_is_told_to_nobody(cast: Cast, settings: Any) -> None:
    settings.EMAIL_BACKEND = "accounts.outbox.OutboxBackend"
    key, _ = service_key(cast.acme)
    before = Mail.objects.count()

    def change() -> None:
        with transaction.atomic():
            user_key(cast.wendy)
            key.revoke(by=cast.actor(cast.adam, cast.acme))
            assert Mail.objects.count() == before + 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert Mail.objects.count() == before
    assert not Digest.objects.exists()


def test_who_deletes_their_own_key_is_not_told_what_they_know(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    new_mails()
    key.revoke(by=cast.actor(cast.wendy))
    assert new_mails() == []


def test_a_deleted_service_key_is_told_to_the_other_admins_and_the_owner(cast: Cast) -> None:
    key, _ = service_key(cast.acme)
    new_mails()
    key.revoke(by=at_home(cast.actor(cast.adam, cast.acme)))
    (message,) = new_mails()
    assert message.to == ["olivia@example.com"]
    assert message.subject == "Service API key “Deploy” of Acme Ltd was deleted"
    first, line, effect, button, question = message.body.strip().split("\n\n")
    assert first == "Adam <adam@example.com> deleted this API key on 22 Nov 2026, 12:00 UTC, from 192.0.2.7:"
    assert line == f"“Deploy” of Acme Ltd\n{key.public_id} ({key.masked})"
    assert "A deleted key never works again" in effect
    assert button == f"See the key:\nhttps://keys.example.com/settings/accounts/{cast.acme.pk}/api-keys/{key.public_id}"
    assert question == "If you did not expect this, ask Adam <adam@example.com>."


def test_an_operator_is_named_with_the_reason_and_never_with_their_address(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    new_mails()
    oscar = Actor(via="operator", user_id=cast.oscar.pk, name=str(cast.oscar), address="198.51.100.99")
    key.revoke(by=oscar, reason="Found & “published”")
    (message,) = new_mails()
    assert message.to == ["wendy@example.com"]
    assert "Oscar <oscar@example.com> (an operator of this installation) deleted" in message.body
    assert "Reason: Found & “published”" in message.body
    assert "198.51.100.99" not in message.body


def test_an_operator_who_revokes_their_own_key_is_not_told(cast: Cast) -> None:
    key, _ = user_key(cast.oscar)
    new_mails()
    key.revoke(by=Actor(via="operator", user_id=cast.oscar.pk, name=str(cast.oscar)), reason="cleaning up")
    assert new_mails() == []


def test_many_keys_are_one_mail_a_person_over_all_batches(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BATCH", 7)
    made = [user_key(cast.olivia, f"Mine {n}")[0] for n in range(MOST_LISTED - 10)]
    made += [service_key(cast.acme, name=f"Ours {n}")[0] for n in range(30)]
    other = user_key(cast.rob)[0]
    new_mails()
    keys = ApiKey.objects.filter(pk__in=[key.pk for key in [*made, other]])
    assert keys.revoke(by=operator_at_shell(), reason="breach") == len(made) + 1
    told = {message.to[0]: message for message in new_mails()}
    assert sorted(told) == ["adam@example.com", "olivia@example.com", "rob@example.com"]
    olivias = told["olivia@example.com"]
    assert olivias.subject == "70 API keys were deleted"
    assert [key.public_id in olivias.body for key in made] == [True] * MOST_LISTED + [False] * 20
    assert "\nand 20 more\n" in olivias.body
    assert "https://" not in olivias.body  # of two lists, neither is the one to see
    assert told["adam@example.com"].subject == "30 API keys were deleted"
    assert "more" not in told["adam@example.com"].body
    assert (
        f"See the keys:\nhttps://keys.example.com/settings/accounts/{cast.acme.pk}/api-keys\n" in told["adam@example.com"].body
    )
    assert other.public_id in told["rob@example.com"].body
    assert other.public_id not in olivias.body + told["adam@example.com"].body
    assert not Digest.objects.exists()


def test_what_a_digest_keeps_does_not_grow_with_its_keys(cast: Cast) -> None:
    for start in range(0, 500, 100):
        told = {cast.wendy.pk: [f"cu_{number:012}" for number in range(start, start + 100)]}
        Digest.objects.collect(Digest.Kind.DELETED, told, call="a")
    kept = Digest.objects.get()
    assert (kept.count, len(kept.public_ids), kept.public_ids[0]) == (500, MOST_LISTED, "cu_000000000000")


def test_collecting_asks_as_often_for_many_keys_as_for_one(cast: Cast) -> None:
    def queries(number: int) -> int:
        for n in range(number):
            service_key(cast.acme, name=f"{number} of {n}")
            user_key(cast.rob, name=f"{number} of {n}")
        with CaptureQueriesContext(connection) as captured:
            ApiKey.objects.filter(revoked_at=None).revoke(by=operator_at_shell(), reason="x")
        return len(captured)

    assert queries(2) == queries(20)


def test_a_refusal_half_way_is_told_by_the_daily_command(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BATCH", 1)
    ours, _ = service_key(cast.acme)
    user_key(cast.rob)
    new_mails()
    with pytest.raises(PermissionDenied):
        ApiKey.objects.all().revoke(by=cast.actor(cast.adam, cast.acme))
    ours.refresh_from_db()
    assert ours.revoked_at is not None
    assert new_mails() == []
    assert mails.send_interrupted(ApiKey.objects.all()) == 0  # it may be under way still
    Digest.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert mails.send_interrupted(ApiKey.objects.all()) == 1
    assert addresses(new_mails()) == ["olivia"]
    assert mails.send_interrupted(ApiKey.objects.all()) == 0


def test_who_lost_the_right_to_know_meanwhile_is_not_told(cast: Cast) -> None:
    keys = [service_key(cast.acme)[0].public_id for _ in range(2)]
    told = {person.pk: keys for person in (cast.olivia, cast.adam, cast.rob)}
    Digest.objects.collect(Digest.Kind.DELETED, told, call="a", facts={"who": "Somebody"})
    cast.acme.memberships.filter(user=cast.adam).update(stored_role=Role.READ_ONLY)
    new_mails()
    assert mails.send_digests(Digest.objects.filter(call="a"), ApiKey.objects.all()) == 1
    assert addresses(new_mails()) == ["olivia"]
    assert not Digest.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_telling_of_keys_waits_for_nobody_who_locked_the_person(cast: Cast) -> None:
    """Who deletes their user locks themselves and then their keys: waiting the other way round, both would stand still."""
    key, _ = user_key(cast.wendy)
    done: list[int] = []

    def revoke() -> None:
        try:
            done.append(ApiKey.objects.filter(pk=key.pk).revoke(by=operator_at_shell(), reason="breach"))
        finally:
            connection.close()

    thread = threading.Thread(target=revoke)
    with transaction.atomic():
        User.objects.locked(cast.wendy.pk)
        thread.start()
        thread.join(30)
        assert done == [1]


def test_a_deleted_account_s_keys_are_told_to_its_admins(cast: Cast) -> None:
    service_key(cast.acme)
    new_mails()
    cast.acme.close(by=cast.actor(cast.olivia, cast.acme))
    (message,) = new_mails()
    assert message.to == ["adam@example.com"]
    assert "Reason: Account deleted" in message.body


def test_a_person_who_deletes_themselves_gets_no_mail_at_all(cast: Cast) -> None:
    user_key(cast.rob)
    new_mails()
    cast.rob.close(by=cast.actor(cast.rob))
    assert new_mails() == []


@pytest.mark.parametrize("ends_at", [NOON + timedelta(days=7), None])
def test_a_rotation_names_both_keys_and_when_the_old_one_ends(cast: Cast, ends_at: datetime | None) -> None:
    old, new = user_key(cast.wendy)[0], user_key(cast.wendy)[0]
    new_mails()
    mails.key_rotated(old, new, by=at_home(cast.actor(cast.wendy)), ends_at=ends_at)
    (message,) = new_mails()
    assert (message.to, message.subject) == (["wendy@example.com"], "API key “Laptop CLI” was rotated")
    assert "Wendy <wendy@example.com> rotated an API key of yours on 22 Nov 2026, 12:00 UTC, from 192.0.2.7." in message.body
    assert f"The old key:\n“Laptop CLI”\n{old.public_id} ({old.masked})\n" in message.body
    assert f"“Laptop CLI”\n{new.public_id} ({new.masked})\n" in message.body
    assert ("It works until 29 Nov 2026, 12:00 UTC." in message.body) is (ends_at is not None)
    assert ("It has ended" in message.body) is (ends_at is None)
    assert f"https://keys.example.com/settings/user/api-keys/{new.public_id}\n" in message.body


def test_a_service_key_s_rotation_is_told_to_owner_and_admins(cast: Cast) -> None:
    old, new = service_key(cast.acme)[0], service_key(cast.acme)[0]
    new_mails()
    mails.key_rotated(old, new, by=cast.actor(cast.adam, cast.acme), ends_at=None)
    told = new_mails()
    assert addresses(told) == ["adam", "olivia"]
    assert "rotated a service API key of Acme Ltd" in told[0].body


def test_a_rotation_that_ends_the_old_key_at_once_is_one_mail_a_person(cast: Cast) -> None:
    key = service_key(cast.acme)[0]
    mail.outbox = []
    key.rotate(by=cast.actor(cast.adam, cast.acme), overlap=timedelta(0))
    assert sorted(message.to[0] for message in mail.outbox) == sorted({cast.adam.email, cast.olivia.email})
    assert all("was rotated" in message.subject for message in mail.outbox)
