"""Removal, a lowered role, deactivation and suspension hold on the very next request with a key."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.access import operator_at_shell, person
from accounts.models import Account, Membership, User
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests import factories
from tests.sessions import browser_of

ME, CHECKS = "/v1/accounts/me", "/v1/checks"
Call = Callable[..., Any]


def remove(account: Account, user: User) -> None:
    Membership.objects.get(account=account, user=user).remove(by=person(account.owner))


def role_of(response: Any) -> Role | None:
    """The role with which the request was answered."""
    assert response.status_code == 200
    return response.wsgi_request.actor.role  # type: ignore[no-any-return]


def bytes_of(response: Any) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in response.items() if name not in ("X-Request-ID", "Date")}
    return response.status_code, headers, response.content


def test_a_removed_member_s_key_is_refused_on_the_next_request(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.wendy)[1]
    assert call_api(ME, key, cast.acme).status_code == 200
    remove(cast.acme, cast.wendy)
    assert call_api(ME, key, cast.acme).status_code == 403
    assert call_api(CHECKS, key, cast.acme).status_code == 403
    assert call_api(f"/v1/accounts/{cast.acme.pk}", key).status_code == 403
    assert call_api("/v1/accounts", key).json() == []


def test_their_other_accounts_keep_working(cast: factories.Cast, call_api: Call) -> None:
    cast.globex.add_member(cast.wendy, Role.ADMIN, by=operator_at_shell())
    key = factories.user_key(cast.wendy)[1]
    remove(cast.acme, cast.wendy)
    assert call_api(ME, key, cast.globex).status_code == 200
    assert [account["id"] for account in call_api("/v1/accounts", key).json()] == [str(cast.globex.pk)]


MALFORMED = [
    "",
    "me",
    "not-a-uuid",
    "0",
    "{account}x",
    "{{{account}}}",
    "urn:uuid:{account}",
    "{account},{account}",
    "x" * 5000,
]


def test_a_removed_member_cannot_tell_the_account_from_one_that_is_absent(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.wendy)[1]
    remove(cast.acme, cast.wendy)
    refused = bytes_of(call_api(ME, key, cast.acme))
    assert refused[0] == 403
    assert bytes_of(call_api(ME, key, str(uuid.uuid4()))) == refused
    for malformed in MALFORMED:
        text = malformed.format(account=cast.acme.pk)
        assert bytes_of(call_api(ME, key, text)) == refused, malformed


def test_a_suspended_account_reads_the_same_to_a_stranger(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.eve)[1]
    before = bytes_of(call_api(ME, key, cast.acme))
    Account.objects.filter(pk=cast.acme.pk).update(suspended_at=timezone.now())
    assert bytes_of(call_api(ME, key, cast.acme)) == before


def test_a_member_added_again_has_their_keys_back_with_the_role_of_now(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.wendy)[1]
    assert role_of(call_api(ME, key, cast.acme)) is Role.READ_WRITE
    remove(cast.acme, cast.wendy)
    assert call_api(ME, key, cast.acme).status_code == 403
    cast.acme.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    assert role_of(call_api(ME, key, cast.acme)) is Role.READ_ONLY


def test_a_lowered_role_holds_on_the_next_request(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.adam)[1]
    service = factories.service_key(cast.acme, Role.ADMIN)[1]
    adam = browser_of(cast.adam)
    assert role_of(call_api(ME, key, cast.acme)) is Role.ADMIN
    Membership.objects.filter(user=cast.adam).update(stored_role=Role.READ_ONLY)
    assert role_of(call_api(ME, key, cast.acme)) is Role.READ_ONLY
    assert role_of(call_api(ME, service)) is Role.ADMIN
    assert adam.get(reverse("service_keys", args=[cast.acme.pk])).status_code == 403


def test_an_owner_s_key_speaks_as_owner_until_the_account_changes_hands(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.olivia)[1]
    assert role_of(call_api(ME, key, cast.acme)) is Role.OWNER
    Account.objects.filter(pk=cast.acme.pk).update(owner=cast.adam)
    assert role_of(call_api(ME, key, cast.acme)) is Role.ADMIN


def test_a_removed_member_s_open_page_is_404_and_changes_nothing(cast: factories.Cast) -> None:
    adam, (service, _) = Client(), factories.service_key(cast.acme)
    adam.force_login(cast.adam)
    assert adam.get(service.delete_url).status_code == 200
    remove(cast.acme, cast.adam)
    assert adam.post(service.delete_url).status_code == 404
    service.refresh_from_db()
    assert service.revoked_at is None


def test_a_deactivated_user_s_keys_and_sessions_are_dead_everywhere_and_their_service_keys_live(
    cast: factories.Cast, call_api: Call
) -> None:
    cast.globex.add_member(cast.olivia, Role.ADMIN, by=operator_at_shell())
    key, service = factories.user_key(cast.olivia)[1], factories.service_key(cast.acme)[1]
    olivia = browser_of(cast.olivia)
    User.objects.filter(pk=cast.olivia.pk).update(is_active=False)
    for response in (call_api(ME, key, cast.acme), call_api(ME, key, cast.globex), call_api("/v1/accounts", key)):
        assert response.status_code == 401
    assert olivia.get(reverse("user_keys")).status_code == 302
    assert call_api(ME, service).status_code == 200


def test_service_keys_live_on_when_their_maker_leaves(cast: factories.Cast, call_api: Call) -> None:
    adam = cast.actor(cast.adam, cast.acme)
    _, secret = ApiKey.objects.issue_service_key(by=adam, account=cast.acme, name="Deploy", role=Role.ADMIN)
    remove(cast.acme, cast.adam)
    assert role_of(call_api(ME, secret.reveal())) is Role.ADMIN


@pytest.mark.parametrize("path", [ME, CHECKS, "/v1/accounts/{account}"])
def test_a_suspended_account_refuses_every_key_with_the_reason(cast: factories.Cast, call_api: Call, path: str) -> None:
    keys = [factories.user_key(cast.olivia)[1], factories.service_key(cast.acme, Role.ADMIN)[1]]
    Account.objects.filter(pk=cast.acme.pk).update(suspended_at=timezone.now())
    for key in keys:
        response = call_api(path.format(account=cast.acme.pk), key, cast.acme)
        assert response.status_code == 403
        assert "suspended" in response.json()["message"]
    Account.objects.filter(pk=cast.acme.pk).update(suspended_at=None)
    assert call_api(path.format(account=cast.acme.pk), keys[0], cast.acme).status_code == 200


def test_a_suspended_account_leaves_the_list_and_the_other_accounts_alone(cast: factories.Cast, call_api: Call) -> None:
    cast.globex.add_member(cast.olivia, Role.READ_ONLY, by=operator_at_shell())
    key, service = factories.user_key(cast.olivia)[1], factories.service_key(cast.acme)[1]
    Account.objects.filter(pk=cast.acme.pk).update(suspended_at=timezone.now())
    assert [account["name"] for account in call_api("/v1/accounts", key).json()] == ["Globex"]
    assert call_api(ME, key, cast.globex).status_code == 200
    assert call_api("/v1/accounts", service).status_code == 403


def test_in_a_suspended_account_nothing_is_made_and_keys_can_still_be_deleted(cast: factories.Cast) -> None:
    service, _ = factories.service_key(cast.acme)
    olivia = browser_of(cast.olivia)
    Account.objects.filter(pk=cast.acme.pk).update(suspended_at=timezone.now())
    form = {"name": "No", "role": "READ_ONLY", "expires": "30", "nonce": "a-nonce-of-suspension"}
    assert olivia.post(reverse("service_key_new", args=[cast.acme.pk]), form).status_code == 403
    assert cast.acme.service_keys.count() == 1
    assert olivia.get(reverse("service_keys", args=[cast.acme.pk])).status_code == 200
    assert olivia.post(service.delete_url).status_code == 303
    service.refresh_from_db()
    assert service.revoked_at is not None


def test_a_suspended_key_is_refused_and_works_again_when_resumed(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.service_key(cast.acme, suspended_at=timezone.now())
    assert call_api(ME, key).status_code == 401
    type(row).objects.filter(pk=row.pk).update(suspended_at=None)
    assert call_api(ME, key).status_code == 200
