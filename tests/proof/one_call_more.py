"""The product as it is served, with one call more: it needs the level WRITE and does nothing."""

from django.http import HttpRequest

from keyportal.wsgi import application

__all__ = ["application"]

# The router can be had when the application is made, and takes calls until the first request.
from keyportal.policy import Level
from keyportal.v1.auth import BearerKey
from keyportal.v1.checks import router


@router.put("/nothing", auth=BearerKey(Level.WRITE))
def write_nothing(request: HttpRequest) -> list[str]:
    return []
