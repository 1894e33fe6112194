"""The doors of the installation: every URL of the resolver, who made it, and what to knock with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

ADMIN, ALLAUTH, OURS = "admin", "allauth", "ours"

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^()]*\)")


@dataclass(frozen=True)
class Door:
    """One URL pattern. `name` carries the namespace; `origin` says whose table of contents it stands in."""

    name: str
    route: str
    origin: str

    def path(self, **values: Any) -> str:
        """The address, its parameters filled from `values`."""
        return "/" + _PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), self.route)


def all_doors() -> list[Door]:
    return list(_walk(get_resolver(), "", "", OURS))


def doors_of(origin: str) -> list[Door]:
    return [door for door in all_doors() if door.origin == origin]


def _walk(resolver: URLResolver, prefix: str, namespace: str, origin: str) -> Iterator[Door]:
    for entry in resolver.url_patterns:
        route = prefix + _plain(str(entry.pattern))
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(entry, route, inner, _origin_of(entry, origin))
        elif isinstance(entry, URLPattern):
            yield Door(f"{namespace}{entry.name}" if entry.name else route, route, origin)


def _origin_of(resolver: URLResolver, outer: str) -> str:
    if resolver.app_name == "admin":
        return ADMIN
    module = getattr(resolver.urlconf_name, "__name__", "")
    return ALLAUTH if module.startswith("allauth.") else outer


def _plain(route: str) -> str:
    """Some of allauth's and the admin's patterns are regular expressions."""
    return route.removeprefix("^").removesuffix("$").replace(r"\Z", "")
