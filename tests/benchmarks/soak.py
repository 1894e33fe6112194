"""A long run at 70 % of what the server can do: its memory, its open files and its connections to the database stay flat.

wrk sets the pace: each of its connections waits some milliseconds between an answer and its next request (`delay()`
in its script). A client in Python would take as much of the machine as the server does.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from django.db import connection

from tests.benchmarks.contenders import BY_NAME, ME, VERIFY
from tests.benchmarks.databases import Setup
from tests.benchmarks.process import Wrong
from tests.benchmarks.server import Server, served
from tests.benchmarks.table import say
from tests.benchmarks.wrk import MISSING, Wrk, outcome

SHARE = 0.7
WORKERS = 2
CONNECTIONS = 64
MOST_GROWTH = 0.02  # of a worker's memory, over the whole time
Sample = dict[str, float]


def measure(setup: Setup) -> None:
    if not shutil.which("wrk"):
        print(f"THE SOAK IS LEFT OUT: {MISSING}", flush=True)
        return
    seconds = int(os.environ.get("SOAK_SECONDS") or 600)
    both = [BY_NAME[VERIFY], BY_NAME[ME]]
    with served(setup.folder, WORKERS) as server:
        most = Wrk.of(setup.folder, server.port, both, setup.asked).run(5, 16).rate
        # A connection sends once in each delay and answer; at this load an answer takes a few milliseconds.
        delay = round(CONNECTIONS / (most * SHARE) * 1000)
        paced = Wrk.of(setup.folder, server.port, both, setup.asked, delay_ms=delay)
        warm = paced.run(max(2, seconds // 20), CONNECTIONS)
        samples: list[Sample] = []
        load = paced.start(seconds, CONNECTIONS)
        started = time.monotonic()
        time.sleep(1)  # all connections are open from then on
        while time.monotonic() < started + seconds - 1:
            samples.append(_sample(server) | {"at": time.monotonic() - started})
            time.sleep(max(0.5, seconds / 200))
        measured = outcome(load)
    part = f"soak, {seconds} s, {WORKERS} workers"
    say(part, "rate", measured.rate / most, "×", note=f"{measured.rate:,.0f} of {most:,.0f} a second at most; {SHARE} wanted")
    say(part, "p99", measured.p99 * 1000, "ms")
    errors = measured.refused + measured.broken + warm.refused + warm.broken
    say(part, f"errors in {measured.requests:,} answers", errors, "", ("≤", 0))
    _report(part, samples, seconds)
    if errors:
        raise Wrong(f"{errors} good requests failed.")


def _sample(server: Server) -> Sample:
    _, *workers = server.processes
    sample: Sample = {}
    for number, pid in enumerate(workers, 1):
        status = Path(f"/proc/{pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        sample[f"memory of worker {number}, KiB"] = float(resident.split()[1])
        sample[f"open files of worker {number}"] = len(os.listdir(f"/proc/{pid}/fd"))
    sample["connections to the database"] = _connections(workers)
    return sample


def _connections(workers: list[int]) -> int:
    """As PostgreSQL counts them, without our own; on SQLite, how often the workers have the file open."""
    if connection.vendor == "sqlite":
        name = os.path.realpath(str(connection.settings_dict["NAME"]))
        files = [file for pid in workers for file in Path(f"/proc/{pid}/fd").iterdir()]
        return sum(os.path.realpath(file) == name for file in files)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def _report(part: str, samples: list[Sample], seconds: int) -> None:
    """Where each began and ended, and by how much the line through all samples of the second half rises over the whole time."""
    later = samples[len(samples) // 2 :]
    for name in [name for name in samples[0] if name != "at"]:
        rise = _slope([sample["at"] for sample in later], [sample[name] for sample in later]) * seconds
        note = f"{samples[0][name]:,.0f} at first, {samples[-1][name]:,.0f} at last"
        aim = MOST_GROWTH * samples[0][name] if "memory" in name else 1
        say(part, f"rise of {name}", round(rise, 2), "", ("≤", round(aim)), note)


def _slope(places: list[float], values: list[float]) -> float:
    """Of the straight line with the least squares."""
    middle, mean = sum(places) / len(places), sum(values) / len(values)
    spread = sum((place - middle) ** 2 for place in places)
    return (
        sum((place - middle) * (value - mean) for place, value in zip(places, values, strict=True)) / spread if spread else 0.0
    )
