"""Rounds in which every contender has its turn, so that a busy moment of the machine hits all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """The median of the rounds, and the quartiles between which half of them lie."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        if len(samples) < 2:
            return cls(samples[0], samples[0], samples[0])
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high)


def interleaved(
    bursts: Mapping[str, Callable[[], float]], rounds: int, before: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """What each burst returned in each round. Each round begins one further, so that nobody is always first."""
    samples: dict[str, list[float]] = {name: [] for name in bursts}
    names = list(bursts)
    for number in range(rounds):
        before()
        first = number % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(bursts[name]())
    return samples


def ratio(samples: Mapping[str, Sequence[float]], name: str, base: str) -> Figure:
    """`name` in terms of `base`, each round against the same round."""
    return Figure.of([one / other for one, other in zip(samples[name], samples[base], strict=True)])
