"""manage.py revoke_keys: end many keys at once."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.access import operator_at_shell
from accounts.management.operator_command import account_named, fitting, user_named
from apikeys.models import ApiKey, ApiKeyQuerySet


class Command(BaseCommand):
    help = (
        "Revoke all user keys of a person, all service keys of an account, or single keys, for good. "
        "Without --apply nothing is changed: the command says what it would do. "
        "Examples: manage.py revoke_keys --user wendy@example.com --reason 'laptop stolen'   "
        "manage.py revoke_keys --key cu_hW4YxT0aQz1B sv_Zk81PqLm2aXy --reason 'found in a public repository' --apply"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("--user", metavar="EMAIL", help="the user keys of this person, in all accounts")
        chosen.add_argument("--account", metavar="ID", help="the service keys of this account")
        chosen.add_argument(
            "--key", metavar="PUBLIC_ID", nargs="+", help="these keys, by public ID (cu_… or sv_…, 15 characters)"
        )
        parser.add_argument("--reason", required=True, help="why: kept with each key, shown to its owner")
        parser.add_argument("--apply", action="store_true", help="do it; without this, only say what would be done")

    def handle(self, *, reason: str, apply: bool, **options: Any) -> None:
        reason = fitting(reason)
        keys = _chosen(options["user"], options["account"], options["key"]).filter(revoked_at=None)
        self._describe(keys)
        if not apply:
            self.stdout.write("Nothing was changed. Add --apply to revoke them.")
            return
        try:
            count = keys.revoke(by=operator_at_shell(), reason=reason)
        except PermissionDenied as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Revoked {_count(count, 'key')}. Requests with them fail from now on.")

    def _describe(self, keys: ApiKeyQuerySet) -> None:
        counts = keys.impact()
        self.stdout.write(
            f"{_count(counts['all'], 'key')} not revoked yet, of {_count(counts['users'], 'user')} and "
            f"{_count(counts['accounts'], 'account')}; used in the last day: {counts['day']:,}, "
            f"in the last 30 days: {counts['month']:,}."
        )


def _chosen(email: str | None, account_id: str | None, public_ids: list[str] | None) -> ApiKeyQuerySet:
    """The keys that the options name; CommandError for anything that names nothing."""
    if email:
        return ApiKey.objects.filter(user=user_named(email))
    if account_id:
        return ApiKey.objects.filter(account=account_named(account_id))
    wanted = set(public_ids or [])
    if any(text.count("_") > 1 for text in wanted):
        raise CommandError("Give public IDs (the first 15 characters, such as cu_hW4YxT0aQz1B), never whole keys.")
    keys = ApiKey.objects.filter(public_id__in=wanted)
    unknown = sorted(wanted - set(keys.values_list("public_id", flat=True)))
    if unknown or not wanted:
        raise CommandError(f"There is no key {', '.join(unknown) or 'named'}. Nothing was changed.")
    return keys


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
