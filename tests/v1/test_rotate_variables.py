"""The encryption key changes while everything stays readable: a new one in front, all written anew, the old one away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from keyportal.v1.management.commands import rotate_variables
from keyportal.v1.models import Check, CheckGroup, Variable
from tests import factories
from tests.proof.serving import reachable
from tests.v1.calls import Machine, of_service, until_somebody_waits

ROOT = Path(__file__).resolve().parent.parent.parent
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
COLUMNS = {"v1_variable": "value", "v1_check": "document", "v1_checkgroup": "document"}


def everything(machine: Machine) -> list[Any]:
    """What the API answers of what is encrypted."""
    answers = [machine.get(f"{path}?limit=100") for path in ("/v1/variables", "/v1/checks", "/v1/check-groups")]
    assert [answer.status_code for answer in answers] == [200] * 3
    return [answer.json() for answer in answers]


def tokens() -> dict[str, list[str]]:
    """What the database itself holds, by table."""
    with connection.cursor() as cursor:
        found = {}
        for table, column in COLUMNS.items():
            cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")
            found[table] = [token for (token,) in cursor.fetchall()]
    return found


def first_token() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM v1_variable ORDER BY id LIMIT 1")
        return str(cursor.fetchone()[0])


def opened_by(key: str) -> list[bool]:
    def opens(token: str) -> bool:
        try:
            return bool(Fernet(key).decrypt(token))
        except InvalidToken:
            return False

    return [opens(token) for table in tokens().values() for token in table]


def fill(machine: Machine) -> None:
    """Three of each, so that a batch of two is not all."""
    for number in range(3):
        variables = [{"key": "A", "value": f"value {number}", "secret": number == 1}]
        machine.send("POST", "/v1/variables", {"key": f"KEY_{number}", "value": f"value {number}"})
        machine.send("POST", "/v1/checks/api", {"name": "One", "environmentVariables": variables, "script": "x"})
        machine.send("POST", "/v1/check-groups", {"name": "One", "environmentVariables": variables})


@pytest.fixture
def machine(cast: factories.Cast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A key of Acme, where nine rows are encrypted with the old key."""
    monkeypatch.setattr(rotate_variables, "BATCH", 2)
    settings.ENCRYPTION_KEYS = [OLD]
    machine = of_service(cast.acme)
    fill(machine)
    return machine


def rotate() -> str:
    out = StringIO()
    call_command("rotate_variables", stdout=out)
    return out.getvalue()


def test_with_a_new_key_in_front_the_old_rows_are_read_and_new_ones_written_with_it(machine: Machine, settings: Any) -> None:
    before = everything(machine)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert everything(machine) == before
    machine.send("PUT", "/v1/variables/KEY_0", {"value": "changed"})
    assert opened_by(NEW) == [True] + [False] * 8


def test_the_command_writes_everything_anew_after_which_the_old_key_may_go(machine: Machine, settings: Any) -> None:
    before = everything(machine)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert rotate() == "3 variables\n3 checks\n3 check groups\n"
    assert opened_by(NEW) == [True] * 9
    settings.ENCRYPTION_KEYS = [NEW]
    assert everything(machine) == before
    (secret,) = CheckGroup.objects.all()[1].document["environmentVariables"]
    assert secret["value"] == "value 1"


def test_it_may_run_again_and_without_any_row(machine: Machine, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert rotate() == rotate()
    for model in (Variable, Check, CheckGroup):
        model.objects.all().delete()
    assert rotate() == "0 variables\n0 checks\n0 check groups\n"


def test_stopped_half_way_it_leaves_everything_readable_and_can_be_run_again(
    machine: Machine, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, save, saved = everything(machine), Check.save, []

    def save_until_stopped(row: Check, **options: Any) -> None:
        save(row, **options)
        saved.append(row)
        if len(saved) == 3:
            raise KeyboardInterrupt

    settings.ENCRYPTION_KEYS = [NEW, OLD]
    with monkeypatch.context() as patch:
        patch.setattr(Check, "save", save_until_stopped)
        with pytest.raises(KeyboardInterrupt):
            rotate()
    assert opened_by(NEW) == [True] * 5 + [False] * 4
    assert everything(machine) == before
    rotate()
    settings.ENCRYPTION_KEYS = [NEW]
    assert everything(machine) == before


def test_without_the_key_that_wrote_it_nothing_is_read_and_nothing_told(
    machine: Machine, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stored, settings.ENCRYPTION_KEYS = tokens(), [OTHER]
    for settings.DEBUG in (False, True):
        for path in ("/v1/variables", "/v1/variables/KEY_0", "/v1/checks", "/v1/check-groups"):
            answer = machine.get(path)
            assert (answer.status_code, answer.json()["message"]) == (500, "Internal Server Error.")
    assert machine.send("PUT", "/v1/variables/KEY_0", {"value": "PROBE"}).status_code == 500
    with pytest.raises(CommandError, match="No key of ENCRYPTION_KEYS opens what is stored: put the one back that wrote it"):
        rotate()
    assert tokens() == stored
    assert "No key of ENCRYPTION_KEYS opens what is stored" in caplog.text
    for secret in ("gAAAA", "value 0", "PROBE", OLD, OTHER):
        assert secret not in caplog.text


def test_a_variable_whose_key_is_lost_can_be_deleted_and_made_again(machine: Machine, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [OTHER]
    assert machine.delete("/v1/variables/KEY_0").status_code == 204
    assert machine.send("POST", "/v1/variables", {"key": "KEY_0", "value": "again"}).status_code == 201
    assert machine.get("/v1/variables/KEY_0").json()["value"] == "again"


# As operators run it


def command(url: str, *keys: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "LOCAL": "true",
        "SECRET_KEY": "0123456789" * 6,
        "DATABASE_URL": url,
        "ENCRYPTION_KEYS": ",".join(keys),
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "rotate_variables"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.django_db(transaction=True)
def test_the_exit_code_tells_and_without_the_key_the_error_is_one_line(
    transactional_db: None, settings: Any, tmp_path: Path
) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    fill(of_service(factories.make_cast().acme))
    with reachable(tmp_path) as url:
        lost = command(url, OTHER)
        out, error = lost.communicate(timeout=60)
        assert (lost.returncode, out) == (1, "")
        assert error == "CommandError: No key of ENCRYPTION_KEYS opens what is stored: put the one back that wrote it.\n"
        done = command(url, NEW, OLD)
        assert done.communicate(timeout=60) == ("3 variables\n3 checks\n3 check groups\n", "")
        assert done.returncode == 0
        assert opened_by(NEW) == [True] * 9


@pytest.mark.django_db(transaction=True)
def test_killed_for_real_it_leaves_whole_batches_and_is_run_again(
    transactional_db: None, settings: Any, tmp_path: Path
) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    acme, count = factories.make_cast().acme, 5_000
    Variable.objects.bulk_create(Variable(account=acme, key=f"{number:04}", value="value") for number in range(count))
    with reachable(tmp_path) as url:
        first, killed = first_token(), command(url, NEW, OLD)
        while first_token() == first and killed.poll() is None:
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
        rewritten = opened_by(NEW).count(True)
        assert 0 < rewritten < count
        assert rewritten % rotate_variables.BATCH == 0
        again = command(url, NEW, OLD)
        assert again.communicate(timeout=60)[0].startswith(f"{count} variables\n")
        settings.ENCRYPTION_KEYS = [NEW]
        assert {variable.value for variable in Variable.objects.all()} == {"value"}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/v1/variables/KEY_0", "check"])
def test_a_change_that_comes_meanwhile_is_not_lost(
    transactional_db: None, background: ThreadPoolExecutor, settings: Any, path: str
) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    machine = of_service(factories.make_cast().acme)
    fill(machine)
    body = {"value": "changed"}
    if path == "check":
        path, body = f"/v1/checks/api/{Check.objects.first().pk}", {"name": "changed"}
    with transaction.atomic():
        assert machine.send("PUT", path, body).status_code == 200
        done = background.submit(rotate)
        until_somebody_waits()
    assert done.result(30)
    assert body.items() <= machine.get(path.replace("/api", "")).json().items()
