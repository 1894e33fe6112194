"""Answers that several apps give."""

from django.http import HttpResponseRedirect


def see_other(url: str) -> HttpResponseRedirect:
    """303: the browser asks for `url` with GET, whatever it sent here."""
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response
