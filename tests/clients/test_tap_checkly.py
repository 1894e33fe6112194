"""tap-checkly, a genuine reader of Checkly's API, takes a whole account out of a live server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyportal.policy import Role
from tests.browser.server import ROOT, Server
from tests.clients import tls_proxy
from tests.clients.team import Team

PLACE = ROOT / ".clients" / "tap"
STREAMS = {
    "alert_channels",
    "checks",
    "check_alerts",
    "check_groups",
    "dashboards",
    "locations",
    "maintenance_windows",
    "private_locations",
    "runtimes",
    "snippets",
    "variables",
}


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tls_proxy.Proxy]:
    """It answers for Checkly's host, and the tap's own list of certificates has its."""
    where = "import certifi; print(certifi.where())"
    trusted = Path(
        subprocess.run([PLACE / "bin/python", "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    )
    untouched = trusted.with_name("untouched.pem")  # of the first run, whatever became of the last
    if not untouched.exists():
        shutil.copy(trusted, untouched)
    with tls_proxy.running(server.port, tmp_path_factory.mktemp("proxy")) as proxy:
        trusted.write_bytes(untouched.read_bytes() + b"\n" + proxy.certificate.read_bytes())
        yield proxy
        shutil.copy(untouched, trusted)


def sync(proxy: tls_proxy.Proxy, folder: Path, key: str, account_id: str) -> subprocess.CompletedProcess[str]:
    config = folder / "config.json"
    config.write_text(json.dumps({"token": key, "account_id": account_id}))
    return subprocess.run(
        [PLACE / "bin/tap-checkly", "--config", config],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "HTTPS_PROXY": proxy.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def records_of(done: subprocess.CompletedProcess[str]) -> dict[str, list[dict[str, Any]]]:
    assert done.returncode == 0, done.stderr[-3000:]
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert {message["stream"] for message in messages if message["type"] == "SCHEMA"} == STREAMS
    records = defaultdict(list)
    for message in messages:
        if message["type"] == "RECORD":
            records[message["stream"]].append(message["record"])
    return records


def test_a_whole_sync_brings_out_what_is_stored(acme: Team, globex: Team, proxy: tls_proxy.Proxy, tmp_path: Path) -> None:
    for number in range(103):  # one page of the tap's is 100
        acme.store_check(f"Check {number:03}", tags=["web"], locations=["eu-west-1"])
    acme.store_variable("PLAIN", "in the open")
    acme.store_variable("LOCKED", "for writers", locked=True)
    acme.store_variable("SECRET", "for nobody", secret=True)
    acme.store_check_group("Shop")
    globex.store_variable("FOREIGN", "x")

    records = records_of(sync(proxy, tmp_path, acme.service_key(Role.READ_WRITE), acme.id))
    assert {check["id"] for check in records["checks"]} == {str(pk) for pk in acme.account.checks.values_list("pk", flat=True)}
    assert records["checks"][7]["name"] == "Check 007"
    assert records["checks"][7]["tags"] == ["web"]
    assert [group["name"] for group in records["check_groups"]] == ["Shop"]
    assert {v["key"]: v["value"] for v in records["variables"]} == {
        "PLAIN": "in the open",
        "LOCKED": "for writers",
        "SECRET": None,
    }
    assert "2025.04" in {runtime["name"] for runtime in records["runtimes"]}
    assert "eu-west-1" in {location["region"] for location in records["locations"]}
    paths = Counter(request.split("?")[0] for request in proxy.requests)
    assert set(paths) == {f"GET /v1/{stream}".replace("_", "-") for stream in STREAMS}


def test_a_read_only_key_gets_the_same_but_for_locked_values(acme: Team, proxy: tls_proxy.Proxy, tmp_path: Path) -> None:
    acme.store_variable("LOCKED", "for writers", locked=True)
    acme.store_check("Checkout")
    records = records_of(sync(proxy, tmp_path, acme.user_key(Role.READ_ONLY), acme.id))
    assert [(v["key"], v["value"], v["locked"]) for v in records["variables"]] == [("LOCKED", None, True)]
    assert [check["name"] for check in records["checks"]] == ["Checkout"]


def test_a_key_of_another_account_brings_out_nothing(acme: Team, globex: Team, proxy: tls_proxy.Proxy, tmp_path: Path) -> None:
    acme.store_check("Checkout")
    done = sync(proxy, tmp_path, globex.service_key(Role.ADMIN), acme.id)
    assert done.returncode != 0
    assert '"type":"RECORD"' not in done.stdout
    assert "403 Client Error: Forbidden" in done.stderr
