"""Mails about people and accounts. Each goes to the outbox in the transaction of what it tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.invitations import Invitation
from accounts.models import Account, User
from keyportal.policy import Role


def send(template: str, to: Iterable[str], subject: str, **context: Any) -> None:
    """One mail to each address, as text and HTML, from `templates/accounts/mails/<template>.txt` and `.html`."""
    context |= {"public_url": settings.PUBLIC_URL, "subject": subject}
    text = render_to_string(f"accounts/mails/{template}.txt", context)
    html = render_to_string(f"accounts/mails/{template}.html", context)
    for address in to:
        message = EmailMultiAlternatives(_one_line(subject), text, to=[address])
        message.attach_alternative(html, "text/html")
        message.send()


def invitation(invitation: Invitation, token: str) -> None:
    link = settings.PUBLIC_URL + reverse("invitation", args=[token])
    subject = f"{invitation.invited_by} invites you to {invitation.account.name}"
    role = Role(invitation.role).label
    send("invitation", [invitation.email], subject, invitation=invitation, role=role, link=link)


def account_changed(account: Account, what: str, *, reason: str) -> None:
    """Tell the owner and the admins what an operator did to their account."""
    admins = account.members.filter(memberships__account=account, memberships__stored_role=Role.ADMIN, is_active=True)
    subject = f"{account.name} was {what}"
    send(
        "account_changed", admins.distinct().values_list("email", flat=True), subject, account=account, what=what, reason=reason
    )


def user_changed(user: User, what: str, *, reason: str) -> None:
    """Tell a person what an operator did to their user."""
    send("user_changed", [user.email], f"Your user was {what}", user=user, what=what, reason=reason)


def _one_line(subject: str) -> str:
    """Names hold no line breaks, but a subject line is worth a second look."""
    return " ".join(subject.split())[:200]
