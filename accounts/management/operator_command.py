"""What the operators' commands about one account or one person have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.access import operator_at_shell
from accounts.models import MAX_REASON_LENGTH, Account, User
from keyportal.exceptions import Conflict


class OperatorCommand(BaseCommand):
    """A command that names its target, takes a reason, and turns refusals into one line."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why: recorded, and told to the people concerned")

    def carry_out(self, operation: Callable[..., None], *arguments: Any, reason: str, done: str) -> None:
        try:
            operation(*arguments, by=operator_at_shell(), reason=fitting(reason))
        except (PermissionDenied, Conflict) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(done)


def fitting(reason: str) -> str:
    """The reason as it is recorded, or CommandError for none and for one that no column holds."""
    if not 0 < len(reason.strip()) <= MAX_REASON_LENGTH:
        raise CommandError(f"--reason needs a text of at most {MAX_REASON_LENGTH} characters.")
    return reason.strip()


def account_named(text: str) -> Account:
    """The account with the ID `text`, or CommandError."""
    try:
        return Account.objects.get(pk=UUID(text))
    except (ValueError, Account.DoesNotExist):
        raise CommandError(f"There is no account {text}.") from None


def user_named(email: str) -> User:
    """The person with this address, or CommandError."""
    with suppress(ValidationError):
        if user := User.objects.with_address(email):
            return user
    raise CommandError(f"There is no user with the address {email}.")
