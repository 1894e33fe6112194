"""manage.py createsuperuser: not offered, since sign-in would stop at the unconfirmed address."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Not offered: use create_operator, which confirms the address and sets no default password."

    def handle(self, **options: Any) -> None:
        raise CommandError("Use: manage.py create_operator --email you@example.com")
