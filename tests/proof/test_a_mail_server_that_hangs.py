"""A mail server that takes connections and never says a word changes nothing for who asks; its mails come later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.outbox import Mail
from tests import factories
from tests.browser.calls import Connection
from tests.browser.server import Server
from tests.proof.mail_server import MailServer, mail_server
from tests.proof.serving import served
from tests.proof.visitor import Visitor

FORMS = {
    "new@example.com": ("/accounts/signup/", {"email": "new@example.com", "name": "New", "password1": factories.PASSWORD}),
    "rob@example.com": ("/accounts/password/reset/", {"email": "rob@example.com"}),
    "invited@example.com": ("/settings/accounts/A/members/invite", {"emails": "invited@example.com", "role": "READ_ONLY"}),
    "olivia@example.org": ("/accounts/email/", {"email": "olivia@example.org", "action_add": ""}),
}
LINKS = {
    "new@example.com": "/accounts/confirm-email/",
    "rob@example.com": "/accounts/password/reset/key/",
    "invited@example.com": "/invitations/",
    "olivia@example.org": "/accounts/confirm-email/",
}


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def server(transactional_db: None, tmp_path: Path, mails: MailServer) -> Iterator[Server]:
    """One worker: the process whose mail hangs is the one that answers."""
    with served(tmp_path, EMAIL_URL=mails.url, WEB_WORKERS="1") as server:
        yield server


def test_every_form_is_answered_while_its_mail_waits_and_the_mails_come_later(
    server: Server, mails: MailServer, settings: Any
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # as the server's
    cast = factories.make_cast()
    _, key = factories.user_key(cast.olivia)
    olivia = Visitor(server)
    assert sign_in(olivia, "olivia") == 302
    assert olivia.post("/accounts/reauthenticate/", password=factories.PASSWORD) == 302

    mails.hangs = True
    for address, (path, fields) in FORMS.items():
        visitor = olivia if path.startswith(("/settings", "/accounts/email")) else Visitor(server)
        assert visitor.post(path.replace("/A/", f"/{cast.acme.pk}/"), **fields) in (302, 303), path
        # Its mail was tried, by somebody who still waits for the first word: the answer cannot have waited for it.
        held = mails.next_held()
        assert not held.given_up, path
        assert Mail.objects.get(recipients=address).sent_at is None
        # Meanwhile the same process goes on reading and writing.
        with closing(Connection(server)) as connection:
            assert connection.status(key, str(cast.acme.pk)) == 200
        assert sign_in(Visitor(server), "adam") == 302
        assert not held.given_up, path
        held.let_go.set()
    assert len(mails.held) == len(FORMS)
    assert mails.mails == []

    mails.hangs = False
    server.stop()  # so that nobody but the command sends
    Mail.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))  # the pause after an attempt is over
    assert server.manage("daily").splitlines()[0] == f"Mails sent: {len(FORMS)}"
    assert [mail["To"] for mail in mails.mails] == list(FORMS)
    for mail in mails.mails:
        text = mail.get_body(("plain",))
        assert text is not None
        assert f"{server.url}{LINKS[mail['To']]}" in text.get_content()
    assert server.manage("daily").splitlines()[0] == "Mails sent: 0"


def test_a_key_is_made_and_deleted_while_its_mail_waits(server: Server, mails: MailServer, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]  # as the server's
    cast = factories.make_cast()
    adam = Visitor(server)
    assert sign_in(adam, "adam") == 302
    keys = f"/settings/accounts/{cast.acme.pk}/api-keys"

    mails.hangs = True
    assert adam.post(f"{keys}/new", name="Deploy", role="READ_RUN", expires="never", nonce="n" * 32) == 201
    held = mails.next_held()
    key = cast.acme.service_keys.get()
    assert adam.post(f"{keys}/{key.public_id}/delete") == 303
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert not held.given_up
    assert mails.mails == []

    mails.hangs = False
    held.let_go.set()
    eventually(lambda: len(mails.mails) >= 2)
    server.stop()
    Mail.objects.filter(sent_at=None).update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    server.manage("daily")
    told = sorted((mail["To"], mail["Subject"].split()[-1]) for mail in mails.mails)
    assert told == [("adam@example.com", "created"), ("olivia@example.com", "created"), ("olivia@example.com", "deleted")]


def test_who_sends_gives_up_in_the_end_and_goes_on_with_the_next(server: Server, mails: MailServer) -> None:
    """Otherwise one connection that hangs would keep all later mails of its process for ever."""
    mails.hangs = True
    assert Visitor(server).post("/accounts/password/reset/", email="new@example.com") == 302
    held = mails.next_held()
    mails.hangs = False
    assert Visitor(server).post("/accounts/password/reset/", email="invited@example.com") == 302
    eventually(lambda: len(mails.mails) == 1)
    assert held.given_up
    assert mails.mails[0]["To"] == "invited@example.com"


def sign_in(visitor: Visitor, name: str) -> int:
    return visitor.post("/accounts/login/", login=f"{name}@example.com", password=factories.PASSWORD)


def eventually(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)
