"""What operators do to accounts and people: the verb, and the mail that tells those concerned, in one transaction."""

from __future__ import annotations

from django.db import transaction

from accounts import mails
from accounts.models import Account, Membership, User
from keyportal.policy import Actor, Role

_DEACTIVATED = "Your sessions have ended and your user keys are refused. Service keys you made keep working."


@transaction.atomic
def suspend_account(account: Account, *, by: Actor, reason: str) -> None:
    account.suspend(by=by, reason=reason)
    mails.account_changed(
        account, "suspended", "Its API keys are refused, and nothing can be changed but deleting keys.", reason=reason
    )


@transaction.atomic
def resume_account(account: Account, *, by: Actor, reason: str) -> None:
    account.resume(by=by, reason=reason)
    mails.account_changed(account, "resumed", "Its API keys work again.", reason=reason)


@transaction.atomic
def add_member(account: Account, user: User, role: Role, *, by: Actor, reason: str) -> Membership:
    added = account.add_member(user, role, by=by, reason=reason)
    what = f"given a new member, {user.display_name} as {role.label},"
    mails.account_changed(account, what, "They can use the account from now on.", reason=reason)
    return added


@transaction.atomic
def rescue_account(account: Account, to: User, *, by: Actor, reason: str) -> None:
    account.rescue(to, by=by, reason=reason)
    mails.account_changed(account, f"handed over to {to.display_name}", "They are its owner now.", reason=reason)


@transaction.atomic
def deactivate_user(user: User, *, by: Actor, reason: str) -> None:
    user.deactivate(by=by, reason=reason)
    mails.user_changed(user, "deactivated", _DEACTIVATED, reason=reason)


@transaction.atomic
def reactivate_user(user: User, *, by: Actor, reason: str) -> None:
    user.reactivate(by=by, reason=reason)
    mails.user_changed(user, "reactivated", "You may sign in again, and the user keys you had work again.", reason=reason)
