"""The rule of a limit: so many a minute, in a window that slides.

Two numbers are kept of each subject: how often it passed in this minute of the clock, and in the one before. The
minute before counts by the share of it that the last sixty seconds still cover. So nobody gets twice the limit
around the turn of a minute: in any t seconds of a minute no more than `most + most × t/60` pass, and in a minute
of the clock no more than `most`. What is refused is not counted: whoever waits as long as they are told, passes.

Times are whole milliseconds since 1970, so that the arithmetic is exact, here and in Redis.
"""

from __future__ import annotations

from typing import NamedTuple

MINUTE = 60_000

# Subjects are digests of this many bytes: enough that no two ever meet.
DIGEST_SIZE = 20


class Limit(NamedTuple):
    """At most `most` a minute for each subject, 0 for no limit. A subject is known for `kept` minutes after it passed."""

    name: str
    most: int
    kept: int = 2


class Standing(NamedTuple):
    """Whether a subject passes, how often more it may at once, and after how many seconds it may more often (1 or more)."""

    passes: bool
    most: int
    remaining: int
    reset: int


class Tally(NamedTuple):
    """What has been counted of one subject until some moment of `minute`."""

    minute: int
    current: int
    previous: int

    def at(self, now: int) -> tuple[Tally, int]:
        """The tally as it is `now`, and how many milliseconds of its minute have gone by."""
        minute, elapsed = divmod(now, MINUTE)
        if self.minute == minute:
            return self, elapsed
        if self.minute == minute + 1:  # the clock went back a little, or another machine's is ahead
            return self, 0
        return Tally(minute, 0, self.current if self.minute == minute - 1 else 0), elapsed

    def is_known(self, limit: Limit, now: int) -> bool:
        return -1 <= now // MINUTE - self.minute <= limit.kept

    def has_room(self, limit: Limit, elapsed: int) -> bool:
        """Whether one more passes."""
        return not limit.most or self._counted(elapsed) + MINUTE <= limit.most * MINUTE

    def standing(self, limit: Limit, elapsed: int, *, passes: bool) -> Standing:
        remaining = max(0, limit.most - -(-self._counted(elapsed) // MINUTE))
        wait = MINUTE - elapsed if remaining or not limit.most else self._wait(limit, elapsed)
        return Standing(passes, limit.most, remaining, max(1, -(-wait // 1000)))

    def _counted(self, elapsed: int) -> int:
        """How much of the limit is used, times MINUTE."""
        return self.current * MINUTE + self.previous * (MINUTE - elapsed)

    def _wait(self, limit: Limit, elapsed: int) -> int:
        """How many milliseconds until one more has room, where none has now."""
        if self.current < limit.most:  # so it is the minute before that still weighs too much
            return MINUTE - (limit.most - self.current - 1) * MINUTE // self.previous - elapsed
        return 2 * MINUTE - (limit.most - 1) * MINUTE // self.current - elapsed
