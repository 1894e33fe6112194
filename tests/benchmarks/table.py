"""A row is one figure with its aim; the table sets them in columns."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Literal

from tests.benchmarks.rounds import Figure

ROWS = "BENCH_ROWS"  # the file that the processes of one run add their rows to, in the environment


@dataclass(frozen=True)
class Row:
    """`figure` is in `unit`; `aim` is what it should be, where anything was aimed at."""

    part: str
    name: str
    figure: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    aim: str = ""
    met: bool | None = None
    note: str = ""
    database: str = ""


def say(
    part: str,
    name: str,
    figure: Figure | float,
    unit: str = "",
    aim: tuple[Literal["≤", "≥"], float] | None = None,
    note: str = "",
) -> None:
    """Add a row to the run's."""
    value = figure.median if isinstance(figure, Figure) else figure
    spread = (figure.low, figure.high) if isinstance(figure, Figure) else (None, None)
    met = None if aim is None else (value <= aim[1] if aim[0] == "≤" else value >= aim[1])
    aimed = f"{aim[0]} {aim[1]:g}" if aim else ""
    row = Row(part, name, value, unit, *spread, aimed, met, note, os.environ.get("BENCH_DATABASE", ""))
    with open(os.environ[ROWS], "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def read(path: str) -> list[Row]:
    with open(path, encoding="utf-8") as file:
        return [Row(**json.loads(line)) for line in file]


def as_text(rows: list[Row]) -> str:
    """The rows in aligned columns, a heading for each part and database."""
    lines = [_cells(row) for row in rows]
    head = ("", "median", "quartiles", "aim", "", "")
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(5)]
    shown, last = [], ""
    for row, line in zip(rows, lines, strict=True):
        title = f"{row.part}, {row.database}"
        if title != last:
            shown += ["", f"{title:{widths[0]}}  " + _aligned(head, widths).strip() if not last else title]
        last = title
        shown.append(_aligned(line, widths))
    return "\n".join(shown)


def _cells(row: Row) -> tuple[str, ...]:
    spread = "" if row.low is None or row.high is None else f"{_number(row.low)} – {_number(row.high)}"
    met = "" if row.met is None else "✓" if row.met else "✗"
    return f"  {row.name}", f"{_number(row.figure)} {row.unit}".strip(), spread, row.aim, met, row.note


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.1g}"


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    name, figure, spread, aim, met, note = cells
    columns = (
        f"{name:{widths[0]}}",
        f"{figure:>{widths[1]}}",
        f"{spread:^{widths[2]}}",
        f"{aim:<{widths[3]}}",
        f"{met:1}",
        note,
    )
    return "  ".join(columns).rstrip()
