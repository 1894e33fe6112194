"""The account's check groups: documents with variables of their own, which checks may name."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status

from keyportal.policy import Level
from keyportal.v1.auth import BearerKey, account_id, actor_of
from keyportal.v1.documents import MOST_TAGS, CheckGroupOut, DocumentIn, as_sent, group_document, with_any_tag, write
from keyportal.v1.models import CheckGroup
from keyportal.v1.paging import Paging, paged
from keyportal.v1.schemas import Whole, answers

router = Router(tags=["Check groups"])
# Checkly's second version of the same resource, of which clients call one operation.
router_v2 = Router(tags=["Check groups"])


class CheckGroupIn(DocumentIn):
    concurrency: Whole = Field(default=1, ge=1, le=1000, description="How many of its checks run at once, where they run.")


class CheckGroupFilters(Schema):
    tag: list[str] = Field(default=[], max_length=MOST_TAGS, description="Groups that have any of these tags.")
    name: str = Field(default="", description="Part of the name, in any case.")


@router.get("", response=answers(list[CheckGroupOut]), auth=BearerKey(Level.READ))
def list_check_groups(
    request: HttpRequest, response: HttpResponse, paging: Query[Paging], filters: Query[CheckGroupFilters]
) -> Any:
    """A page of check groups, oldest first."""
    groups = with_any_tag(CheckGroup.objects.filter(account=account_id(request)), filters.tag)
    if filters.name:
        groups = groups.filter(name__icontains=filters.name)
    page = paged(groups, paging, request, response)
    return as_sent(response, [group_document(group, actor_of(request)) for group in page])


@router.post("", response=answers(CheckGroupOut, 201, takes_body=True), auth=BearerKey(Level.WRITE))
def create_check_group(request: HttpRequest, response: HttpResponse, body: CheckGroupIn) -> Any:
    """A new check group."""
    group = CheckGroup(account_id=account_id(request))
    write(group, body)
    group.save()
    return as_sent(response, group_document(group, actor_of(request)), 201)


@router.get("/{group_id}", response=answers(CheckGroupOut), auth=BearerKey(Level.READ))
def get_check_group(request: HttpRequest, response: HttpResponse, group_id: str) -> Any:
    """One check group by its ID, a whole number."""
    return as_sent(response, group_document(_group(request, group_id), actor_of(request)))


@router.put("/{group_id}", response=answers(CheckGroupOut, takes_body=True), auth=BearerKey(Level.WRITE))
@router_v2.put(
    "/{group_id}",
    response=answers(CheckGroupOut, takes_body=True),
    auth=BearerKey(Level.WRITE),
    operation_id="update_check_group_v2",
    url_name="update_check_group_v2",
)
def update_check_group(request: HttpRequest, response: HttpResponse, group_id: str, body: CheckGroupIn) -> Any:
    """Other values for what the body names. The rest stays."""
    with transaction.atomic():
        group = _group(request, group_id, CheckGroup.objects.select_for_update())
        write(group, body)
        group.save()
    return as_sent(response, group_document(group, actor_of(request)))


@router.delete("/{group_id}", response=answers(None, 204), auth=BearerKey(Level.WRITE))
def delete_check_group(request: HttpRequest, group_id: str) -> Any:
    """The group's end. Its checks stay, in no group."""
    with transaction.atomic():
        _group(request, group_id, CheckGroup.objects.select_for_update()).delete()
    return Status(204, None)


def _group(request: HttpRequest, group_id: str, groups: QuerySet[CheckGroup] | None = None) -> CheckGroup:
    """The account's group. What is no number is no group either."""
    rows = (CheckGroup.objects.all() if groups is None else groups).filter(account=account_id(request))
    number = int(group_id) if group_id.isascii() and group_id.isdecimal() and len(group_id) <= 18 else 0
    group = rows.filter(pk=number).first()
    if group is None:
        raise Http404("This check group does not exist.")
    return group
