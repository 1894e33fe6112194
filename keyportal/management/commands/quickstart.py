"""manage.py quickstart: from a fresh clone to a signed-in page with demo data."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from accounts.models import Membership
from keyportal import demo


class Command(BaseCommand):
    help = (
        "Set up a local installation with demo data and serve it. Runs again and again without harm: what is there "
        "stays. For a real installation use migrate, create_account and create_operator instead."
    )
    # The database may not exist yet.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own declaration

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="do all but serve")
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print what was made as JSON (needs --no-serve)"
        )

    def handle(self, *, no_serve: bool, as_json: bool, **options: Any) -> None:
        if not settings.LOCAL:
            raise CommandError("quickstart is for local installations (LOCAL=true): it makes people who share one password.")
        if as_json and not no_serve:
            raise CommandError("--json needs --no-serve.")
        if not settings.DEMO_PASSWORD:
            raise CommandError("Set DEMO_PASSWORD in .env: the people of the demo sign in with it.")
        settings.DATA_DIR.mkdir(mode=0o700, exist_ok=True)
        with (settings.DATA_DIR / "quickstart.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two at once go one after the other
            shown = self._set_up()
        facts = _facts(shown)
        self.stdout.write(json.dumps(facts) if as_json else _as_text(facts))
        if not no_serve:
            self.stdout.flush()
            gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:keyportal.gunicorn", "keyportal.wsgi"]
            # The server takes this process's place.
            os.execv(sys.executable, gunicorn)  # nosec B606

    def _set_up(self) -> demo.Shown | None:
        """Database, static files, demo data; the keys to show, the first time."""
        if "accounts_user" in connection.introspection.table_names() and not demo.may_be_here():
            raise CommandError("This database belongs to real people. quickstart changes nothing in it.")
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        return None if demo.account() else demo.seed(settings.DEMO_PASSWORD)


def _facts(shown: demo.Shown | None) -> dict[str, Any]:
    acme = demo.account()
    if acme is None:
        raise CommandError("The demo’s account is gone.")
    members = Membership.objects.filter(account=acme).select_related("user", "account").order_by("pk")
    return {
        "url": settings.PUBLIC_URL,
        "account_id": str(acme.pk),
        "user_key": shown.user_key.reveal() if shown else None,
        "service_key": shown.service_key.reveal() if shown else None,
        "password": settings.DEMO_PASSWORD,
        "users": [
            *({"email": m.user.email, "role": m.role.value} for m in members),
            {"email": "eve@example.com", "role": "OUTSIDE"},
            {"email": demo.OPERATOR_EMAIL, "role": "OPERATOR"},
        ],
    }


def _as_text(facts: dict[str, Any]) -> str:
    lines = [
        "",
        f"  KeyPortal   {facts['url']}",
        f"  Sign in as  {demo.OWNER_EMAIL}",
        f"  Password    {facts['password']}",
        f"  Account ID  {facts['account_id']}  (Acme Ltd)",
        "",
        "  Also here, with the same password:",
        *(f"    {user['email']:<20} {user['role']}" for user in facts["users"][1:]),
        "",
    ]
    if facts["user_key"]:
        checks = f"curl {facts['url']}/v1/checks"
        lines += [
            "  Two keys, shown this once. A user key needs the account, a service key knows its own:",
            "",
            f"  {checks} -H 'Authorization: Bearer {facts['user_key']}' -H 'X-Checkly-Account: {facts['account_id']}'",
            "",
            f"  {checks} -H 'Authorization: Bearer {facts['service_key']}'",
            "",
        ]
    else:
        lines += ["  The demo keys were shown by the first run. Make new ones in the browser.", ""]
    return "\n".join(lines)
