"""What it costs to record the use of keys, at the gateway and in process, the writing included.

A second's worth of requests is counted, then written as the recorder's thread would: once with four requests a key, as
when some keys make most of the requests, and once with each request by another key, so that each is a row to write.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest.mock import patch

from tests.benchmarks.contenders import BY_NAME, VERIFY
from tests.benchmarks.databases import Setup
from tests.benchmarks.process import Caller, used_just_now
from tests.benchmarks.rounds import interleaved, ratio
from tests.benchmarks.table import say

REQUESTS_A_KEY = 4


def measure(setup: Setup) -> None:
    from apikeys.models import ApiKey
    from apikeys.use import recorder

    calls = min(setup.calls * 5, len(setup.asked))
    few, many, new, unrecorded = (
        Caller(BY_NAME[VERIFY], asked)
        for asked in (setup.asked[: calls // REQUESTS_A_KEY], setup.asked[:calls], setup.asked[:calls], setup.asked[:calls])
    )

    def recorded(caller: Caller) -> Callable[[], float]:
        def burst() -> float:
            seconds = caller.burst(calls)
            started = time.perf_counter()
            recorder.write()
            return seconds + (time.perf_counter() - started) / calls

        return burst

    def never_used_before() -> float:
        ApiKey.objects.filter(public_id__in=[one["public_id"] for one in setup.asked]).update(last_used_at=None)
        seconds = recorded(new)()
        used_just_now(setup.asked)
        return seconds

    def not_recorded() -> float:
        with patch("apikeys.gateway.note_use", lambda *_: None):
            return unrecorded.burst(calls)

    def prepare() -> None:
        recorder.write()
        used_just_now(setup.asked)

    # The thread would write in the midst of whichever burst comes its way.
    with patch.object(type(recorder), "wake", lambda _: None):
        bursts = {"few": recorded(few), "many": recorded(many), "new": never_used_before, "not": not_recorded}
        samples = interleaved(bursts, setup.rounds, prepare)
    part = "recording use, time a request at the gateway"
    say(part, f"{REQUESTS_A_KEY} requests a key and second / not recorded", ratio(samples, "few", "not"), "×", ("≤", 1.08))
    say(part, "1 request a key and second / not recorded", ratio(samples, "many", "not"), "×")
    say(part, "the first request of each key in a minute / not recorded", ratio(samples, "new", "not"), "×")
