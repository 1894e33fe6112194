"""The parts of a run, in their order, on the one database that the environment names."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
import warnings
from pathlib import Path

from tests.benchmarks.databases import Setup

NAMES = ["process", "http", "use", "flood", "growth", "revocation", "soak"]
DEFAULT = [name for name in NAMES if name != "soak"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--keys", type=int, required=True)
    parser.add_argument("--only", nargs="+", required=True)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "No directory at", UserWarning)  # static files play no part here

    # Django reads the environment that was made for this process, so nothing of it is imported before.
    from tests.benchmarks import wsgi  # noqa: F401  # isort: skip
    from django.core.management import call_command

    from tests.benchmarks import contenders, process, seed

    _log_into(asked.folder / "process.log")
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)  # pages name collected files, and a fresh checkout has none
    vendor = os.environ["BENCH_DATABASE"]
    print(f"\n{vendor}: ", end="", flush=True)
    setup = Setup(vendor, asked.folder, os.environ.get("BENCH") == "short", asked.keys)
    setup.asked = seed.fill(asked.keys, setup.asks)
    try:
        process.verify_all(contenders.ALL, setup.asked)
        for name in [name for name in NAMES if name in asked.only]:
            started = time.monotonic()
            importlib.import_module(f"tests.benchmarks.{name}").measure(setup)
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    except process.Wrong as wrong:
        print(f"WRONG: {wrong}", flush=True)
        return 1
    return 0


def _log_into(file: Path) -> None:
    """Refusals are logged as ever, at what that costs, but not between the lines of the run."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(file.open("a", encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
