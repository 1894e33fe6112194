"""Schemathesis reads the API's own document, and asks a real server whatever it allows and whatever it forbids.

PROOF_EXAMPLES says how hard, as for the other proofs: its 200 are 10 examples of each operation here, beside the
requests that cover every rule of the document once, and 40 walks along its links. The seed stands in the output of a run that fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
import schemathesis  # noqa: F401 - where it is not installed, this file is left out: it runs as a command
from django.conf import settings

from accounts.access import operator_at_shell
from accounts.models import Account
from keyportal.policy import Role
from tests import factories
from tests.browser.server import ROOT, Server
from tests.proof.serving import served
from tests.proof.test_matrix_of_keys import ROWS

EXAMPLES = max(10, int(os.environ.get("PROOF_EXAMPLES", "200")) // 20)  # fewer would miss answers that are asked for
SCHEMATHESIS = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "--no-color"]
REPORT = ["--report", "ndjson", "--report-ndjson-path", "report.ndjson"]

CONFIG = f"""
hooks = "{ROOT / "tests/proof/fuzz_hooks.py"}"
continue-on-failure = true
checks.enabled = true
generation.max-examples = {EXAMPLES}
generation.database = "none"
phases.stateful.generation.max-examples = {4 * EXAMPLES}
# The document says by links where a thing stands once it was made. Guesses from names would take "TRACEROUTE" in
# the answer of one operation for the part of an address that is called "traceroute".
phases.stateful.inference.algorithms = []
auth.openapi.APIKey.bearer = "${{KEY}}"
parameters."header.X-Checkly-Account" = "${{ACCOUNT}}"

[[operations]]
include-tag = "Not offered"
# 402 is the honest answer there, and documented.
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "402"]

[[operations]]
include-operation-id-regex = "list(_my)?_members$"
# A cursor counts only beside the limit that it was answered with, and has a form of its own: 400 without.
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403"]

[[operations]]
include-operation-id-regex = "(create|update)_check"
# Here the hook that leaves out unknown groups and nulls without a value is not asked: what covers each rule goes by it.
phases.coverage.checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404"]

[[operations]]
include-operation-id-regex = "update_check$"
# A check is changed at another address than it is deleted at, so its deletion before that is overlooked; and its type
# is now and then another than it was made with.
checks.ensure_resource_availability.enabled = false
"""

WITHOUT_NUL = "generation.allow-x00 = false\n"
# No text with NUL is taken, which the document can't say of each of them.
WITH_NUL = "generation.allow-x00 = true\nchecks.positive_data_acceptance.enabled = false\n"


def what_is_there(account: Account) -> str:
    """Enough to be changed and deleted by requests that would else end with 404, as a part of the configuration."""
    members = [factories.UserFactory.create() for _ in range(60)]
    for member in members:
        account.add_member(member, Role.READ_RUN, by=operator_at_shell())
    there = {
        "account_id": [account.pk],
        "user_id": [member.pk for member in members],
        "group_id": [group.pk for group in factories.CheckGroupFactory.create_batch(60, account=account)],
        "check_id": [check.pk for check in factories.CheckFactory.create_batch(60, account=account)],
        "check_type": ["api"],
    }
    return "".join(
        f"dictionaries.{name}.values = {json.dumps([str(value) for value in values])}\n"
        f'parameters."path.{name}" = {{ dictionary = "{name}", probability = 0.9 }}\n'
        for name, values in there.items()
    )


class Fuzzing:
    """One run of Schemathesis with a key, under way."""

    def __init__(self, folder: Path, url: str, account: Account, key: str, config: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "schemathesis.toml").write_text(config + CONFIG, encoding="utf-8")
        self.output = (folder / "output").open("w+")
        self.process = subprocess.Popen(
            [*SCHEMATHESIS, *REPORT, f"{url}/v1/openapi.json"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "KEY": key, "ACCOUNT": str(account.pk)},
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    def statuses(self) -> dict[str, list[int]]:
        """The statuses of all answers by operation, such as "GET /v1/checks", when it has ended without a finding."""
        with self.output:
            self.process.wait(timeout=600)
            self.output.seek(0)
            assert self.process.returncode == 0, self.output.read()
        found = defaultdict(list)
        for line in (self.folder / "report.ndjson").read_text(encoding="utf-8").splitlines():
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            for name, one in recorder.get("interactions", {}).items():
                asked = recorder["cases"][name]["value"]
                found[f"{asked['method']} {asked['path']}"].append(one["response"]["status_code"])
        return found


def all_workers(server: Server) -> list[int]:
    """Once they are there: one alone makes a server ready."""
    while len(server.workers) < int(server.environment["WEB_WORKERS"]):
        time.sleep(0.05)
    return server.workers


@pytest.mark.django_db(transaction=True)
def test_every_answer_is_one_that_the_document_names(tmp_path: Path) -> None:
    """Two at once, in two accounts: a service key of Acme's admin, and the user key of Eve, who owns Globex."""
    cast = factories.make_cast()
    for account in (cast.acme, cast.globex):
        account.let_keys_manage_members(True, by=cast.actor(account.owner, account))
    acme, globex = WITHOUT_NUL + what_is_there(cast.acme), WITH_NUL + what_is_there(cast.globex)
    service, user = factories.service_key(cast.acme, Role.ADMIN)[1], factories.user_key(cast.eve)[1]
    # The server reads the documents that were encrypted here.
    environment = {"SECRET_KEY": settings.SECRET_KEY, "API_REQUESTS_PER_MINUTE": "0", "API_FAILURES_PER_MINUTE": "0"}
    with served(tmp_path, **environment) as server:
        workers = all_workers(server)
        runs = [
            Fuzzing(tmp_path / "service", server.url, cast.acme, service, acme),
            Fuzzing(tmp_path / "user", server.url, cast.globex, user, globex),
        ]
        found = [run.statuses() for run in runs]
        assert server.workers == workers
    assert all(sum(map(len, statuses.values())) >= 2_000 for statuses in found)
    # What was never let in proves nothing.
    for name, method, path, _, good in ROWS:
        asked = f"{method} {path}".replace("POST /v1/checks/{check_type}", "POST /v1/checks/{check}")
        assert good in [status for statuses in found for status in statuses[asked]], name
