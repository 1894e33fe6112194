"""The product's server over the run's database. Whoever serves with another one changes `command`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
APPLICATION = "tests.benchmarks.wsgi"


def command() -> list[str]:
    """What serves `APPLICATION` as KeyPortal is served; workers and port are in the environment."""
    return [sys.executable, "-m", "gunicorn", "-c", "python:keyportal.gunicorn", APPLICATION]


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def processes(self) -> list[int]:
        """The main process and its workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def log_lines(self) -> int:
        return len(self.log.read_bytes().splitlines())


@contextmanager
def served(folder: Path, workers: int) -> Iterator[Server]:
    """A server with the environment of this process, which is where the database and the settings are named."""
    port, log = free_port(), folder / "server.log"
    environment = os.environ | {"PORT": str(port), "WEB_WORKERS": str(workers), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command(), cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        server = Server(port, process, log)
        _wait_until_ready(server, workers)
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _wait_until_ready(server: Server, workers: int) -> None:
    """Until it answers and has all of its workers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=5):
                if len(server.processes) > workers:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"The server did not become ready:\n{server.log.read_text(errors='replace')}")
