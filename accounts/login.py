"""The form for signing in."""

from contextlib import suppress

from allauth.account.forms import LoginForm
from django.core.exceptions import ValidationError

from keyportal.names import canonical_email


class EmailLoginForm(LoginForm):
    def clean_login(self) -> str:
        """The address in its one spelling, in whatever spelling it was typed."""
        login: str = super().clean_login()
        with suppress(ValidationError):
            return canonical_email(login)
        return login
