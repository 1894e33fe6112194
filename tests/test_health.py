"""/healthz and /readyz: alive; able to serve."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.test import Client

pytestmark = pytest.mark.django_db


def test_both_answer_without_sign_in(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_pending_migrations_make_it_not_ready_but_alive(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'apikeys'")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (503, "migrations are pending")
    assert client.get("/healthz").status_code == 200


def test_a_failing_database_is_503_on_every_page_never_a_redirect_to_sign_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the database fails before any view: at the session of somebody who is signed in."""
    client.raise_request_exception = False
    client.cookies["keyportal_session"] = "x" * 32

    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "cursor", fail)
    for path in ("/", "/settings/user/api-keys", "/admin/", "/readyz"):
        answer = client.get(path)
        assert answer.status_code == 503, path
    page = client.get("/settings/user/api-keys")
    assert page["Retry-After"] == "5"
    assert page["X-Request-ID"] in page.content.decode()
