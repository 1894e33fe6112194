"""Two that sum up the use of keys at once, as two hosts with one timer each do: every request counts once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.db.models import Sum

from apikeys import usage
from apikeys.usage import Usage

NOW = datetime(2030, 6, 1, 5, tzinfo=UTC)
ROUNDS = 5


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_hours_that_two_sum_up_at_once_count_once() -> None:
    for number in range(ROUNDS):
        old = NOW - timedelta(days=60 + number)
        usage.add(
            (f"cu_{key:012}", "hour", old.replace(hour=hour), "allowed", "curl", "192.0.2.0/24", 1)
            for key in range(200)
            for hour in range(5)
        )
        together = Barrier(2)

        def sum_up(together: Barrier = together) -> None:
            together.wait()
            usage.sum_up(NOW)
            connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(sum_up) for _ in range(2)]:
                done.result()
        assert Usage.objects.aggregate(all=Sum("requests"))["all"] == 1000 * (number + 1)
    assert not Usage.objects.filter(span="hour").exists()
