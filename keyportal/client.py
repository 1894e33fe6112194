"""Who is on the other end of a request: address and program, for audit, keys and limits alike."""

import functools
import ipaddress
import re
from typing import Any, Protocol

from django.conf import settings

MAX_CLIENT_LENGTH = 60


class Request(Protocol):
    """A request as far as this module reads it: Django's, or what stands for one in front of Django."""

    META: dict[str, Any]


def client_address(request: Request) -> str | None:
    """The IP address of the client, or None when there is none (a Unix socket).

    X-Forwarded-For is believed for exactly as many hops as `TRUSTED_PROXY_COUNT` says: each proxy appends the
    address it saw, so the client's is that many places from the right, whatever was sent on the left.
    """
    seen = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY_COUNT:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXY_COUNT:  # fewer: the request came round the proxies
            seen = hops[-settings.TRUSTED_PROXY_COUNT]
    return _canonical(seen[:64])  # longer than any address; what is remembered must not be as long as headers may be


def client_network(request: Request) -> str:
    """What limits take for one client: an IPv4 address, or the /64 of an IPv6 address, all of which one host may use.

    Clients without an address count as one.
    """
    return network_of(client_address(request), 32, 64)


@functools.lru_cache(4096)
def network_of(address: str | None, v4: int, v6: int) -> str:
    """The network of so many bits around a canonical address; "" around none, and a single address bare."""
    if address is None:
        return ""
    bits = v6 if ":" in address else v4
    return address if bits == 32 else str(ipaddress.ip_network((address, bits), strict=False))


@functools.lru_cache(4096)
def _canonical(seen: str) -> str | None:
    """An address in the one spelling that it is compared in: without a zone, and IPv4 where it is that inside IPv6."""
    try:
        address = ipaddress.ip_address(seen.strip())
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address).split("%")[0]


def client_name(request: Request) -> str:
    """The program's short name: "checkly-cli", "terraform", else the product of the User-Agent, such as "curl"."""
    source, agent = request.META.get("HTTP_X_CHECKLY_SOURCE", ""), request.META.get("HTTP_USER_AGENT", "")
    return _program(source[:8], agent[:MAX_CLIENT_LENGTH])


@functools.lru_cache(1024)
def _program(source: str, agent: str) -> str:
    known = {"CLI": "checkly-cli", "TF": "terraform", "go-sdk": "checkly-go-sdk"}
    if source in known:
        return known[source]
    product = re.match(r"[A-Za-z0-9][A-Za-z0-9._+-]*", agent)
    return product.group() if product else ""
