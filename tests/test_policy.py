"""Every rule of the product as a table: who may do what, without a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied

from keyportal import policy
from keyportal.policy import Actor, Decision, Denied, Level, Role

ACME, GLOBEX, ME, OTHER = uuid4(), uuid4(), uuid4(), uuid4()


@dataclass
class Key:
    user_id: UUID | None = None
    account_id: UUID | None = None


@dataclass
class Member:
    user_id: UUID
    role: Role
    account_id: UUID = ACME


def member(role: Role, *, suspended: bool = False) -> Actor:
    return Actor(via="session", user_id=ME, account_id=ACME, role=role, account_name="Acme Ltd", account_suspended=suspended)


OW, AD, RW, RR, RO = (member(role) for role in reversed(Role))
OUT = Actor(via="session", user_id=ME)
OP = Actor(via="operator", user_id=OTHER)
KEY = Actor(via="key", user_id=ME, account_id=ACME, role=Role.OWNER, account_name="Acme Ltd")
NAMES = ("OW", "AD", "RW", "RR", "RO", "OUT", "OP", "KEY")
ASKERS = (OW, AD, RW, RR, RO, OUT, OP, KEY)

OWN, FOREIGN = Key(user_id=ME), Key(user_id=OTHER)
SERVICE, GLOBEX_SERVICE = Key(account_id=ACME), Key(account_id=GLOBEX)
OWNER, ADMIN, WRITER = Member(OTHER, Role.OWNER), Member(OTHER, Role.ADMIN), Member(OTHER, Role.READ_WRITE)

Rule = Callable[[Actor], Decision]

# One line a rule: who may, in the order of NAMES. "x" may, "-" may not.
TABLE: dict[str, tuple[Rule, str]] = {
    "see own user key": (lambda a: policy.can_see_key(a, OWN), "xxxxxxx-"),
    "see another's user key": (lambda a: policy.can_see_key(a, FOREIGN), "------x-"),
    "see a service key": (lambda a: policy.can_see_key(a, SERVICE), "xx----x-"),
    "see another account's service key": (lambda a: policy.can_see_key(a, GLOBEX_SERVICE), "------x-"),
    "see service keys": (policy.can_see_service_keys, "xx------"),
    "create a user key": (policy.can_create_user_key, "xxxxxx--"),
    "create a service key at all": (policy.can_create_service_key, "xx------"),
    "create a service key of Admin": (lambda a: policy.can_create_service_key(a, Role.ADMIN), "xx------"),
    "create a service key of Owner": (lambda a: policy.can_create_service_key(a, Role.OWNER), "--------"),
    "rename own user key": (lambda a: policy.can_rename_key(a, OWN), "xxxxxx--"),
    "rename another's user key": (lambda a: policy.can_rename_key(a, FOREIGN), "--------"),
    "rename a service key": (lambda a: policy.can_rename_key(a, SERVICE), "xx------"),
    "rename another account's service key": (lambda a: policy.can_rename_key(a, GLOBEX_SERVICE), "--------"),
    "rotate own user key": (lambda a: policy.can_rotate_key(a, OWN), "xxxxxx--"),
    "rotate another's user key": (lambda a: policy.can_rotate_key(a, FOREIGN), "--------"),
    "rotate a service key": (lambda a: policy.can_rotate_key(a, SERVICE), "xx------"),
    "rotate another account's service key": (lambda a: policy.can_rotate_key(a, GLOBEX_SERVICE), "--------"),
    "choose addresses of own user key": (lambda a: policy.can_choose_addresses(a, OWN), "xxxxxx--"),
    "choose addresses of another's user key": (lambda a: policy.can_choose_addresses(a, FOREIGN), "--------"),
    "choose addresses of a service key": (lambda a: policy.can_choose_addresses(a, SERVICE), "xx------"),
    "choose addresses of another account's key": (lambda a: policy.can_choose_addresses(a, GLOBEX_SERVICE), "--------"),
    "revoke own user key": (lambda a: policy.can_revoke_key(a, OWN), "xxxxxx--"),
    "revoke another's user key": (lambda a: policy.can_revoke_key(a, FOREIGN), "--------"),
    "revoke another's user key, with a reason": (lambda a: policy.can_revoke_key(a, FOREIGN, "stolen"), "------x-"),
    "revoke a service key": (lambda a: policy.can_revoke_key(a, SERVICE), "xx------"),
    "revoke another account's service key": (lambda a: policy.can_revoke_key(a, GLOBEX_SERVICE), "--------"),
    "revoke a service key, for a blank reason": (lambda a: policy.can_revoke_key(a, SERVICE, "  "), "xx------"),
    "suspend a key": (lambda a: policy.can_suspend_key(a, "breach"), "------x-"),
    "suspend a key without a reason": (lambda a: policy.can_suspend_key(a, ""), "--------"),
    "see the account": (policy.can_see_account, "xxxxx---"),
    "see members' key counts": (policy.can_see_member_keys, "xx------"),
    "invite a reader": (lambda a: policy.can_invite(a, Role.READ_ONLY), "xx------"),
    "invite an admin": (lambda a: policy.can_invite(a, Role.ADMIN), "xx------"),
    "invite an owner": (lambda a: policy.can_invite(a, Role.OWNER), "--------"),
    "add a member": (lambda a: policy.can_add_member(a, ME, Role.ADMIN), "------x-"),
    "add oneself": (lambda a: policy.can_add_member(a, a.user_id or OTHER, Role.READ_ONLY), "--------"),
    "add an owner": (lambda a: policy.can_add_member(a, ME, Role.OWNER), "--------"),
    "change an admin's role": (lambda a: policy.can_change_role(a, ADMIN, Role.READ_ONLY), "xx------"),
    "make a writer admin": (lambda a: policy.can_change_role(a, WRITER, Role.ADMIN), "xx------"),
    "make a writer owner": (lambda a: policy.can_change_role(a, WRITER, Role.OWNER), "--------"),
    "change the owner's role": (lambda a: policy.can_change_role(a, OWNER, Role.ADMIN), "--------"),
    "remove a member": (lambda a: policy.can_remove_member(a, WRITER), "xx------"),
    "remove the owner": (lambda a: policy.can_remove_member(a, OWNER), "--------"),
    "transfer the ownership": (lambda a: policy.can_transfer_ownership(a, WRITER), "x-------"),
    "transfer the ownership at all": (policy.can_transfer_away, "x-------"),
    "edit the account": (policy.can_edit_account, "xx------"),
    "let keys manage members": (policy.can_let_keys_manage_members, "x-------"),
    "delete the account": (policy.can_delete_account, "x-------"),
    "see the audit log": (policy.can_see_audit_log, "xx------"),
    "enroll a user": (policy.can_enroll_user, "------x-"),
    "open an account of one's own": (lambda a: policy.can_open_account(a, ME), "xxxxxxx-"),
    "open an account for somebody else": (lambda a: policy.can_open_account(a, OTHER), "------x-"),
    "suspend an account": (lambda a: policy.can_suspend_account(a, "breach"), "------x-"),
    "deactivate a user": (lambda a: policy.can_deactivate_user(a, "left"), "------x-"),
    "deactivate a user without a reason": (lambda a: policy.can_deactivate_user(a, ""), "--------"),
    "delete one's own user": (lambda a: policy.can_close_user(a, ME), "xxxxxx--"),
    "delete another's user": (lambda a: policy.can_close_user(a, OTHER), "--------"),
    "rescue an account": (lambda a: policy.can_rescue_account(a, "owner gone"), "------x-"),
}


@pytest.mark.parametrize("what", TABLE)
def test_each_rule_lets_through_just_whom_the_table_says(what: str) -> None:
    rule, expected = TABLE[what]
    found = "".join("x" if rule(asker) is True else "-" for asker in ASKERS)
    assert found == expected, dict(zip(NAMES, found, strict=True))


@pytest.mark.parametrize("what", TABLE)
def test_each_denial_is_a_sentence(what: str) -> None:
    rule, _ = TABLE[what]
    for asker in ASKERS:
        decision = rule(asker)
        if isinstance(decision, Denied):
            assert str(decision)[0].isupper()
            assert str(decision).endswith(".")


def test_every_rule_of_the_policy_stands_in_the_tables() -> None:
    rules = {name for name in vars(policy) if name.startswith("can_")}
    named = {name for rule, _ in TABLE.values() for name in (*rule.__code__.co_names, rule.__name__)}
    over_the_api = {"can_call", "can_introspect", "can_read_locked_variable", "can_manage_members_by_key"}
    assert rules - named == over_the_api


def key(role: Role | None) -> Actor:
    return Actor(via="key", user_id=ME, account_id=ACME, role=role, account_name="Acme Ltd")


@pytest.mark.parametrize(
    ("level", "lowest"),
    [
        (Level.READ, Role.READ_ONLY),
        (Level.RUN, Role.READ_RUN),
        (Level.WRITE, Role.READ_WRITE),
        (Level.ADMIN, Role.ADMIN),
    ],
)
def test_a_key_may_what_its_role_allows_and_nothing_above(level: Level, lowest: Role) -> None:
    for role in Role:
        assert (policy.can_call(key(role), level) is True) == (role.rank >= lowest.rank)
    assert policy.can_call(key(None), level) == policy.NO_ACCESS


def test_locked_values_are_for_writers() -> None:
    may = [role for role in Role if policy.can_read_locked_variable(key(role)) is True]
    assert may == [Role.READ_WRITE, Role.ADMIN, Role.OWNER]


def test_keys_manage_members_only_where_the_owner_allowed_it() -> None:
    for role in Role:
        allowed = replace(key(role), account_id=ACME, keys_manage_members=True)
        expected = role.at_least(Role.ADMIN)
        assert (policy.can_manage_members_by_key(allowed) is True) == expected
        assert (policy.can_change_role(allowed, WRITER, Role.READ_ONLY) is True) == expected
        assert (policy.can_remove_member(allowed, WRITER) is True) == expected
        assert not policy.can_change_role(allowed, OWNER, Role.READ_ONLY)
        assert not policy.can_change_role(allowed, WRITER, Role.OWNER)
        assert not policy.can_remove_member(allowed, OWNER)
        forbidden = replace(allowed, keys_manage_members=False)
        for decision in (
            policy.can_manage_members_by_key(forbidden),
            policy.can_change_role(forbidden, WRITER, Role.READ_ONLY),
            policy.can_remove_member(forbidden, WRITER),
        ):
            assert "under General" in str(decision)


def test_a_suspended_account_is_closed_to_keys_and_read_only_to_people() -> None:
    for level in Level:
        suspended = Actor(via="key", account_id=ACME, role=Role.ADMIN, account_suspended=True)
        assert "suspended" in str(policy.can_call(suspended, level))
    owner = member(Role.OWNER, suspended=True)
    still = (
        "see the account",
        "see a service key",
        "see service keys",
        "see the audit log",
        "revoke a service key",
        "revoke own user key",
    )
    for what in still:
        assert TABLE[what][0](owner) is True, what
    stopped = (
        "create a service key of Admin",
        "rename a service key",
        "rotate a service key",
        "invite a reader",
        "change an admin's role",
        "remove a member",
        "transfer the ownership",
        "edit the account",
        "let keys manage members",
        "delete the account",
    )
    for what in stopped:
        assert "suspended" in str(TABLE[what][0](owner)), what


def test_everybody_but_the_owner_may_leave() -> None:
    for role in Role:
        decision = policy.can_remove_member(member(role), Member(ME, role))
        assert (decision is True) == (role is not Role.OWNER)


def test_one_s_own_role_only_goes_down() -> None:
    me = Member(ME, Role.ADMIN)
    assert policy.can_change_role(AD, me, Role.READ_WRITE) is True
    assert not policy.can_change_role(AD, me, Role.ADMIN)


def test_a_member_of_another_account_is_out_of_reach() -> None:
    theirs = Member(OTHER, Role.READ_ONLY, account_id=GLOBEX)
    assert not policy.can_change_role(OW, theirs, Role.ADMIN)
    assert not policy.can_remove_member(OW, theirs)
    assert not policy.can_transfer_ownership(OW, theirs)


def test_ownership_does_not_go_to_the_owner() -> None:
    assert not policy.can_transfer_ownership(OW, Member(ME, Role.OWNER))


def test_require_raises_the_reason() -> None:
    policy.require(True)
    with pytest.raises(
        PermissionDenied, match=r"^Only admins and owners can see service keys\. Your role in Acme Ltd is Read Only\.$"
    ):
        policy.require(policy.can_see_service_keys(RO))
