"""Scrub by value: whatever is shaped like a key or an Argon2 hash never reaches a log or a debug page.

A key is found by its shape alone, without asking the checksum, so that a mistyped one is
scrubbed as well.
"""

import logging
import re
from types import FrameType
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

Text = TypeVar("Text", bound=str)


def _shapes() -> re.Pattern[str]:
    prefixes = "|".join(map(re.escape, [*settings.USER_KEY_PREFIXES, *settings.SERVICE_KEY_PREFIXES]))
    # The public ID stays, so that a log line still says which key it was about. From 16 characters on, since
    # a cut-off secret is a secret as well.
    return re.compile(rf"(?P<keep>(?:{prefixes})_[0-9A-Za-z]{{12}})_[0-9A-Za-z]{{16,}}|\$argon2[a-z]*\$[^\s'\"<>&]+")


_PATTERN = _shapes()


def scrub(text: Text) -> Text:
    """`text` with every key cut down to its public ID and every Argon2 string replaced; safe HTML stays safe."""
    return type(text)(_PATTERN.sub(lambda found: f"{found['keep']}_[scrubbed]" if found["keep"] else "[scrubbed]", text))


class ScrubbingFormatter(logging.Formatter):
    """Formats a record as usual, message, arguments and traceback, and scrubs the outcome."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


class ScrubbingReporter(ExceptionReporter):
    """The report of a crash, on the debug page and in mails, scrubbed as a whole: messages, addresses, parameters."""

    def get_traceback_html(self) -> SafeString:
        return scrub(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        return scrub(super().get_traceback_text())


class ScrubbedText(str):
    """Text whose `repr`, which is what a debug page prints, is the text itself."""

    def __repr__(self) -> str:
        return str(self)


class ScrubbingReporterFilter(SafeExceptionReporterFilter):
    """Django's own filter by name, and ours by value on top, before long values are broken into lines."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|AUTHORIZATION|COOKIE|DATABASE_URL|EMAIL|CACHES", re.I
    )

    def get_traceback_frame_variables(  # type: ignore[override]
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> list[tuple[str, Any]]:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, _scrubbed_value(value)) for name, value in variables]


def _scrubbed_value(value: Any) -> Any:
    """The value itself where its `repr` is clean, else the scrubbed `repr`."""
    try:
        text = repr(value)
    except Exception:  # a broken __repr__ must not hide the error that is being reported
        return ScrubbedText("<unprintable>")
    clean = scrub(text)
    return value if clean == text else ScrubbedText(clean)
