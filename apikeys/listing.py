"""One page of a list of keys: filtered, counted, and cut by key set, so that the last page costs what the first does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.http import QueryDict
from django.utils import timezone

from apikeys.allowlist import Mode
from apikeys.models import ApiKey, ApiKeyQuerySet, expired_at, usable_at
from keyportal.keyset import page_of

# Below this many keys there is nothing to filter.
FILTER_FROM = 8
MAX_QUERY_LENGTH = 100

_TABS = (("usable", "Usable"), ("expired", "Expired"), ("deleted", "Deleted"), ("all", "All"))


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list's template shows. Counts are of all the keys, whatever the filter."""

    keys: list[ApiKey]
    total: int
    usable: int
    # Usable keys that work from everywhere.
    unrestricted: int
    tabs: list[dict[str, Any]]
    show: str
    query: str
    url: str
    new_url: str
    older_url: str | None
    newer_url: str | None

    @property
    def filtered(self) -> bool:
        """Whether the list offers its filters."""
        return self.total >= FILTER_FROM


def list_keys(keys: ApiKeyQuerySet, asked: QueryDict, *, url: str, new_url: str) -> Listing:
    """The page of `keys` that the query string asks for: `show`, `q`, and `before` or `after` a public ID."""
    now = timezone.now()
    states = {"usable": usable_at(now), "expired": expired_at(now), "deleted": Q(revoked_at__isnull=False), "all": None}
    counts = keys.aggregate(
        **{name: Count("pk", filter=condition) for name, condition in states.items() if condition is not None},
        all=Count("pk"),
        unrestricted=Count("pk", filter=usable_at(now) & ~Q(allow_mode=Mode.ENFORCE)),
    )
    show = asked.get("show", "all") if asked.get("show") in states else "all"
    query = asked.get("q", "").replace("\x00", "").strip()[:MAX_QUERY_LENGTH]

    condition = states[show]
    chosen = (keys.filter(condition) if condition is not None else keys).search(query)
    page = page_of(chosen, asked, lambda public_id: keys.filter(public_id=public_id))

    def link(**changes: str) -> str:
        values = {"show": show, "q": query, **changes}
        kept = {name: value for name, value in values.items() if value and (name, value) != ("show", "all")}
        return f"{url}?{urlencode(kept)}" if kept else url

    return Listing(
        keys=page.rows,
        total=counts["all"],
        usable=counts["usable"],
        unrestricted=counts["unrestricted"],
        tabs=[
            {"label": label, "count": counts[name], "url": link(show=name), "current": name == show} for name, label in _TABS
        ],
        show=show,
        query=query,
        url=url,
        new_url=new_url,
        older_url=link(before=page.rows[-1].public_id) if page.has_older else None,
        newer_url=link(after=page.rows[0].public_id) if page.has_newer else None,
    )
