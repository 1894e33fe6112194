"""The rule of a limit, and that file and Redis keep it alike."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyportal.counter_file import FileCounters
from keyportal.counter_redis import RedisCounters
from keyportal.limits import Counters
from keyportal.tally import DIGEST_SIZE, MINUTE, Limit, Standing, Tally

NOON = 1_800_000_000_000 // MINUTE * MINUTE

limits = st.integers(1, 40).map(lambda most: Limit("test", most))
gaps = st.lists(st.integers(0, 9_000) | st.integers(50_000, 70_000) | st.sampled_from([0, 1, MINUTE]), max_size=150)


def passed(limit: Limit, moments: list[int]) -> list[int]:
    """Those of the moments at which a request passed."""
    tally, good = Tally(0, 0, 0), []
    for moment in moments:
        tally, elapsed = tally.at(moment)
        if tally.has_room(limit, elapsed):
            tally = tally._replace(current=tally.current + 1)
            good.append(moment)
    return good


def moments_of(start: int, gaps: list[int]) -> list[int]:
    moments = [start]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    return moments


# The rule


@given(limits, st.integers(NOON, NOON + MINUTE), gaps)
def test_in_any_t_seconds_of_a_minute_no_more_than_the_limit_and_its_share_of_t_pass(
    limit: Limit, start: int, gaps: list[int]
) -> None:
    good = passed(limit, moments_of(start, gaps))
    for first, begin in enumerate(good):
        for number, end in enumerate(good[first:], 1):
            if end - begin < MINUTE:
                assert number * MINUTE <= limit.most * MINUTE + limit.most * (end - begin)


@given(limits, st.integers(NOON, NOON + MINUTE), gaps)
def test_in_a_minute_of_the_clock_no_more_than_the_limit_pass(limit: Limit, start: int, gaps: list[int]) -> None:
    minutes = [moment // MINUTE for moment in passed(limit, moments_of(start, gaps))]
    assert all(minutes.count(minute) <= limit.most for minute in set(minutes))


def test_the_turn_of_a_minute_gives_no_second_allowance() -> None:
    burst = [NOON - 1000] * 600 + [NOON + 1000] * 600
    assert len(passed(Limit("test", 600), burst)) == 610


def test_a_minute_without_requests_gives_the_whole_allowance_back() -> None:
    limit = Limit("test", 600)
    assert len(passed(limit, [NOON] * 700 + [NOON + 2 * MINUTE] * 700)) == 1200


@given(
    st.integers(1, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, MINUTE - 1),
)
def test_who_waits_as_told_passes_and_is_told_no_second_too_many(most: int, current: int, previous: int, elapsed: int) -> None:
    limit, tally = Limit("test", most), Tally(NOON // MINUTE, current, previous)
    standing = tally.standing(limit, elapsed, passes=False)
    if tally.has_room(limit, elapsed):
        return
    assert standing.reset >= 1

    def passes_after(seconds: int) -> bool:
        later, then = tally.at(NOON + elapsed + seconds * 1000)
        return later.has_room(limit, then)

    assert passes_after(standing.reset)
    assert not passes_after(standing.reset - 1)


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60), st.integers(0, MINUTE - 1))
def test_what_is_said_to_remain_is_what_passes(most: int, current: int, previous: int, elapsed: int) -> None:
    limit, tally = Limit("test", most), Tally(NOON // MINUTE, current, previous)
    remaining = tally.standing(limit, elapsed, passes=True).remaining
    number = 0
    while tally.has_room(limit, elapsed):
        tally, number = tally._replace(current=tally.current + 1), number + 1
    assert remaining == number


def test_a_clock_that_goes_back_a_second_gives_nothing_and_one_that_was_wrong_blocks_nobody() -> None:
    limit = Limit("test", 3)
    assert passed(limit, [NOON, NOON, NOON, NOON - 1000]) == [NOON] * 3
    assert len(passed(limit, [NOON + 5 * MINUTE] * 3 + [NOON] * 3)) == 6


# The two places where it is kept


@pytest.fixture(params=["file", "redis"])
def counters(request: pytest.FixtureRequest, tmp_path: Path) -> Counters:
    if request.param == "file":
        return FileCounters(tmp_path / "limits")
    return RedisCounters(request.getfixturevalue("redis_url"))


def somebody() -> bytes:
    return os.urandom(DIGEST_SIZE)


class Model:
    """What is expected of counters: a dictionary and the rule."""

    def __init__(self) -> None:
        self.tallies: dict[bytes, Tally] = {}

    def hit(self, subject: bytes, limit: Limit, now: int, *, only_known: bool) -> Standing | None:
        kept = self.tallies.get(subject)
        if only_known and not (kept and kept.is_known(limit, now)):
            return None
        tally, elapsed = (kept or Tally(0, 0, 0)).at(now)
        if passes := tally.has_room(limit, elapsed):
            self.tallies[subject] = tally = tally._replace(current=tally.current + 1)
        return tally.standing(limit, elapsed, passes=passes)


acts = st.lists(
    st.tuples(
        st.sampled_from(["hit", "hit", "hit", "known", "look", "forget"]),
        st.integers(0, 2),
        st.sampled_from([0, 1, 500, 7_000, 59_999, MINUTE, 4 * MINUTE, -1_000]) | st.integers(0, 30_000),
    ),
    max_size=60,
)


@pytest.mark.parametrize("place", ["file", "redis"])
@given(limit=st.builds(Limit, st.just("test"), st.integers(0, 4), st.integers(2, 3)), acts=acts)
def test_file_and_redis_count_as_the_rule_says(
    place: str, limit: Limit, acts: list[tuple[str, int, int]], redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counters: Counters = (
        FileCounters(tmp_path_factory.getbasetemp() / "counters") if place == "file" else RedisCounters(redis_url)
    )
    model, people, now = Model(), [somebody() for _ in range(3)], NOON
    for act, number, gap in acts:
        subject, now = people[number], now + gap
        if act == "forget":
            counters.forget(subject)
            model.tallies.pop(subject, None)
        elif act == "look":
            tally, elapsed = model.tallies.get(subject, Tally(0, 0, 0)).at(now)
            expected = tally.standing(limit, elapsed, passes=tally.has_room(limit, elapsed))
            assert counters.look(subject, limit, now) == expected
        else:
            known = act == "known"
            assert counters.hit(subject, limit, now, only_known=known) == model.hit(subject, limit, now, only_known=known)


def test_a_subject_passes_as_often_as_the_limit_says_and_is_told_how_it_stands(counters: Counters) -> None:
    limit, subject = Limit("test", 3), somebody()
    standings = [counters.hit(subject, limit, NOON + 15_000) for _ in range(5)]
    assert standings == [
        Standing(passes=True, most=3, remaining=2, reset=45),
        Standing(passes=True, most=3, remaining=1, reset=45),
        Standing(passes=True, most=3, remaining=0, reset=65),
        Standing(passes=False, most=3, remaining=0, reset=65),
        Standing(passes=False, most=3, remaining=0, reset=65),
    ]


def test_what_is_refused_is_not_counted(counters: Counters) -> None:
    limit, subject = Limit("test", 10), somebody()
    for _ in range(100):
        counters.hit(subject, limit, NOON)
    standing = counters.hit(subject, limit, NOON + 66_000)
    assert standing == Standing(passes=True, most=10, remaining=0, reset=6)


def test_looking_counts_nothing_and_forgetting_starts_anew(counters: Counters) -> None:
    limit, subject = Limit("test", 1), somebody()
    assert [counters.look(subject, limit, NOON).passes for _ in range(3)] == [True] * 3
    counters.hit(subject, limit, NOON)
    assert not counters.look(subject, limit, NOON).passes
    counters.forget(subject)
    assert counters.look(subject, limit, NOON).passes
    assert counters.hit(subject, limit, NOON, only_known=True) is None


def test_a_subject_is_known_from_its_first_pass_for_as_long_as_the_limit_says(counters: Counters) -> None:
    limit, subject = Limit("test", 5, kept=30), somebody()
    assert counters.hit(subject, limit, NOON, only_known=True) is None
    assert counters.hit(subject, limit, NOON, only_known=True) is None
    counters.hit(subject, limit, NOON)
    for earlier, now in pairwise([NOON, NOON + 30 * MINUTE, NOON + 60 * MINUTE]):
        assert counters.hit(subject, limit, now, only_known=True) is not None, earlier
    assert counters.hit(subject, limit, NOON + 91 * MINUTE, only_known=True) is None


def test_no_limit_counts_all_the_same(counters: Counters) -> None:
    unlimited, subject = Limit("test", 0), somebody()
    for _ in range(50):
        standing = counters.hit(subject, unlimited, NOON)
        assert standing is not None
        assert standing.passes
    assert counters.look(subject, Limit("test", 51), NOON).remaining == 1
