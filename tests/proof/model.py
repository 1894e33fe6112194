"""Who reaches what, in plain Python: the reference beside which the product is run. All names are short strings.

Each verb returns how many AuditEvents it writes, or raises Refused and changes nothing.
"""

from dataclasses import dataclass, field

ROLES = ("READ_ONLY", "READ_RUN", "READ_WRITE", "ADMIN", "OWNER")
MEMBER, ADMIN, OWNER = 0, 3, 4


class Refused(Exception):
    """The asker may not, or it is too late."""


@dataclass
class Account:
    owner: str
    members: dict[str, str]
    invitations: dict[str, tuple[str, str]] = field(default_factory=dict)  # by address: role and inviter
    suspended: bool = False
    closed: bool = False


@dataclass
class Key:
    user: str = ""
    account: str = ""
    role: str = ""
    deleted: bool = False
    expired: bool = False
    replaced: bool = False


@dataclass
class Model:
    accounts: dict[str, Account]
    keys: dict[int, Key] = field(default_factory=dict)
    deactivated: set[str] = field(default_factory=set)

    def role(self, who: str, account: str) -> str | None:
        return "OWNER" if self.accounts[account].owner == who else self.accounts[account].members.get(who)

    def answer(self, key: Key, account: str) -> tuple[int, str | None]:
        """The API's status, and the role in which it is called."""
        if key.deleted or key.expired or key.user in self.deactivated:
            return 401, None
        role = self.role(key.user, account) if key.user else key.role if key.account == account else None
        return (200 if role and not self.accounts[account].suspended else 403), role

    def _need(self, by: str, account: str, least: int, *more: bool, though_suspended: bool = False) -> Account:
        """`by` may sign in and has at least this role in an account that is not suspended; and whatever else."""
        here, rank = self.accounts[account], [None, *ROLES].index(self.role(by, account)) - 1
        if by in self.deactivated or rank < least or (here.suspended and not though_suspended) or not all(more):
            raise Refused
        return here

    def invite(self, by: str, account: str, who: str, role: str) -> int:
        known = self.role(who, account) or who in self.accounts[account].invitations
        self._need(by, account, ADMIN, not known).invitations[who] = role, by
        return 1

    def withdraw(self, by: str, account: str, who: str) -> int:
        del self._need(by, account, ADMIN, who in self.accounts[account].invitations).invitations[who]
        return 1

    def accept(self, who: str, account: str) -> int:
        role, inviter = self.accounts[account].invitations.get(who, ("", "-"))
        here = self._need(inviter, account, ADMIN, who not in self.deactivated, not self.role(who, account))
        here.members[who] = role
        del here.invitations[who]
        return 1

    def add(self, account: str, who: str, role: str) -> int:
        if self.accounts[account].closed or self.role(who, account):
            raise Refused
        self.accounts[account].members[who] = role
        return 1

    def change_role(self, by: str, account: str, who: str, role: str) -> int:
        was = self.role(who, account) or "OWNER"
        lower = ROLES.index(role) < ROLES.index(was)
        self._need(by, account, ADMIN, was != "OWNER", by != who or lower).members[who] = role
        return int(role != was)

    def remove(self, by: str, account: str, who: str) -> int:
        gone = self.role(who, account) not in (None, "OWNER")
        del self._need(by, account, MEMBER if by == who else ADMIN, gone).members[who]
        return 1

    def transfer(self, by: str, account: str, to: str) -> int:
        able = to != by and to not in self.deactivated and to in self.accounts[account].members
        here = self._need(by, account, OWNER, able)
        here.owner, here.members[to] = to, "ADMIN"
        return 1

    def close(self, by: str, account: str) -> int:
        self._need(by, account, OWNER)
        self.accounts[account] = Account(owner="", members={}, closed=True)
        ending = [key for key in self.keys.values() if key.account == account and not key.deleted]
        for key in ending:
            key.deleted = True
        return 1 + len(ending)

    def create(self, by: str, account: str) -> int:
        """A service key of `account`; where that is empty, a user key."""
        if by in self.deactivated or (account and not self._need(by, account, ADMIN)):
            raise Refused
        return 1

    def rotate(self, by: str, key: Key, overlap: bool) -> int:
        """Its successor is as the key was; the key itself works on where there is an overlap."""
        self._need_change(by, key)
        if key.deleted or key.expired or key.replaced:
            raise Refused
        key.replaced, key.deleted = True, not overlap
        return 2 if overlap else 3

    def rename(self, by: str, key: Key) -> int:
        self._need_change(by, key)
        if key.deleted:
            raise Refused
        return 1

    def _need_change(self, by: str, key: Key) -> None:
        if by in self.deactivated or (key.user and key.user != by):
            raise Refused
        if key.account:
            self._need(by, key.account, ADMIN)

    def delete(self, by: str, key: Key) -> int:
        if by in self.deactivated or (key.user and key.user != by):
            raise Refused
        key.deleted = not key.account or bool(self._need(by, key.account, ADMIN, though_suspended=True))
        return 1
