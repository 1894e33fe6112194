"""Allowed addresses: the networks that a key may be used from, how they are written, and what they would have refused."""

from __future__ import annotations

import bisect
import functools
import ipaddress
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import models

from apikeys.usage import OTHERS, Outcome, Share, networks_of

MOST_NETWORKS = 50
# How much of what was typed an error repeats, and how many errors are told at once.
_REPEATED = 60
_TOLD = 5

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# IP version, first and last address as numbers.
Span = tuple[int, int, int]


class Mode(models.TextChoices):
    OFF = "off", "Off"
    OBSERVE = "observe", "Observe"
    ENFORCE = "enforce", "Enforce"


def allows(listed: str, address: str | None) -> bool:
    """Whether an address in its canonical spelling is in a list as the database has it. No address is in no list."""
    if address is None:
        return False
    ip = ipaddress.ip_address(address)
    spans, number = _spans(listed), int(ip)
    # The only one that can hold the address is the last that begins before it.
    place = bisect.bisect_right(spans, (ip.version, number, math.inf)) - 1
    return place >= 0 and spans[place][0] == ip.version and number <= spans[place][2]


@functools.lru_cache(1024)
def _spans(listed: str) -> tuple[Span, ...]:
    """The list as numbers, in order. It is kept by its text, which the database is asked for each time."""
    return tuple(sorted(_span(ipaddress.ip_network(text)) for text in listed.splitlines()))


def _span(network: Network) -> Span:
    return network.version, int(network.network_address), int(network.broadcast_address)


# How lists are written


def read_networks(texts: Iterable[str]) -> list[str]:
    """Networks and single addresses, each once, in order and in their one spelling.

    Raises ValidationError with a sentence for each that is none, and for each that lies within another: somebody who
    narrows a list and leaves the wide network in it should be told.
    """
    networks, wrong = set(), []
    for text in texts:
        try:
            networks.add(_read(text))
        except ValidationError as error:
            wrong += error.messages
    if len(networks) > MOST_NETWORKS:
        raise ValidationError(f"At most {MOST_NETWORKS} networks. These are {len(networks)}.")
    ordered = sorted(networks, key=_span)
    wrong += [
        f"{_spelled(inner)} lies within {_spelled(outer)}. Take one of them out."
        for outer in ordered
        for inner in ordered
        if inner != outer and _contains(outer, inner)
    ]
    if not wrong and sum(network.prefixlen == 0 for network in ordered) == 2:
        wrong.append("These are all addresses there are. Choose “Off” instead.")
    if wrong:
        more = len(wrong) - _TOLD
        raise ValidationError(wrong[:_TOLD] + ([f"And {more} more."] if more > 0 else []))
    return [_spelled(network) for network in ordered]


def _read(text: str) -> Network:
    shown = f"“{text[:_REPEATED]}{'…' if len(text) > _REPEATED else ''}”"
    address, slash, bits = text.partition("/")
    if "%" in text:
        raise ValidationError(f"{shown}: leave out the zone, which begins with %. It means something on one machine only.")
    try:
        ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    except ValueError:
        if re.fullmatch(r"[0-9.]+", address, re.ASCII) and re.search(r"\b0[0-9]", address):
            raise ValidationError(f"{shown}: write the numbers without leading zeros.") from None
        raise ValidationError(f"{shown} is neither an IP address nor a network such as 192.0.2.0/24.") from None
    most = ip.max_prefixlen
    if slash and not (re.fullmatch("0|[1-9][0-9]{0,2}", bits, re.ASCII) and int(bits) <= most):
        raise ValidationError(f"{shown}: after the slash comes a number of bits from 0 to {most}.")
    length = int(bits) if slash else most
    mapped = getattr(ip, "ipv4_mapped", None)
    if mapped is not None and length >= 96:  # as addresses of clients are read, too
        ip, length = mapped, length - 96
    network = ipaddress.ip_network(f"{ip}/{length}", strict=False)
    if network.network_address != ip:
        raise ValidationError(f"{shown} is one address in a network. Did you mean {network}, or {ip} alone?")
    return network


def _contains(outer: Network, inner: Network) -> bool:
    version, first, last = _span(outer)
    of, begin, end = _span(inner)
    return version == of and first <= begin and end <= last


def _spelled(network: Network) -> str:
    """A single address is written bare."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def lets_more_pass(listed: str, wanted: Iterable[str]) -> bool:
    """Whether some network of the new list is in none of the old."""
    old = [ipaddress.ip_network(text) for text in listed.splitlines()]
    return not all(any(_contains(outer, ipaddress.ip_network(text)) for outer in old) for text in wanted)


# What lists would have done


@dataclass(slots=True)
class Observed:
    """The requests that were allowed of late, by network, against a list.

    The ledger of use knows networks of 256 addresses (/48 of IPv6), so of one that the list covers in part nobody can
    tell which requests would have passed.
    """

    inside: list[Share] = field(default_factory=list)
    partly: list[Share] = field(default_factory=list)
    outside: list[Share] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return sum(share.total for share in self.outside)

    @property
    def unclear(self) -> int:
        return sum(share.total for share in self.partly)

    @property
    def total(self) -> int:
        return sum(share.total for share in [*self.inside, *self.partly, *self.outside])


def observe(public_id: str, listed: str, days: int = 30) -> Observed:
    """What an enforced list would have refused of the requests that were allowed in the last so many days."""
    observed = Observed()
    for share in networks_of(public_id, Outcome.ALLOWED, days):
        covered = _covered(share.name, _spans(listed))
        group = observed.partly if covered is None else observed.inside if covered else observed.outside
        group.append(share)
    return observed


def suggest(public_id: str, typed: Iterable[str], days: int = 30) -> list[str]:
    """The networks from which the key was used of late and that nothing of what was typed touches."""
    spans = []
    for text in typed:
        try:
            spans.append(_span(_read(text)))
        except ValidationError:
            continue  # which the form says when it is saved
    seen = (share.name for share in networks_of(public_id, Outcome.ALLOWED, days))
    return [name for name in seen if name not in ("", OTHERS) and _covered(name, tuple(spans)) is False]


def _covered(network: str, spans: tuple[Span, ...]) -> bool | None:
    """Whether the spans, which don't overlap, cover a network of the ledger; None for in part, or nobody knows."""
    if network == OTHERS:
        return None
    if not network:  # a client without an address
        return False
    version, first, last = _span(ipaddress.ip_network(network))
    both = sum(max(0, min(last, end) - max(first, begin) + 1) for of, begin, end in spans if of == version)
    return None if 0 < both <= last - first else both > 0
