"""What the API's answers share, typed. Field names are the contract's."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from ninja import Field, Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict

from keyportal.v1.models import MAX_LENGTH

# The runtime that clients take as the default of an account.
RUNTIME_ID = "2025.04"


def example(**fields: Any) -> ConfigDict:
    """What the reference shows of a schema, and what its form is filled with."""
    return ConfigDict(json_schema_extra={"example": fields})


class Error(Schema):
    """What went wrong, whatever it was. `message` is a sentence for the person at the client."""

    model_config = example(statusCode=403, error="Forbidden", message="This API key has no access to this account.")

    statusCode: int
    error: str
    message: str
    attributes: dict[str, Any] | None = None


class Account(Schema):
    model_config = example(id="8c1f2c0e-5b7d-4c2e-9d55-0f7a1b3c9e21", name="Acme Ltd", runtimeId="2025.04")

    id: UUID
    name: str
    runtimeId: str = RUNTIME_ID


class Strict(BaseModel):
    """A body of which every field is known: no other is taken, and no value is read as another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


# One line of any letters: no control characters, no line or paragraph separator.
Line = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one kind of number: 5.0 is the integer that JSON Schema, and so our own document, takes it for.
Whole = Annotated[int, BeforeValidator(_whole)]

REFUSALS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500, 503), Error)
BODY_REFUSALS: dict[int, Any] = dict.fromkeys((409, 413, 415), Error)


def answers(body: Any, status: int = 200, *, takes_body: bool = False) -> dict[int, Any]:
    """What an operation may answer: `body` with `status`, and the refusals that every operation shares."""
    return {status: body} | REFUSALS | (BODY_REFUSALS if takes_body else {})
