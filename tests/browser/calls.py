"""Calls of the API as machines make them: curl, and connections that are kept or made anew."""

from __future__ import annotations

import http.client
import os
import subprocess

from tests.browser.server import Server


def curl(line: str, key: str) -> int:
    """Run the line that the page offers for pasting, in a shell that has the key in CHECKLY_API_KEY; the status."""
    done = subprocess.run(
        ["sh", "-c", f"{line} -s -o /dev/null -w '%{{http_code}}'"],
        env={"PATH": os.environ["PATH"], "CHECKLY_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return int(done.stdout)


def curl_line(server: Server, account_id: str | None = None) -> str:
    header = f' -H "X-Checkly-Account: {account_id}"' if account_id else ""
    return f'curl {server.url}/v1/checks -H "Authorization: Bearer $CHECKLY_API_KEY"{header}'


class Connection:
    """One connection to the server, kept open from call to call."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._connection.connect()
        # A second connection made in its place would be another test.
        self._connection.auto_open = 0

    def status(self, key: str, account_id: str | None = None) -> int:
        self.ask(key, account_id)
        return self.answer()

    def ask(
        self, key: str, account_id: str | None = None, method: str = "GET", path: str = "/v1/checks", body: str | None = None
    ) -> None:
        """Send a call and wait for nothing: `answer` is to be read later. The body is JSON."""
        headers = {"Authorization": f"Bearer {key}"} | ({"X-Checkly-Account": account_id} if account_id else {})
        headers |= {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, path, body, headers)

    def answer(self) -> int:
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def port(self) -> int:
        """Of this end: by it the server's end is known."""
        return int(self._connection.sock.getsockname()[1])

    def close(self) -> None:
        self._connection.close()
