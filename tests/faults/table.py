"""What is printed: a line for each fault, and the promises that were broken."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.load import Verdict
from tests.faults.verdicts import Tally

SHOWN = 12  # of each fault's broken promises
_HEAD = ("fault", "times", "answers", "503", "cut off", "wrong", "longest answer", "slowest recovery", "verdict")
_WIDTHS = (52, 5, 8, 7, 7, 6, 14, 16, 7)


def as_text(tallies: Sequence[Tally]) -> str:
    lines = [_line(_HEAD), *map(line, tallies)]
    for tally in tallies:
        if tally.broken:
            lines += ["", f"{tally.name}: {len(tally.broken)} broken promises", *(f"  {what}" for what in tally.broken[:SHOWN])]
    return "\n".join(lines)


def line(tally: Tally) -> str:
    counts = tally.counts
    return _line(
        (
            tally.name,
            str(tally.rounds),
            f"{counts.total():,}",
            f"{counts[Verdict.AWAY]:,}",
            f"{counts[Verdict.RESET]:,}",
            f"{counts[Verdict.WRONG]:,}",
            f"{tally.longest_answer:.1f} s",
            f"{tally.slowest_recovery:.1f} s",
            "BROKEN" if tally.broken else "kept",
        )
    )


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, _WIDTHS, strict=True)
    return "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])
