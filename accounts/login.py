"""Signing in, signing up and resetting: whose an address is, and whose password counts."""

from contextlib import suppress

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import LoginForm, ResetPasswordForm, SignupForm
from allauth.account.internal.flows.email_verification import handle_verification_email_rate_limit
from allauth.core import context as allauth_context
from django.core.exceptions import ValidationError

from accounts.models import User
from keyportal.names import canonical_email


class ConfirmedAddressBackend(AuthenticationBackend):
    """A password counts only with a confirmed address.

    Who has not confirmed theirs gets the link again, and the answer to a wrong password: any other would tell, to
    whoever signs up with somebody's address and then tries to sign in, whether there was a user before.
    """

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        """By the address that somebody has, not by one that they wait to change to."""
        return self._check_password(User.objects.filter(email=email.lower()).first(), password)

    def _check_password(self, user: User | None, password: str) -> User | None:
        found: User | None = super()._check_password(user, password)
        if found and not found.has_confirmed_address:
            self._mail_the_link_again(found)
            return None
        return found

    def _mail_the_link_again(self, user: User) -> None:
        address = user.emailaddress_set.filter(email=user.email).first()  # type: ignore[attr-defined]
        request = allauth_context.request
        if address and request and handle_verification_email_rate_limit(request, address.email):
            address.send_confirmation(request)


class EmailLoginForm(LoginForm):
    def clean_login(self) -> str:
        """The address in its one spelling, in whatever spelling it was typed."""
        login: str = super().clean_login()
        with suppress(ValidationError):
            return canonical_email(login)
        return login


class EmailSignupForm(SignupForm):
    def validate_unique_email(self, value: str) -> str:
        """An address is taken by who has it, not by who waits to change to it: see `AccountAdapter.confirm_email`."""
        email: str = super().validate_unique_email(value)
        self.account_already_exists = User.objects.filter(email=email).exists()
        return email


class EmailResetForm(ResetPasswordForm):
    def clean_email(self) -> str:
        """The link is for who has the address, not for who waits to change to it."""
        email: str = super().clean_email()
        self.users = list(User.objects.filter(email=canonical_email(email), is_active=True))
        return email
