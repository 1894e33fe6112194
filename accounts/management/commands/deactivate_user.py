"""manage.py deactivate_user: end a person’s sessions and stop their user keys, everywhere and at once."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.operator_command import OperatorCommand, user_named
from accounts.operations import deactivate_user


class Command(OperatorCommand):
    help = (
        "End a person’s sessions and stop their user keys, everywhere and at once. They are told by mail. "
        "Example: manage.py deactivate_user --email wendy@example.com --reason 'left the company'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True, help="the person’s address")
        super().add_arguments(parser)

    def handle(self, *, email: str, reason: str, **options: Any) -> None:
        user = user_named(email)
        self.carry_out(
            deactivate_user,
            user,
            reason=reason,
            done=f"{user.email} is deactivated. Their user keys are refused from now on; service keys they made keep working.",
        )
