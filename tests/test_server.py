"""gunicorn as the product starts it: what it does with requests that are none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apikeys.secret import Kind, Secret

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Its port, and the file that holds all it has logged."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "LOCAL": "true",
        "SECRET_KEY": "0123456789" * 6,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "LIMITS_FILE": str(folder / "limits"),
        "PORT": str(port),
        "LOG_LEVEL": "DEBUG",
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True, timeout=60)
    log = folder / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:keyportal.gunicorn", "keyportal.wsgi"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
        try:
            for _ in range(100):
                if b"200 OK" in _try(port):
                    break
                time.sleep(0.2)
            yield port, log
        finally:
            process.terminate()
            process.wait(timeout=30)


def send(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def _try(port: int) -> bytes:
    try:
        return send(port, b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    except OSError:
        return b""


def test_a_malformed_request_s_key_does_not_reach_the_log(server: tuple[int, Path]) -> None:
    port, log = server
    plaintext = Secret.generate(Kind.USER).reveal()
    key = plaintext.encode()
    for request in (
        b"GET / HTTP/1.1\r\nAuthorization Bearer " + key + b"\r\n\r\n",
        b"GET /?k=" + key + b" " + key + b" HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthori zation: Bearer " + key + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: " + key + b"\r\n\r\n",
    ):
        assert b" 400 " in send(port, request)
    written = log.read_text()
    assert "[scrubbed]" in written
    assert plaintext[16:32] not in written


def test_a_header_with_an_underscore_passes_for_no_other(server: tuple[int, Path]) -> None:
    port, _ = server
    answer = send(
        port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX_Request_ID: forged-by-underscore\r\nConnection: close\r\n\r\n"
    )
    assert b"200 OK" in answer
    assert b"forged-by-underscore" not in answer
