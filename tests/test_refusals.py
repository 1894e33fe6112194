"""The log under a flood of bad keys: one line for many, and it says how many."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from keyportal import refusals


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now[0])
    monkeypatch.setattr("apikeys.limited_check.refusals.note", refusals.Sample().note)
    return now


@pytest.mark.parametrize("path", ["/v1/accounts/me", "/gateway/verify"])
def test_a_flood_leaves_one_line_in_ten_seconds_that_counts_the_rest(
    db: None, call_api: Callable[..., Any], clock: list[float], caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            assert call_api(path, "garbage", REMOTE_ADDR="192.0.2.9").status_code == 401
        assert [record.getMessage() for record in caplog.records] == [
            "Keys refused since the last such line: 1. The latest: Bad Token from 192.0.2.9"
        ]
        caplog.clear()
        clock[0] += 10
        call_api(path, "garbage", REMOTE_ADDR="192.0.2.10")
    assert [record.getMessage() for record in caplog.records] == [
        "Keys refused since the last such line: 50. The latest: Bad Token from 192.0.2.10"
    ]


def test_what_is_no_refused_key_is_logged_as_ever(
    db: None, call_api: Callable[..., Any], client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    call_api("/v1/nothing-here", "garbage")
    client.get("/nothing-here")
    assert [record.status_code for record in caplog.records if record.name == "django.request"] == [404, 404]  # type: ignore[attr-defined]
