"""The client's address: the peer's, or what exactly the trusted proxies have seen."""

from typing import Any

import pytest
from django.test import RequestFactory

from keyportal.client import client_address, client_name


def address(peer: str, forwarded: str | None = None) -> str | None:
    headers: dict[str, Any] = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    return client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer))


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "expected"),
    [
        (0, "198.51.100.7", None, "198.51.100.7"),
        (0, "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        (1, "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        (1, "10.0.0.1", "not an address", None),
        (0, "::ffff:198.51.100.7", None, "198.51.100.7"),
        (0, "2001:db8::1%eth0", None, "2001:db8::1"),
        (0, "", None, None),
    ],
)
def test_addresses(settings: Any, proxies: int, peer: str, forwarded: str | None, expected: str | None) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    assert address(peer, forwarded) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Checkly-Source": "CLI", "User-Agent": "axios/1.7"}, "checkly-cli"),
        ({"X-Checkly-Source": "TF"}, "terraform"),
        ({"User-Agent": "curl/7.88.1"}, "curl"),
        ({"User-Agent": "python-requests/2.32 (linux)"}, "python-requests"),
        ({"User-Agent": "<script>alert(1)</script>"}, ""),
        ({"User-Agent": "x" * 5000}, "x" * 60),
        ({}, ""),
    ],
)
def test_clients_go_by_their_short_name(headers: dict[str, str], expected: str) -> None:
    assert client_name(RequestFactory().get("/", headers=headers)) == expected
