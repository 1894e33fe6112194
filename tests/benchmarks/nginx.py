"""nginx before an application that says the same to everybody, asking /gateway/verify on each request."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.contenders import BY_NAME, VERIFY
from tests.benchmarks.ports import free_port

BEHIND = replace(BY_NAME[VERIFY], name="nginx auth_request", path="/anything", right=lambda _: {"ok": True})

_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log error;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  upstream keyportal {{ server 127.0.0.1:{gateway}; keepalive 64; }}
  upstream application {{ server 127.0.0.1:{behind}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    location / {{
      auth_request /_verify;
      proxy_set_header Authorization "";
      proxy_set_header Connection "";
      proxy_pass http://application;
    }}
    location = /_verify {{
      internal;
      proxy_pass http://keyportal/gateway/verify;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Connection "";
      proxy_set_header Host 127.0.0.1;
    }}
  }}
  server {{ listen 127.0.0.1:{behind}; default_type application/json; location / {{ return 200 '{{"ok": true}}'; }} }}
}}
"""


@contextmanager
def nginx_in_front(folder: Path, gateway: int) -> Iterator[int]:
    """The port of an nginx that asks the server at port `gateway`; 0 where there is no nginx."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        print("NGINX IS LEFT OUT: it was not found. On Debian: apt install nginx-light", flush=True)
        yield 0
        return
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, gateway=gateway, behind=free_port(), port=port))
    # Its first words go to a place that only root may write, unless it is told otherwise.
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "nginx.log")])
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
