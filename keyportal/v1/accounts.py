"""Accounts that a key reaches."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from accounts.models import Account
from keyportal.policy import Actor, Level
from keyportal.v1 import schemas
from keyportal.v1.auth import BearerKey, BearerKeyOfAnyAccount, BearerKeyOfPathAccount, account_id

router = Router(tags=["Accounts"])


@router.get("", response=list[schemas.Account], auth=BearerKeyOfAnyAccount(Level.READ))
def list_accounts(request: HttpRequest) -> Any:
    """All accounts in which the key works now: its user's, or the one of a service key."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if actor.user_id is None:
        return Account.objects.filter(pk=account_id(request))
    return Account.objects.filter(memberships__user_id=actor.user_id, suspended_at=None).order_by("created_at", "pk")


@router.get("/me", response=schemas.Account, auth=BearerKey(Level.READ))
def get_my_account(request: HttpRequest) -> Any:
    """The account that the header names, or that a service key belongs to."""
    return _account_of(request)


@router.get("/{account_id}", response=schemas.Account, auth=BearerKeyOfPathAccount(Level.READ))
def get_account(request: HttpRequest, account_id: str) -> Any:
    """One account by its ID."""
    return _account_of(request)


def _account_of(request: HttpRequest) -> dict[str, Any]:
    """The check has read all that is answered here: no second query."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return {"id": actor.account_id, "name": actor.account_name}
