"""manage.py daily: what has to be done now and then, safe to run at any time and as often as you like."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from accounts import retention as of_people
from accounts.outbox import deliver_due
from apikeys import mails, reminders, usage
from apikeys import retention as of_keys
from apikeys.models import ApiKey

logger = logging.getLogger(__name__)

# What is done, and what its number counts.
TASKS: tuple[tuple[str, Callable[[], int]], ...] = (
    ("Mails sent", deliver_due),
    ("Rows of use summed up or dropped", usage.sum_up),
    ("Mails about keys, left over by what was interrupted", lambda: mails.send_interrupted(ApiKey.objects.all())),
    ("Mails about keys that expire", reminders.remind_of_expiry),
    ("Mails about keys that nobody uses", reminders.remind_of_unused),
    ("Mails about replaced keys that are still tried", reminders.remind_of_knocks),
    ("Records of reminders dropped", reminders.prune),
    ("Addresses of keys’ last uses forgotten", of_keys.forget_addresses),
    ("Refusals dropped", of_keys.drop_old_knocks),
    ("Mails dropped", of_people.drop_old_mails),
    ("Sessions dropped", of_people.drop_ended_sessions),
)


class Command(BaseCommand):
    help = (
        "Send the mails that could not be sent before; sum up the use of keys by day where the hours are old; remind people of "
        "keys that expire soon and, once a month, of keys that nobody uses; forget what was kept long enough.\n\n"
        "Run it by a timer, at least once a day. It says what it did, a line a task; one that fails leaves the others alone."
    )

    def handle(self, **options: Any) -> None:
        failed = [name for name, task in TASKS if not self._do(name, task)]
        if failed:
            raise CommandError(f"Failed: {'; '.join(failed)}. The log says why.")

    def _do(self, name: str, task: Callable[[], int]) -> bool:
        try:
            self.stdout.write(f"{name}: {task()}")
        except Exception:  # whatever it is, the other tasks are still to be done
            self.stdout.write(f"{name}: failed")
            logger.exception("%s: failed", name)
            close_old_connections()
            return False
        return True
