"""A PostgreSQL of the run's own, which may be stopped hard: a cluster in a folder, on a port of its own, for loopback alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psycopg

from tests.benchmarks.ports import free_port

PLACES = "/usr/lib/postgresql/*/bin"


def why_not() -> str:
    """What stands in the way, if anything."""
    if not _programs():
        return f"no PostgreSQL found in {PLACES} or on the PATH. On Debian: apt install postgresql"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL refuses to run as root, and there is no setpriv to become somebody else"
    return ""


class Postgres:
    """Runs as whoever runs this; as root, which it refuses, as the system's user postgres."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._data = folder / "cluster"
        self._data.mkdir()
        if os.geteuid() == 0:
            for above in (folder, *folder.parents):
                if not above.stat().st_mode & 0o001:
                    above.chmod(above.stat().st_mode | 0o011)
            shutil.chown(self._data, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n")
        self.start()

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self._control("start", "-w", "-l", str(self._data / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self._control("stop", "-w", "-m", mode)

    def connection(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def end_all_connections(self) -> int:
        """How many there were."""
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        with self.connection() as admin:
            return len(admin.execute(f"SELECT pg_terminate_backend(pid) {others}").fetchall())

    def _control(self, verb: str, *options: str) -> None:
        self._run("pg_ctl", verb, "-D", str(self._data), "-s", *options)

    def _run(self, program: str, *arguments: str) -> None:
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        # No pipe for the output: the server would inherit it and keep it open.
        with (self._data.parent / "postgres.log").open("ab") as log:
            subprocess.run(
                [*become, str(_programs() / program), *arguments], stdout=log, stderr=log, cwd="/", check=True, timeout=60
            )


def _programs() -> Path | None:
    """The folder of the newest version that is installed: Debian keeps it off the PATH."""
    installed = sorted(Path("/").glob(f"{PLACES[1:]}/initdb"), key=lambda path: float(path.parts[-3]))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).parent if found else None
