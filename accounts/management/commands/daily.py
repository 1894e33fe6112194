"""manage.py daily: what has to be done now and then, safe to run at any time and as often as you like."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.outbox import deliver_due


class Command(BaseCommand):
    help = "Send the mails that could not be sent before. Run it by a timer, at least once a day."

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"Mails sent: {deliver_due()}")
