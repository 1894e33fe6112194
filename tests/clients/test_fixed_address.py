"""The proxy that leads clients here whose address is fixed in their source, tried with the CLI as people have it."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from keyportal.policy import Role
from tests.browser.server import Server
from tests.clients import tls_proxy
from tests.clients.cli import Cli
from tests.clients.team import Team


def test_a_node_client_that_calls_checkly_reaches_this_server(
    server: Server, acme: Team, checkly: Callable[..., Cli], tmp_path: Path
) -> None:
    cli = checkly(acme.user_key(Role.READ_ONLY), acme.id)
    with tls_proxy.running(server.port, tmp_path) as proxy:
        trusting = {"CHECKLY_ENV": "production", "HTTPS_PROXY": proxy.url, "NODE_EXTRA_CA_CERTS": str(proxy.certificate)}
        printed = cli("whoami", **trusting)
        assert f'on account "Acme Ltd" ({acme.id}) as Rob.' in printed.words
        assert proxy.requests == [f"GET /next/accounts/{acme.id}", "GET /next/users/me"]


def test_the_proxy_connects_to_no_other_host(server: Server, tmp_path: Path) -> None:
    with tls_proxy.running(server.port, tmp_path) as proxy:
        connection = HTTPSConnection("127.0.0.1", proxy.server_address[1], timeout=10)
        connection.set_tunnel("example.com", 443)
        with pytest.raises(OSError, match="403 This proxy connects to one host"):
            connection.connect()
