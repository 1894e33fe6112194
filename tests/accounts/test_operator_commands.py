"""What operators do to one account or one person at the shell: it is done, recorded, told by mail, or refused in a line."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from accounts.models import Account, User
from tests.factories import Cast, UserFactory

pytestmark = pytest.mark.django_db


def run(command: str, **options: str) -> str:
    out = StringIO()
    call_command(command, stdout=out, **{"reason": "breach", **options})
    return out.getvalue()


def told() -> list[str]:
    """Who was sent a mail, each alone and with the reason."""
    for message in mail.outbox:
        assert len(message.to) == 1
        assert "Reason: breach" in str(message.body)
    return sorted(message.to[0] for message in mail.outbox)


def test_an_account_is_suspended_and_resumed(cast: Cast) -> None:
    for command, suspended in (("suspend_account", True), ("resume_account", False)):
        mail.outbox.clear()
        run(command, account=str(cast.acme.pk))
        assert bool(Account.objects.get(pk=cast.acme.pk).suspended_at) is suspended
        assert told() == ["adam@example.com", "olivia@example.com"]
        with pytest.raises(CommandError, match="suspended"):
            run(command, account=str(cast.acme.pk))


def test_a_person_is_deactivated_and_reactivated(cast: Cast) -> None:
    for command, active in (("deactivate_user", False), ("reactivate_user", True)):
        mail.outbox.clear()
        run(command, email="Wendy@Example.com")
        assert User.objects.get(pk=cast.wendy.pk).is_active is active
        assert told() == ["wendy@example.com"]
        with pytest.raises(CommandError, match="already"):
            run(command, email="wendy@example.com")


def test_an_account_whose_owner_is_gone_is_handed_over(cast: Cast) -> None:
    with pytest.raises(CommandError, match="deactivated or deleted"):
        run("transfer_account", account=str(cast.acme.pk), to="eve@example.com")
    cast.olivia.deactivate(by=operator_at_shell(), reason="left")
    run("transfer_account", account=str(cast.acme.pk), to="eve@example.com")
    assert Account.objects.get(pk=cast.acme.pk).owner == cast.eve
    assert told() == ["adam@example.com", "eve@example.com"]


def test_the_record_names_the_shell_and_the_reason(cast: Cast) -> None:
    run("suspend_account", account=str(cast.acme.pk), reason="  breach ")
    event = AuditEvent.objects.get(action="account.suspended")
    assert (event.via, event.reason) == ("operator", "breach")
    assert event.actor_name.endswith(" at the shell")


COMMANDS: dict[str, Callable[[Cast], dict[str, str]]] = {
    "suspend_account": lambda cast: {"account": str(cast.acme.pk)},
    "resume_account": lambda cast: {"account": str(cast.acme.pk)},
    "deactivate_user": lambda cast: {"email": "wendy@example.com"},
    "reactivate_user": lambda cast: {"email": "wendy@example.com"},
    "transfer_account": lambda cast: {"account": str(cast.acme.pk), "to": "adam@example.com"},
}


@pytest.mark.parametrize("reason", [" ", "x" * 501])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_reason_of_at_most_500_characters_is_required(cast: Cast, command: str, reason: str) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(CommandError, match="--reason needs"):
        run(command, reason=reason, **COMMANDS[command](cast))
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("nothing", ["", "no", "nobody@example.com", "00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_names_nothing_is_said_to(cast: Cast, command: str, nothing: str) -> None:
    with pytest.raises(CommandError, match="There is no"):
        run(command, **dict.fromkeys(COMMANDS[command](cast), nothing))


def test_an_address_is_found_in_whatever_spelling_it_is_typed() -> None:
    user = UserFactory(email="olivia@xn--bcher-kva.example")
    call_command("create_account", name="Second", owner_email="Olivia@BÜCHER.example", stdout=StringIO())
    assert Account.objects.get(name="Second").owner == user
    run("deactivate_user", email="olivia@bücher.example")
    call_command("revoke_keys", user="olivia@bücher.example", reason="stolen", stdout=StringIO())
