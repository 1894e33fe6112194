"""Counters in Redis, shared by all machines: one round trip each, counted and judged by one script at the server."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from keyportal.tally import Limit, Standing, Tally

# A server that hangs must not hang the API.
TIMEOUT = 0.25

# `Tally.at`, `is_known` and `has_room`, in the server's own language, since nothing may come between them.
# A subject's value is "minute current previous"; Redis forgets it when its time is over.
_HIT = """
local now, most, kept, only_known = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local minute, elapsed = math.floor(now / 60000), now % 60000
local known, current, previous = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+) (%d+)$')
known, current, previous = tonumber(known), tonumber(current), tonumber(previous)
if only_known and not (known and minute - known <= kept and minute - known >= -1) then return false end
if known == minute + 1 then
    minute, elapsed = known, 0
elseif known == minute - 1 then
    current, previous = 0, current
elseif known ~= minute then
    current, previous = 0, 0
end
local passes = most == 0 or current * 60000 + previous * (60000 - elapsed) + 60000 <= most * 60000
if passes then
    current = current + 1
    redis.call('SET', KEYS[1], string.format('%d %d %d', minute, current, previous), 'EX', (kept + 1) * 60)
end
return {passes and 1 or 0, minute, current, previous, elapsed}
"""


class RedisCounters:
    """What `keyportal.limits.Counters` says, in the Redis at `url`. Raises RedisError where it does not answer."""

    failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)

    def __init__(self, url: str) -> None:
        # Never asked twice: a second try might count twice.
        self._redis = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._hit = self._redis.register_script(_HIT)

    def hit(self, subject: bytes, limit: Limit, now: int, *, only_known: bool = False) -> Standing | None:
        answer = self._hit(keys=[_name(subject)], args=[now, limit.most, limit.kept, int(only_known)])
        if answer is None:
            return None
        passes, minute, current, previous, elapsed = answer
        return Tally(minute, current, previous).standing(limit, elapsed, passes=bool(passes))

    def look(self, subject: bytes, limit: Limit, now: int) -> Standing:
        kept = self._redis.get(_name(subject))
        tally, elapsed = Tally(*map(int, kept.split() if kept else (0, 0, 0))).at(now)
        return tally.standing(limit, elapsed, passes=tally.has_room(limit, elapsed))

    def forget(self, subject: bytes) -> None:
        self._redis.delete(_name(subject))


def _name(subject: bytes) -> str:
    return f"keyportal:limit:{subject.hex()}"
