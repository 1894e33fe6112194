"""A key that asks too often: the CLI gives up, with the server's sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.server import Server
from tests.clients.cli import Cli
from tests.clients.conftest import shared_folder


def test_the_cli_says_how_many_requests_a_key_may_make(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Server.start(tmp_path, shared_folder(tmp_path_factory), API_REQUESTS_PER_MINUTE="3")
    try:
        cli = Cli(tmp_path, server.url, server.facts["user_key"], server.account_id)
        # A command makes two requests; a minute that ends lets some more through.
        printed = next(printed for printed in (cli("whoami") for _ in range(10)) if printed.code)
    finally:
        server.stop()
    assert printed.code == 1
    assert "MiscellaneousError: This API key may make 3 requests a minute. Try again in " in printed.words
