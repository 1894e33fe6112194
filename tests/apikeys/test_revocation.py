"""Revocation: by whom, with what effect, and for good."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from apikeys import models
from apikeys.models import ApiKey
from keyportal import policy
from keyportal.policy import Role
from tests.factories import Cast, service_key, user_key

pytestmark = pytest.mark.django_db


def test_a_user_key_is_revoked_by_its_user_alone(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    for other in (cast.olivia, cast.adam, cast.rob, cast.eve):
        with pytest.raises(PermissionDenied):
            key.revoke(by=cast.actor(other, cast.acme))
    assert key.revoke(by=cast.actor(cast.wendy)) is True


@pytest.mark.parametrize("role", list(Role))
def test_a_service_key_is_revoked_by_admin_and_owner(cast: Cast, role: Role) -> None:
    key, _ = service_key(cast.acme)
    actor = cast.actor(cast.member(role), cast.acme)
    if role in (Role.ADMIN, Role.OWNER):
        assert key.revoke(by=actor) is True
    else:
        with pytest.raises(PermissionDenied):
            key.revoke(by=actor)


def test_an_owner_elsewhere_revokes_nothing_here(cast: Cast) -> None:
    key, _ = service_key(cast.acme)
    with pytest.raises(PermissionDenied):
        key.revoke(by=cast.actor(cast.eve, cast.globex))


def test_a_demotion_counts_though_the_page_was_open_before(cast: Cast) -> None:
    key, _ = service_key(cast.acme)
    adam = cast.actor(cast.adam, cast.acme)
    cast.acme.memberships.filter(user=cast.adam).update(stored_role=Role.READ_WRITE)
    with pytest.raises(PermissionDenied):
        key.revoke(by=adam)
    with pytest.raises(PermissionDenied):
        ApiKey.objects.issue_service_key(by=adam, account=cast.acme, name="Late", role=Role.READ_ONLY)


def test_an_operator_revokes_with_a_reason_only(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    with pytest.raises(PermissionDenied, match="reason"):
        key.revoke(by=operator_at_shell())
    assert key.revoke(by=operator_at_shell(), reason="laptop stolen") is True
    key.refresh_from_db()
    assert (key.revoked_reason, key.revoked_by) == ("laptop stolen", None)
    assert key.revoked_by_name.endswith("at the shell")


def test_revoking_twice_changes_nothing(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    assert key.revoke(by=cast.actor(cast.wendy), reason="first") is True
    first = ApiKey.objects.get(pk=key.pk)
    assert key.revoke(by=cast.actor(cast.wendy), reason="second") is False
    again = ApiKey.objects.get(pk=key.pk)
    assert (again.revoked_at, again.revoked_reason) == (first.revoked_at, "first")
    assert AuditEvent.objects.filter(action="key.revoked").count() == 1


@pytest.mark.parametrize(
    "change",
    [{"revoked_at": None}, {"revoked_at": "now"}, {"secret_hash": "$argon2id$other"}, {"public_id": "cu_000000000000"}],
)
def test_the_database_itself_keeps_a_revoked_key_revoked(cast: Cast, change: dict[str, Any]) -> None:
    key, _ = user_key(cast.wendy)
    key.revoke(by=cast.actor(cast.wendy))
    values = {name: timezone.now() if value == "now" else value for name, value in change.items()}
    with pytest.raises(DatabaseError, match="stays revoked"), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(**values)


def test_the_row_of_a_key_cannot_be_deleted(cast: Cast) -> None:
    user_key(cast.wendy)
    with pytest.raises(DatabaseError, match="row of a key stays"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM apikeys_apikey")


def test_many_keys_go_in_batches_with_one_event_each(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "BATCH", 3)
    keys = [user_key(cast.wendy, name=f"Key {n}")[0] for n in range(8)]
    other, _ = user_key(cast.rob)
    keys[0].revoke(by=cast.actor(cast.wendy))
    assert ApiKey.objects.filter(user=cast.wendy).revoke(by=operator_at_shell(), reason="left") == 7
    assert not ApiKey.objects.filter(user=cast.wendy, revoked_at=None).exists()
    assert AuditEvent.objects.filter(action="key.revoked", target_type="key").count() == 8
    other.refresh_from_db()
    assert other.revoked_at is None


def test_a_refused_key_leaves_its_batch_untouched(cast: Cast) -> None:
    own, _ = user_key(cast.wendy)
    user_key(cast.rob)
    with pytest.raises(PermissionDenied):
        ApiKey.objects.filter(user__isnull=False).revoke(by=cast.actor(cast.wendy))
    own.refresh_from_db()
    assert own.revoked_at is None


def test_the_list_rule_and_its_queryset_agree_for_every_actor_and_key(cast: Cast) -> None:
    people = (cast.olivia, cast.adam, cast.wendy, cast.rhea, cast.rob, cast.eve)
    for user in people:
        user_key(user)
    for account in (cast.acme, cast.globex):
        service_key(account)
    actors = [cast.actor(user, account) for user in people for account in (None, cast.acme, cast.globex)]
    for actor in [*actors, operator_at_shell()]:
        allowed = {key.pk for key in ApiKey.objects.all() if policy.can_see_key(actor, key) is True}
        assert set(ApiKey.objects.visible_to(actor).values_list("pk", flat=True)) == allowed


def test_a_key_belongs_to_a_user_or_an_account_and_only_the_second_has_a_role(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    wrong: list[dict[str, Any]] = [{"account": cast.acme}, {"role": "ADMIN"}, {"user": None}]
    for change in wrong:
        with pytest.raises(DatabaseError), transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).update(**change)
    service, _ = service_key(cast.acme)
    for role in ("OWNER", "", "admin"):
        with pytest.raises(DatabaseError), transaction.atomic():
            ApiKey.objects.filter(pk=service.pk).update(role=role)
