"""A plugin: a Redis of the tests' own, which they may stop and kill.

Where REQUIRE_REDIS=1 is set, a missing redis-server is a failure: nobody then mistakes a skip for a pass.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

REQUIRED = os.environ.get("REQUIRE_REDIS") == "1"


class RedisServer:
    """A server on a port of its own that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                redis.Redis(port=self.port).ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError("redis-server does not answer")

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def redis_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("redis-server") is None:
        reason = "no redis-server found. On Debian: apt install redis-server"
        if REQUIRED:
            pytest.fail(f"REQUIRE_REDIS=1, but {reason}", pytrace=False)
        pytest.skip(f"REDIS TESTS SKIPPED: {reason}")
    return tmp_path_factory.mktemp("redis")


@pytest.fixture
def own_redis(redis_folder: Path) -> Iterator[RedisServer]:
    """For one test, which may do with it what it likes."""
    server = RedisServer(redis_folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_url(redis_folder: Path) -> Iterator[str]:
    """For all others."""
    server = RedisServer(redis_folder)
    yield server.url
    server.stop()
