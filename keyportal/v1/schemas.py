"""What the API answers, typed. Field names are the contract's."""

from datetime import datetime
from uuid import UUID

from ninja import Schema

# The runtime that clients take as the default of an account.
RUNTIME_ID = "2025.04"


class Error(Schema):
    statusCode: int
    error: str
    message: str


class Account(Schema):
    id: UUID
    name: str
    runtimeId: str = RUNTIME_ID


class Check(Schema):
    id: UUID
    name: str
    checkType: str
    activated: bool
    muted: bool
    frequency: int
    locations: list[str]
    tags: list[str]
    groupId: int | None = None
    runtimeId: str | None = None
    created_at: datetime
    updated_at: datetime | None
