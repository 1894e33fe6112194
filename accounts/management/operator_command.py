"""What the operators' commands about one account or one person have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.access import operator_at_shell
from accounts.models import Account, User
from keyportal.exceptions import Conflict


class OperatorCommand(BaseCommand):
    """A command that names its target, takes a reason, and turns refusals into one line."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why: recorded, and told to the people concerned")

    def carry_out(self, operation: Callable[..., None], *arguments: Any, reason: str, done: str) -> None:
        try:
            operation(*arguments, by=operator_at_shell(), reason=reason.strip())
        except (PermissionDenied, Conflict) as error:
            raise CommandError(str(error)) from None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(done)


def account_named(text: str) -> Account:
    """The account with the ID `text`, or CommandError."""
    try:
        return Account.objects.get(pk=UUID(text))
    except (ValueError, Account.DoesNotExist):
        raise CommandError(f"There is no account {text}.") from None


def user_named(email: str) -> User:
    """The person with this address, or CommandError."""
    user = User.objects.filter(email=email.lower()).first()
    if user is None:
        raise CommandError(f"There is no user with the address {email}.")
    return user
