"""Links that let a person set a password, for operators to hand over."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from accounts.models import User


def password_link(user: User) -> str:
    """The address where `user` sets a password: good once, and for `PASSWORD_RESET_TIMEOUT` seconds (3 days)."""
    token = default_token_generator.make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token})
    return f"{settings.PUBLIC_URL}{path}"
