"""An account in the live server's database, with one person in each role, and keys that work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Self

from accounts.access import operator_at_shell, person
from accounts.models import Account, User
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests import factories
from tests.clients.plain_http import PlainHttp

NAMES = {
    Role.OWNER: "Olivia",
    Role.ADMIN: "Adam",
    Role.READ_WRITE: "Wendy",
    Role.READ_RUN: "Rhea",
    Role.READ_ONLY: "Rob",
}
_numbers = count(1)


@dataclass
class Team:
    account: Account
    people: dict[Role, User]
    port: int

    @classmethod
    def make(cls, name: str, port: int) -> Self:
        """Of the server at `port`. The demo data has the plain addresses: olivia1@example.com owns the first account."""
        number = next(_numbers)
        people = {
            role: factories.UserFactory(email=f"{person.lower()}{number}@example.com", name=person)
            for role, person in NAMES.items()
        }
        account = factories.AccountFactory(name=name, owner=people[Role.OWNER])
        team = cls(account, people, port)
        for role, user in people.items():
            if role is not Role.OWNER:
                team.add(user, role)
        return team

    @property
    def id(self) -> str:
        return str(self.account.pk)

    def add(self, user: User, role: Role) -> None:
        self.account.add_member(user, role, by=operator_at_shell())

    def remove(self, user: User) -> None:
        """The owner does it, in the browser."""
        self.account.memberships.get(user=user).remove(by=self.account.present(person(self.people[Role.OWNER])))

    def role_of(self, user: User) -> Role | None:
        """As the database says now."""
        membership = self.account.memberships.filter(user=user).first()
        return membership.role if membership else None

    def user_key(self, role: Role) -> str:
        return self.kept_user_key(role)[1]

    def kept_user_key(self, role: Role) -> tuple[ApiKey, str]:
        """The row as well."""
        return factories.user_key(self.people[role], f"{NAMES[role]}’s laptop")

    def service_key(self, role: Role) -> str:
        return factories.service_key(self.account, role, f"Deploy as {role.label}")[1]

    def store_variable(self, key: str, value: str, *, locked: bool = False, secret: bool = False) -> None:
        self._store("/v1/variables", {"key": key, "value": value, "locked": locked, "secret": secret})

    def store_check(self, name: str, kind: str = "api", **fields: Any) -> str:
        """Its ID."""
        return str(self._store(f"/v1/checks/{kind}", {"name": name} | fields)["id"])

    def store_check_group(self, name: str) -> None:
        self._store("/v1/check-groups", {"name": name})

    def _store(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._writer("POST", path, body)
        assert answer.status == 201, answer
        return answer.body

    @cached_property
    def _writer(self) -> PlainHttp:
        return PlainHttp.of(self.port, self.service_key(Role.READ_WRITE))
