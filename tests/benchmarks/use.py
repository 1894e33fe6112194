"""What it costs to record the use of keys, at the gateway and in process.

In practice a key is recorded once a minute, so most requests only ask whether it is time. The worst case is every
request by a key that nobody used within the minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tests.benchmarks.contenders import BY_NAME, VERIFY
from tests.benchmarks.databases import Setup
from tests.benchmarks.process import Caller, used_just_now
from tests.benchmarks.rounds import interleaved, ratio
from tests.benchmarks.table import say


@contextmanager
def without_recording() -> Iterator[None]:
    """Inside, the gateway leaves nothing to be done after its answer. The one place that knows where that is."""
    with patch("apikeys.gateway.after_the_answer", lambda *_: None):
        yield


def measure(setup: Setup) -> None:
    from apikeys.models import ApiKey

    with_it, without, worst = (Caller(BY_NAME[VERIFY], setup.asked) for _ in range(3))
    ids = [one["public_id"] for one in setup.asked]

    def burst_without() -> float:
        with without_recording():
            return without.burst(setup.calls)

    def burst_worst() -> float:
        ApiKey.objects.filter(public_id__in=ids).update(last_used_at=None)
        return worst.burst(setup.calls)

    def burst_with() -> float:
        used_just_now(setup.asked)
        return with_it.burst(setup.calls)

    samples = interleaved({"with": burst_with, "without": burst_without, "worst": burst_worst}, setup.rounds)
    part = "recording use, time a request at the gateway"
    say(part, "a key used within the minute / not recorded", ratio(samples, "with", "without"), "×", ("≤", 1.08))
    say(part, "every request is written / not recorded", ratio(samples, "worst", "without"), "×")
