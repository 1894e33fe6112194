"""manage.py create_operator: make somebody an operator of this installation."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.access import operator_at_shell
from accounts.links import password_link
from accounts.models import User
from keyportal.exceptions import Conflict


class Command(BaseCommand):
    help = (
        "Make an operator: somebody who may open /admin/, see every key (never a secret) and revoke it. The command "
        "prints a link, good once and for three days, where they set their password. "
        "Example: manage.py create_operator --email oscar@example.com"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--email", required=True, help="a new address: people who have an account stay apart from operators"
        )
        parser.add_argument("--name", default="", help="their name")

    def handle(self, *, email: str, name: str, **options: Any) -> None:
        try:
            user = User.objects.enroll(by=operator_at_shell(), email=email, name=name, is_staff=True)
        except (ValidationError, Conflict) as error:
            raise CommandError(" ".join(getattr(error, "messages", [str(error)]))) from None
        self.stdout.write(
            f"{user.email} is an operator. The password is set here, once, within three days:\n{password_link(user)}"
        )
