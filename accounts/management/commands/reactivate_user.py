"""manage.py reactivate_user: let a deactivated person sign in again, with the keys they had."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.operator_command import OperatorCommand, user_named
from accounts.operations import reactivate_user


class Command(OperatorCommand):
    help = (
        "Let a deactivated person sign in again, with the keys they had. They are told by mail. "
        "Example: manage.py reactivate_user --email wendy@example.com --reason 'was on leave'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True, help="the person’s address")
        super().add_arguments(parser)

    def handle(self, *, email: str, reason: str, **options: Any) -> None:
        user = user_named(email)
        self.carry_out(reactivate_user, user, reason=reason, done=f"{user.email} is active again.")
