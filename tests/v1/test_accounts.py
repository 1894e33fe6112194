"""The accounts that a key reaches, in the shape that clients of Checkly's API read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from accounts.access import operator_at_shell
from keyportal.policy import Role
from tests import factories

Call = Callable[..., Any]

LIST, ME = "/v1/accounts", "/v1/accounts/me"


def one(account: Any) -> str:
    return f"/v1/accounts/{account.pk}"


def shape_of(account: Any) -> dict[str, str]:
    """Clients demand just these three, and a `runtimeId` that is text."""
    return {"id": str(account.pk), "name": account.name, "runtimeId": "2025.04"}


def test_a_user_key_without_the_account_header_lists_every_account_of_its_user_oldest_first(
    cast: factories.Cast, call_api: Call
) -> None:
    cast.globex.add_member(cast.wendy, Role.ADMIN, by=operator_at_shell())
    response = call_api(LIST, factories.user_key(cast.wendy)[1])
    assert response.status_code == 200
    assert response.json() == [shape_of(cast.acme), shape_of(cast.globex)]


@pytest.mark.parametrize("header", [None, "acme", "globex", "malformed", ""])
def test_the_account_header_does_not_change_the_list_of_a_user_key(
    cast: factories.Cast, call_api: Call, header: str | None
) -> None:
    account = {"acme": cast.acme, "globex": cast.globex}.get(header or "", header)
    assert call_api(LIST, factories.user_key(cast.wendy)[1], account).json() == [shape_of(cast.acme)]


def test_a_stranger_lists_nothing_of_acme(cast: factories.Cast, call_api: Call) -> None:
    assert call_api(LIST, factories.user_key(cast.eve)[1], cast.acme).json() == [shape_of(cast.globex)]


def test_the_key_of_somebody_without_accounts_lists_none(cast: factories.Cast, call_api: Call) -> None:
    response = call_api(LIST, factories.user_key(cast.oscar)[1])
    assert (response.status_code, response.json()) == (200, [])


def test_a_service_key_lists_its_own_account(cast: factories.Cast, call_api: Call) -> None:
    key = factories.service_key(cast.acme, Role.READ_ONLY)[1]
    for header in (None, cast.acme, str(cast.acme.pk).upper()):
        assert call_api(LIST, key, header).json() == [shape_of(cast.acme)]


@pytest.mark.parametrize("role", Role)
def test_every_member_s_key_reads_the_account_that_the_header_names(cast: factories.Cast, call_api: Call, role: Role) -> None:
    key = factories.user_key(cast.member(role))[1]
    for response in (call_api(ME, key, cast.acme), call_api(one(cast.acme), key), call_api(one(cast.acme), key, cast.acme)):
        assert (response.status_code, response.json()) == (200, shape_of(cast.acme))


def test_the_account_s_id_is_read_in_any_case(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    upper = str(cast.acme.pk).upper()
    assert call_api(ME, key, upper).json() == shape_of(cast.acme)
    assert call_api(f"/v1/accounts/{upper}", key).json() == shape_of(cast.acme)
    service = factories.service_key(cast.acme)[1]
    assert call_api(f"/v1/accounts/{upper}", service, upper).json() == shape_of(cast.acme)


def test_the_name_of_the_header_is_read_in_any_case(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    for name in ("x-checkly-account", "X-CHECKLY-ACCOUNT"):
        assert call_api(ME, key, headers={name: str(cast.acme.pk)}).status_code == 200


@pytest.mark.parametrize("path", [ME, "/v1/checks"])
def test_a_user_key_without_the_account_header_is_400_with_a_sentence(cast: factories.Cast, call_api: Call, path: str) -> None:
    response = call_api(path, factories.user_key(cast.rob)[1])
    assert response.status_code == 400
    assert "X-Checkly-Account" in response.json()["message"]


@pytest.mark.parametrize("path", [LIST, ME, "/v1/checks", "/v1/accounts/{acme}"])
def test_a_service_key_needs_no_header_and_refuses_a_foreign_one(cast: factories.Cast, call_api: Call, path: str) -> None:
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    url = path.format(acme=cast.acme.pk)
    assert call_api(url, key).status_code == 200
    assert call_api(url, key, cast.acme).status_code == 200
    for foreign in (cast.globex, str(uuid.uuid4()), "malformed", ""):
        assert call_api(url, key, foreign).status_code == 403, foreign


def test_a_service_key_reads_no_other_account_by_its_path(cast: factories.Cast, call_api: Call) -> None:
    key = factories.service_key(cast.acme, Role.ADMIN)[1]
    for header in (None, cast.acme, cast.globex):
        assert call_api(one(cast.globex), key, header).status_code == 403


def test_a_foreign_account_reads_as_one_that_is_absent(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    absent = call_api(f"/v1/accounts/{uuid.uuid4()}", key)
    for path in (one(cast.globex), "/v1/accounts/malformed", "/v1/accounts/0", "/v1/accounts/ME"):
        response = call_api(path, key)
        assert (response.status_code, response.content) == (403, absent.content), path


def test_the_path_names_the_account_whatever_a_user_key_s_header_says(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    assert call_api(one(cast.acme), key, cast.globex).json() == shape_of(cast.acme)
    assert call_api(one(cast.globex), key, cast.acme).status_code == 403
