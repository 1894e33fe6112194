"""The account's people over the API: every key lists them; Admin keys manage them where the owner has allowed it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from accounts.invitations import Invitation
from accounts.models import Account
from keyportal.policy import Role
from tests import factories
from tests.v1.calls import Machine, everybody_in_acme, of_person, of_service

ME = "/v1/accounts/me/members"
HELD = {Role.ADMIN, Role.READ_WRITE, Role.READ_RUN, Role.READ_ONLY}
GUESTS = ("a@example.com", "b@example.com", "c@example.com")


@pytest.fixture
def guests(cast: factories.Cast) -> list[Invitation]:
    """Three invitations, the last of which has expired."""
    admin = cast.actor(cast.adam, cast.acme)
    made = [Invitation.objects.invite(cast.acme, email, Role.READ_ONLY, by=admin)[0] for email in GUESTS]
    Invitation.objects.filter(pk=made[-1].pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return made


def let_keys_manage(account: Account, allowed: bool = True) -> None:
    Account.objects.filter(pk=account.pk).update(keys_manage_members=allowed)


def one(user: Any, path: str = ME) -> str:
    return f"{path}/{user.pk}"


def emails(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert set(body) == {"members", "length", "nextId"}
    assert body["length"] == len(body["members"])
    return [entry["email"] for entry in body["members"]]


# The list


def test_every_role_lists_the_members_and_admin_keys_alone_the_invitations(
    cast: factories.Cast, guests: list[Invitation]
) -> None:
    people = [f"{name}@example.com" for name in ("olivia", "adam", "wendy", "rhea", "rob")]
    for role, machines in everybody_in_acme(cast).items():
        for machine in machines:
            seen = emails(machine.get(ME))
            assert seen[:5] == people
            assert set(seen[5:]) == (set(GUESTS) if role.at_least(Role.ADMIN) else set())
            assert emails(machine.get(f"/v1/accounts/{cast.acme.pk}/members")) == seen


def test_entries_have_the_fields_of_the_contract(cast: factories.Cast, guests: list[Invitation]) -> None:
    body = of_service(cast.acme, Role.ADMIN).get(ME).json()
    assert body["nextId"] is None
    owner, *_ = body["members"]
    (guest,) = (entry for entry in body["members"] if entry["email"] == "a@example.com")
    assert owner.pop("createdAt").endswith("Z")
    assert owner.pop("updatedAt").endswith("Z")
    assert owner == {
        "type": "member",
        "accountId": str(cast.acme.pk),
        "userId": str(cast.olivia.pk),
        "name": "Olivia",
        "email": "olivia@example.com",
        "role": "OWNER",
        "status": "ACTIVE",
        "isSupportMembership": False,
        "ssoEnabled": False,
        "mfaEnabled": False,
    }
    assert all(guest.pop(name).endswith("Z") for name in ("createdAt", "updatedAt", "expiresAt"))
    assert guest == {
        "type": "invite",
        "id": str(guests[0].pk),
        "accountId": str(cast.acme.pk),
        "email": "a@example.com",
        "role": "READ_ONLY",
        "status": "PENDING",
        "inviterEmail": "adam@example.com",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=OLIV", ["olivia"]),
        ("search=%20rob%40EXAMPLE.com%20", ["rob"]),
        ("search=%20", ["olivia", "adam", "wendy", "rhea", "rob", "a", "b", "c"]),
        ("search=b@", ["rob", "b"]),
        ("search=_", []),
        ("type=member", ["olivia", "adam", "wendy", "rhea", "rob"]),
        ("type=invite", ["a", "b", "c"]),
        ("role=OWNER", ["olivia"]),
        ("role=ADMIN", ["adam"]),
        ("role=READ_ONLY", ["rob", "a", "b", "c"]),
        ("status=ACTIVE", ["olivia", "adam", "wendy", "rhea", "rob"]),
        ("status=PENDING", ["a", "b"]),
        ("status=EXPIRED", ["c"]),
        ("search=wendy@example.com&type=member&status=ACTIVE", ["wendy"]),
        ("type=member&status=PENDING", []),
        ("type=invite&role=ADMIN", []),
    ],
)
def test_filters(cast: factories.Cast, guests: list[Invitation], query: str, expected: list[str]) -> None:
    found = emails(of_service(cast.acme, Role.ADMIN).get(f"{ME}?{query}"))
    assert sorted(found) == sorted(f"{name}@example.com" for name in expected)


@pytest.mark.parametrize(
    "query", ["type=all", "role=KING", "status=GONE", "limit=0", "limit=101", "limit=x", "nextId=member.1"]
)
def test_a_bad_filter_is_400_and_named(cast: factories.Cast, query: str) -> None:
    answer = of_service(cast.acme, Role.ADMIN).get(f"{ME}?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(query.partition("=")[0])


@pytest.mark.parametrize(
    "next_id", ["nonsense", "member.", "member.x", "member.-1", "invite.1", "owner.1", "member." + "9" * 30]
)
def test_a_next_id_of_no_answer_before_is_400(cast: factories.Cast, next_id: str) -> None:
    assert of_service(cast.acme, Role.ADMIN).get(f"{ME}?limit=2&nextId={next_id}").status_code == 400


@pytest.mark.parametrize("limit", range(1, 10))
@pytest.mark.parametrize("filters", ["", "&role=READ_ONLY", "&type=invite"])
def test_pages_lead_to_the_end_with_every_limit_and_hold_everybody_once(
    cast: factories.Cast, guests: list[Invitation], limit: int, filters: str
) -> None:
    machine = of_service(cast.acme, Role.ADMIN)
    everybody, seen, next_id = emails(machine.get(f"{ME}?{filters}")), [], ""
    for _ in everybody:
        answer = machine.get(f"{ME}?limit={limit}{filters}{next_id}")
        page = emails(answer)
        assert len(page) == min(limit, len(everybody) - len(seen))
        seen += page
        if answer.json()["nextId"] is None:
            break
        next_id = f"&nextId={answer.json()['nextId']}"
    assert (seen, answer.json()["nextId"]) == (everybody, None)


def test_the_list_ends_behind_the_members_for_a_key_that_sees_no_invitations(
    cast: factories.Cast, guests: list[Invitation]
) -> None:
    assert of_service(cast.acme, Role.READ_WRITE).get(f"{ME}?limit=5").json()["nextId"] is None
    assert of_service(cast.acme, Role.READ_WRITE).get(f"{ME}?limit=5&nextId=invite.{uuid.uuid4()}").json()["members"] == []


def test_who_is_deactivated_is_not_listed(cast: factories.Cast) -> None:
    cast.rob.deactivate(by=operator_at_shell(), reason="left")
    assert "rob@example.com" not in emails(of_service(cast.acme, Role.ADMIN).get(ME))


# Changing roles and removing people


def events() -> list[tuple[str, str]]:
    return list(
        AuditEvent.objects.filter(action__in=("member.role_changed", "member.removed")).values_list("action", "target_name")
    )


def test_until_the_owner_allows_it_no_key_manages_members_and_the_answer_says_where(cast: factories.Cast) -> None:
    for machines in everybody_in_acme(cast).values():
        for machine in machines:
            for path in (one(cast.rob), f"{ME}/{uuid.uuid4()}", one(cast.rob, f"/v1/accounts/{cast.acme.pk}/members")):
                for answer in (machine.send("PATCH", path, {"role": "READ_RUN"}), machine.delete(path)):
                    assert answer.status_code == 403
                    assert "The account's owner can allow it under General." in answer.json()["message"]
    assert events() == []


@pytest.mark.parametrize("kind", ["owner", "user", "service"])
def test_allowed_keys_with_the_role_admin_change_roles_and_remove(cast: factories.Cast, kind: str) -> None:
    let_keys_manage(cast.acme)
    machine = {
        "owner": lambda: of_person(cast.olivia, cast.acme),
        "user": lambda: of_person(cast.adam, cast.acme),
        "service": lambda: of_service(cast.acme, Role.ADMIN),
    }[kind]()
    answer = machine.send("PATCH", one(cast.rob), {"role": "READ_WRITE"})
    assert (answer.status_code, answer.json()["role"], answer.json()["email"]) == (200, "READ_WRITE", "rob@example.com")
    assert cast.acme.memberships.get(user=cast.rob).role is Role.READ_WRITE
    answer = machine.delete(one(cast.rob))
    assert (answer.status_code, answer.content) == (204, b"")
    assert not cast.acme.memberships.filter(user=cast.rob).exists()
    assert [action for action, _ in events()] == ["member.removed", "member.role_changed"]


def test_allowed_keys_below_admin_manage_nobody(cast: factories.Cast) -> None:
    let_keys_manage(cast.acme)
    for role, machines in everybody_in_acme(cast).items():
        if role.at_least(Role.ADMIN):
            continue
        for machine in machines:
            for answer in (machine.send("PATCH", one(cast.rob), {"role": "READ_RUN"}), machine.delete(one(cast.wendy))):
                assert answer.status_code == 403
                assert answer.json()["message"] == f"This needs the role Admin or higher. This API key has {role.label}."
    assert events() == []


def test_another_account_s_permission_and_members_are_not_reached(cast: factories.Cast) -> None:
    let_keys_manage(cast.globex)
    machine = of_service(cast.globex, Role.ADMIN)
    assert machine.send("PATCH", one(cast.rob), {"role": "ADMIN"}).status_code == 404
    assert machine.delete(one(cast.rob)).status_code == 404
    assert machine.delete(one(cast.rob, f"/v1/accounts/{cast.acme.pk}/members")).status_code == 403
    assert events() == []


@pytest.mark.parametrize("role", ["OWNER", "owner", "KING", "", None, 1])
def test_owner_is_no_role_to_give(cast: factories.Cast, role: Any) -> None:
    let_keys_manage(cast.acme)
    answer = of_service(cast.acme, Role.ADMIN).send("PATCH", one(cast.rob), {"role": role})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("role")
    assert events() == []


def test_a_field_that_is_not_known_is_refused(cast: factories.Cast) -> None:
    let_keys_manage(cast.acme)
    answer = of_service(cast.acme, Role.ADMIN).send("PATCH", one(cast.rob), {"role": "ADMIN", "owner": True})
    assert (answer.status_code, events()) == (400, [])


def test_the_owner_is_untouchable(cast: factories.Cast) -> None:
    let_keys_manage(cast.acme)
    for machine in (of_service(cast.acme, Role.ADMIN), of_person(cast.adam, cast.acme), of_person(cast.olivia, cast.acme)):
        for answer in (machine.send("PATCH", one(cast.olivia), {"role": "READ_ONLY"}), machine.delete(one(cast.olivia))):
            assert answer.status_code == 403
            assert "owner" in answer.json()["message"]
    cast.acme.refresh_from_db()
    assert (cast.acme.owner, events()) == (cast.olivia, [])


def test_a_person_s_key_lowers_their_own_role_and_never_keeps_or_raises_it(cast: factories.Cast) -> None:
    let_keys_manage(cast.acme)
    machine = of_person(cast.adam, cast.acme)
    assert machine.send("PATCH", one(cast.adam), {"role": "ADMIN"}).status_code == 403
    assert machine.send("PATCH", one(cast.adam), {"role": "READ_WRITE"}).json()["role"] == "READ_WRITE"
    for role in HELD:
        assert machine.send("PATCH", one(cast.adam), {"role": role}).status_code == 403
    assert cast.acme.memberships.get(user=cast.adam).role is Role.READ_WRITE


@pytest.mark.parametrize("user_id", ["8f7a4d0e-1111-4c2b-9a55-000000000001", "me", "1", "%20", "x" * 300])
def test_who_is_no_member_is_404(cast: factories.Cast, user_id: str) -> None:
    let_keys_manage(cast.acme)
    machine = of_service(cast.acme, Role.ADMIN)
    assert machine.send("PATCH", f"{ME}/{user_id}", {"role": "ADMIN"}).status_code == 404
    assert machine.delete(f"{ME}/{user_id}").status_code == 404


def test_the_record_says_which_key_from_where_and_by_which_request(cast: factories.Cast) -> None:
    let_keys_manage(cast.acme)
    key, plaintext = factories.service_key(cast.acme, Role.ADMIN, name="Directory sync")
    answer = Machine(plaintext).delete(one(cast.rob), REMOTE_ADDR="192.0.2.77")
    event = AuditEvent.objects.get(action="member.removed")
    assert (event.via, event.actor_id, event.actor_name) == ("key", None, f"Directory sync ({key.public_id})")
    assert (event.address, event.request_id) == ("192.0.2.77", answer["X-Request-ID"])
    assert (event.account_id, event.target_name) == (cast.acme.pk, "Rob <rob@example.com>")
    key, plaintext = factories.user_key(cast.adam)
    Machine(plaintext, cast.acme).send("PATCH", one(cast.rhea), {"role": "READ_ONLY"})
    event = AuditEvent.objects.get(action="member.role_changed")
    assert (event.via, event.actor_id, event.actor_name) == ("key", cast.adam.pk, f"Laptop CLI ({key.public_id})")
    assert event.details == {"role": "READ_ONLY", "was": "READ_RUN"}


def test_in_a_suspended_account_no_key_manages_anybody(cast: factories.Cast) -> None:
    let_keys_manage(cast.acme)
    machine = of_service(cast.acme, Role.ADMIN)
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    answer = machine.delete(one(cast.rob))
    assert answer.status_code == 403
    assert "suspended" in answer.json()["message"]
