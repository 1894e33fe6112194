"""Forms about people."""

from django import forms
from django.http import HttpRequest

from accounts.models import User
from keyportal.names import MAX_NAME_LENGTH, clean_name


class NameField(forms.CharField):
    """A name that a person gives: trimmed, in NFC, and of visible characters only."""

    def __init__(self, **kwargs: object) -> None:
        # Far over the length, so that the message about too long a name is the one that says how long it is.
        super().__init__(max_length=MAX_NAME_LENGTH * 10, strip=False, **kwargs)  # type: ignore[arg-type]
        self.widget.attrs["maxlength"] = MAX_NAME_LENGTH

    def clean(self, value: str) -> str:
        text = super().clean(value)
        return clean_name(text) if text else ""


class SignupForm(forms.Form):
    """What sign-up asks beside address and password."""

    name = NameField(required=False, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ("name", "email", "password1")

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth with the saved user; the adapter has taken the name already."""
