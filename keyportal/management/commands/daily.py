"""manage.py daily: what has to be done now and then, safe to run at any time and as often as you like."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.outbox import deliver_due
from apikeys import usage


class Command(BaseCommand):
    help = (
        "Send the mails that could not be sent before; sum up the use of keys by day where the hours are old.\n\n"
        "Run it by a timer, at least once a day."
    )

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"Mails sent: {deliver_due()}")
        self.stdout.write(f"Rows of use summed up or dropped: {usage.sum_up()}")
