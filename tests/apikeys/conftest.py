"""What the tests of keys share: the gateway's two doors, limits that a test reaches, and a costlier hash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from django.test import Client, RequestFactory

from accounts.models import Account
from apikeys import secret, use

# Here, since it sets up logging anew: in the midst of a test that would take the test's own handler away.
from keyportal.wsgi import application
from tests.v1.conftest import clock, limited  # noqa: F401 - fixtures


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


Verify = Callable[..., Answer]


def through_wsgi(method: str, path: str, body: bytes, headers: dict[str, str], **extra: Any) -> Answer:
    """As gunicorn asks: the application of keyportal.wsgi."""
    environ = RequestFactory().generic(method, path, body, headers=headers, **extra).environ
    started: list[Any] = []
    answer = application(environ, lambda *arguments: started.extend(arguments))
    status, answered = started
    return Answer(int(status.split()[0]), answered, b"".join(answer))


def through_urls(method: str, path: str, body: bytes, headers: dict[str, str], **extra: Any) -> Answer:
    """As a server without our WSGI application would: Django's own, middleware and all."""
    answer = Client().generic(method, path, body, headers=headers, **extra)
    return Answer(answer.status_code, list(answer.items()), answer.content)


def asking(door: Callable[..., Answer]) -> Verify:
    def verify(
        path: str = "",
        key: str | None = None,
        account: Account | str | None = None,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> Answer:
        """Ask at `/gateway/verify` + `path`."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        if account is not None:
            sent["X-Checkly-Account"] = str(getattr(account, "pk", account))
        return door(method, f"/gateway/verify{path}", body, sent, **extra)

    return verify


@pytest.fixture(params=[through_wsgi, through_urls], ids=["wsgi", "urls"])
def verify(request: pytest.FixtureRequest) -> Verify:
    """The gateway's question, through each of the two doors."""
    return asking(request.param)


@pytest.fixture
def verify_by_wsgi() -> Verify:
    return asking(through_wsgi)


@pytest.fixture
def higher_cost(settings: Any) -> Iterator[Callable[[], None]]:
    def read_anew() -> None:
        secret._hasher.cache_clear()
        secret._parameters.cache_clear()

    def raise_it() -> None:
        settings.KEY_HASH_TIME = 2
        read_anew()

    yield raise_it
    read_anew()


@contextmanager
def written_later() -> Iterator[None]:
    """Inside, the use of keys is noted as in a server; at the end it is written, as there by a thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(use.Recorder, "wake", lambda self: None)
        yield
    use.recorder.write()
