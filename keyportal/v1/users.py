"""Who a key speaks for, as clients ask it."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from accounts.models import User
from keyportal.policy import Level
from keyportal.v1.auth import BearerKeyOfAnyAccount, actor_of
from keyportal.v1.schemas import answers, example

router = Router(tags=["Identity"])


class Whoami(Schema):
    model_config = example(id="0b0c9a5e-6a39-4a43-8f5c-0c1d2e3f4a5b", name="Olivia Owens")

    id: str
    name: str


@router.get("/me", response=answers(Whoami), auth=BearerKeyOfAnyAccount(Level.READ))
def get_me(request: HttpRequest) -> Any:
    """The person of a user key, without their address; of a service key, the key itself."""
    actor = actor_of(request)
    if actor.user_id is None:
        return {"id": actor.key_id, "name": actor.name}
    user = User.objects.get(pk=actor.user_id)
    return {"id": str(user.pk), "name": user.name or user.email.partition("@")[0]}
