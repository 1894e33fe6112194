"""Names that people give: of keys, accounts and themselves, and the addresses that mail reaches them at."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.encoding import punycode

MAX_NAME_LENGTH = 100
MAX_EMAIL_LENGTH = 254

# Control, surrogate, private, unassigned, and the two separators that break lines.
_REFUSED_CATEGORIES = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
# Marks that turn the reading direction: with them a name can pass for another.
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_VISIBLE = ("L", "N", "P", "S")
# What the two standards for domains beyond ASCII spell differently: the mail could reach somebody else's domain.
_TWO_SPELLINGS = set("ßς\u200c\u200d")


def clean_name(text: str) -> str:
    """`text` trimmed and in Unicode's composed form (NFC), or ValidationError with a sentence for its author."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise ValidationError("Give it a name.")
    if any(unicodedata.category(char) in _REFUSED_CATEGORIES or char in _BIDI for char in name):
        raise ValidationError("Use visible characters only: no control or text-direction characters.")
    if not any(unicodedata.category(char).startswith(_VISIBLE) for char in name):
        raise ValidationError("Use at least one visible character.")
    if len(name) > MAX_NAME_LENGTH:
        raise ValidationError(f"Use at most {MAX_NAME_LENGTH} characters. This name has {len(name)}.")
    return name


def canonical_email(text: str) -> str:
    """The one spelling of an address: lower case, its domain in IDNA's ASCII form. Raises ValidationError."""
    local, _, domain = text.rpartition("@")
    # Asked before lower(): some letters beyond ASCII become ASCII by it, and would pass for another address. What stands
    # in quotes may hold control characters and another @.
    if not local.isascii() or '"' in local or _TWO_SPELLINGS & set(domain.lower()):
        raise ValidationError("Enter a valid email address.")
    email = f"{local.lower()}@{_ascii_domain(domain.lower())}"
    validate_email(email)
    if len(email) > MAX_EMAIL_LENGTH:
        raise ValidationError(f"Use an address of at most {MAX_EMAIL_LENGTH} characters.")
    return email


def _ascii_domain(domain: str) -> str:
    try:
        return punycode(domain)
    except UnicodeError:
        raise ValidationError("Enter a valid email address.") from None
