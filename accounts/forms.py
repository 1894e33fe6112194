"""Forms about people."""

import re
from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.models import THEMES, Account, User
from keyportal.names import MAX_NAME_LENGTH, canonical_email, clean_name
from keyportal.policy import GRANTABLE_ROLES, Role

MOST_ADDRESSES = 50


class NameField(forms.CharField):
    """A name that a person gives: trimmed, in NFC, and of visible characters only."""

    def __init__(self, **kwargs: object) -> None:
        # Far over the length, so that the message about too long a name is the one that says how long it is.
        super().__init__(max_length=MAX_NAME_LENGTH * 10, strip=False, **kwargs)  # type: ignore[arg-type]
        self.widget.attrs["maxlength"] = MAX_NAME_LENGTH

    def clean(self, value: str) -> str:
        text = super().clean(value)
        return clean_name(text) if text else ""


class NameForm(forms.Form):
    name = NameField(error_messages={"required": "Give it a name."})


class ProfileForm(forms.Form):
    """What a person says of themselves."""

    name = NameField(required=False, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    theme = forms.ChoiceField(choices=THEMES, required=False, widget=forms.RadioSelect)


class RoleForm(forms.Form):
    """A role that may be given: the value OWNER does not exist here."""

    role = forms.TypedChoiceField(
        choices=[(role.value, role.label) for role in reversed(GRANTABLE_ROLES)],
        coerce=Role,
        initial=Role.READ_ONLY.value,
        error_messages={"required": "Choose a role.", "invalid_choice": "Choose one of these roles."},
    )


class InviteForm(RoleForm):
    """Several addresses, one role."""

    emails = forms.CharField(
        label="Email addresses",
        max_length=5000,
        help_text="One or more, separated by commas, spaces or new lines.",
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True, "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Give one address or more."},
    )

    field_order = ("emails", "role")

    def clean_emails(self) -> list[str]:
        """The addresses, each once and in its one spelling."""
        emails: dict[str, None] = {}
        for text in re.findall(r"[^\s,;]+", self.cleaned_data["emails"]):
            try:
                emails[canonical_email(text)] = None
            except ValidationError:
                raise ValidationError(f"“{text}” is not an email address.") from None
        if not emails:
            raise ValidationError(self.fields["emails"].error_messages["required"])
        if len(emails) > MOST_ADDRESSES:
            raise ValidationError(f"Invite at most {MOST_ADDRESSES} people at once.")
        return list(emails)


class ConfirmNameForm(forms.Form):
    """What cannot be undone asks for a name to be typed."""

    confirm_name = forms.CharField(
        strip=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
        error_messages={"required": "Type the name to confirm."},
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name

    def clean_confirm_name(self) -> str:
        typed: str = self.cleaned_data["confirm_name"]
        if typed != self.name:
            raise ValidationError("That is not the name.")
        return typed


class TransferForm(ConfirmNameForm):
    """To which member, and the account's name typed."""

    user_id = forms.ModelChoiceField(
        queryset=User.objects.none(),
        label="New owner",
        empty_label="Choose a member",
        error_messages={"required": "Choose a member.", "invalid_choice": "Choose a member of this account."},
    )

    field_order = ("user_id", "confirm_name")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, name=account.name, **kwargs)
        self.fields["user_id"].queryset = account.heirs()  # type: ignore[attr-defined]


class SignupForm(forms.Form):
    """What sign-up asks beside address and password."""

    name = NameField(required=False, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ("name", "email", "password1")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not get_adapter().is_open_to(cleaned.get("email", "")):
            raise ValidationError("This installation is open to invited people. Use the address that was invited.")
        return cleaned

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth with the saved user; the adapter has taken the name already."""
