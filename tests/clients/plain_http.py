"""What a program sends that speaks to the API by itself: the same headers each time, no redirects followed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


@dataclass(frozen=True)
class PlainHttp:
    """`send("GET", "/v1/checks")` is the answer of the server at `port` of this machine."""

    port: int
    headers: dict[str, str]

    @classmethod
    def of(cls, port: int, key: str, account_id: str | None = None, **headers: str) -> PlainHttp:
        both = {"Authorization": f"Bearer {key}"} | ({"X-Checkly-Account": account_id} if account_id else {})
        return cls(port, both | {"Content-Type": "application/json"} | headers)

    def __call__(self, method: str, path: str, body: object = None) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return Answer(answer.status, json.loads(content) if content else None)
