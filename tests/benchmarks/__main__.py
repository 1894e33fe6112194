"""One run: for each database a process that measures, then one table of all that was measured."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import table
from tests.benchmarks.databases import own_database, why_no_postgres
from tests.benchmarks.parts import DEFAULT, NAMES

OUT_OF_REACH = str(10**9)  # counted as ever, and never reached


def main() -> int:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="keyportal-bench-") as folder:
        rows = Path(folder) / "rows"
        rows.touch()
        failed = [vendor for vendor in _databases(asked.on) if _run(vendor, asked, Path(folder), rows)]
        measured = table.read(str(rows))
    print("\n" + table.as_text(measured), flush=True)
    if asked.json:
        Path(asked.json).write_text(json.dumps([asdict(row) for row in measured], indent=1), encoding="utf-8")
    for vendor in failed:
        print(f"\nFAILED on {vendor}, see above.", flush=True)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    short = os.environ.get("BENCH") == "short"
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=DEFAULT, metavar="PART", help=", ".join(NAMES))
    parser.add_argument("--on", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--keys", type=int, default=2_000 if short else 100_000, help="credentials of each kind (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the rows there as well")
    return parser.parse_args()


def _databases(wanted: list[str]) -> list[str]:
    reason = why_no_postgres() if "postgresql" in wanted else ""
    if reason:
        print(f"POSTGRESQL IS LEFT OUT: {reason}. Name one in BENCH_POSTGRES.", flush=True)
    return [vendor for vendor in wanted if not (reason and vendor == "postgresql")]


def _run(vendor: str, asked: argparse.Namespace, folder: Path, rows: Path) -> int:
    """The exit code of the process that has this database for its own."""
    own = folder / vendor
    own.mkdir()
    with own_database(vendor, own) as url:
        # All that is measured is told, so that an `.env` that lies about changes nothing.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(own),
            **{name: value for name, value in os.environ.items() if name.startswith(("BENCH", "SOAK"))},
            table.ROWS: str(rows),
            "BENCH_DATABASE": vendor,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.peers.settings",
            "LOCAL": "true",
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": url,
            "CACHE_URL": "",
            "LIMITS_FILE": str(own / "limits"),
            "STATIC_ROOT": str(own / "static"),
            "API_REQUESTS_PER_MINUTE": OUT_OF_REACH,
            "API_FAILURES_PER_MINUTE": OUT_OF_REACH,
            "BIND": "127.0.0.1",
            "PORT": "8000",  # each server is told its own
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "TRUSTED_PROXY_COUNT": "0",
            "WEB_THREADS": "4",
            "LOG_LEVEL": "INFO",
        }
        arguments = ["--folder", str(own), "--keys", str(asked.keys), "--only", *asked.only]
        return subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.parts", *arguments], env=environment, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
