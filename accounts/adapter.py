"""How django-allauth is told about our people, addresses and links."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts.access import INVITATION, person, signed_in_lately
from accounts.audit import AuditEvent
from accounts.invitations import Invitation
from accounts.models import Account, User
from keyportal.client import client_address
from keyportal.exceptions import Conflict
from keyportal.names import canonical_email
from keyportal.policy import Actor


class AccountAdapter(DefaultAccountAdapter):
    error_messages: ClassVar[dict[str, Any]] = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": (
            "That email and password do not match, or the address is not confirmed yet. In that case we have just mailed "
            "the link again."
        ),
    }

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Failed attempts count by the address alone. allauth's own key has the Host header too, whose port anybody may choose."""
        return str(credentials.get("email", credentials.get("username", ""))).lower()

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """A closed installation still lets in whom somebody has invited."""
        invited = Invitation.objects.by_token_hash(request.session.get(INVITATION))
        return bool(settings.SIGNUP_OPEN or (invited and invited.open_to_anybody()))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """The new person, and with them their first account, in one transaction."""
        user.name = form.cleaned_data.get("name", "")
        with transaction.atomic():
            super().save_user(request, user, form, commit=commit)
            actor = person(user, request)
            user.record(AuditEvent.Action.USER_CREATED, by=actor)
            self._join_or_open(request, user, actor)
        # Whoever has just chosen the password need not type it again for a first key.
        record_authentication(request, user, method="password")
        return user

    def _join_or_open(self, request: HttpRequest, user: User, actor: Actor) -> None:
        """The account of the invitation that led here, or one of their own."""
        if invitation := self._invitation(request, user.email):
            try:
                invitation.accept(by=actor)
            except Conflict:  # the inviter may no longer
                pass
            else:
                # The link that led here came by mail to this address: it needs no second one.
                self.stash_verified_email(request, user.email)
                return
        Account.objects.open(by=actor, owner=user)

    def is_open_to(self, email: str) -> bool:
        """Whether somebody with this address may sign up now."""
        return settings.SIGNUP_OPEN or self._invitation(allauth_context.request, email) is not None

    def clean_email(self, email: str) -> str:
        return canonical_email(super().clean_email(email))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """A new address counts where its person, signed in, opens the link; whole, or not at all.

        Whoever reads the mail may be somebody else. Confirmed by them, it would make them the user of a stranger, who
        keeps user keys that act wherever they are invited then.
        """
        if email_address.email != email_address.user.email and request.user.pk != email_address.user_id:
            messages.error(request, "Sign in as who asked for this address, then open the link again.")
            return False
        try:
            with transaction.atomic():
                confirmed: bool = super().confirm_email(request, email_address)
        except IntegrityError:  # allauth asks only whether somebody has confirmed it
            messages.error(request, "Somebody else has signed up with this address.")
            return False
        return confirmed

    def _invitation(self, request: HttpRequest, email: str) -> Invitation | None:
        """The open invitation of this session, where it was sent to just this address."""
        found = Invitation.objects.by_token_hash(request.session.get(INVITATION))
        return found if found and found.open_to_anybody() and found.email == email.lower() else None

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """For allauth's own pages. By itself allauth would ask even right after the sign-in."""
        return not signed_in_lately(allauth_context.request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Links lead to `PUBLIC_URL`, whatever Host header the request brought."""
        here = allauth_context.request.build_absolute_uri("/")
        public = {
            name: f"{settings.PUBLIC_URL}/{value.removeprefix(here)}"
            if isinstance(value, str) and value.startswith(here)
            else value
            for name, value in context.items()
        }
        super().send_mail(template_prefix, email, public)

    def send_account_already_exists_mail(self, email: str) -> None:
        """What sign-up does for a known address. It takes as long as for a new one, whose password is hashed."""
        make_password("as long as any")
        super().send_account_already_exists_mail(email)

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or ""
