"""What may go wrong beyond Django's own exceptions."""


class Conflict(Exception):
    """Somebody was faster, the same was asked twice, or something stands against it now. Pages and API answer 409 with the message."""


class TooManyRequests(Exception):
    """Over a limit. The API answers 429 with the message; after `retry_after` seconds the next request passes."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidCredential(Exception):
    """No key, or none that may be believed. The API answers 401 with the message."""
