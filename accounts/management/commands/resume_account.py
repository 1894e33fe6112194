"""manage.py resume_account: open a suspended account again."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.operator_command import OperatorCommand, account_named
from accounts.operations import resume_account


class Command(OperatorCommand):
    help = (
        "Open a suspended account again. Owner and admins are told by mail. "
        "Example: manage.py resume_account --account ID --reason 'traffic explained'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, metavar="ID", help="the account’s ID")
        super().add_arguments(parser)

    def handle(self, *, account: str, reason: str, **options: Any) -> None:
        found = account_named(account)
        self.carry_out(resume_account, found, reason=reason, done=f"{found.name} is open again.")
