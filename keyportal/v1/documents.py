"""Checks and check groups: documents that are kept as they were sent, but for what the server alone says.

Their `environmentVariables` follow the rules of the account's variables: a secret value is never read by anybody
again, a locked one only by those who may write; a client that sends back the null it was shown keeps the value.
A change leaves alone what its body leaves out: clients send the fields that they know, and Infisical no more than
name and variables of a group.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, TypeVar
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan
from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Schema
from ninja.errors import HttpError
from pydantic import AfterValidator, BaseModel, ConfigDict

from keyportal import policy
from keyportal.policy import Actor
from keyportal.v1.models import Check, CheckGroup, Document
from keyportal.v1.schemas import Line, Strict

D = TypeVar("D", bound=Document)

# That many a list may be asked for: each is a condition of the query, and SQLite takes no thousand of them.
MOST_TAGS = 100

# What the server alone says, so that it counts for nothing when a client sends it back; and what stands in a column.
NOT_IN_DOCUMENT = {"id", "checkType", "created_at", "updated_at", "groupId"}


EXAMPLE: dict[str, Any] = {
    "name": "Shop",
    "activated": True,
    "muted": False,
    "tags": ["shop"],
    "locations": ["eu-west-1"],
    "runtimeId": "2025.04",
    "environmentVariables": [{"key": "BASE_URL", "value": "https://shop.example.com"}],
}
EXAMPLE_CHECK = EXAMPLE | {"name": "Checkout", "frequency": 5, "groupId": None}
TIMES = {"created_at": "2026-11-22T09:00:00Z", "updated_at": None}
ID = "f2a7c1d4-3b2e-4f5a-9c8d-7e6f5a4b3c2d"


class EnvironmentVariable(Strict):
    key: Line
    value: str | None = Field(default=None, description="null keeps the value that is stored.")
    locked: bool = False
    secret: bool = False


def _or_none(sent: list[Any] | None) -> list[Any]:
    return sent or []


def _each_once(sent: list[EnvironmentVariable]) -> list[EnvironmentVariable]:
    if len({one.key for one in sent}) < len(sent):
        raise ValueError("A variable stands there twice.")
    return sent


# Clients written in Go send null for a list that holds nothing.
Lines = Annotated[list[Line] | None, AfterValidator(_or_none)]
Variables = Annotated[list[EnvironmentVariable] | None, AfterValidator(_or_none), AfterValidator(_each_once)]


class DocumentIn(BaseModel):
    """What is validated of a document. Fields beyond these are kept as they are sent, which ninja's Schema would drop."""

    model_config = ConfigDict(extra="allow", strict=True, json_schema_extra={"example": EXAMPLE})

    name: Line
    activated: bool = True
    muted: bool = False
    tags: Lines = Field(default=[])
    locations: Lines = Field(default=[])
    runtimeId: Line | None = None
    environmentVariables: Variables = Field(default=[])


class DocumentOut(Schema):
    """What every document has; and whatever else it was sent with."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": EXAMPLE | TIMES})

    name: str
    activated: bool
    muted: bool
    tags: list[str]
    locations: list[str]
    runtimeId: str | None
    environmentVariables: list[EnvironmentVariable]
    created_at: datetime
    updated_at: datetime | None


class CheckOut(DocumentOut):
    model_config = ConfigDict(json_schema_extra={"example": {"id": ID, "checkType": "API", **EXAMPLE_CHECK, **TIMES}})

    id: UUID
    checkType: str
    frequency: int
    groupId: int | None


class CheckGroupOut(DocumentOut):
    model_config = ConfigDict(json_schema_extra={"example": {"id": 1, **EXAMPLE, **TIMES}})

    id: int


def write(row: Document, body: DocumentIn) -> None:
    """Put the body into a row that is new, or locked; the caller saves it."""
    sent = body.model_dump(exclude=NOT_IN_DOCUMENT)
    if not row._state.adding:
        sent = {name: value for name, value in sent.items() if name in body.model_fields_set}
        row.updated_at = timezone.now()
    if "environmentVariables" in sent:
        stored = {one["key"]: one for one in row.document.get("environmentVariables", [])}
        sent["environmentVariables"] = [_kept(one, stored.get(one["key"])) for one in sent["environmentVariables"]]
    row.document = row.document | sent
    row.name = body.name
    row.tag_lines = "\n" + "".join(f"{tag}\n" for tag in row.document["tags"])


def _kept(sent: dict[str, Any], stored: dict[str, Any] | None) -> dict[str, Any]:
    if sent["value"] is None:
        if stored is None:
            raise HttpError(400, f"environmentVariables: “{sent['key']}” needs a value.")
        sent["value"] = stored["value"]
    sent["secret"] = sent["secret"] or bool(stored and stored["secret"])
    return sent


def check_document(check: Check, actor: Actor) -> dict[str, Any]:
    document = _document(check, actor)
    return document | {"id": check.pk, "checkType": check.check_type, "groupId": check.group_id}


def group_document(group: CheckGroup, actor: Actor) -> dict[str, Any]:
    return _document(group, actor) | {"id": group.pk}


def _document(row: Document, actor: Actor) -> dict[str, Any]:
    document = row.document if policy.can_read_locked_variable(actor) else _without_locked(row.document)
    variables = [one | ({"value": None} if one["secret"] else {}) for one in document["environmentVariables"]]
    times = {"created_at": row.created_at, "updated_at": row.updated_at}
    return {**document, "environmentVariables": variables, **times}


def _without_locked(value: Any) -> Any:
    """The same with null for every value that is locked, wherever it stands: headers are locked like variables."""
    if isinstance(value, list):
        return [_without_locked(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    hidden = {"value": None} if value.get("locked") is True and "value" in value else {}
    return {name: _without_locked(inner) for name, inner in value.items()} | hidden


def with_any_tag(rows: QuerySet[D], tags: list[str]) -> QuerySet[D]:
    """The rows that have one of `tags`, in its very spelling; all rows where none is asked for."""
    found = [Q(GreaterThan(StrIndex("tag_lines", Value(f"\n{tag}\n")), 0)) for tag in tags]
    return rows.filter(reduce(or_, found)) if tags else rows


def as_sent(response: HttpResponse, data: Any, status: int = 200) -> HttpResponse:
    """The answer, past ninja's serializer, which would leave out the fields that it does not know."""
    response.status_code = status
    response.content = json.dumps(data, cls=DjangoJSONEncoder)
    return response
