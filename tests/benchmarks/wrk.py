"""Load by wrk: every connection is kept alive and sends the next of many prepared requests."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.contenders import Contender
from tests.benchmarks.seed import Asked

MISSING = "wrk was not found, and load over HTTP comes from it. On Debian: apt install wrk"

_SCRIPT = """
local number = 0
function request()
  number = number %% #requests + 1
  return requests[number]
end
%s
function done(summary, latency)
  local wrong = summary.errors
  io.write(string.format('\\n{"requests": %%d, "seconds": %%f, "refused": %%d, "broken": %%d, "p99": %%f}\\n',
    summary.requests, summary.duration / 1e6, wrong.status, wrong.connect + wrong.read + wrong.write + wrong.timeout,
    latency:percentile(99) / 1e6))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk counted: `refused` are answers of 400 and more, `broken` connections; `p99` is in seconds."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p99: float

    @property
    def rate(self) -> float:
        return max(1, self.requests) / self.seconds  # a machine that stood still for a second is no reason to stop


@dataclass(frozen=True)
class Wrk:
    """Prepared requests in a script of wrk's, for the server at `port`."""

    script: Path
    port: int

    @classmethod
    def of(
        cls, folder: Path, port: int, contenders: Iterable[Contender], asked: list[Asked], *, delay_ms: int = 0, path: str = ""
    ) -> Wrk:
        """Requests to these contenders in turn. With a delay each connection waits so long before it sends again."""
        texts = [_text(one, contender, path or contender.path) for one in asked for contender in contenders]
        script = folder / f"wrk-{next(_numbers)}.lua"
        delay = f"function delay() return {delay_ms} end" if delay_ms else ""
        script.write_text("requests = {\n" + ",\n".join(map(json.dumps, texts)) + "}\n" + _SCRIPT % delay, encoding="ascii")
        return cls(script, port)

    def start(self, seconds: int, connections: int) -> subprocess.Popen[str]:
        place = ["-s", str(self.script), f"http://127.0.0.1:{self.port}/"]
        return subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *place], stdout=subprocess.PIPE, text=True)

    def run(self, seconds: int, connections: int) -> Load:
        return outcome(self.start(seconds, connections))


def outcome(process: subprocess.Popen[str]) -> Load:
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"wrk failed:\n{printed}")
    return Load(**json.loads(printed.strip().splitlines()[-1]))


_numbers = itertools.count()


def _text(asked: Asked, contender: Contender, path: str) -> str:
    """The request as it goes over the wire."""
    body = contender.form(asked) if contender.form else ""
    headers = {"Host": "127.0.0.1", "User-Agent": "benchmark/1", **contender.headers(asked)}
    if body:
        headers |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines) + "\r\n\r\n" + body
