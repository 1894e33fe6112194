"""What a monitoring system reads: off by default, behind a token, the sum over all processes, and never going back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.access import person
from keyportal import metrics
from keyportal.policy import Role
from tests import factories

TOKEN = "a token for the monitoring system"
ME = "/v1/accounts/me"


@pytest.fixture
def read(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], dict[str, float]]]:
    """The page's samples, by name and labels."""
    settings.METRICS_TOKEN, settings.METRICS_DIR = TOKEN, tmp_path / "metrics"
    metrics.metrics.begin_anew()

    def read() -> dict[str, float]:
        page = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert page.status_code == 200
        lines = page.content.decode().splitlines()
        assert all(
            re.fullmatch(r'# (HELP|TYPE) keyportal_\w+ .+|keyportal_\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+', line)
            for line in lines
        )
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    yield read
    metrics.metrics.begin_anew()


def test_without_a_token_there_is_no_such_page(client: Client, db: None) -> None:
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, f"Basic {TOKEN}", "Bearer é"]
)
def test_who_does_not_send_the_token_reads_nothing(client: Client, db: None, settings: Any, sent: str) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"Authorization": sent})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"keyportal_" not in answer.content


def test_questions_count_by_outcome_and_take_their_time(
    cast: factories.Cast, call_api: Callable[..., Any], read: Callable[[], dict[str, float]]
) -> None:
    row, key = factories.service_key(cast.acme, Role.READ_ONLY)
    for credential in (key, key, "garbage", None, factories.another_secret_of(key)):
        call_api(ME, credential)
        call_api("/gateway/verify/write", credential)
    row.revoke(by=cast.actor(cast.olivia, cast.acme))
    call_api(ME, key)
    samples = read()
    counted = {name: count for name, count in samples.items() if name.startswith("keyportal_key_checks_total")}
    assert counted == {
        'keyportal_key_checks_total{outcome="allowed"}': 2,
        'keyportal_key_checks_total{outcome="no_right"}': 2,
        'keyportal_key_checks_total{outcome="malformed"}': 4,
        'keyportal_key_checks_total{outcome="wrong_secret"}': 2,
        'keyportal_key_checks_total{outcome="deleted"}': 1,
    }
    # What is malformed was not checked, and so took no time.
    assert samples["keyportal_key_check_seconds_count"] == samples['keyportal_key_check_seconds_bucket{le="+Inf"}'] == 7
    assert 0 < samples["keyportal_key_check_seconds_sum"] < 7
    buckets = [count for name, count in samples.items() if "_bucket" in name]
    assert buckets == sorted(buckets)


def test_keys_count_by_kind_and_state(cast: factories.Cast, read: Callable[[], dict[str, float]]) -> None:
    now = datetime.now(UTC)
    factories.user_key(cast.rob)
    factories.user_key(cast.rob, expires_at=now)
    factories.service_key(cast.acme, suspended_at=now)
    factories.user_key(cast.rob)[0].revoke(by=person(cast.rob))
    keys = {name: count for name, count in read().items() if name.startswith("keyportal_keys") and count}
    assert keys == {
        'keyportal_keys{kind="user",state="usable"}': 1,
        'keyportal_keys{kind="user",state="expired"}': 1,
        'keyportal_keys{kind="user",state="deleted"}': 1,
        'keyportal_keys{kind="service",state="suspended"}': 1,
    }


def test_the_counts_of_all_processes_add_up_and_those_of_ended_ones_stay(
    read: Callable[[], dict[str, float]], db: None, settings: Any
) -> None:
    folder: Path = settings.METRICS_DIR
    folder.mkdir()
    here, alive = metrics._container(), metrics._name_of(1)
    counts = {
        alive: 5,
        f"{here}-99999999-7.json": 20,  # has ended
        f"{here}-1-0.json": 300,  # the ID of the one that ended is another's by now
        "1-1-0.json": 4000,  # in another container: nobody here can tell
    }
    for name, count in counts.items():
        (folder / name).write_text(json.dumps({"checks.allowed": count}))
    name = 'keyportal_key_checks_total{outcome="allowed"}'
    assert [read()[name] for _ in range(3)] == [4325, 4325, 4325]
    assert sorted(file.name for file in folder.glob("*.json")) == sorted([alive, "1-1-0.json", "past.json"])
    metrics.metrics.count("allowed")
    assert read()[name] == 4326


def test_who_is_killed_while_moving_counts_doubles_none(
    read: Callable[[], dict[str, float]], db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder: Path = settings.METRICS_DIR
    folder.mkdir()
    ended = folder / f"{metrics._container()}-99999999-7.json"
    ended.write_text(json.dumps({"checks.allowed": 20}))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            metrics.of_all_processes()
    assert ended.exists()
    for _ in range(2):
        assert read()['keyportal_key_checks_total{outcome="allowed"}'] == 20
    assert not ended.exists()


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_file_that_a_power_failure_has_halved_breaks_nothing(
    read: Callable[[], dict[str, float]], db: None, settings: Any, content: str
) -> None:
    settings.METRICS_DIR.mkdir()
    (settings.METRICS_DIR / "past.json").write_text(content)
    metrics.metrics.count("allowed")
    assert read()['keyportal_key_checks_total{outcome="allowed"}'] == 1


def test_a_folder_that_can_t_be_written_fails_no_request(
    cast: factories.Cast, call_api: Callable[..., Any], read: Callable[[], dict[str, float]], settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "a file").write_text("")
    settings.METRICS_DIR = tmp_path / "a file"
    assert call_api(ME, factories.service_key(cast.acme)[1]).status_code == 200
    page = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (page.status_code, page.json()["message"]) == (503, "The counts can’t be read: File exists.")
