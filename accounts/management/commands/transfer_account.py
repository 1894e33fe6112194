"""manage.py transfer_account: give an account whose owner is gone to somebody else."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.operator_command import OperatorCommand, account_named, user_named
from accounts.operations import rescue_account


class Command(OperatorCommand):
    help = (
        "Make somebody the owner of an account whose owner is deactivated or deleted; they join it where necessary. "
        "Owner and admins are told by mail. "
        "Example: manage.py transfer_account --account ID --to adam@example.com --reason 'owner left the company'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, metavar="ID", help="the account’s ID")
        parser.add_argument("--to", required=True, metavar="EMAIL", help="the new owner’s address")
        super().add_arguments(parser)

    def handle(self, *, account: str, to: str, reason: str, **options: Any) -> None:
        found, user = account_named(account), user_named(to)
        self.carry_out(rescue_account, found, user, reason=reason, done=f"{user.email} owns {found.name} now.")
