"""Who a key is and where it works, under the root that Checkly's command line asks: the same rules as under /v1."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from accounts.access import operator_at_shell
from accounts.models import User
from keyportal.policy import GRANTABLE_ROLES, Role
from tests import factories

Call = Callable[..., Any]

LIST, WHOAMI = "/next/accounts", "/next/users/me"
HEADERS = ["none", "acme", "globex", "absent", "malformed", "empty"]


def one(account: Any) -> str:
    return f"/next/accounts/{account.pk}"


def shape_of(account: Any) -> dict[str, str]:
    return {"id": str(account.pk), "name": account.name, "runtimeId": "2025.04"}


def header(cast: factories.Cast, name: str) -> Any:
    named = {"none": None, "acme": cast.acme, "globex": cast.globex, "absent": str(uuid.uuid4()), "empty": ""}
    return named.get(name, name)


def answer(response: Any) -> Any:
    return response.json() if response.status_code == 200 else response.status_code


@pytest.mark.parametrize("named", HEADERS)
def test_a_user_key_is_its_person_everywhere_whatever_the_header_says(cast: factories.Cast, call_api: Call, named: str) -> None:
    for role in Role:
        user, account = cast.member(role), header(cast, named)
        key = factories.user_key(user)[1]
        assert answer(call_api(WHOAMI, key, account)) == {"id": str(user.pk), "name": user.name}
        assert answer(call_api(LIST, key, account)) == [shape_of(cast.acme)]
        assert answer(call_api(one(cast.acme), key, account)) == shape_of(cast.acme)
        assert answer(call_api(one(cast.globex), key, account)) == 403


@pytest.mark.parametrize("named", HEADERS)
@pytest.mark.parametrize("role", GRANTABLE_ROLES)
def test_a_service_key_is_itself_in_its_account_and_refuses_another_s_name(
    cast: factories.Cast, call_api: Call, named: str, role: Role
) -> None:
    row, key = factories.service_key(cast.acme, role, name="Deploy")
    account, fits = header(cast, named), named in ("none", "acme")
    assert answer(call_api(WHOAMI, key, account)) == ({"id": row.public_id, "name": "Deploy"} if fits else 403)
    assert answer(call_api(LIST, key, account)) == ([shape_of(cast.acme)] if fits else 403)
    assert answer(call_api(one(cast.acme), key, account)) == (shape_of(cast.acme) if fits else 403)
    assert answer(call_api(one(cast.globex), key, account)) == 403


def test_both_roots_answer_the_same(cast: factories.Cast, call_api: Call) -> None:
    cast.globex.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    key = factories.user_key(cast.wendy)[1]
    for path in ("", f"/{cast.acme.pk}", f"/{cast.globex.pk}", f"/{uuid.uuid4()}", "/malformed"):
        under_v1, under_next = (call_api(f"{root}/accounts{path}", key) for root in ("/v1", "/next"))
        assert (under_v1.status_code, under_v1.content) == (under_next.status_code, under_next.content)


def test_a_person_without_a_name_is_called_by_their_address_without_its_host(cast: factories.Cast, call_api: Call) -> None:
    User.objects.filter(pk=cast.rob.pk).update(name="")
    response = call_api(WHOAMI, factories.user_key(cast.rob)[1])
    assert response.json()["name"] == "rob"
    assert b"@" not in response.content


def test_an_operator_s_key_is_a_person_s_and_no_more(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.oscar)[1]
    assert call_api(WHOAMI, key).json()["name"] == "Oscar"
    assert call_api(LIST, key).json() == []
    assert call_api(one(cast.acme), key).status_code == 403


def test_a_suspended_account_is_not_listed_and_its_service_key_told_why(cast: factories.Cast, call_api: Call) -> None:
    cast.globex.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    person, service = factories.user_key(cast.wendy)[1], factories.service_key(cast.acme)[1]
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    assert answer(call_api(LIST, person)) == [shape_of(cast.globex)]
    assert answer(call_api(WHOAMI, person)) == {"id": str(cast.wendy.pk), "name": "Wendy"}
    for response in (call_api(path, service) for path in (LIST, WHOAMI, one(cast.acme))):
        assert response.status_code == 403
        assert "suspended" in response.json()["message"]
    assert "suspended" in call_api(one(cast.acme), person).json()["message"]


def test_who_was_removed_is_still_a_person_and_nowhere_a_member(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    cast.acme.memberships.get(user=cast.rob).remove(by=cast.actor(cast.adam, cast.acme))
    assert answer(call_api(WHOAMI, key, cast.acme)) == {"id": str(cast.rob.pk), "name": "Rob"}
    assert answer(call_api(LIST, key, cast.acme)) == []
    removed, absent = call_api(one(cast.acme), key), call_api(f"{LIST}/{uuid.uuid4()}", key)
    assert (removed.status_code, removed.content) == (403, absent.content)


def test_nobody_else_is_asked_about(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.rob)[1]
    for path in (f"/next/users/{cast.rob.pk}", "/next/users", "/v1/users/me"):
        assert call_api(path, key).status_code == 404
