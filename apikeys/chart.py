"""Bars of the use of a key: a day each, what was refused on top of what was allowed, in the units of the SVG that draws them."""

from __future__ import annotations

from dataclasses import dataclass

from apikeys.usage import Day, Use

WIDTH, HEIGHT = 720, 120
# How much of a day's share of the width is bar, and how high a bar is at least, so that one request is seen.
FILLED, LEAST = 0.8, 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Two rectangles of one width, the second on top of the first; heights are 0 where there is nothing."""

    day: Day
    x: float
    width: float
    allowed_y: float
    allowed_height: float
    refused_y: float
    refused_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    busiest: Day
    width: int = WIDTH
    height: int = HEIGHT


def chart_of(use: Use) -> Chart:
    share = WIDTH / len(use.days)
    return Chart(
        [_bar(day, number * share, share * FILLED, use.most) for number, day in enumerate(use.days)],
        max(use.days, key=lambda day: day.allowed + day.refused),
    )


def _bar(day: Day, x: float, width: float, most: int) -> Bar:
    refused = min(_height(day.refused, most), HEIGHT - (LEAST if day.allowed else 0))
    allowed = min(_height(day.allowed, most), HEIGHT - refused)
    return Bar(
        day,
        round(x, 1),
        round(width, 1),
        round(HEIGHT - allowed, 1),
        round(allowed, 1),
        round(HEIGHT - allowed - refused, 1),
        round(refused, 1),
    )


def _height(requests: int, most: int) -> float:
    return max(LEAST, HEIGHT * requests / most) if requests else 0.0
