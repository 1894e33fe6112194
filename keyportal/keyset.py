"""One page of a long list, newest first, cut by key set: the last page costs what the first does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

PAGE_SIZE = 50

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The rows of one page, and whether there are newer and older ones."""

    rows: list[M]
    has_newer: bool
    has_older: bool


def page_of(chosen: QuerySet[M], asked: Mapping[str, str], row_of: Callable[[str], QuerySet[M]]) -> Page[M]:
    """The page of `chosen` that the query string asks for by `before` or `after` a row, else the first.

    `row_of` finds the row that a cursor names, among the rows that the asker may see; an unknown one gives the first page.
    """

    def place_of(cursor: str) -> QuerySet[M, dict[str, object]]:
        return row_of(asked.get(cursor, "").replace("\x00", "")).order_by().values("pk")[:1]

    if "after" in asked:
        rows = list(chosen.filter(pk__gt=place_of("after")).order_by("pk")[: PAGE_SIZE + 1])
        if rows:
            return Page(rows[:PAGE_SIZE][::-1], len(rows) > PAGE_SIZE, True)
    elif "before" in asked:
        rows = list(chosen.filter(pk__lt=place_of("before")).order_by("-pk")[: PAGE_SIZE + 1])
        if rows:
            return Page(rows[:PAGE_SIZE], True, len(rows) > PAGE_SIZE)
    rows = list(chosen.order_by("-pk")[: PAGE_SIZE + 1])
    return Page(rows[:PAGE_SIZE], False, len(rows) > PAGE_SIZE)
