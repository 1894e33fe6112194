"""Accounts that a key reaches."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from accounts.models import Account
from keyportal.policy import Level
from keyportal.v1.auth import BearerKey, BearerKeyOfAnyAccount, BearerKeyOfPathAccount, account_id, actor_of
from keyportal.v1.schemas import Account as AccountOut
from keyportal.v1.schemas import answers

router = Router(tags=["Accounts"])
# The same two calls again, under the root that Checkly's command line uses.
router_next = Router(tags=["Identity"])


def _next(name: str) -> dict[str, Any]:
    return {"operation_id": f"next_{name}", "url_name": f"next_{name}"}


@router.get("", response=answers(list[AccountOut]), auth=BearerKeyOfAnyAccount(Level.READ))
@router_next.get("", response=answers(list[AccountOut]), auth=BearerKeyOfAnyAccount(Level.READ), **_next("list_accounts"))
def list_accounts(request: HttpRequest) -> Any:
    """All accounts in which the key works now: its user's, or the one of a service key."""
    actor = actor_of(request)
    if actor.user_id is None:
        return Account.objects.filter(pk=account_id(request))
    return Account.objects.filter(memberships__user_id=actor.user_id, suspended_at=None).order_by("created_at", "pk")


@router.get("/me", response=answers(AccountOut), auth=BearerKey(Level.READ))
def get_my_account(request: HttpRequest) -> Any:
    """The account that the header names, or that a service key belongs to."""
    return _account_of(request)


@router.get("/{account_id}", response=answers(AccountOut), auth=BearerKeyOfPathAccount(Level.READ))
@router_next.get("/{account_id}", response=answers(AccountOut), auth=BearerKeyOfPathAccount(Level.READ), **_next("get_account"))
def get_account(request: HttpRequest, account_id: str) -> Any:
    """One account by its ID."""
    return _account_of(request)


def _account_of(request: HttpRequest) -> dict[str, Any]:
    """The check has read all that is answered here: no second query."""
    actor = actor_of(request)
    return {"id": actor.account_id, "name": actor.account_name}
