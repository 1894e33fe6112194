"""The account's stored checks."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from keyportal.policy import Level
from keyportal.v1 import schemas
from keyportal.v1.auth import BearerKey, account_id
from keyportal.v1.models import Check

router = Router(tags=["Checks"])

# Beyond this no list of ours goes, and a larger number would overflow the database's integers.
FURTHEST_PAGE = 1_000_000


@router.get("", response=list[schemas.Check], auth=BearerKey(Level.READ))
def list_checks(
    request: HttpRequest,
    response: HttpResponse,
    limit: int = Query(10, ge=1, le=100),
    page: int = Query(1, ge=1, le=FURTHEST_PAGE),
) -> Any:
    """A page of checks, oldest first. The header `content-range` gives places and total, as in `0-9/23`."""
    checks = Check.objects.filter(account=account_id(request))
    first, total = (page - 1) * limit, checks.count()
    rows = [_answer(check) for check in checks[first : first + limit]]
    response["Content-Range"] = f"{first}-{first + len(rows) - 1}/{total}" if rows else f"*/{total}"
    return rows


def _answer(check: Check) -> dict[str, Any]:
    return {
        "id": check.pk,
        "name": check.name,
        "checkType": check.check_type,
        "activated": check.activated,
        "muted": check.muted,
        "frequency": check.frequency,
        "locations": check.locations,
        "tags": check.tags,
        "created_at": check.created_at,
        "updated_at": check.updated_at,
    }
