"""Which web server serves KeyPortal best, measured: `python -m tests.benchmarks.servers` (needs wrk; see docs/performance.md).

Each setting of each server serves the product, and beside it a bare Django project: the middleware that `startproject`
writes and one view with one SELECT by an index, on the same database with the same settings. All run at once; wrk asks
one after the other, round after round, so that what else the machine does befalls all alike. Ratios are of one round.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = 1000

GUNICORN = ["gunicorn", "--keep-alive", "75", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--log-level", "warning"]
# The bare project gets gunicorn's own worker where ours serves the product: it has no question for the loop to answer.
OURS = [*GUNICORN, "-k", "keyportal.worker.Worker", "--logger-class", "keyportal.worker.QuietLogger"]
GRANIAN = ["granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "warning"]
# Of each the command, without address, workers and application.
SETTINGS = {
    "gunicorn gthread 1": [*GUNICORN, "-k", "gthread", "--threads", "1"],
    "gunicorn gthread 4": [*GUNICORN, "-k", "gthread", "--threads", "4"],
    "gunicorn sync": [*GUNICORN, "-k", "sync"],
    "ours 1": [*OURS, "--threads", "1"],
    "ours 2": [*OURS, "--threads", "2"],
    "ours 4": [*OURS, "--threads", "4"],
    "granian 1": [*GRANIAN, "--blocking-threads", "1"],
    "granian 2": [*GRANIAN, "--blocking-threads", "2"],
    "granian 4": [*GRANIAN, "--blocking-threads", "4"],
    "granian 4, 2 runtime": [*GRANIAN, "--blocking-threads", "4", "--runtime-threads", "2", "--runtime-mode", "mt"],
    "granian 4, backpressure 8": [*GRANIAN, "--blocking-threads", "4", "--backpressure", "8"],
}

BARE = """
from django.core.wsgi import get_wsgi_application
from django.conf import settings
from django.db import connection
from django.http import JsonResponse
from django.urls import path

import keyportal.settings as ours

settings.configure(
    SECRET_KEY=ours.SECRET_KEY,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES=ours.DATABASES,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
)


def select(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name FROM apikeys_apikey WHERE public_id = %s", [request.headers["Public-Id"]])
        found = cursor.fetchone()
    return JsonResponse({"name": found[1]})


urlpatterns = [path("select", select)]
application = get_wsgi_application()
"""

MAKE_KEYS = f"""
from accounts.access import person
from apikeys.models import ApiKey
from keyportal import demo
owner = person(demo.account().owner)
for number in range({KEYS} - ApiKey.objects.count()):
    ApiKey.objects.issue_service_key(by=owner, account=demo.account(), name=f"Key {{number}}", role="READ_ONLY")
"""

LUA = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Question:
    """What is asked, and of which of the two projects."""

    name: str
    path: str
    of_the_product: bool = True


BARE_SELECT = Question("bare view", "/select", of_the_product=False)
QUESTIONS = [BARE_SELECT, Question("/gateway/verify", "/gateway/verify"), Question("/v1/accounts/me", "/v1/accounts/me")]


@dataclass
class Seen:
    """One run of wrk: requests a second, milliseconds, and answers that were none or no good ones."""

    per_second: float
    p50: float
    p99: float
    errors: int
    cpu: float  # microseconds of the server's processor time a request, which a busy machine changes least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--database-url", default="", help="an empty PostgreSQL database; a SQLite file in a temporary folder if not given"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each run of wrk")
    parser.add_argument("--only", default=".", help="a regular expression: the settings to try")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("This needs wrk. On Debian: apt install wrk")
    chosen = {
        name: command for name, command in SETTINGS.items() if re.search(options.only, name) and _is_installed(command[0])
    }
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), chosen, options)


def _is_installed(server: str) -> bool:
    return (Path(sys.executable).parent / server).exists()


def _measure(folder: Path, chosen: dict[str, list[str]], options: argparse.Namespace) -> None:
    environment = _environment(folder, options.database_url)
    facts = json.loads(_manage(environment, "quickstart", "--no-serve", "--json"))
    _manage(environment, "shell", "-v0", "-c", MAKE_KEYS)
    (folder / "bare.py").write_text(BARE)
    lua = _lua(folder, facts)
    seen: dict[tuple[str, str], list[Seen]] = {(name, question.name): [] for name in chosen for question in QUESTIONS}
    with _all_served(chosen, environment, options.workers) as served:
        for number in range(options.rounds + 1):
            for name in list(chosen)[:: -1 if number % 2 else 1]:
                for question in QUESTIONS:
                    port, process = served[name, question.of_the_product]
                    run = _wrk(f"http://127.0.0.1:{port}{question.path}", lua, options, process, warming_up=number == 0)
                    if number:
                        seen[name, question.name].append(run)
        memory = {name: _memory(served[name, True][1]) for name in chosen}
    _print(chosen, seen, memory, options)


def _print(
    chosen: dict[str, list[str]],
    seen: dict[tuple[str, str], list[Seen]],
    memory: dict[str, float],
    options: argparse.Namespace,
) -> None:
    first = next(iter(chosen))
    print(
        f"\n{options.database_url.partition(':')[0] or 'sqlite'}, {options.workers} worker(s), {options.connections} connections, "
        f"{options.rounds} rounds of {options.seconds} s: median (lowest–highest)\n"
    )
    print(f"| server | question | requests/s | × {first} | × its bare view | CPU µs | p50 ms | p99 ms | errors | MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in chosen:
        for question in QUESTIONS:
            runs = seen[name, question.name]
            speeds = [run.per_second for run in runs]
            to_first = _ratio(speeds, seen[first, question.name])
            to_bare = _ratio(speeds, seen[name, BARE_SELECT.name])
            p50, p99 = statistics.median(run.p50 for run in runs), statistics.median(run.p99 for run in runs)
            cpu = statistics.median(run.cpu for run in runs)
            print(
                f"| {name} | {question.name} | {statistics.median(speeds):.0f} ({min(speeds):.0f}–{max(speeds):.0f}) | {to_first:.2f} "
                f"| {to_bare:.2f} | {cpu:.0f} | {p50:.2f} | {p99:.2f} | {sum(run.errors for run in runs)} | {memory[name]:.0f} |"
            )


def _ratio(speeds: list[float], others: list[Seen]) -> float:
    return statistics.median(speed / other.per_second for speed, other in zip(speeds, others, strict=True))


def _environment(folder: Path, database_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "LOCAL": "true",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DEMO_PASSWORD": secrets.token_urlsafe(12),
        "DATABASE_URL": database_url or f"sqlite:///{folder / 'db.sqlite3'}",
        "LIMITS_FILE": str(folder / "limits"),
        "STATIC_ROOT": str(folder / "static"),
        "API_REQUESTS_PER_MINUTE": "1000000000",  # counted, never reached
        "LOG_LEVEL": "WARNING",
    }


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def _lua(folder: Path, facts: dict[str, Any]) -> Path:
    headers = {
        "Authorization": f"Bearer {facts['user_key']}",
        "X-Checkly-Account": facts["account_id"],
        "Public-Id": facts["user_key"].rpartition("_")[0],
        "Accept": "*/*",
        "User-Agent": "wrk",
    }
    script = folder / "ask.lua"
    script.write_text("".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in headers.items()) + LUA)
    return script


@contextmanager
def _all_served(
    chosen: dict[str, list[str]], environment: dict[str, str], workers: int
) -> Iterator[dict[tuple[str, bool], tuple[int, subprocess.Popen[bytes]]]]:
    served: dict[tuple[str, bool], tuple[int, subprocess.Popen[bytes]]] = {}
    try:
        for name, command in chosen.items():
            for is_product in (True, False):
                served[name, is_product] = _serve(command, environment, workers, "keyportal.wsgi" if is_product else "bare")
        for (name, is_product), (port, process) in served.items():
            _wait(name, f"http://127.0.0.1:{port}/{'healthz' if is_product else ''}", process)
        yield served
    finally:
        for _, process in served.values():
            os.killpg(process.pid, signal.SIGTERM)
        for _, process in served.values():
            process.wait(timeout=30)


def _serve(command: list[str], environment: dict[str, str], workers: int, module: str) -> tuple[int, subprocess.Popen[bytes]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    address = ["--bind", f"127.0.0.1:{port}"] if command[0] == "gunicorn" else ["--host", "127.0.0.1", "--port", str(port)]
    if module == "bare":
        command = [{"keyportal.worker.Worker": "gthread"}.get(word, word) for word in command]
    whole = [sys.executable, "-m", *command, "--workers", str(workers), *address, f"{module}:application"]
    return port, subprocess.Popen(whole, cwd=ROOT, env=environment, start_new_session=True)


def _wait(name: str, url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return  # the bare project has nothing at its root
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{name} did not start.")


def _wrk(url: str, lua: Path, options: argparse.Namespace, server: subprocess.Popen[bytes], *, warming_up: bool) -> Seen:
    seconds = 1 if warming_up else options.seconds
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{seconds}s", "-s", str(lua), url]
    before = _processor_time(server)
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = _processor_time(server) - before
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", printed)
    if not found:
        raise SystemExit(f"wrk said nothing of use:\n{printed}")
    requests, microseconds, errors, p50, p99 = map(int, found.groups())
    return Seen(requests / microseconds * 1e6, p50 / 1000, p99 / 1000, errors, spent / max(1, requests) * 1e6)


def _pids(process: subprocess.Popen[bytes]) -> list[int]:
    """The whole tree."""
    pids = [process.pid]
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def _processor_time(process: subprocess.Popen[bytes]) -> float:
    """Seconds that the processes have run, in Python and in the kernel."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _pids(process)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def _memory(process: subprocess.Popen[bytes]) -> float:
    """Megabytes of the whole tree, what its processes share counted once."""
    found = [re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M) for pid in _pids(process)]
    return sum(int(line.group(1)) for line in found if line) / 1024


if __name__ == "__main__":
    main()
