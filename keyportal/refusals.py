"""What the log says of refused keys: a sample. A flood of them must not drown the log, nor be made dear by it."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

SAID_EVERY = 10.0


class Sample:
    """One line for many refusals: the first at once, then no more than one in ten seconds, with how many there were."""

    def __init__(self) -> None:
        self._since_then = 0
        self._silent_until = 0.0

    def note(self, address: str | None, why: str) -> None:
        self._since_then += 1
        now = time.monotonic()
        if now >= self._silent_until:
            logger.warning("Keys refused since the last such line: %d. The latest: %s from %s", self._since_then, why, address)
            self._since_then, self._silent_until = 0, now + SAID_EVERY


note = Sample().note


class Unsampled(logging.Filter):
    """Keeps Django from a line of its own for each refusal of the API, whose sample stands in the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        from keyportal.errors import is_api  # settings are still being read when logging is set up

        request = getattr(record, "request", None)
        return not (getattr(record, "status_code", 0) in (401, 429) and request is not None and is_api(request.path))
