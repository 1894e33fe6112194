"""Links that let a person set a password: mailed to them, or printed for operators to hand over."""

from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse

from accounts.models import User


class PasswordTokens(PasswordResetTokenGenerator):
    """Django's, and what ends sessions ends them too: a link mailed before a deactivation opens nothing after it."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        return f"{super()._make_hash_value(user, timestamp)}{user.session_epoch}"


def password_link(user: User) -> str:
    """The address where `user` sets a password: good once, and for `PASSWORD_RESET_TIMEOUT` seconds (3 days)."""
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(user), "key": PasswordTokens().make_token(user)},
    )
    return f"{settings.PUBLIC_URL}{path}"
