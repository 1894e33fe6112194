"""One run: each fault again and again under load, then a table; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.faults import faults, postgres, table, world
from tests.faults.faults import SHORT, Fault
from tests.faults.load import Load, askers
from tests.faults.verdicts import RECOVERS_WITHIN, Round, Tally
from tests.faults.world import World

PATIENCE = RECOVERS_WITHIN + 10


def main() -> int:
    asked = _arguments()
    tallies: list[Tally] = []
    if "postgresql" in asked.on:
        if reason := postgres.why_not():
            print(f"POSTGRESQL AND REDIS ARE LEFT OUT: {reason}", flush=True)
            tallies += [Tally("PostgreSQL", False, broken=[reason])] if os.environ.get("REQUIRE_REDIS") == "1" else []
        else:
            tallies += _run(asked, world.on_postgres, faults.ON_POSTGRES, "PostgreSQL and Redis")
    if "sqlite" in asked.on:
        tallies += _run(asked, world.on_sqlite, faults.ON_SQLITE, "SQLite")
    print("\n" + table.as_text(tallies), flush=True)
    return 1 if any(tally.broken for tally in tallies) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--times", type=int, default=2 if SHORT else 20, help="how often each fault befalls (%(default)s)")
    parser.add_argument("--on", nargs="+", choices=["sqlite", "postgresql"], default=["postgresql", "sqlite"])
    parser.add_argument("--only", default="", metavar="WORDS", help="faults whose name has these words")
    return parser.parse_args()


def _run(
    asked: argparse.Namespace, place: Callable[[Path], AbstractContextManager[World]], all_faults: list[Fault], name: str
) -> list[Tally]:
    tallies = []
    with tempfile.TemporaryDirectory(prefix="keyportal-faults-") as folder, place(Path(folder)) as served:
        if name == "SQLite":
            print(f"The disk that gets full: {'a tmpfs' if served.disk else 'a limit on the size of files'}.", flush=True)
        for fault in all_faults:
            if asked.only not in fault.name:
                continue
            tally = Tally(f"{name}: {fault.name}", fault.breaks_connections)
            with Load(served.server.port, askers(served.facts)).running() as load:
                load.until_untouched(0, patience=PATIENCE)
                for _ in range(asked.times):
                    tally.add(_round(served, fault, load))
            print(table.line(tally), flush=True)
            tallies.append(tally)
    return tallies


def _round(served: World, fault: Fault, load: Load) -> Round:
    """The fault, once. What was asked before it and is answered after it counts."""
    served.answers_to_bursts.clear()
    answered_before = len(load.answers)
    with fault.inflict(served):
        time.sleep(fault.lasts[SHORT])
    ended = time.monotonic()
    served_again = load.until_untouched(ended, patience=PATIENCE)
    return Round(ended, served_again, load.answers[answered_before:], served.answers_to_bursts[:])


if __name__ == "__main__":
    sys.exit(main())
