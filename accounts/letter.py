"""The HTML of a mail, drawn from its text: one source, so that both always say the same."""

from __future__ import annotations

import re

from django.conf import settings
from django.template.loader import render_to_string


def as_html(subject: str, text: str) -> str:
    """The page for a mail's plain text, whose paragraphs are set apart by empty lines.

    A paragraph of two lines, words with a colon and then an address below `PUBLIC_URL`, becomes a button; any
    other address stays text, since names and reasons are written by people.
    """
    paragraphs = [_paragraph(paragraph) for paragraph in re.split(r"\n{2,}", text.strip())]
    context = {"subject": subject, "paragraphs": paragraphs, "public_url": settings.PUBLIC_URL}
    return render_to_string("mail.html", context)


def _paragraph(text: str) -> dict[str, str]:
    label, _, address = text.partition(":\n")
    if address.startswith(f"{settings.PUBLIC_URL}/") and not re.search(r"\s", address):
        return {"label": label, "address": address}
    return {"text": text}
