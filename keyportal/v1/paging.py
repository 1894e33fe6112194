"""Lists in pages, as the API's clients read them: a bare array, the total in `Content-Range`, the ways on in `Link`.

`X-Next-Page` is for readers on Meltano's SDK, such as tap-checkly: without it they stop after the first page.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Field, Schema

M = TypeVar("M", bound=Model)

# Beyond this no list of ours goes, and a larger number would overflow the database's integers.
FURTHEST_PAGE = 1_000_000


class Paging(Schema):
    limit: int = Field(default=10, ge=1, le=100, description="How many at most.")
    page: int = Field(default=1, ge=1, le=FURTHEST_PAGE, description="Which page, from 1. One past the end is empty.")


def paged(rows: QuerySet[M], paging: Paging, request: HttpRequest, response: HttpResponse) -> list[M]:
    """One page of `rows`, in two queries whatever their number; `response` gets the headers."""
    first, total = (paging.page - 1) * paging.limit, rows.count()
    page = list(rows[first : first + paging.limit]) if first < total else []
    response["Content-Range"] = f"{first}-{first + len(page) - 1}/{total}" if page else f"*/{total}"
    last = max(1, -(-total // paging.limit))
    ways = {"last": last} | ({"next": paging.page + 1} if paging.page < last else {})
    response["Link"] = ", ".join(f'<{_address(request, number)}>; rel="{way}"' for way, number in ways.items())
    if "next" in ways:
        response["X-Next-Page"] = str(ways["next"])
    return page


def _address(request: HttpRequest, page: int) -> str:
    query = request.GET.copy()
    query["page"] = str(page)
    return f"{settings.PUBLIC_URL}{request.path}?{query.urlencode()}"


def everything(rows: QuerySet[M], response: HttpResponse) -> list[M]:
    """All rows, for a client that asks for no page and would miss the rest."""
    found: list[Any] = list(rows)
    response["Content-Range"] = f"0-{len(found) - 1}/{len(found)}" if found else "*/0"
    return found
