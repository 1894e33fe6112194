"""The account's checks: stored, listed and changed like anywhere, and run by nobody here."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status
from ninja.errors import HttpError
from pydantic import ConfigDict

from keyportal.policy import Level
from keyportal.v1.auth import BearerKey, account_id, actor_of
from keyportal.v1.documents import EXAMPLE_CHECK, MOST_TAGS, CheckOut, DocumentIn, as_sent, check_document, with_any_tag, write
from keyportal.v1.models import Check, CheckGroup
from keyportal.v1.paging import Paging, paged
from keyportal.v1.schemas import Whole, answers

router = Router(tags=["Checks"])


class CheckType(StrEnum):
    """The types as they stand in addresses; answers have them in capitals."""

    API = "api"
    BROWSER = "browser"
    HEARTBEAT = "heartbeat"
    MULTI_STEP = "multistep"
    TCP = "tcp"
    URL = "url"
    DNS = "dns"
    ICMP = "icmp"
    SSL = "ssl"
    GRPC = "grpc"
    TRACEROUTE = "traceroute"
    PLAYWRIGHT = "playwright"


class CheckIn(DocumentIn):
    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_CHECK})

    frequency: Whole = Field(default=10, ge=0, le=24 * 60, description="Minutes between runs.")
    groupId: Whole | None = Field(default=None, description="A check group of the same account.")


class CheckFilters(Schema):
    tag: list[str] = Field(default=[], max_length=MOST_TAGS, description="Checks that have any of these tags.")
    checkType: str = ""
    search: str = Field(default="", description="Part of the name, in any case.")
    status: str = Field(default="", description="Nothing has a status here, since nothing runs: any value finds no check.")
    apiCheckUrlFilterPattern: str = Field(default="", description="Part of an API check's URL, in any case.")
    applyGroupSettings: bool | None = Field(default=None, description="Taken and ignored: groups change no check here.")


@router.get("", response=answers(list[CheckOut]), auth=BearerKey(Level.READ))
def list_checks(request: HttpRequest, response: HttpResponse, paging: Query[Paging], filters: Query[CheckFilters]) -> Any:
    """A page of checks, oldest first."""
    checks = _filtered(Check.objects.filter(account=account_id(request)), filters)
    page = paged(checks, paging, request, response)
    return as_sent(response, [check_document(check, actor_of(request)) for check in page])


def _filtered(checks: QuerySet[Check], filters: CheckFilters) -> QuerySet[Check]:
    if filters.status:
        return checks.none()
    if filters.checkType:
        checks = checks.filter(check_type=filters.checkType.upper())
    if filters.search:
        checks = checks.filter(name__icontains=filters.search)
    if filters.apiCheckUrlFilterPattern:
        checks = checks.filter(url__icontains=filters.apiCheckUrlFilterPattern)
    return with_any_tag(checks, filters.tag)


# One address for both: a new check is posted to its type, and lives at its ID.
ID_OR_TYPE = "/{check}"


@router.get(ID_OR_TYPE, response=answers(CheckOut), auth=BearerKey(Level.READ))
def get_check(request: HttpRequest, response: HttpResponse, check: str) -> Any:
    """One check by its ID."""
    return as_sent(response, check_document(_check(request, check), actor_of(request)))


@router.post(ID_OR_TYPE, response=answers(CheckOut, 201, takes_body=True), auth=BearerKey(Level.WRITE))
def create_check(request: HttpRequest, response: HttpResponse, check: CheckType, body: CheckIn) -> Any:
    """A new check of the type that the address names."""
    with transaction.atomic():
        made = Check(account_id=account_id(request), check_type=check.name, group_id=_group_id(request, body.groupId))
        _write(made, body)
    return as_sent(response, check_document(made, actor_of(request)), 201)


@router.put("/{check_type}/{check_id}", response=answers(CheckOut, takes_body=True), auth=BearerKey(Level.WRITE))
def update_check(request: HttpRequest, response: HttpResponse, check_type: CheckType, check_id: str, body: CheckIn) -> Any:
    """Other values for what the body names. The rest stays, and so does the type."""
    with transaction.atomic():
        # The group before the check, as deleting a group locks them: otherwise each could wait for the other.
        group_id = _group_id(request, body.groupId)
        check = _check(request, check_id, Check.objects.select_for_update().filter(check_type=check_type.name))
        if "groupId" in body.model_fields_set:
            check.group_id = group_id
        _write(check, body)
    return as_sent(response, check_document(check, actor_of(request)))


@router.delete(ID_OR_TYPE, response=answers(None, 204), auth=BearerKey(Level.WRITE))
def delete_check(request: HttpRequest, check: str) -> Any:
    """The check's end."""
    _check(request, check).delete()
    return Status(204, None)


def _write(check: Check, body: CheckIn) -> None:
    write(check, body)
    sent_request = check.document.get("request")
    url = sent_request.get("url") if isinstance(sent_request, dict) else ""
    check.url = url if isinstance(url, str) else ""
    check.save()


def _check(request: HttpRequest, check_id: str, checks: QuerySet[Check] | None = None) -> Check:
    """The account's check. What is no UUID is no check either."""
    try:
        pk = UUID(check_id)
    except ValueError:
        raise Http404(MISSING) from None
    check = (Check.objects.all() if checks is None else checks).filter(account=account_id(request), pk=pk).first()
    if check is None:
        raise Http404(MISSING)
    return check


MISSING = "This check does not exist."


def _group_id(request: HttpRequest, group_id: int | None) -> int | None:
    """The same ID, of a group of the account that is locked and so cannot be deleted meanwhile."""
    if group_id is None:
        return None
    if not CheckGroup.objects.select_for_update(no_key=True).filter(account=account_id(request), pk=group_id).exists():
        raise HttpError(400, "groupId: this check group does not exist.")
    return group_id
