"""Forms about keys."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.forms import NameField
from accounts.models import Account
from apikeys.allowlist import MOST_NETWORKS, Mode, read_networks, suggest
from apikeys.models import ApiKey
from keyportal.key_policy import KeyPolicy
from keyportal.policy import GRANTABLE_ROLES, Role

NAME_HINT = "Where will you use it? For example “Laptop CLI” or “GitHub Actions, web repo”."
NAME_WIDGET = forms.TextInput(attrs={"autocomplete": "off", "autofocus": True})
_DAYS = {"30": 30, "90": 90, "365": 365}
_OVERLAPS = {"0": timedelta(0), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
_NONCE = re.compile(r"[0-9A-Za-z_-]{16,64}", re.ASCII)


def fresh_nonce() -> str:
    """What makes two sendings of one form one: 128 random bits."""
    return secrets.token_urlsafe(16)


class OnceForm(forms.Form):
    """A form that makes a key, with the nonce that makes its repetition harmless."""

    nonce = forms.CharField(required=False, widget=forms.HiddenInput, initial=fresh_nonce)

    def clean_nonce(self) -> str:
        """The nonce, or a fresh one in the form that is shown again: nobody can repair a hidden field."""
        nonce: str = self.cleaned_data["nonce"]
        if not _NONCE.fullmatch(nonce):
            self.data = {**self.data.dict(), "nonce": fresh_nonce()}  # type: ignore[attr-defined]
            self.add_error(None, "This form was incomplete. Nothing was created: please send it again.")
        return nonce


class UserKeyForm(OnceForm):
    """Name, expiry and nonce."""

    name = NameField(help_text=NAME_HINT, widget=NAME_WIDGET, error_messages={"required": "Give it a name."})
    expires = forms.ChoiceField(
        choices=[("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("custom", "Custom…"), ("never", "Never")],
        initial="90",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose when it expires.", "invalid_choice": "Choose one of these."},
    )
    expires_on = forms.DateField(
        required=False,
        input_formats=["%Y-%m-%d"],
        label="Expires on",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": "Give the day as YYYY-MM-DD."},
    )

    field_order = ("name", "role", "expires", "expires_on", "nonce")

    @property
    def expiry_hints(self) -> dict[str, date]:
        """The last day that each choice of days would give."""
        return {choice: _end_of_day(_in_days(days)).date() for choice, days in _DAYS.items()}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        choice = cleaned.get("expires")
        if choice == "custom" and "expires_on" not in self.errors and not cleaned.get("expires_on"):
            self.add_error("expires_on", "Choose a day.")
        cleaned["expires_at"] = None
        if choice in _DAYS:
            cleaned["expires_at"] = _end_of_day(_in_days(_DAYS[choice]))
        elif choice == "custom" and cleaned.get("expires_on"):
            cleaned["expires_at"] = _end_of_day(cleaned["expires_on"])
        return cleaned

    def as_arguments(self) -> dict[str, Any]:
        """What the issuing verbs take: name, role where there is one, expiry and nonce."""
        return {name: self.cleaned_data[name] for name in ("name", "role", "expires_at", "nonce") if name in self.cleaned_data}


class ServiceKeyForm(UserKeyForm):
    """The same with a role, which a service key has of its own."""

    role = forms.TypedChoiceField(
        choices=[(role.value, role.label) for role in reversed(GRANTABLE_ROLES)],
        coerce=Role,
        initial=Role.READ_ONLY.value,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a role.", "invalid_choice": "Choose one of these roles."},
    )


class RenameKeyForm(forms.Form):
    name = NameField(help_text=NAME_HINT, widget=NAME_WIDGET, error_messages={"required": "Give it a name."})


class RotateKeyForm(OnceForm):
    """How long the old key works on beside its successor."""

    overlap = forms.ChoiceField(
        choices=[("24h", "24 hours"), ("7d", "7 days"), ("0", "Not at all")],
        initial="24h",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose how long the old key works on.", "invalid_choice": "Choose one of these."},
    )

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key

    @property
    def ends(self) -> dict[str, datetime]:
        """When the old key would end, by choice: sooner than that where it expires sooner."""
        now = timezone.now()
        ends = {choice: now + overlap for choice, overlap in _OVERLAPS.items() if overlap}
        return {choice: min(end, self.key.expires_at or end) for choice, end in ends.items()}

    @property
    def expiry_of_successor(self) -> datetime | None:
        return self.key.expiry_of_successor(timezone.now())

    def as_arguments(self) -> dict[str, Any]:
        """What `rotate` takes."""
        return {"overlap": _OVERLAPS[self.cleaned_data["overlap"]], "nonce": self.cleaned_data["nonce"]}


class DeleteKeyForm(forms.Form):
    """Confirmation. A key that was used lately asks for its name to be typed."""

    # "create": after the deletion comes the form for another key.
    then = forms.CharField(required=False, widget=forms.HiddenInput)
    confirm_name = forms.CharField(
        strip=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
        error_messages={"required": "Type the key’s name to confirm."},
    )

    def __init__(self, *args: Any, key: ApiKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key = key
        self.needs_name = key.used_lately
        if not self.needs_name:
            del self.fields["confirm_name"]

    def clean_confirm_name(self) -> str:
        typed = unicodedata.normalize("NFC", self.cleaned_data["confirm_name"])
        if typed != self.key.name:
            raise ValidationError("That is not the key’s name.")
        return typed


class AddressesForm(forms.Form):
    """The networks that a key may be used from, and whether that is enforced."""

    mode = forms.TypedChoiceField(
        choices=Mode.choices,
        coerce=Mode,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose one.", "invalid_choice": "Choose one of these."},
    )
    networks = forms.CharField(
        required=False,
        max_length=5000,
        help_text=f"One a line, at most {MOST_NETWORKS}: networks such as 192.0.2.0/24 and 2001:db8::/48, or single addresses.",
        widget=forms.Textarea(attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )

    # How many networks were suggested, where somebody asked.
    suggestions: int | None = None

    mode_lines = MappingProxyType(
        {
            Mode.OFF: "It works from everywhere.",
            Mode.OBSERVE: "It works from everywhere, and its page says what the list would have refused.",
            Mode.ENFORCE: "Requests from other addresses fail with 403.",
        }
    )

    def __init__(self, data: Any = None, *, key: ApiKey) -> None:
        super().__init__(data, initial={"mode": key.allow_mode, "networks": key.allowed_from})
        self.key = key

    def clean_networks(self) -> list[str]:
        return read_networks(_words(self.cleaned_data["networks"]))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("networks") == [] and cleaned.get("mode") not in (None, Mode.OFF):
            self.add_error("networks", "Give one network or more, or choose “Off”.")
        return cleaned

    def suggest(self) -> AddressesForm:
        """The same form, not judged, with the networks added from which the key was used of late."""
        typed = _words(self.data.get("networks", "")[:5000])
        seen = suggest(self.key.public_id, typed)
        suggested = AddressesForm(key=self.key)
        suggested.suggestions = len(seen)
        suggested.initial = {
            "mode": self.data.get("mode", self.key.allow_mode),
            "networks": "\n".join([*typed, *seen]),
        }
        return suggested


class KeyPolicyForm(forms.Form):
    """What an account asks of keys, and from which day."""

    longest_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=3650,
        label="Longest life, in days",
        help_text="Keys must expire, at most so many days after they were made. Empty for no limit.",
    )
    must_expire = forms.BooleanField(required=False, label="Keys must expire, at whatever time")
    service_only = forms.BooleanField(required=False, label="Service keys only: user keys don’t work here")
    most_user_keys = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label="Usable user keys per person",
        help_text="Counts when a key is made: who has more keeps them. Empty for no limit.",
    )
    most_service_keys = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label="Usable service keys of the account",
        help_text="Counts when a key is made. Empty for no limit.",
    )
    from_day = forms.DateField(
        input_formats=["%Y-%m-%d"],
        label="From",
        help_text="The day, in UTC, from which keys that don’t fit are refused. New keys must fit at once.",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": "Choose a day.", "invalid": "Give the day as YYYY-MM-DD."},
    )
    # Sent back by the page that has shown what would stop: just what it has shown.
    confirm = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, account: Account) -> None:
        coming = account.announced_key_policy
        asked = coming.policy if coming else account.key_policy
        from_day = coming.at.date() if coming else timezone.now().date()
        super().__init__(data, initial=asdict(asked) | {"from_day": from_day})

    def clean_from_day(self) -> date:
        day: date = self.cleaned_data["from_day"]
        if day < timezone.now().date():
            raise ValidationError("That day is over. Choose today or a later one.")
        return day

    @property
    def policy(self) -> KeyPolicy:
        return KeyPolicy(**{field.name: self.cleaned_data[field.name] for field in fields(KeyPolicy)})


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s,;]+", text)


def _in_days(days: int) -> date:
    return (timezone.now() + timedelta(days=days)).date()


def _end_of_day(day: date) -> datetime:
    """A date means through 23:59:59 UTC of that day. The last days of the calendar overflow nowhere."""
    return datetime.combine(day, time(23, 59, 59), UTC)
