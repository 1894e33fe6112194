"""The account's variables: named values, of which some are locked and some secret."""

from __future__ import annotations

from typing import Annotated, Any

from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status
from pydantic import AfterValidator

from keyportal import policy
from keyportal.exceptions import Conflict
from keyportal.policy import Actor, Level
from keyportal.v1.auth import BearerKey, account_id, actor_of
from keyportal.v1.models import MAX_LENGTH, Variable
from keyportal.v1.paging import FURTHEST_PAGE, Paging, everything, paged
from keyportal.v1.schemas import Strict, answers, example

router = Router(tags=["Variables"])


class VariableOut(Schema):
    model_config = example(key="BASE_URL", value="https://shop.example.com", locked=False, secret=False)

    key: str
    value: str | None = Field(description="null where it is secret, or locked and the key's role may not write.")
    locked: bool
    secret: bool


def _reachable(key: str) -> str:
    if key in {".", ".."}:
        raise ValueError("This name cannot be part of an address.")
    return key


Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        pattern=r"^[^/\x00-\x1f\x7f-\x9f\u2028\u2029]+$",
        json_schema_extra={"not": {"enum": [".", ".."]}},
    ),
    AfterValidator(_reachable),
]


class VariableIn(Strict):
    key: Key = Field(examples=["API_URL"])
    value: str = Field(examples=["https://api.example.com"])
    locked: bool = False
    secret: bool = False


class VariableChange(Strict):
    value: str = Field(min_length=1, examples=["https://api.example.com"])
    locked: bool = False
    secret: bool = False
    key: str | None = Field(default=None, description="Taken and ignored: a variable keeps its name.")


class PagingIfAsked(Schema):
    limit: int | None = Field(default=None, ge=1, le=100, description="How many at most. Without limit and page: all.")
    page: int | None = Field(default=None, ge=1, le=FURTHEST_PAGE, description="Which page, from 1.")


@router.get("", response=answers(list[VariableOut]), auth=BearerKey(Level.READ))
def list_variables(request: HttpRequest, response: HttpResponse, asked: Query[PagingIfAsked]) -> Any:
    """All variables by name; a page of them where `limit` or `page` is given."""
    rows = Variable.objects.filter(account=account_id(request))
    if asked.limit is None and asked.page is None:
        found = everything(rows, response)
    else:
        found = paged(rows, Paging(limit=asked.limit or 10, page=asked.page or 1), request, response)
    return [_answer(variable, actor_of(request)) for variable in found]


@router.post("", response=answers(VariableOut, 201, takes_body=True), auth=BearerKey(Level.WRITE))
def create_variable(request: HttpRequest, body: VariableIn) -> Any:
    """A new variable. 409 where there is one of this name."""
    try:
        with transaction.atomic():
            variable = Variable.objects.create(account_id=account_id(request), **body.model_dump())
    except IntegrityError:
        raise Conflict(f"The variable “{body.key}” already exists.") from None
    return Status(201, _answer(variable, actor_of(request)))


@router.get("/{key}", response=answers(VariableOut), auth=BearerKey(Level.READ))
def get_variable(request: HttpRequest, key: str) -> Any:
    """One variable by its name."""
    return _answer(_variable(request, key), actor_of(request))


@router.put("/{key}", response=answers(VariableOut, takes_body=True), auth=BearerKey(Level.WRITE))
def update_variable(request: HttpRequest, key: str, body: VariableChange) -> Any:
    """Another value. `locked` is what the body says; what was secret once stays secret."""
    with transaction.atomic():
        variable = _variable(request, key, for_update=True)
        variable.value, variable.locked = body.value, body.locked
        variable.secret = variable.secret or body.secret
        variable.updated_at = timezone.now()
        variable.save()
    return _answer(variable, actor_of(request))


@router.delete("/{key}", response=answers(None, 204), auth=BearerKey(Level.WRITE))
def delete_variable(request: HttpRequest, key: str) -> Any:
    """The variable's end."""
    deleted, _ = Variable.objects.filter(account=account_id(request), key=key).delete()
    if not deleted:
        raise Http404(_missing(key))
    return Status(204, None)


def _variable(request: HttpRequest, key: str, *, for_update: bool = False) -> Variable:
    rows = Variable.objects.select_for_update() if for_update else Variable.objects.all()
    variable = rows.filter(account=account_id(request), key=key).first()
    if variable is None:
        raise Http404(_missing(key))
    return variable


def _missing(key: str) -> str:
    return f"The variable “{key}” does not exist."


def _answer(variable: Variable, actor: Actor) -> dict[str, Any]:
    hidden = variable.secret or (variable.locked and not policy.can_read_locked_variable(actor))
    return {
        "key": variable.key,
        "value": None if hidden else variable.value,
        "locked": variable.locked,
        "secret": variable.secret,
    }
