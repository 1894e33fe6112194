"""The operators' admin: everything to see but hashes, one thing to do with a reason, nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.audit import AuditEvent
from accounts.models import Account, Membership, User
from apikeys.models import ApiKey
from tests.factories import Cast, service_key, user_key

pytestmark = pytest.mark.django_db

KEYS = "/admin/apikeys/apikey/"


@pytest.fixture
def oscar(cast: Cast, signed_in: Any) -> Client:
    client: Client = signed_in(cast.oscar)
    return client


def test_members_and_strangers_stay_outside(cast: Cast, signed_in: Any, client: Client) -> None:
    for user in (cast.olivia, cast.eve):
        assert signed_in(user).get("/admin/").status_code in (302, 403)
        assert signed_in(user).get(KEYS).status_code in (302, 403)
    assert client.get(KEYS)["Location"].startswith("/accounts/login/")


def test_lists_and_pages_show_everything_but_the_hash(cast: Cast, oscar: Client) -> None:
    key, plaintext = user_key(cast.wendy)
    for url in (KEYS, f"{KEYS}{key.pk}/change/", "/admin/accounts/user/", f"/admin/accounts/user/{cast.wendy.pk}/change/"):
        page = oscar.get(url)
        assert page.status_code == 200, url
        text = page.content.decode()
        assert "argon2" not in text
        assert plaintext[16:] not in text
        assert cast.wendy.password not in text
    assert key.masked in oscar.get(KEYS).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "secret_hash__startswith=%24argon2",
        "user__password__startswith=a",
        "nonce=x",
        "created_by__email__startswith=o",
        "role__regex=(",
    ],
)
def test_filters_reach_no_hidden_column(cast: Cast, oscar: Client, query: str) -> None:
    user_key(cast.wendy)
    assert oscar.get(f"{KEYS}?{query}").status_code == 400


@pytest.mark.parametrize("state", ["usable", "expired", "suspended", "deleted"])
@pytest.mark.parametrize("kind", ["user", "service"])
def test_the_list_s_own_filters_choose_by_kind_and_state(cast: Cast, oscar: Client, kind: str, state: str) -> None:
    now = timezone.now()
    past: dict[str, dict[str, Any]] = {
        "usable": {},
        "expired": {"expires_at": now - timedelta(days=1)},
        "suspended": {"suspended_at": now},
        "deleted": {"revoked_at": now},
    }
    for one, changes in past.items():
        user_key(cast.wendy, name=f"user {one}", **changes)
        service_key(cast.acme, name=f"service {one}", **changes)
    page = oscar.get(f"{KEYS}?kind={kind}&state={state}&role__exact=" + ("READ_WRITE" if kind == "service" else ""))
    assert [key.name for key in page.context["cl"].result_list] == [f"{kind} {state}"]


def test_nobody_is_made_a_member_before_their_address_is_confirmed(cast: Cast, oscar: Client) -> None:
    squatter = User.objects.create_user("boss@example.com", "a password of their own")
    form = {"account": cast.acme.pk, "user": squatter.pk, "stored_role": "ADMIN", "reason": "asked"}
    assert "not confirmed" in oscar.post("/admin/accounts/membership/add/", form).content.decode()
    assert not squatter.memberships.exists()


@pytest.mark.parametrize("model", [User, Account, Membership, ApiKey, AuditEvent])
def test_no_row_is_changed_or_deleted(cast: Cast, oscar: Client, model: Any) -> None:
    user_key(cast.wendy)
    row = model.objects.first()
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    assert oscar.post(f"{base}{row.pk}/change/", {"name": "changed"}).status_code == 403
    assert oscar.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    if model is not Membership:
        assert oscar.get(f"{base}add/").status_code == 403
    model_admin = admin.site._registry[model]
    assert not model_admin.list_editable
    assert not model_admin.inlines
    assert "delete_selected" not in oscar.get(base).content.decode()


def test_staff_sees_no_model_that_is_not_for_operators(oscar: Client) -> None:
    assert oscar.get("/admin/auth/group/").status_code == 403
    assert oscar.get("/admin/account/emailaddress/").status_code == 403


def test_a_membership_is_added_through_the_verb(cast: Cast, oscar: Client) -> None:
    form = {"account": cast.acme.pk, "user": cast.eve.pk, "stored_role": "READ_RUN", "reason": "asked"}
    assert oscar.post("/admin/accounts/membership/add/", form).status_code == 302
    assert Membership.objects.get(account=cast.acme, user=cast.eve).role == "READ_RUN"
    event = AuditEvent.objects.filter(action="member.added").first()
    assert event is not None
    assert (event.via, event.actor_id, event.target_id) == ("operator", cast.oscar.pk, str(cast.eve.pk))
    assert event.reason == "asked"
    assert {message.to[0] for message in mail.outbox} == {"olivia@example.com", "adam@example.com"}
    assert "given a new member, Eve as Read & Run" in mail.outbox[0].body
    again = oscar.post("/admin/accounts/membership/add/", form | {"stored_role": "ADMIN"})
    assert "already" in again.content.decode()
    assert Membership.objects.get(account=cast.acme, user=cast.eve).role == "READ_RUN"


def test_a_membership_needs_a_reason_and_somebody_else(cast: Cast, oscar: Client) -> None:
    form = {"account": cast.acme.pk, "user": cast.eve.pk, "stored_role": "ADMIN"}
    assert oscar.post("/admin/accounts/membership/add/", form | {"reason": " "}).status_code == 200
    assert oscar.post("/admin/accounts/membership/add/", form | {"user": cast.oscar.pk, "reason": "why not"}).status_code == 403
    assert not Membership.objects.filter(account=cast.acme, user__in=(cast.eve, cast.oscar)).exists()
    assert not mail.outbox


@pytest.mark.parametrize("role", ["OWNER", "owner", "", "SUPERUSER"])
def test_a_membership_is_never_added_as_owner(cast: Cast, oscar: Client, role: str) -> None:
    form = {"account": cast.acme.pk, "user": cast.eve.pk, "stored_role": role, "reason": "asked"}
    assert oscar.post("/admin/accounts/membership/add/", form).status_code == 200
    assert not Membership.objects.filter(account=cast.acme, user=cast.eve).exists()


def revoke(client: Client, keys: list[ApiKey], **fields: str) -> Any:
    return client.post(KEYS, {"action": "revoke_selected", "_selected_action": [key.pk for key in keys], **fields})


def test_revoke_selected_counts_first_then_asks_for_a_reason_then_revokes(cast: Cast, oscar: Client, call_api: Any) -> None:
    mine, plaintext = user_key(cast.wendy)
    service, _ = service_key(cast.acme)
    kept, _ = user_key(cast.rob)
    page = revoke(oscar, [mine, service])
    assert page.status_code == 200
    assert "2 keys" in page.content.decode()
    without_reason = revoke(oscar, [mine, service], confirm="yes", reason=" ")
    assert without_reason.status_code == 200
    assert ApiKey.objects.filter(revoked_at=None).count() == 3
    assert revoke(oscar, [mine, service], confirm="yes", reason="Breach of the CI provider").status_code == 302
    assert list(ApiKey.objects.filter(revoked_at=None)) == [kept]
    assert call_api("/v1/checks", plaintext, cast.acme).status_code == 401
    mine.refresh_from_db()
    assert (mine.revoked_reason, mine.revoked_by, mine.revoked_by_name) == (
        "Breach of the CI provider",
        cast.oscar,
        str(cast.oscar),
    )


def test_revoking_what_is_revoked_says_so(cast: Cast, oscar: Client) -> None:
    key, _ = user_key(cast.wendy)
    key.revoke(by=cast.actor(cast.wendy))
    page = oscar.post(KEYS, {"action": "revoke_selected", "_selected_action": [key.pk]}, follow=True)
    assert "revoked already" in page.content.decode()


def test_the_owner_reads_who_revoked_the_key_and_why(cast: Cast, oscar: Client, signed_in: Any) -> None:
    key, _ = user_key(cast.wendy)
    revoke(oscar, [key], confirm="yes", reason="Breach of the CI provider")
    page = signed_in(cast.wendy).get(f"/settings/user/api-keys/{key.public_id}").content.decode()
    assert "Breach of the CI provider" in page
    assert "Oscar" in page


def test_the_admin_s_own_sign_in_is_ours(client: Client) -> None:
    assert client.get("/admin/login/?next=/admin/")["Location"].startswith("/accounts/login/")
    assert client.post("/admin/login/", {"username": "oscar@example.com", "password": "x"})["Location"].startswith(
        "/accounts/login/"
    )
