"""Checkly's own CLI, unmodified, on a computer that reaches the server under test and nothing else."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.server import ROOT

PROGRAMS = ROOT / ".clients" / "cli" / "node_modules" / ".bin"


@dataclass(frozen=True)
class Printed:
    """What one command printed for the person, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All of it in one line: the CLI breaks its lines where the terminal ends."""
        return " ".join((self.out + self.err).split())

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"The CLI printed no JSON: {self.words}") from None


@dataclass(frozen=True)
class Cli:
    """`cli("env", "ls")` runs `checkly env ls` in `folder`, its home as well."""

    folder: Path
    url: str
    key: str
    account_id: str

    def __call__(self, *arguments: str, **environment: str) -> Printed:
        done = subprocess.run(
            [PROGRAMS / "checkly", *arguments],
            cwd=self.folder,
            env=self._environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Printed(done.returncode, done.stdout, done.stderr)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "NO_COLOR": "1",
            "CHECKLY_CLI_MODE": "ci",  # asks nothing: what needs a yes ends with 2
            "CHECKLY_NO_DOTENV": "1",
            "CHECKLY_SKIP_NEW_VERSION_CHECK": "true",
            "CHECKLY_ENV": "local",
            "CHECKLY_API_URL": self.url,
            "CHECKLY_API_KEY": self.key,
            "CHECKLY_ACCOUNT_ID": self.account_id,
            "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody is there: a word to anybody else would fail
        }
