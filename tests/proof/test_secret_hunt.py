"""No piece of a key or of its hash, 16 characters long, is anywhere but in the one answer that reveals the key.

Keys are made, used, misused and looked at, and things crash while a secret is in memory, with DEBUG off and on. Then
every table, session, log line, mail, cache entry, crash report, header and page is searched.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import argon2
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.audit import AuditEvent
from apikeys import authentication, secret, views
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests import factories
from tests.proof.doors import ADMIN, ALLAUTH, OURS, doors_of
from tests.proof.hunt import Hunt
from tests.sessions import browser_of

_nonces = (f"a-nonce-of-the-hunt-{n}" for n in itertools.count())


@pytest.fixture(params=[False, True], ids=["production", "debug"])
def debug(request: pytest.FixtureRequest, settings: Any) -> bool:
    settings.DEBUG = request.param
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "hunt"}}
    return bool(request.param)


@pytest.fixture
def hunt(debug: bool, db: None) -> Iterator[Hunt]:
    with Hunt() as opened:
        yield opened


def browser(user: Any) -> Client:
    client = browser_of(user)
    client.raise_request_exception = False
    return client


def create_user_key(client: Client) -> Any:
    return client.post(reverse("user_key_new"), {"name": "Laptop", "expires": "30", "nonce": next(_nonces)})


def create_service_key(client: Client, account: Any) -> Any:
    form = {"name": "Deploy", "role": Role.READ_WRITE.value, "expires": "never", "nonce": next(_nonces)}
    return client.post(reverse("service_key_new", args=[account.pk]), form)


def rotate(client: Client, key: ApiKey, overlap: str = "24h") -> Any:
    return client.post(key.rotate_url, {"overlap": overlap, "nonce": next(_nonces)})


def call(hunt: Hunt, key: str, path: str = "/v1/accounts/me", **headers: str) -> HttpResponse:
    client = Client(raise_request_exception=False)
    response = client.get(path, headers={"Authorization": f"Bearer {key}", "User-Agent": "curl/8", **headers})
    return hunt.heard(f"GET {path} with a key", response)  # type: ignore[no-any-return]


def test_a_piece_that_leaks_is_found(hunt: Hunt, cast: factories.Cast) -> None:
    """The hunt itself: a piece of a key in a table, a session, a page, a log; and a hash outside its column."""
    olivia = browser(cast.olivia)
    key = hunt.revealed("the reveal", create_user_key(olivia))
    assert hunt.finds() == []
    piece = key[-30:-12]
    cast.acme.name = f"{piece} Ltd"
    cast.acme.save()
    hunt.get(olivia, reverse("user_keys"))
    session = olivia.session
    session["parked"] = key
    session.save()
    cast.globex.name = ApiKey.objects.latest("pk").secret_hash[:100]
    cast.globex.save()
    places = {find.split(" in ")[1].partition(":")[0] for find in hunt.finds()}
    assert places >= {"accounts_account.name", "session", f"body of GET {reverse('user_keys')}"}
    assert sum("accounts_account.name" in find for find in hunt.finds()) >= 2


def test_making_using_and_looking_at_keys_leaks_nothing(hunt: Hunt, cast: factories.Cast) -> None:
    olivia, oscar = browser(cast.olivia), browser(cast.oscar)
    user_key = hunt.revealed("the reveal of a user key", create_user_key(olivia))
    service_key = hunt.revealed("the reveal of a service key", create_service_key(olivia, cast.acme))
    deleted = hunt.revealed("the reveal of a key to delete", create_user_key(olivia))
    hunt.heard("deleting", olivia.post(reverse("user_key_delete", args=[deleted[:15]])))

    acme = {"X-Checkly-Account": str(cast.acme.pk)}
    for number, (old, overlap) in enumerate([(user_key, "24h"), (service_key, "7d"), (create_user_key(olivia), "0")]):
        plaintext = old if isinstance(old, str) else hunt.revealed("the reveal of a key to replace", old)
        row = ApiKey.objects.get(public_id=plaintext[:15])
        successor = hunt.revealed(f"the reveal of rotation {number}", rotate(olivia, row, overlap))
        assert call(hunt, successor, **acme).status_code == 200
        assert call(hunt, plaintext, **acme).status_code == (401 if overlap == "0" else 200)
        again = hunt.heard("a rotation of a key that was rotated", rotate(olivia, row))
        assert again.status_code == 409
        hunt.heard("renaming", olivia.post(row.rename_url, {"name": "Renamed"}))
    assert call(hunt, user_key, **acme).status_code == 200
    assert call(hunt, user_key).status_code == 400
    assert call(hunt, user_key, **{"X-Checkly-Account": str(cast.globex.pk)}).status_code == 403
    assert call(hunt, service_key).status_code == 200
    assert call(hunt, service_key, "/v1/checks?limit=x").status_code == 400
    assert call(hunt, deleted).status_code == 401
    mistyped = _mistyped(user_key)
    hunt.plaintexts.append(mistyped)
    assert call(hunt, mistyped).status_code == 401
    assert call(hunt, f"{user_key}, {service_key}").status_code == 401
    for path in ("/v1/accounts", "/v1/nothing", "/settings/user/api-keys", "/nothing"):
        call(hunt, user_key, path, **acme)
    refused = Client(raise_request_exception=False)
    hunt.heard("a form sent again", olivia.post(reverse("user_key_new"), _replayed(olivia)))
    form = {"overlap": "24h", "nonce": next(_nonces)}
    row = ApiKey.objects.filter(user=cast.olivia, name="Twice").get()
    hunt.revealed("the reveal of a rotation to repeat", olivia.post(row.rotate_url, form))
    assert hunt.heard("a rotation sent again", olivia.post(row.rotate_url, form)).status_code == 409
    hunt.heard("a bad form", olivia.post(reverse("user_key_new"), {"name": "", "nonce": "x"}))
    hunt.heard("a form of nobody", refused.post(reverse("user_key_new"), {"name": "x"}, headers={"Authorization": user_key}))

    answers = [hunt.get(client, path).status_code for path in _all_pages(cast) for client in (olivia, oscar)]
    assert answers.count(200) >= 40
    hunt.get(oscar, reverse("admin:apikeys_apikey_changelist"), query_params={"q": user_key[:20]})
    hunt.get(oscar, reverse("admin:apikeys_apikey_changelist"), query_params={"secret_hash__startswith": "$argon2id"})
    assert hunt.finds() == []


def _all_pages(cast: factories.Cast) -> Iterator[str]:
    """Every page of ours and of the admin, for every key and every record where a page is about one."""
    for key in ApiKey.objects.all():
        for door in doors_of(OURS):
            if "public_id" in door.route:
                yield door.path(account_id=cast.acme.pk, public_id=key.public_id)
        for door in doors_of(ADMIN):
            if "apikey/<path:object_id>" in door.route:
                yield door.path(object_id=key.pk)
    for record in AuditEvent.objects.filter(target_type="key"):
        yield reverse("admin:accounts_auditevent_change", args=[record.pk])
    for door in doors_of(OURS):
        if "public_id" not in door.route and not door.name.startswith(("v1:", "gateway:")):  # keys open those
            yield door.path(
                account_id=cast.acme.pk, section="api-keys", user_id=cast.rob.pk, invitation_id=uuid4(), token="no-such-token"
            )
    for door in [*doors_of(ADMIN), *doors_of(ALLAUTH)]:
        if "<" not in door.route:
            yield door.path()


def _replayed(client: Client) -> dict[str, str]:
    form = {"name": "Twice", "expires": "30", "nonce": next(_nonces)}
    client.post(reverse("user_key_new"), form)
    return form


def _mistyped(key: str) -> str:
    """Another secret under the same public ID, checksum and all."""
    body = key[:-6][:-1] + ("A" if key[-7] != "A" else "B")
    return body + secret.checksum(body)


Crash = Callable[[pytest.MonkeyPatch], None]


def _boom(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("crashed on purpose")


def _in_the_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AuditEvent, "save", _boom)


def _in_the_template(patch: pytest.MonkeyPatch) -> None:
    real = views.render

    def render(request: HttpRequest, template: str, context: Any = None, **kwargs: Any) -> HttpResponse:
        if template == "apikeys/key_created.html":
            context = {**context, "facts": _Unrenderable()}
        return real(request, template, context, **kwargs)

    patch.setattr(views, "render", render)


class _Unrenderable:
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("crashed on purpose")


def _in_the_page(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(views, "render", lambda request, template, context, **kwargs: _boom())


def _in_the_hashing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(argon2, "low_level", None)
    patch.setattr(argon2._password_hasher, "hash_secret", _boom)


def _in_the_checksum(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(zlib, "crc32", _boom)


@pytest.mark.parametrize("crash", [_in_the_record, _in_the_template, _in_the_page, _in_the_hashing, _in_the_checksum])
@pytest.mark.parametrize("kind", ["user", "service", "rotation"])
def test_a_crash_while_a_key_is_made_leaks_nothing(
    hunt: Hunt, cast: factories.Cast, monkeypatch: pytest.MonkeyPatch, crash: Crash, kind: str
) -> None:
    olivia = browser(cast.olivia)
    old, _ = factories.user_key(cast.olivia)
    make = {
        "user": lambda: create_user_key(olivia),
        "service": lambda: create_service_key(olivia, cast.acme),
        "rotation": lambda: rotate(olivia, old),
    }
    made = _remember_what_is_generated(monkeypatch, hunt)
    with monkeypatch.context() as patch:
        crash(patch)
        response = make[kind]()
    hunt.heard("the crash", response)
    assert response.status_code == 500
    assert "crashed on purpose" in hunt.log
    assert made == hunt.plaintexts
    assert hunt.finds() == []


def _remember_what_is_generated(monkeypatch: pytest.MonkeyPatch, hunt: Hunt) -> list[str]:
    """A crash hides the key from the test as well: rebuild it from the random characters that were drawn."""
    drawn: list[str] = []
    real = secret.secrets.choice

    def choose(alphabet: str) -> str:
        drawn.append(real(alphabet))
        if len(drawn) == secret.PUBLIC_LENGTH + secret.SECRET_LENGTH:
            hunt.plaintexts.append("".join(drawn) + "000000")
        return drawn[-1]

    generate = secret.Secret.generate.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(secret.Secret, "generate", classmethod(lambda cls, kind: generate(cls, kind, choose)))
    return hunt.plaintexts


def _in_the_verification(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(secret, "verify_secret", _boom)


def _in_the_look_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(authentication, "_look_up", _boom)


def _in_the_unpacking(patch: pytest.MonkeyPatch) -> None:
    def torn(row: Any) -> Iterator[Any]:
        yield from row[:5]
        _boom()

    real = authentication._look_up
    patch.setattr(authentication, "_look_up", lambda *args: torn(real(*args)))


def _in_the_decision(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(authentication, "Role", _boom)


def _in_the_operation(patch: pytest.MonkeyPatch) -> None:
    from keyportal.v1 import accounts

    patch.setattr(accounts, "_account_of", _boom)


CHECK_CRASHES = [
    _in_the_checksum,
    _in_the_look_up,
    _in_the_unpacking,
    _in_the_verification,
    _in_the_decision,
    _in_the_operation,
]


@pytest.mark.parametrize("crash", CHECK_CRASHES)
def test_a_crash_while_a_key_is_checked_leaks_nothing(
    hunt: Hunt, cast: factories.Cast, monkeypatch: pytest.MonkeyPatch, crash: Crash
) -> None:
    key = factories.service_key(cast.acme)[1]
    hunt.plaintexts.append(key)
    with monkeypatch.context() as patch:
        crash(patch)
        assert call(hunt, key).status_code == 500
    assert "crashed on purpose" in hunt.log
    assert hunt.finds() == []


def test_a_crash_whose_message_quotes_a_key_or_a_hash_leaks_nothing(
    hunt: Hunt, cast: factories.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PostgreSQL does: "Failing row contains (…)"."""
    row, key = factories.service_key(cast.acme)
    hunt.plaintexts.append(key)

    def quoting(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(f"crashed on purpose: Failing row contains ({key}, {row.secret_hash}).")

    with monkeypatch.context() as patch:
        patch.setattr(authentication, "_look_up", quoting)
        patch.setattr(views, "list_keys", quoting)
        assert call(hunt, key).status_code == 500
        assert hunt.get(browser(cast.olivia), reverse("user_keys")).status_code == 500
    assert hunt.log.count("crashed on purpose") >= 2
    assert hunt.finds() == []


def test_a_key_sent_where_none_belongs_is_not_repeated_by_a_crash(
    hunt: Hunt, cast: factories.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the query, in a cookie, in a form field, in a header of another name, and as Basic credentials."""
    key = factories.user_key(cast.olivia)[1]
    hunt.plaintexts.append(key)
    olivia = browser(cast.olivia)
    olivia.cookies["api_key"] = key
    with monkeypatch.context() as patch:
        # In the page, since the API's own handler keeps crashes from the debug page.
        patch.setattr(views, "list_keys", _boom)
        headers = {"X-API-Key": key, "Authorization": f"Basic {key}"}
        response = olivia.get(reverse("user_keys"), query_params={"token": key}, headers=headers)
        hunt.heard("a crash with the key in the query", response)
        form = {"name": "", "api_key": key}
        hunt.heard("a crash with the key in the form", olivia.post(reverse("user_key_new"), form, headers=headers))
    assert hunt.log.count("crashed on purpose") >= 2
    assert hunt.finds() == []
