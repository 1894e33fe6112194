"""The product as it is served: a database of its own with the demo data, gunicorn in front, mails in a file.

The tests speak to it by browser, HTTP and commands alone; they share no process, no settings and no database with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASE = "demo.sqlite3"
FACTS = "demo.json"


@dataclass
class Server:
    """A running KeyPortal. `facts` is what `quickstart --json` printed about the demo data."""

    folder: Path
    environment: dict[str, str]
    facts: dict[str, Any]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def start(cls, folder: Path, shared: Path, **environment: str) -> Self:
        """Serve a copy of the demo data in `shared`, which the first to come makes there."""
        settings = demo_data(shared)
        shutil.copy(shared / DATABASE, folder / DATABASE)
        server = cls(folder, _environment(folder, settings, port=free_port()) | environment, settings["facts"])
        server.serve()
        return server

    @classmethod
    def over(cls, database_url: str, folder: Path, **environment: str) -> Self:
        """Serve a database that is there already, whose people and keys the caller knows."""
        settings = {"secret_key": secrets.token_urlsafe(50), "password": ""}
        own = {"DATABASE_URL": database_url, "STATIC_ROOT": str(folder / "static")}
        ours = _environment(folder, settings, port=free_port()) | own
        server = cls(folder, ours | environment, facts={})
        server.manage("migrate", "-v0")  # the tests' database lacks the table of the cache
        server.manage("collectstatic", "--noinput", "-v0")  # pages name collected files, and a fresh checkout has none
        server.serve()
        return server

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self.environment["PORT"])

    @property
    def account_id(self) -> str:
        return str(self.facts["account_id"])

    @property
    def password(self) -> str:
        return str(self.facts["password"])

    @property
    def console(self) -> str:
        return (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")

    def manage(self, *arguments: str) -> str:
        """What `manage.py` prints."""
        return _manage(self.environment, *arguments)

    def link_mailed_to(self, address: str, path: str) -> str:
        """The newest link under `path` in the mails to `address`, waited for up to ten seconds."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            mails = re.split(r"^-{79}$", self.console, flags=re.MULTILINE)
            mine = [mail for mail in mails if re.search(rf"^To: .*{re.escape(address)}", mail, re.MULTILINE)]
            # The newest mail's first link: that of its text, before that of its HTML.
            links = [re.search(rf"{re.escape(self.url + path)}[^\s\"<>]+", mail) for mail in mine]
            if found := next((link for link in reversed(links) if link), None):
                return found.group()
            time.sleep(0.1)
        raise AssertionError(f"No mail to {address} with a link to {path}. The console says:\n{self.console[-3000:]}")

    @contextmanager
    def slow_to_write(self) -> Iterator[None]:
        """Inside, whoever writes to the database waits: somebody else holds its write lock."""
        other = sqlite3.connect(self.folder / DATABASE, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()

    @property
    def workers(self) -> list[int]:
        """The process IDs of the server's workers."""
        assert self.process is not None
        return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def serve(self) -> None:
        """Start it, again after `stop`; returns when it is ready."""
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:keyportal.gunicorn", "keyportal.wsgi"]
        with (self.folder / "console.log").open("wb") as console:
            self.process = subprocess.Popen(
                gunicorn, cwd=ROOT, env=self.environment, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"The server did not become ready. Its console says:\n{self.console}")


def demo_data(shared: Path) -> dict[str, Any]:
    """Seeded once for all workers, since making it and collecting static files at the same time would disturb both."""
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / FACTS).exists():
            settings: dict[str, Any] = {"secret_key": secrets.token_urlsafe(50), "password": secrets.token_urlsafe(12)}
            environment = _environment(shared, settings, port=free_port())
            settings["facts"] = json.loads(_manage(environment, "quickstart", "--no-serve", "--json"))
            (shared / FACTS).write_text(json.dumps(settings), encoding="utf-8")
        kept: dict[str, Any] = json.loads((shared / FACTS).read_text(encoding="utf-8"))
    return kept


def _environment(folder: Path, settings: dict[str, Any], *, port: int) -> dict[str, str]:
    """All that the server is told: nothing of the tests' own settings reaches it, nor of a `.env` that lies about."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LOCAL": "true",
        "DEBUG": "false",
        "SECRET_KEY": settings["secret_key"],
        "DEMO_PASSWORD": settings["password"],
        "FRESH_SIGN_IN_MINUTES": "120",  # a whole run signs in once
        "INVITATIONS_PER_DAY": "1000",
        "DATABASE_URL": f"sqlite:///{folder / DATABASE}",
        "CACHE_URL": "",
        "LIMITS_FILE": str(folder / "limits"),
        "EMAIL_URL": "consolemail://",
        "BIND": "127.0.0.1",
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WEB_WORKERS": "2",
        "WEB_THREADS": "4",
    }


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
