"""How each operation learns who asks. Every one of them declares one of these three."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security.base import AuthBase

from apikeys.authentication import ACCOUNT_HEADER, account_named
from apikeys.limited_check import api_limit, check_within_limits
from apikeys.usage import Outcome
from apikeys.use import note_use, outcome_of_denial
from keyportal import policy
from keyportal.client import client_address
from keyportal.policy import Actor, Level


def actor_of(request: HttpRequest) -> Actor:
    """Who the checked key makes of the caller."""
    return request.actor  # type: ignore[attr-defined,no-any-return]


def account_id(request: HttpRequest) -> UUID:
    """The account that the checked key speaks in."""
    actor = actor_of(request)
    if actor.account_id is None:
        raise RuntimeError("This operation declares no authentication that gives an account.")
    return actor.account_id


class BearerKey(AuthBase):
    """A key that has the right `level` in the account that the request is about."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, level: Level) -> None:
        self.level = level
        super().__init__()

    def __call__(self, request: HttpRequest) -> Actor:
        account = self.account_named(request)
        checked = check_within_limits(request, account, api_limit())
        actor = replace(checked.actor, address=client_address(request), request_id=request.request_id)  # type: ignore[attr-defined]
        request.actor = actor  # type: ignore[attr-defined]
        request.key_expires = checked.expires  # type: ignore[attr-defined]
        try:
            self.decide(actor, request)
        except (PermissionDenied, HttpError):
            note_use(checked, outcome_of_denial(checked), request)
            raise
        note_use(checked, Outcome.ALLOWED, request)
        return actor

    def account_named(self, request: HttpRequest) -> str | None:
        """The account's ID as the request gives it: in the header."""
        return account_named(request)

    def decide(self, actor: Actor, request: HttpRequest) -> None:
        if actor.user_id is not None and self.account_named(request) is None:
            raise HttpError(400, f"Name the account in the header {ACCOUNT_HEADER}: a user key works in several.")
        policy.require(policy.can_call(actor, self.level))


class BearerKeyOfPathAccount(BearerKey):
    """The same for an operation on the account in the path: a user key's header does not matter."""

    def account_named(self, request: HttpRequest) -> str | None:
        resolved: dict[str, Any] = request.resolver_match.kwargs if request.resolver_match else {}
        return str(resolved["account_id"])

    def decide(self, actor: Actor, request: HttpRequest) -> None:
        header = account_named(request)
        if actor.user_id is None and header is not None and header.lower() != str(actor.account_id):
            policy.require(policy.NO_ACCESS)
        super().decide(actor, request)


class BearerKeyOfAnyAccount(BearerKey):
    """The same for an operation on all that the key reaches: a user key needs no account at all."""

    def decide(self, actor: Actor, request: HttpRequest) -> None:
        if actor.user_id is None:
            super().decide(actor, request)
