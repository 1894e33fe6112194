"""manage.py suspend_account: close an account to keys and make its pages read-only, until it is resumed."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.operator_command import OperatorCommand, account_named
from accounts.operations import suspend_account


class Command(OperatorCommand):
    help = (
        "Close an account to keys and make its pages read-only, until it is resumed. Owner and admins are told by mail. "
        "Example: manage.py suspend_account --account ID --reason 'suspicious traffic'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, metavar="ID", help="the account’s ID")
        super().add_arguments(parser)

    def handle(self, *, account: str, reason: str, **options: Any) -> None:
        found = account_named(account)
        self.carry_out(
            suspend_account, found, reason=reason, done=f"{found.name} is suspended. Its keys are refused from now on."
        )
