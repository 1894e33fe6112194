"""What this installation offers an account, as clients show it under "plan": the truth, and no upgrade to sell."""

from __future__ import annotations

from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from keyportal.policy import Level
from keyportal.v1.auth import BearerKey, BearerKeyOfPathAccount
from keyportal.v1.catalog import LOCATIONS
from keyportal.v1.schemas import answers

router = Router(tags=["Accounts"])


class PlanLocation(Schema):
    id: str
    name: str
    available: bool


class PlanLocations(Schema):
    all: list[PlanLocation]
    maxPerCheck: int


class Entitlement(Schema):
    key: str
    name: str
    description: str
    type: Literal["flag", "metered"]
    enabled: bool
    quantity: int | None = None


class Entitlements(Schema):
    plan: str
    planDisplayName: str
    addons: dict[str, str]
    locations: PlanLocations
    entitlements: list[Entitlement]


@router.get("/me/entitlements", response=answers(Entitlements), auth=BearerKey(Level.READ), exclude_none=True)
def list_my_entitlements(request: HttpRequest) -> Any:
    """What the account that the header names may use."""
    return _entitlements()


@router.get(
    "/{account_id}/entitlements", response=answers(Entitlements), auth=BearerKeyOfPathAccount(Level.READ), exclude_none=True
)
def list_entitlements(request: HttpRequest, account_id: str) -> Any:
    """The same for one account."""
    return _entitlements()


def _entitlements() -> dict[str, Any]:
    return {
        "plan": "SELF_HOSTED",
        "planDisplayName": "Self-hosted",
        "addons": {},
        "locations": {
            "all": [{"id": one["region"], "name": one["name"], "available": False} for one in LOCATIONS],
            "maxPerCheck": 0,
        },
        "entitlements": [
            _flag("USER_API_KEYS", "User API keys", "Keys that act as a person, with the role that person has."),
            _flag("SERVICE_API_KEYS", "Service API keys", "Keys of the account itself, each with its own role."),
            _flag("ENVIRONMENT_VARIABLES", "Variables", "Named values, locked or secret where they should be."),
            _flag("CHECKS", "Checks and check groups", "Stored and listed. They are not run here."),
            _flag("RUN_CHECKS", "Runs", "Running checks, deploying and testing are not offered.", enabled=False),
            _metered("API_REQUESTS_PER_MINUTE", "Requests", "Of one key in a minute.", settings.API_REQUESTS_PER_MINUTE),
            _metered("INVITATIONS_PER_DAY", "Invitations", "Sent by one account in a day.", settings.INVITATIONS_PER_DAY),
        ],
    }


def _flag(key: str, name: str, description: str, *, enabled: bool = True) -> dict[str, Any]:
    return {"key": key, "name": name, "description": description, "type": "flag", "enabled": enabled}


def _metered(key: str, name: str, description: str, quantity: int) -> dict[str, Any]:
    """Without a quantity where there is no limit, which the settings write as 0."""
    entitlement = {"key": key, "name": name, "description": description, "type": "metered"}
    return entitlement | {"enabled": True, "quantity": quantity or None}
