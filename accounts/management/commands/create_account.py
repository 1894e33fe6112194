"""manage.py create_account: open an account for somebody."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.access import operator_at_shell
from accounts.links import password_link
from accounts.models import Account, User
from keyportal.exceptions import Conflict


class Command(BaseCommand):
    help = (
        "Open an account and make its owner. An owner who is new gets no password: the command prints a link, good "
        "once and for three days, where they set one. Hand it to them over a channel you trust. "
        "Example: manage.py create_account --name 'Acme Ltd' --owner-email olivia@example.com"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="what the account is called")
        parser.add_argument("--owner-email", required=True, help="who owns it: a known user, or a new one")
        parser.add_argument("--owner-name", default="", help="the name of a new owner")

    def handle(self, *, name: str, owner_email: str, owner_name: str, **options: Any) -> None:
        by = operator_at_shell()
        if not name.strip():
            raise CommandError("Give the account a name.")
        try:
            with transaction.atomic():
                known = User.objects.with_address(owner_email)
                is_known = known is not None and known.has_confirmed_address
                owner = known if known and is_known else User.objects.enroll(by=by, email=owner_email, name=owner_name)
                account = Account.objects.open(by=by, owner=owner, name=name)
        except (ValidationError, Conflict) as error:
            raise CommandError(" ".join(getattr(error, "messages", [str(error)]))) from None
        self.stdout.write(f"Account “{account.name}” is open. Its ID: {account.pk}")
        if is_known:
            self.stdout.write(f"{owner.email} owns it and signs in as usual.")
        else:
            self.stdout.write(f"{owner.email} sets a password here, once, within three days:\n{password_link(owner)}")
