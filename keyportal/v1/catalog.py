"""The two public lists that clients read before they have a key: runtimes and locations."""

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Schema

from keyportal.v1.schemas import RUNTIME_ID, answers, example

runtimes = Router(tags=["Reference data"])
locations = Router(tags=["Reference data"])


class Runtime(Schema):
    name: str
    dependencies: dict[str, str]
    stage: str
    description: str
    multiStepSupport: bool
    nodeJsVersion: str
    runtimeEndOfLife: str | None


class Location(Schema):
    model_config = example(region="eu-west-1", name="Ireland")

    region: str
    name: str


# What clients take as the default of an account, so that they can name it. Nothing runs in it here.
RUNTIMES = [
    {
        "name": RUNTIME_ID,
        "dependencies": {"node": "22.x"},
        "stage": "CURRENT",
        "description": "KeyPortal stores checks and runs none. Checks may name this runtime.",
        "multiStepSupport": True,
        "nodeJsVersion": "22.x",
        "runtimeEndOfLife": None,
    }
]

# Regions of Amazon Web Services, by which Checkly's clients name locations.
LOCATIONS = [
    {"region": "us-east-1", "name": "N. Virginia"},
    {"region": "us-east-2", "name": "Ohio"},
    {"region": "us-west-1", "name": "N. California"},
    {"region": "us-west-2", "name": "Oregon"},
    {"region": "ca-central-1", "name": "Montreal"},
    {"region": "sa-east-1", "name": "São Paulo"},
    {"region": "eu-west-1", "name": "Ireland"},
    {"region": "eu-west-2", "name": "London"},
    {"region": "eu-west-3", "name": "Paris"},
    {"region": "eu-central-1", "name": "Frankfurt"},
    {"region": "eu-north-1", "name": "Stockholm"},
    {"region": "eu-south-1", "name": "Milan"},
    {"region": "me-south-1", "name": "Bahrain"},
    {"region": "af-south-1", "name": "Cape Town"},
    {"region": "ap-south-1", "name": "Mumbai"},
    {"region": "ap-east-1", "name": "Hong Kong"},
    {"region": "ap-northeast-1", "name": "Tokyo"},
    {"region": "ap-northeast-2", "name": "Seoul"},
    {"region": "ap-northeast-3", "name": "Osaka"},
    {"region": "ap-southeast-1", "name": "Singapore"},
    {"region": "ap-southeast-2", "name": "Sydney"},
    {"region": "ap-southeast-3", "name": "Jakarta"},
]


@runtimes.get("", response=answers(list[Runtime]), auth=None)
def list_runtimes(request: HttpRequest) -> Any:
    """The runtimes that checks may name. No key is needed."""
    return RUNTIMES


@runtimes.get("/{runtime_id}", response=answers(Runtime), auth=None)
def get_runtime(request: HttpRequest, runtime_id: str) -> Any:
    """One runtime by its name. No key is needed."""
    for runtime in RUNTIMES:
        if runtime["name"] == runtime_id:
            return runtime
    raise Http404("This runtime does not exist.")


@locations.get("", response=answers(list[Location]), auth=None)
def list_locations(request: HttpRequest) -> Any:
    """The locations that checks may name. No key is needed."""
    return LOCATIONS
