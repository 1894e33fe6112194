"""Who is compared: where each is asked, with which credential, and what its right answer and its refusal are."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from tests.benchmarks.seed import PASSWORD, Asked

Headers = dict[str, str]
BASE = "bare view + one SELECT"
VERIFY, ME, CHECK = "/gateway/verify", "/v1/accounts/me", "check on a bare view"


@dataclass(frozen=True)
class Contender:
    """`kind` is "base", "ours", "peer" or "password"; `costs` is about how many others' time one request takes."""

    name: str
    kind: str
    path: str
    headers: Callable[[Asked], Headers] = lambda _: {}
    right: Callable[[Asked], dict[str, str | bool]] = lambda _: {"ok": True}
    form: Callable[[Asked], str] | None = None
    wrong: Callable[[Asked], Asked] | None = None
    costs: int = 1

    def is_right(self, status: int, body: bytes, asked: Asked) -> bool:
        return status == HTTPStatus.OK and self.right(asked).items() <= json.loads(body).items()

    def is_refusal(self, status: int, body: bytes) -> bool:
        return status in (401, 403) or (status == HTTPStatus.OK and json.loads(body) == {"active": False})


def _key(asked: Asked) -> Headers:
    return {"Authorization": f"Bearer {asked['key']}", "X-Checkly-Account": asked["account"]}


def _token(name: str, scheme: str) -> Callable[[Asked], Headers]:
    return lambda asked: {"Authorization": f"{scheme} {asked[name]}"}


def _basic(asked: Asked) -> Headers:
    return {"Authorization": "Basic " + base64.b64encode(f"{asked['email']}:{asked['password']}".encode()).decode()}


def _mistaken(name: str) -> Callable[[Asked], Asked]:
    """The same with another last character."""

    def mistaken(asked: Asked) -> Asked:
        text = asked[name]
        return asked | {name: text[:-1] + ("0" if text[-1] != "0" else "1")}

    return mistaken


def wrong_secret(asked: Asked) -> Asked:
    """A key of the same public ID that parses, and that nobody was given."""
    return asked | {"key": _checked(asked["key"][:15] + "_" + "A" * 43)}


def unknown(asked: Asked) -> Asked:
    """A key that parses and whose public ID is nobody's: those of the fillers are lower case."""
    return asked | {"key": _checked("cu_" + asked["public_id"][3:].upper()[:11] + "Z" + asked["key"][15:59])}


malformed = _mistaken("key")


def _checked(body: str) -> str:
    from apikeys.secret import checksum

    return body + checksum(body)


ALL = [
    Contender("bare view", "base", "/peers/bare"),
    Contender(BASE, "base", "/peers/select", _key, wrong=unknown),
    Contender(CHECK, "ours", "/peers/check", _key, wrong=wrong_secret),
    Contender(
        VERIFY, "ours", VERIFY, _key, lambda asked: {"key": asked["public_id"], "role": "READ_WRITE"}, wrong=wrong_secret
    ),
    Contender(ME, "ours", ME, _key, lambda asked: {"id": asked["account"]}, wrong=wrong_secret),
    Contender("DRF TokenAuthentication", "peer", "/peers/drf", _token("drf", "Token"), wrong=_mistaken("drf")),
    Contender(
        "djangorestframework-api-key", "peer", "/peers/api-key", _token("api_key", "Api-Key"), wrong=_mistaken("api_key")
    ),
    Contender("django-rest-knox", "peer", "/peers/knox", _token("knox", "Token"), wrong=_mistaken("knox")),
    Contender("django-oauth-toolkit, bearer", "peer", "/peers/oauth", _token("oauth", "Bearer"), wrong=_mistaken("oauth")),
    Contender(
        "django-oauth-toolkit, introspection",
        "peer",
        "/peers/introspect",
        _token("introspector", "Bearer"),
        lambda asked: {"active": True, "username": asked["email"]},
        form=lambda asked: f"token={asked['oauth']}",
        wrong=_mistaken("oauth"),
    ),
    Contender(
        "check_password, Argon2 at Django’s cost",
        "password",
        "/peers/password",
        lambda asked: _basic({"password": PASSWORD} | asked),
        wrong=lambda asked: asked | {"password": "another long password"},
        costs=100,
    ),
]
BY_NAME = {contender.name: contender for contender in ALL}
