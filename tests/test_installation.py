"""From nothing to served: quickstart, its refusals, and the one line that a bad configuration gets."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keyportal.first_run import write_env_file

ROOT = Path(__file__).resolve().parent.parent
LOCAL = {"LOCAL": "true", "SECRET_KEY": "0123456789" * 6, "DEMO_PASSWORD": "a long enough password"}
PRODUCTION = {"LOCAL": "false", "SECRET_KEY": "k7QzPw" * 10, "PUBLIC_URL": "https://keys.example.com"}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py in a process of its own, with just this environment (and no .env: SECRET_KEY is always given)."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def local(tmp_path: Path) -> dict[str, str]:
    return LOCAL | {"DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}", "STATIC_ROOT": str(tmp_path / "static")}


def quickstart(environment: dict[str, str]) -> dict[str, Any]:
    done = manage("quickstart", "--no-serve", "--json", **environment)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_quickstart_shows_its_keys_once_and_runs_again_without_harm(local: dict[str, str]) -> None:
    first, second = quickstart(local), quickstart(local)
    assert re.fullmatch(r"cu_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", first["user_key"])
    assert re.fullmatch(r"sv_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", first["service_key"])
    assert (second["user_key"], second["service_key"]) == (None, None)
    assert second["account_id"] == first["account_id"]
    assert {"email": "olivia@example.com", "role": "OWNER"} in first["users"]
    assert first["password"] == LOCAL["DEMO_PASSWORD"]


def test_the_demo_has_keys_of_both_kinds_in_every_state(local: dict[str, str]) -> None:
    quickstart(local)
    script = (
        "from apikeys.models import ApiKey; "
        "print(*sorted({f'{k.kind}:{k.state.value}' for k in ApiKey.objects.all()})); "
        "print(*{k.last_used_at is None for k in ApiKey.objects.all()}); "
        "print(ApiKey.objects.with_maker_role().filter(account__name='Acme Ltd', maker_role=None).count())"
    )
    out = manage("shell", "-v0", "-c", script, **local).stdout.splitlines()
    states = ("active", "deleted", "ending", "expired", "expiring", "suspended")
    assert out[0].split() == [f"{kind}:{state}" for kind in ("service", "user") for state in states]
    assert set(out[1].split()) == {"True", "False"}
    assert int(out[2]) == 1


def test_quickstart_refuses_a_real_installation(tmp_path: Path) -> None:
    done = manage("quickstart", "--no-serve", **PRODUCTION, DATABASE_URL=f"sqlite:///{tmp_path / 'x.sqlite3'}")
    assert done.returncode == 1
    assert "local installations" in done.stderr
    assert not (tmp_path / "x.sqlite3").exists()


def test_quickstart_refuses_a_database_of_other_people(local: dict[str, str]) -> None:
    assert manage("migrate", "-v0", **local).returncode == 0
    assert manage("create_account", "--name", "Real", "--owner-email", "real@example.org", **local).returncode == 0
    done = manage("quickstart", "--no-serve", **local)
    assert done.returncode == 1
    assert "real people" in done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"SECRET_KEY": "change-me-" + "x" * 50}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 60}, "SECRET_KEY"),
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"PUBLIC_URL": ""}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "http://keys.example.com"}, "PUBLIC_URL"),
        ({"DEBUG": "true"}, "DEBUG"),
        ({"LOCAL": "true"}, "LOCAL"),
        ({"DATABASE_URL": "mysql://root@localhost/x"}, "DATABASE_URL"),
        ({"API_REQUESTS_PER_MINUTE": "-1"}, "API_REQUESTS_PER_MINUTE"),
        ({"API_FAILURES_PER_MINUTE": "many"}, "API_FAILURES_PER_MINUTE"),
        ({"EXPIRY_REMINDER_DAYS": "7,0"}, "EXPIRY_REMINDER_DAYS"),
        ({"EXPIRY_REMINDER_DAYS": "7,366"}, "EXPIRY_REMINDER_DAYS"),
        ({"EXPIRY_REMINDER_DAYS": "soon"}, "EXPIRY_REMINDER_DAYS"),
        ({"KEEP_REFUSALS_DAYS": "0"}, "KEEP_REFUSALS_DAYS"),
        ({"KEEP_ADDRESSES_DAYS": "36501"}, "KEEP_ADDRESSES_DAYS must be at most 36500"),
        ({"USER_KEY_PREFIXES": "cu,sv"}, "PREFIXES"),
        ({"USER_KEY_PREFIXES": "my_key"}, "PREFIXES"),
        ({"SERVICE_KEY_PREFIXES": ""}, "PREFIXES"),
        ({"ENCRYPTION_KEYS": "short"}, "ENCRYPTION_KEYS"),
        ({"ENCRYPTION_KEYS": f"{'x' * 43}=,{'x' * 44}"}, "ENCRYPTION_KEYS"),
    ],
)
def test_a_bad_configuration_is_refused_in_one_line(change: dict[str, str], says: str) -> None:
    done = manage("check", **(PRODUCTION | change))
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_the_server_refuses_placeholders_pending_migrations_and_no_place_to_count_in_one_line(local: dict[str, str]) -> None:
    def serve(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:keyportal.gunicorn", "keyportal.wsgi"]
        environment["PATH"] = os.environ["PATH"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    placeholder = serve(**(PRODUCTION | {"SECRET_KEY": "change-me"}))
    assert placeholder.returncode != 0
    assert placeholder.stderr.strip().startswith("KeyPortal can’t start: SECRET_KEY")
    assert len(placeholder.stderr.strip().splitlines()) == 1
    unmigrated = serve(**local, PORT="0")
    assert unmigrated.returncode != 0
    assert "migrations are pending. Run: python manage.py migrate" in unmigrated.stderr
    assert "Traceback" not in unmigrated.stderr
    assert manage("migrate", "-v0", **local).returncode == 0
    uncounted = serve(**local, PORT="0", LIMITS_FILE=str(ROOT / "manage.py"))
    assert uncounted.returncode != 0
    assert "requests can’t be counted" in uncounted.stderr
    assert "Traceback" not in uncounted.stderr


def test_an_empty_variable_is_as_good_as_none() -> None:
    empty = dict.fromkeys(("DATABASE_URL", "CACHE_URL", "LIMITS_FILE", "STATIC_ROOT", "ALLOWED_HOSTS"), "")
    done = manage("check", **(PRODUCTION | empty))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_deployment_check_tells_where_requests_can_t_be_counted(tmp_path: Path) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, LIMITS_FILE=str(tmp_path))
    assert done.returncode == 1
    assert f"(keyportal.W001) Requests can’t be counted: {tmp_path} is no file." in done.stderr


def test_production_settings_pass_the_deployment_check() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_the_env_file_is_private_random_and_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY")
    first, second = tmp_path / "first", tmp_path / "second"
    assert write_env_file(first) is True
    assert write_env_file(second) is True
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert first.read_text() != second.read_text()
    before = first.read_text()
    assert write_env_file(first) is False
    assert first.read_text() == before


def test_a_configured_environment_gets_no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "any")
    assert write_env_file(tmp_path / "env") is False
    assert not (tmp_path / "env").exists()


def test_env_example_documents_every_variable() -> None:
    """What settings.py reads and what .env.example explains are the same set."""
    read = set(re.findall(r"(?:env\.\w+|whole_numbers?)\(\s*\"([A-Z_]+)\"", (ROOT / "keyportal/settings.py").read_text()))
    explained = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read == explained


def test_the_environment_is_read_in_the_settings_alone() -> None:
    for path in [*ROOT.glob("keyportal/**/*.py"), *ROOT.glob("accounts/**/*.py"), *ROOT.glob("apikeys/**/*.py")]:
        if path.name in ("settings.py", "first_run.py"):
            continue
        assert not re.search(r"os\.(environ\[|environ\.get|getenv)", path.read_text()), path
