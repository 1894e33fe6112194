"""One installation with everybody who may knock: people at their browsers, and machines with keys good and bad."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.access import person
from accounts.invitations import Invitation
from accounts.models import User
from apikeys.knocks import LateKnock
from apikeys.models import ApiKey
from apikeys.usage import Usage
from keyportal.policy import GRANTABLE_ROLES, Role
from keyportal.v1.models import Check, CheckGroup, Variable
from tests import factories
from tests.sessions import browser_of

# What changes by looking: sign-ins, and the record of use.
_LEFT_OUT = {"last_login", "last_used_at", "last_used_address", "last_used_client"}


# Who knocks with a key: none; user keys of the people; service keys of Acme by role; and three that have ended.
MACHINES = (
    *("none", "O", "A", "RW", "RR", "RO", "out", "oper", "gone"),
    *(f"s{role.value}" for role in GRANTABLE_ROLES),
    *("deleted", "expired", "sdeleted"),
)


@dataclass
class World:
    """The cast, their keys by asker's name (the row and its plaintext), and a service key of Acme that none of them holds."""

    cast: factories.Cast
    service: ApiKey
    invitation: Invitation = field(init=False)
    variable: Variable = field(init=False)
    check: Check = field(init=False)
    group: CheckGroup = field(init=False)
    people: dict[str, User] = field(default_factory=dict)
    user_keys: dict[str, ApiKey] = field(default_factory=dict)
    plaintexts: dict[str, str] = field(default_factory=dict)

    def browser(self, asker: str) -> Client:
        """A browser in which `asker` is signed in; "gone" was deactivated since, "anon" is nobody."""
        return browser_of(self.people[asker]) if asker in self.people else Client()

    def values(self) -> dict[str, Any]:
        """What the parameters of our own addresses stand for: Acme, one of its members, its open invitation, a key."""
        return {
            "account_id": self.cast.acme.pk,
            "public_id": self.service.public_id,
            "section": "general",
            "user_id": self.cast.rob.pk,
            "invitation_id": self.invitation.pk,
            "token": "no-such-token",
            "key": self.variable.key,
            "check": self.check.pk,
            "check_id": self.check.pk,
            "check_type": "api",
            "group_id": self.group.pk,
            "runtime_id": "2025.04",
            "logical_id": "project",
            "rest": "read",
        }

    def machine(self, asker: str) -> Client:
        """A client of the API that sends the key of `asker`, and Acme as the account; "none" sends no key."""
        headers = {"X-Checkly-Account": str(self.cast.acme.pk)}
        if asker in self.plaintexts:
            headers["Authorization"] = f"Bearer {self.plaintexts[asker]}"
        return Client(headers=headers)

    def own_key(self, asker: str) -> ApiKey:
        return self.user_keys.get(asker, self.user_keys["RW"])

    def anothers_key(self, asker: str) -> ApiKey:
        return self.user_keys["O" if asker == "A" else "A"]


def make_world() -> World:
    cast = factories.make_cast()
    world = World(cast, factories.service_key(cast.acme, name="Deploy")[0])
    gone = factories.UserFactory(email="gone@example.com", name="Gone")
    cast.acme.memberships.create(user=gone, stored_role=Role.ADMIN)
    world.people = {
        "O": cast.olivia,
        "A": cast.adam,
        "RW": cast.wendy,
        "RR": cast.rhea,
        "RO": cast.rob,
        "out": cast.eve,
        "oper": cast.oscar,
        "gone": gone,
    }
    for asker, user in world.people.items():
        world.user_keys[asker], world.plaintexts[asker] = factories.user_key(user, name=f"Key of {user.name}")
    for role in GRANTABLE_ROLES:
        world.plaintexts[f"s{role.value}"] = factories.service_key(cast.acme, role, name=f"Service {role.label}")[1]
    deleted, world.plaintexts["deleted"] = factories.user_key(cast.olivia, name="Deleted")
    deleted.revoke(by=person(cast.olivia))
    past = timezone.now() - timedelta(seconds=1)
    world.plaintexts["expired"] = factories.user_key(cast.olivia, name="Expired", expires_at=past)[1]
    ended, world.plaintexts["sdeleted"] = factories.service_key(cast.acme, Role.ADMIN, name="Deleted service")
    ended.revoke(by=cast.actor(cast.olivia, cast.acme))
    world.check = factories.CheckFactory.create(account=cast.acme)
    world.group = factories.CheckGroupFactory.create(account=cast.acme)
    world.variable = Variable.objects.create(account=cast.acme, key="BASE_URL", value="https://example.com")
    admin = cast.actor(cast.adam, cast.acme)
    world.invitation, _ = Invitation.objects.invite(cast.acme, "waiting@example.com", Role.READ_ONLY, by=admin)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    return world


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but sessions, without the columns that change by looking."""
    return {
        model._meta.db_table: list(
            model._base_manager.order_by("pk").values_list(
                *(f.attname for f in model._meta.concrete_fields if f.attname not in _LEFT_OUT)
            )
        )
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label != "sessions" and model not in (Usage, LateKnock)
    }


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is rolled back at the end, so that the next asker finds the same world."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
