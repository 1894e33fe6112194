"""Real people, accounts and usable keys. `cast` makes the six that the tests speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import factory
from allauth.account.models import EmailAddress
from factory.django import DjangoModelFactory

from accounts.access import operator_at_shell, person
from accounts.models import Account, Membership, User
from apikeys.models import ApiKey
from apikeys.secret import checksum
from keyportal.policy import Actor, Role
from keyportal.v1.check_groups import CheckGroupIn
from keyportal.v1.checks import CheckIn
from keyportal.v1.documents import write
from keyportal.v1.models import Check, CheckGroup

PASSWORD = "a long enough password"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def verified(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        EmailAddress.objects.create(user=self, email=self.email, primary=True, verified=True)


class AccountFactory(DjangoModelFactory[Account]):
    class Meta:
        model = Account
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Account {n}")
    owner = factory.SubFactory(UserFactory)

    @factory.post_generation
    def owner_is_a_member(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        Membership.objects.create(account=self, user=self.owner, stored_role=Role.ADMIN)


class DocumentFactory(DjangoModelFactory[Any]):
    """Columns go to the row, everything else into the document."""

    class Meta:
        abstract = True

    account = factory.SubFactory(AccountFactory)

    @classmethod
    def _create(cls, model_class: type[Any], *args: Any, **fields: Any) -> Any:
        columns = {name: fields.pop(name) for name in ("account", "check_type", "created_at") if name in fields}
        row = model_class(**columns)
        write(row, CheckIn(**fields) if model_class is Check else CheckGroupIn(**fields))
        row.save()
        return row


class CheckFactory(DocumentFactory):
    class Meta:
        model = Check

    name = factory.Sequence(lambda n: f"Check {n}")


class CheckGroupFactory(DocumentFactory):
    class Meta:
        model = CheckGroup

    name = factory.Sequence(lambda n: f"Group {n}")


@dataclass
class Cast:
    """Olivia owns Acme Ltd, Adam is admin, Wendy reads & writes, Rhea reads & runs, Rob reads only, Eve is outside."""

    acme: Account
    globex: Account
    olivia: User
    adam: User
    wendy: User
    rhea: User
    rob: User
    eve: User
    oscar: User

    def member(self, role: Role) -> User:
        return {
            Role.OWNER: self.olivia,
            Role.ADMIN: self.adam,
            Role.READ_WRITE: self.wendy,
            Role.READ_RUN: self.rhea,
            Role.READ_ONLY: self.rob,
        }[role]

    def actor(self, user: User, account: Account | None = None) -> Actor:
        """`user` at the browser, on a page of `account` where one is given."""
        return account.present(person(user)) if account else person(user)


def make_cast() -> Cast:
    olivia, adam, wendy, rhea, rob, eve = (
        UserFactory(email=f"{name.lower()}@example.com", name=name)
        for name in ("Olivia", "Adam", "Wendy", "Rhea", "Rob", "Eve")
    )
    oscar = UserFactory(email="oscar@example.com", name="Oscar", is_staff=True)
    acme = AccountFactory(name="Acme Ltd", owner=olivia)
    shell = operator_at_shell()
    for user, role in ((adam, Role.ADMIN), (wendy, Role.READ_WRITE), (rhea, Role.READ_RUN), (rob, Role.READ_ONLY)):
        acme.add_member(user, role, by=shell)
    return Cast(acme, AccountFactory(name="Globex", owner=eve), olivia, adam, wendy, rhea, rob, eve, oscar)


def user_key(user: User, name: str = "Laptop CLI", **changes: Any) -> tuple[ApiKey, str]:
    """A usable user key and its plaintext; `changes` are written over the row afterwards, such as a past `expires_at`."""
    key, secret = ApiKey.objects.issue_user_key(by=person(user), name=name)
    return _changed(key, changes), secret.reveal()


def service_key(account: Account, role: Role = Role.READ_WRITE, name: str = "Deploy", **changes: Any) -> tuple[ApiKey, str]:
    """A usable service key of `account`, made by its owner, and its plaintext."""
    key, secret = ApiKey.objects.issue_service_key(by=person(account.owner), account=account, name=name, role=role)
    return _changed(key, changes), secret.reveal()


def another_secret_of(key: str) -> str:
    """A key of the same public ID that parses, and that nobody was given."""
    body = key[:-7] + ("A" if key[-7] != "A" else "B")
    return body + checksum(body)


def _changed(key: ApiKey, changes: dict[str, Any]) -> ApiKey:
    if changes:
        ApiKey.objects.filter(pk=key.pk).update(**changes)
        key = ApiKey.objects.get(pk=key.pk)
    return key
