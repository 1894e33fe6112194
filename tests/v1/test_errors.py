"""Every error of the API is JSON in the contract's shape, without a redirect, whoever raised it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from keyportal.policy import Level
from keyportal.v1 import accounts, checks
from keyportal.v1.api import api
from keyportal.v1.auth import BearerKey
from tests import factories
from tests.apikeys.databases import database_away

Call = Callable[..., Any]
PATHS = ["/v1/accounts", "/v1/accounts/me", "/v1/accounts/{acme}", "/v1/checks"]


def assert_shaped(response: Any, status: int) -> str:
    """The body is the contract's for `status`; its message is handed back."""
    assert response.status_code == status
    assert response["Content-Type"].startswith("application/json")
    assert response["Cache-Control"] == "no-store, private"
    body = response.json()
    assert set(body) == {"statusCode", "error", "message"}
    assert (body["statusCode"], body["error"]) == (status, HTTPStatus(status).phrase)
    assert body["message"].strip()
    return str(body["message"])


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, cast: factories.Cast) -> str:
    return request.param.format(acme=cast.acme.pk)  # type: ignore[no-any-return]


def test_no_key_is_401_and_names_the_scheme(call_api: Call, path: str) -> None:
    response = call_api(path)
    assert_shaped(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_missing_account_header_is_400(cast: factories.Cast, call_api: Call) -> None:
    assert_shaped(call_api("/v1/checks", factories.user_key(cast.rob)[1]), 400)


def test_a_foreign_account_is_403(cast: factories.Cast, call_api: Call) -> None:
    assert_shaped(call_api("/v1/checks", factories.user_key(cast.rob)[1], cast.globex), 403)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_another_method_is_405_and_says_which_are_there(cast: factories.Cast, path: str, method: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.service_key(cast.acme)[1]}"})
    response = client.generic(method.upper(), path, "{}", "application/json")
    assert_shaped(response, 405)
    assert "GET" in response["Allow"]


NOTHING_HERE = [
    "/v1",
    "/v1/",
    "/v1/nothing",
    "/v1/accounts/",
    "/v1/accounts/me/",
    "/v1/checks/",
    "/v1/checks/1/2/3",
    "/v1//checks",
    "/v2/checks",
    "/next/nothing",
    "/v1/../admin/",
    "/v1/accounts/me/nothing",
]


@pytest.mark.parametrize("url", NOTHING_HERE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_is_404_and_never_a_redirect(cast: factories.Cast, url: str, method: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.service_key(cast.acme)[1]}"})
    assert_shaped(client.generic(method, url), 404)


def test_an_error_inside_is_500_without_its_details(
    cast: factories.Cast, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def crash(*args: Any) -> Any:
        raise RuntimeError("the details")

    monkeypatch.setattr(accounts, "_account_of", crash)
    client = Client(raise_request_exception=False)
    headers = {"Authorization": f"Bearer {factories.service_key(cast.acme)[1]}"}
    for settings.DEBUG in (False, True):
        response = client.get("/v1/accounts/me", headers=headers)
        assert_shaped(response, 500)
        assert b"the details" not in response.content


def test_errors_need_no_page_that_could_fail(
    cast: factories.Cast, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    """Where static files were not collected no page can be made, and a server without one would answer for us, in HTML."""
    manifest = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STATIC_ROOT, settings.STORAGES = tmp_path, {**settings.STORAGES, "staticfiles": {"BACKEND": manifest}}
    headers = {"Authorization": f"Bearer {factories.service_key(cast.acme)[1]}"}
    client = Client(headers=headers, raise_request_exception=False)
    with pytest.raises(ValueError, match="Missing staticfiles manifest entry"):
        Client().get("/nothing")
    assert_shaped(client.get("/v1/nothing"), 404)
    assert_shaped(client.get("/v1/checks?tag=%00"), 400)
    monkeypatch.setattr(accounts, "_account_of", lambda request: 1 / 0)
    assert_shaped(client.get("/v1/accounts/me"), 500)


@pytest.mark.django_db(transaction=True)
def test_a_database_away_is_503_and_says_when_to_come_back(call_api: Call) -> None:
    cast = factories.make_cast()
    key = factories.user_key(cast.rob)[1]
    with database_away():
        for path in PATHS:
            response = call_api(path.format(acme=cast.acme.pk), key, cast.acme)
            assert_shaped(response, 503)
            assert 0 < int(response["Retry-After"]) <= 10
            assert "WWW-Authenticate" not in response


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_after_the_check_is_503_too(call_api: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = factories.make_cast()
    key = factories.service_key(cast.acme)[1]
    real = checks.Check.objects.filter

    def filter_without_database(**conditions: Any) -> Any:
        chosen = real(**conditions)
        away.__enter__()
        return chosen

    away = database_away()
    monkeypatch.setattr(checks.Check.objects, "filter", filter_without_database)
    try:
        assert_shaped(call_api("/v1/checks", key), 503)
    finally:
        away.__exit__(None, None, None)


def test_a_body_too_large_is_refused_in_shape(cast: factories.Cast) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.service_key(cast.acme)[1]}"})
    response = client.post("/v1/checks", "x" * 1_000_000, "application/json")
    assert_shaped(response, response.status_code)
    assert response.status_code in (405, 413)


def test_a_get_with_the_type_of_json_and_no_body_is_answered(cast: factories.Cast, call_api: Call) -> None:
    key = factories.service_key(cast.acme)[1]
    assert call_api("/v1/checks", key, headers={"Content-Type": "application/json"}).status_code == 200


def test_the_request_id_of_a_trusted_proxy_comes_back(call_api: Call, db: None, settings: Any) -> None:
    brought = "abcdef-0123456789"
    for settings.TRUSTED_PROXY_COUNT, believed in ((0, False), (1, True)):
        answer = call_api("/v1/checks", headers={"X-Request-ID": brought})
        assert (answer["X-Request-ID"] == brought) == believed
    for bad in ("x\r\nSet-Cookie: a=b", "short", "é" * 20, "x" * 65):
        assert call_api("/v1/checks", headers={"X-Request-ID": bad})["X-Request-ID"] != bad


def operations() -> Iterator[tuple[str, Any]]:
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                yield f"{'/'.join(operation.methods)} {prefix}{path}", operation


def test_every_operation_declares_its_authentication_and_a_level() -> None:
    """An operation without `auth` would be open to everybody."""
    declared = dict(operations())
    public = {name for name, operation in declared.items() if not operation.auth_callbacks}
    assert public == {"GET /v1/runtimes", "GET /v1/runtimes/{runtime_id}", "GET /v1/locations"}
    for name, operation in declared.items():
        if name in public:
            continue
        assert operation.auth_callbacks, name
        for callback in operation.auth_callbacks:
            assert isinstance(callback, BearerKey), name
            assert isinstance(callback.level, Level), name


def test_no_answer_of_the_api_sets_a_cookie(cast: factories.Cast, call_api: Call) -> None:
    key = factories.service_key(cast.acme)[1]
    for path in (*PATHS, "/v1/nothing"):
        assert not call_api(path.format(acme=cast.acme.pk), key).cookies
        assert not call_api(path.format(acme=cast.acme.pk)).cookies
