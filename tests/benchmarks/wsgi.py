"""One application for all contenders: what lies under /peers/ goes to theirs, all else to the product as it is served."""

from collections.abc import Callable, Iterable
from typing import Any

from keyportal.wsgi import application as product  # sets Django up, so it comes first

from tests.benchmarks.peers.handler import application as peers  # isort: skip


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    chosen = peers if environ["PATH_INFO"].startswith("/peers/") else product
    return chosen(environ, start_response)
