"""A mail is written with the change that it speaks of, sent after it, and kept until it was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, send_mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import outbox
from accounts.outbox import FIRST_RETRY, MOST_ATTEMPTS, Mail, deliver_due
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "tests.accounts.test_outbox"


class FailingTransport(BaseEmailBackend):
    """A mail server that refuses everything."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise ConnectionRefusedError("no mail server")


class HangingTransport(BaseEmailBackend):
    """A mail server that takes its time, and has it all in `sent` in the end."""

    seconds = 3.0
    sent: list[EmailMessage] = []  # noqa: RUF012

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        time.sleep(self.seconds)
        self.sent.extend(email_messages)
        return len(email_messages)


@pytest.fixture(autouse=True)
def in_use(settings: Any) -> None:
    settings.EMAIL_BACKEND = "accounts.outbox.OutboxBackend"
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    HangingTransport.sent.clear()


@pytest.fixture
def background(settings: Any) -> Iterator[None]:
    """The process sends in its own thread, which has ended when the test has."""
    settings.MAIL_IN_BACKGROUND = True
    outbox._sender.cache_clear()
    yield
    outbox._sender().shutdown(wait=True)
    outbox._sender.cache_clear()


def write(subject: str = "Hello", to: str = "rob@example.com") -> None:
    send_mail(subject, "the secret link", None, [to])


def sent() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_what_is_rolled_back_leaves_no_mail() -> None:
    def change() -> None:
        with transaction.atomic():
            write()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert not Mail.objects.exists()
    deliver_due()
    assert sent() == []


def test_a_mail_goes_out_after_the_commit_and_not_before() -> None:
    with transaction.atomic():
        write()
        assert sent() == []
        assert Mail.objects.count() == 1
    assert sent() == ["Hello"]


def test_its_text_is_encrypted_until_it_is_sent_and_wiped_then(settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    write()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_mail")
        (row,) = cursor.fetchall()
    assert "the secret link" not in repr(row)
    assert "the secret link" in str(outbox._message_of(Mail.objects.get()).body)
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    Mail.objects.update(next_attempt_at=timezone.now())
    assert deliver_due() == 1
    kept = Mail.objects.get()
    assert (kept.content, kept.next_attempt_at, kept.sent_at is not None) == ("", None, True)
    assert deliver_due() == 0
    assert sent() == ["Hello"]


def test_an_older_encryption_key_still_opens_what_waits(settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    write()
    newer = "bmV3ZXIga2V5IG5ld2VyIGtleSBuZXdlciBrZXkgISE="
    settings.ENCRYPTION_KEYS = [newer, *settings.ENCRYPTION_KEYS]
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    Mail.objects.update(next_attempt_at=timezone.now())
    assert deliver_due() == 1


def test_a_failing_transport_is_tried_again_with_growing_pauses_and_given_up_in_the_end(settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    pauses = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        write()
        for attempt in range(1, MOST_ATTEMPTS + 1):
            waiting = Mail.objects.get()
            assert waiting.attempts == attempt
            if waiting.next_attempt_at is None:
                break
            pause = waiting.next_attempt_at - timezone.now()
            pauses.append(pause)
            clock.shift(pause - timedelta(seconds=1))
            deliver_due()
            assert Mail.objects.get().attempts == attempt
            clock.shift(timedelta(seconds=1))
            deliver_due()
        given_up = Mail.objects.get()
        assert (given_up.attempts, given_up.next_attempt_at, given_up.content, given_up.sent_at) == (
            MOST_ATTEMPTS,
            None,
            "",
            None,
        )
        clock.shift(timedelta(days=365))
        settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
        assert deliver_due() == 0
    assert pauses == [FIRST_RETRY * 2**n for n in range(MOST_ATTEMPTS - 1)]
    assert sent() == []


def test_one_mail_that_fails_does_not_hold_up_the_next(settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    write("First")
    Mail.objects.update(content="not to be opened", next_attempt_at=timezone.now())
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    write("Second")
    assert sent() == ["Second"]
    assert Mail.objects.get(subject="First").next_attempt_at is not None


def test_a_failing_transport_is_no_error_to_who_asked(settings: Any, client: Client) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    UserFactory(email="rob@example.com")
    assert client.post("/accounts/password/reset/", {"email": "rob@example.com"}).status_code == 302
    assert Mail.objects.get().attempts == 1


def test_the_daily_command_sends_what_waits(settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    write()
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    with time_machine.travel(timezone.now() + FIRST_RETRY):
        call_command("daily")
    assert sent() == ["Hello"]


def test_headers_alternatives_and_letters_survive(settings: Any) -> None:
    message = EmailMultiAlternatives(
        "Schöne Grüße 🔑", "text ✓", "Acme <a@example.com>", ["rob@example.com", "eve@example.com"], headers={"X-One": "1 ✓"}
    )
    message.attach_alternative("<p>html ✓</p>", "text/html")
    message.send()
    (arrived,) = mail.outbox
    assert isinstance(arrived, EmailMultiAlternatives)
    assert (arrived.subject, arrived.body, arrived.from_email) == ("Schöne Grüße 🔑", "text ✓", "Acme <a@example.com>")
    assert (arrived.to, arrived.extra_headers) == (["rob@example.com", "eve@example.com"], {"X-One": "1 ✓"})
    assert [tuple(one) for one in arrived.alternatives] == [("<p>html ✓</p>", "text/html")]
    assert arrived.message()["Subject"]


def test_what_allauth_sends_goes_the_same_way(client: Client, settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.FailingTransport"
    client.post("/accounts/signup/", {"email": "new@example.com", "name": "New", "password1": "a long enough password"})
    assert Mail.objects.get().recipients == "new@example.com"


def timed(act: Callable[[], Any]) -> float:
    start = time.monotonic()
    act()
    return time.monotonic() - start


@pytest.mark.postgres
def test_a_hanging_transport_delays_no_request(background: None, settings: Any, client: Client) -> None:
    """The thread of the process waits for the mail server; the request has long been answered."""
    settings.MAIL_TRANSPORT = f"{HERE}.HangingTransport"
    UserFactory(email="rob@example.com")
    client.get("/accounts/password/reset/")
    known = timed(lambda: client.post("/accounts/password/reset/", {"email": "rob@example.com"}))
    again = timed(lambda: client.post("/accounts/password/reset/", {"email": "rob@example.com"}))
    assert HangingTransport.sent == []
    assert max(known, again) < HangingTransport.seconds
    outbox._sender().shutdown(wait=True)
    assert len(HangingTransport.sent) == 2
    assert Mail.objects.filter(sent_at=None).count() == 0


@pytest.mark.postgres
def test_two_deliverers_at_once_send_each_mail_once(settings: Any) -> None:
    settings.MAIL_TRANSPORT = f"{HERE}.HangingTransport"
    HangingTransport.seconds, usual = 0.01, HangingTransport.seconds
    with transaction.atomic():
        Mail.objects.bulk_create(outbox._mail_of(EmailMessage(str(n), "x", None, ["rob@example.com"])) for n in range(40))
    barrier, counts = threading.Barrier(4), []

    def deliver() -> None:
        try:
            barrier.wait()
            counts.append(deliver_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    HangingTransport.seconds = usual
    assert sum(counts) == 40
    assert len([count for count in counts if count]) > 1
    assert sorted(int(str(message.subject)) for message in HangingTransport.sent) == list(range(40))
