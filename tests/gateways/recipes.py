"""The recipes of docs/gateways: their configurations as they stand there, each with the program that runs them.

A configuration is a fenced block whose first line names its file. The tests fill in ports and folders and nothing else,
so what people copy is what is tested. Where REQUIRE_GATEWAYS=1 is set, a missing program is a failure: nobody then
mistakes a skip for a pass.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.server import ROOT, free_port
from tests.gateways.caller import Caller

DOCS = ROOT / "docs" / "gateways"
REQUIRED = os.environ.get("REQUIRE_GATEWAYS") == "1"
# In the recipes; the tests take others.
LISTENS, KEYPORTAL, APPLICATION = "8080", "8000", "9000"
# Lines that pin an account stand there as comments that name this one.
SOME_ACCOUNT = "00000000-0000-0000-0000-000000000000"
# Debian's own nginx.conf includes the recipe just so, and keeps its files where only root may write.
NGINX_CONF = """
daemon off; user {user}; pid nginx.pid; error_log stderr; events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include api.conf;
}}
"""


@dataclass(frozen=True)
class Recipe:
    """`arguments` are the program's, run in a folder with the recipe's files; `comes_from` is how to get the program."""

    name: str
    arguments: str
    comes_from: str

    @property
    def text(self) -> str:
        return (DOCS / f"{self.name}.md").read_text(encoding="utf-8")

    def program(self) -> str:
        """Where it is. Skips the test that asks when it is nowhere, or fails it where gateways are required."""
        places = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"))
        found = shutil.which(self.name, path=places)
        if found is None:
            reason = f"no {self.name} found. {self.comes_from}"
            if REQUIRED:
                pytest.fail(f"REQUIRE_GATEWAYS=1, but {reason}", pytrace=False)
            pytest.skip(f"GATEWAY TESTS SKIPPED: {reason}")
        return found

    def files(self) -> dict[str, str]:
        """The configurations by the paths that their first lines name."""
        blocks = re.findall(r"^```\w+\n# (/\S+)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        assert blocks, f"{self.name}.md has no configuration whose first line names its file."
        return dict(blocks)

    def write(self, folder: Path, ports: dict[str, int], account: str | None) -> None:
        """Its files, for these ports; with `account`, the lines that pin one are no longer comments."""
        files = self.files()
        for place, recipe in files.items():
            text = re.sub(rf"\b({'|'.join(ports)})\b", lambda found: str(ports[found[0]]), recipe)
            if account:
                text, pinned = re.subn(rf"^( *\t*)# (.*){SOME_ACCOUNT}", rf"\g<1>\g<2>{account}", text, flags=re.MULTILINE)
                assert pinned or len(files) > 1, "No line pins an account."
            for other in files:
                text = text.replace(other, str(folder / Path(other).name))
            (folder / Path(place).name).write_text(text, encoding="utf-8")
        (folder / "nginx.conf").write_text(NGINX_CONF.format(user=getpass.getuser()), encoding="utf-8")


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("nginx", "-p {folder} -c {folder}/nginx.conf", "On Debian: apt install nginx"),
        Recipe("caddy", "run --config Caddyfile --adapter caddyfile", "make test-gateways installs it"),
        Recipe("traefik", "--configFile=traefik.yml", "make test-gateways installs it"),
        Recipe("envoy", "-c envoy.yaml --use-dynamic-base-id --concurrency 2", "make test-gateways installs it"),
    )
}


@dataclass(frozen=True)
class Gateway:
    """A recipe that runs."""

    recipe: Recipe
    port: int

    def caller(self, key: str | None = None, account: str | None = None, address: str = "127.0.0.1") -> Caller:
        """Somebody at `address` with one open connection to it, who sends this key and names this account."""
        return Caller(self.port, key, account, address)

    def seen(self, what: str) -> int:
        """What the client gets to see, as the table of docs/gateways/README.md has it."""
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in (DOCS / "README.md").read_text(encoding="utf-8").splitlines()
            if line.startswith("|")
        ]
        column = next(row for row in rows if row[-1] == "Envoy")
        (row,) = [row for row in rows if row[0] == what]
        return int(row[[name.lower() for name in column].index(self.recipe.name)])


@contextmanager
def running(recipe: Recipe, folder: Path, keyportal: int, application: int, account: str | None = None) -> Iterator[Gateway]:
    """The recipe between these two ports. It is ready when it refuses a caller without a key."""
    program, port = recipe.program(), free_port()
    recipe.write(folder, {LISTENS: port, KEYPORTAL: keyportal, APPLICATION: application}, account)
    command = [program, *recipe.arguments.format(folder=folder).split()]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CADDY_ADMIN": f"127.0.0.1:{free_port()}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    gateway = Gateway(recipe, port)
    try:
        _wait_until_ready(gateway, process, folder / "log")
        yield gateway
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait_until_ready(gateway: Gateway, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline, status = time.monotonic() + 30, 0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with gateway.caller() as nobody:
                status = nobody.get("/").status
            if status == 401:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{gateway.recipe.name} is not ready ({status}). It says:\n{log.read_text(errors='replace')[-3000:]}")
