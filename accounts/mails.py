"""Mails about people and accounts. Each goes to the outbox in the transaction of what it tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.invitations import Invitation
from accounts.models import Account, User
from keyportal.policy import Role


def letter(template: str, to: str, subject: str, context: dict[str, Any]) -> EmailMessage:
    """A mail to one address with the text of a template, not yet sent; the outbox adds the HTML."""
    return EmailMessage(_one_line(subject), render_to_string(template, context), to=[to])


def send(template: str, to: Iterable[str], subject: str, **context: Any) -> None:
    """One mail to each address, its text from `templates/accounts/mails/<template>.txt`."""
    for address in to:
        letter(f"accounts/mails/{template}.txt", address, subject, context).send()


def invitation(invitation: Invitation, token: str) -> None:
    link = settings.PUBLIC_URL + reverse("invitation", args=[token])
    subject = f"{invitation.invited_by.display_name} invites you to {invitation.account.name}"
    role = Role(invitation.role).label
    send("invitation", [invitation.email], subject, invitation=invitation, role=role, link=link)


def account_changed(account: Account, what: str, effect: str, *, reason: str) -> None:
    """Tell the owner and the admins what an operator did to their account."""
    admins = account.members.filter(memberships__account=account, memberships__stored_role=Role.ADMIN, is_active=True)
    addresses = admins.distinct().values_list("email", flat=True)
    subject = f"{account.name} was {what}"
    send("account_changed", addresses, subject, account=account, what=what, effect=effect, reason=reason)


def user_changed(user: User, what: str, effect: str, *, reason: str) -> None:
    """Tell a person what an operator did to their user."""
    send("user_changed", [user.email], f"Your user was {what}", user=user, what=what, effect=effect, reason=reason)


def _one_line(subject: str) -> str:
    """Names hold no line breaks, but a subject line is worth a second look."""
    return " ".join(subject.split())[:200]
