"""manage.py revoke_keys: a dry run until told, and nothing by accident."""

from __future__ import annotations

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey
from tests.factories import Cast, service_key, user_key

pytestmark = pytest.mark.django_db


def revoke_keys(*arguments: Any) -> str:
    out = StringIO()
    call_command("revoke_keys", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_without_apply_nothing_is_changed(cast: Cast) -> None:
    user_key(cast.wendy)
    printed = revoke_keys("--user", "Wendy@example.com", "--reason", "stolen")
    assert "1 key not revoked yet" in printed
    assert "Nothing was changed" in printed
    assert not ApiKey.objects.exclude(revoked_at=None).exists()


def test_all_user_keys_of_a_person_and_no_others(cast: Cast, call_api: Any) -> None:
    _, stolen = user_key(cast.wendy)
    user_key(cast.wendy, name="Second")
    _, service = service_key(cast.acme)
    _, other = user_key(cast.rob)
    assert call_api("/v1/checks", stolen, cast.acme).status_code == 200
    printed = revoke_keys("--user", cast.wendy.email, "--reason", "stolen", "--apply")
    assert "Revoked 2 keys" in printed
    assert call_api("/v1/checks", stolen, cast.acme).status_code == 401
    assert call_api("/v1/checks", service).status_code == 200
    assert call_api("/v1/checks", other, cast.acme).status_code == 200
    assert set(ApiKey.objects.exclude(revoked_at=None).values_list("revoked_reason", flat=True)) == {"stolen"}


def test_all_service_keys_of_an_account_and_no_others(cast: Cast) -> None:
    mine, _ = service_key(cast.acme)
    theirs, _ = service_key(cast.globex)
    users, _ = user_key(cast.olivia)
    revoke_keys("--account", cast.acme.pk, "--reason", "breach", "--apply")
    revoked = set(ApiKey.objects.exclude(revoked_at=None).values_list("pk", flat=True))
    assert revoked == {mine.pk}
    assert {theirs.pk, users.pk}.isdisjoint(revoked)


def test_single_keys_by_public_id(cast: Cast) -> None:
    one, _ = user_key(cast.wendy)
    two, _ = service_key(cast.acme)
    kept, _ = user_key(cast.rob)
    printed = revoke_keys("--key", one.public_id, two.public_id, "--reason", "leaked", "--apply")
    assert "Revoked 2 keys" in printed
    assert ApiKey.objects.get(revoked_at=None) == kept


def test_again_is_harmless(cast: Cast) -> None:
    user_key(cast.wendy)
    revoke_keys("--user", cast.wendy.email, "--reason", "stolen", "--apply")
    assert "Revoked 0 keys" in revoke_keys("--user", cast.wendy.email, "--reason", "again", "--apply")
    assert ApiKey.objects.get().revoked_reason == "stolen"


def test_a_whole_key_is_refused_and_not_repeated(cast: Cast) -> None:
    _, plaintext = user_key(cast.wendy)
    with pytest.raises(CommandError) as error:
        revoke_keys("--key", plaintext, "--reason", "leaked", "--apply")
    assert plaintext not in str(error.value)
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--user", "wendy@example.com", "--account", str(uuid4())),
        ("--user", "nobody@example.com"),
        ("--account", str(uuid4())),
        ("--account", "not-an-id"),
        ("--key", "cu_unknown12345"),
        ("--user", ""),
        ("--user", "%"),
    ],
)
def test_what_names_nothing_is_an_error_never_all(cast: Cast, arguments: tuple[str, ...]) -> None:
    user_key(cast.wendy)
    with pytest.raises(CommandError):
        revoke_keys(*arguments, "--reason", "r", "--apply")
    assert ApiKey.objects.get().revoked_at is None


def test_one_unknown_key_stops_the_whole_command(cast: Cast) -> None:
    key, _ = user_key(cast.wendy)
    with pytest.raises(CommandError, match="cu_unknown12345"):
        revoke_keys("--key", key.public_id, "cu_unknown12345", "--reason", "r", "--apply")
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_reason_is_required(cast: Cast, reason: str) -> None:
    user_key(cast.wendy)
    with pytest.raises(CommandError):
        revoke_keys("--user", cast.wendy.email, "--reason", reason, "--apply")
    assert ApiKey.objects.get().revoked_at is None
