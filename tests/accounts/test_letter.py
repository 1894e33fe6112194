"""Every mail goes out as text and as a page that says the same, in our look."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts import operations
from accounts.access import operator_at_shell
from accounts.letter import as_html
from tests.factories import AccountFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def in_use(settings: Any) -> None:
    settings.EMAIL_BACKEND = "accounts.outbox.OutboxBackend"
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    settings.PUBLIC_URL = "https://keys.example.com"


def html_of(message: Any) -> str:
    ((html, kind),) = message.alternatives
    assert kind == "text/html"
    return str(html)


def test_words_and_an_address_below_the_public_one_are_a_button() -> None:
    page = as_html("Reset", "Hello.\n\nChoose a new password:\nhttps://keys.example.com/reset/1\n\nBye.")
    assert 'href="https://keys.example.com/reset/1"' in page
    assert ">Choose a new password</a>" in page
    assert page.count("https://keys.example.com/reset/1") == 2  # the button, and the address to read before clicking
    assert "<p" in page.partition("Hello.")[0]


@pytest.mark.parametrize(
    "text",
    [
        "Click:\nhttps://evil.example/x",
        "Click:\nhttps://keys.example.com.evil.example/x",
        "Click:\nhttps://keys.example.com/x or https://evil.example/x",
        "https://evil.example/x",
    ],
)
def test_no_other_address_is_a_link(text: str) -> None:
    assert "href=" not in as_html("Subject", text)


def test_what_people_write_is_text_and_never_markup() -> None:
    page = as_html("<script>1</script>", '<img src=x>\n\n"><b>:\nhttps://keys.example.com/"onclick="x')
    assert "<script>1" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert '"onclick' not in page


def test_a_reset_by_allauth_goes_out_as_both_with_the_public_address(client: Client) -> None:
    UserFactory(email="rob@example.com")
    client.post("/accounts/password/reset/", {"email": "rob@example.com"})
    (message,) = mail.outbox
    link = next(line for line in message.body.splitlines() if line.startswith("https://"))
    assert link.startswith("https://keys.example.com/accounts/password/reset/key/")
    assert f'href="{link}"' in html_of(message)
    assert ">Choose a new password</a>" in html_of(message)


def test_what_an_operator_does_is_told_in_both_with_reason_and_effect() -> None:
    account = AccountFactory(name="Acme & <Sons>")
    operations.suspend_account(account, by=operator_at_shell(), reason="A key was published")
    (message,) = mail.outbox
    for part in (message.body, html_of(message)):
        assert "A key was published" in part
        assert "Its API keys are refused" in part
    assert "Acme &amp; &lt;Sons&gt;" in html_of(message)
