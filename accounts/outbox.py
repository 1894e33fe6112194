"""The mail outbox: a mail is written with the change that it speaks of, and sent when both are committed.

A request never waits for a mail server, and its timing tells nobody whether a mail was sent. What could not be sent
is tried again; the text, which may hold a link that opens an account, is encrypted, and wiped once it is sent.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.letter import as_html
from keyportal.encryption import decrypt, encrypt

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 10
# Longer than any transport takes, since the mail is nobody else's meanwhile; doubled with each attempt, so that
# ten of them take three and a half days.
FIRST_RETRY = timedelta(minutes=5)


class Mail(models.Model):
    """One mail to send. `content` is encrypted JSON, empty once the mail is sent or given up."""

    created_at = models.DateTimeField(default=timezone.now)
    recipients = models.TextField()
    subject = models.CharField(max_length=300)
    content = models.TextField(editable=False)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        indexes = (
            models.Index(fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="mail_due"),
        )

    def __str__(self) -> str:
        return f"{self.subject} to {self.recipients}"


class OutboxBackend(BaseEmailBackend):
    """What Django's `send_mail` and allauth write to, as settings.EMAIL_BACKEND."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        Mail.objects.bulk_create(_mail_of(message) for message in email_messages)
        transaction.on_commit(deliver_soon)
        return len(email_messages)


def deliver_soon() -> None:
    """Send what is due, in a thread of this process, so that the request goes on at once."""
    if settings.MAIL_IN_BACKGROUND:
        _sender().submit(_deliver_in_thread)
    else:
        deliver_due()


def deliver_due() -> int:
    """Send every mail whose time has come, one after the other; the number that went out. Safe to run side by side."""
    sent = 0
    while mail := _claim():
        try:
            _message_of(mail).send()
        except Exception as error:  # whatever the transport raises, the mail stays and the next one is tried
            logger.warning("A mail to %s was not sent (attempt %d): %s", mail.recipients, mail.attempts, type(error).__name__)
            if mail.attempts >= MOST_ATTEMPTS:
                Mail.objects.filter(pk=mail.pk).update(next_attempt_at=None, content="")
        else:
            Mail.objects.filter(pk=mail.pk).update(sent_at=timezone.now(), next_attempt_at=None, content="")
            sent += 1
    return sent


def _claim() -> Mail | None:
    """The next mail that is due, its next attempt set ahead, so that nobody else takes it meanwhile."""
    now = timezone.now()
    with transaction.atomic():
        mail = Mail.objects.select_for_update(skip_locked=True).filter(next_attempt_at__lte=now).first()
        if mail is not None:
            mail.next_attempt_at = now + FIRST_RETRY * 2**mail.attempts
            mail.attempts += 1
            mail.save(update_fields=["next_attempt_at", "attempts"])
    return mail


def _deliver_in_thread() -> None:
    try:
        deliver_due()
    except Exception:
        logger.exception("The outbox stopped; it goes on with the next mail.")
    finally:
        connection.close()  # it may be long until the next mail


@cache
def _sender() -> ThreadPoolExecutor:
    """One thread a process, made after the server has forked."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")


def _mail_of(message: EmailMessage) -> Mail:
    if message.attachments or message.content_subtype != "plain":
        raise ValueError("The outbox keeps plain text with alternatives; attachments need a column first.")
    subject, text = str(message.subject), str(message.body)
    alternatives = [list(alternative) for alternative in getattr(message, "alternatives", [])]
    if not alternatives:
        alternatives = [[as_html(subject, text), "text/html"]]
    content: dict[str, Any] = {
        "subject": subject,
        "body": text,
        "from_email": message.from_email,
        "to": message.to,
        "cc": message.cc,
        "bcc": message.bcc,
        "reply_to": message.reply_to,
        "headers": message.extra_headers,
        "alternatives": alternatives,
    }
    encrypted = encrypt(json.dumps(content, default=str))
    return Mail(recipients=", ".join(message.to), subject=subject[:300], content=encrypted)


def _message_of(mail: Mail) -> EmailMultiAlternatives:
    content = json.loads(decrypt(mail.content))
    alternatives = [tuple(alternative) for alternative in content.pop("alternatives")]
    transport = get_connection(settings.MAIL_TRANSPORT)
    return EmailMultiAlternatives(**content, alternatives=alternatives, connection=transport)
