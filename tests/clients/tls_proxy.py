"""A proxy for clients whose address is fixed in their source: it answers for Checkly's host with KeyPortal.

A client that is told of it by HTTPS_PROXY asks it to CONNECT to that host. The proxy ends TLS itself, with a certificate made
for this run alone, and hands the plain request to the server under test. It connects to nobody else.

`python -m tests.clients.tls_proxy` runs it for a try by hand; docs/clients.md tells how.
"""

from __future__ import annotations

import argparse
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "api.checklyhq.com"
NOT_PASSED_ON = {"host", "connection", "proxy-connection", "transfer-encoding", "content-length"}


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, folder: Path) -> None:
        """Answer for Checkly's host with the server at `port` of this machine; `folder` takes certificate and key."""
        super().__init__(("127.0.0.1", 0), _Door)
        self.port = port
        self.certificate = folder / "proxy.pem"
        self.requests: list[str] = []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.write_bytes(_certificate(folder / "proxy.key"))
        self.tls.load_cert_chain(self.certificate, folder / "proxy.key")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(port: int, folder: Path) -> Iterator[Proxy]:
    proxy = Proxy(port, folder)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_CONNECT(self) -> None:
        if self.path != f"{HOST}:443":
            self.send_error(403, "This proxy connects to one host")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False  # the requests of the tunnel come through this same handler

    def hand_on(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
        behind = HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        behind.request(self.command, self.path, body or None, headers)
        answer = behind.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        behind.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = hand_on

    def log_message(self, format: str, *args: object) -> None:
        """Said to nobody: `requests` keeps what was asked."""


def _certificate(key_file: Path) -> bytes:
    """For Checkly's host and one day, signed by itself; its key goes to `key_file`."""
    key = ec.generate_private_key(ec.SECP256R1())
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=serialization.NoEncryption()
        )
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KeyPortal test proxy")])
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=f"Answer for {HOST} with a KeyPortal on this machine, until stopped.")
    parser.add_argument("--port", type=int, default=8000, help="where KeyPortal is served (8000)")
    with tempfile.TemporaryDirectory() as folder:
        proxy = Proxy(parser.parse_args().port, Path(folder))
        print(f"export PROXY={proxy.url} CERTIFICATE={proxy.certificate}", flush=True)
        with suppress(KeyboardInterrupt):
            proxy.serve_forever()


if __name__ == "__main__":
    main()
