"""What may go wrong beyond Django's own exceptions."""


class Conflict(Exception):
    """Somebody was faster, or the same thing was asked twice. Pages and API answer 409 with the message."""


class InvalidCredential(Exception):
    """No key, or none that may be believed. The API answers 401 with the message."""
