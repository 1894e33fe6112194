"""Who is on the other end of a request: address and program, for audit, keys and limits alike."""

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

MAX_CLIENT_LENGTH = 60


def client_address(request: HttpRequest) -> str | None:
    """The IP address of the client, or None when there is none (a Unix socket).

    X-Forwarded-For is believed for exactly as many hops as `TRUSTED_PROXY_COUNT` says: each proxy appends the
    address it saw, so the client's is that many places from the right, whatever was sent on the left.
    """
    seen = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY_COUNT:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(hops) >= settings.TRUSTED_PROXY_COUNT:  # fewer: the request came round the proxies
            seen = hops[-settings.TRUSTED_PROXY_COUNT]
    try:
        address = ipaddress.ip_address(seen.strip())
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address).split("%")[0]


def client_network(request: HttpRequest) -> str:
    """What limits take for one client: an IPv4 address, or the /64 of an IPv6 address, all of which one host may use.

    Clients without an address count as one.
    """
    address = client_address(request)
    if address is None or ":" not in address:
        return address or ""
    return str(ipaddress.ip_network((address, 64), strict=False))


def client_name(request: HttpRequest) -> str:
    """The program's short name: "checkly-cli", "terraform", else the product of the User-Agent, such as "curl"."""
    source = request.META.get("HTTP_X_CHECKLY_SOURCE", "")
    known = {"CLI": "checkly-cli", "TF": "terraform", "go-sdk": "checkly-go-sdk"}
    if source in known:
        return known[source]
    product = re.match(r"[A-Za-z0-9][A-Za-z0-9._+-]*", request.META.get("HTTP_USER_AGENT", ""))
    return product.group()[:MAX_CLIENT_LENGTH] if product else ""
