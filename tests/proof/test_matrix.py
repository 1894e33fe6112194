"""Every URL, asked by everybody: the answer is the one in the table, and a refusal changes nothing.

A URL of our own that is missing from the tables fails the first test. Django's admin and allauth bring their own,
which are walked by rules instead of rows.
"""

from __future__ import annotations

import itertools
import re
import uuid
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apikeys.models import ApiKey
from tests.proof.doors import ADMIN, ALLAUTH, OURS, Door, doors_of
from tests.proof.world import MACHINES, World, make_world, rows, undone

# People at the browser: nobody, Acme's owner, admin, read & write, read & run, read only, Eve of Globex, an operator
# who is a member nowhere, and an admin who was deactivated while signed in. "in" is a redirect to sign-in, "to" one
# to another page. `user_key/own` is the asker's own key, `user_key/other` somebody else's.
PAGES = """
                          anon  O    A    RW   RR   RO   out  oper gone
home                GET   in    to   to   to   to   to   to   to   in
home                POST  in    405  405  405  405  405  405  405  in
account_section     GET   in    to   to   to   to   to   to   200  in
account_section     POST  in    405  405  405  405  405  405  405  in
account_general     GET   in    200  200  200  200  200  404  404  in
account_general     POST  in    303  303  403  403  403  404  404  in
account_policies    GET   in    405  405  405  405  405  405  405  in
account_policies    POST  in    303  403  403  403  403  404  404  in
account_transfer    GET   in    200  403  403  403  403  404  404  in
account_transfer    POST  in    400  403  403  403  403  404  404  in
account_leave       GET   in    403  200  200  200  200  404  404  in
account_leave       POST  in    403  303  303  303  303  404  404  in
account_delete      GET   in    200  403  403  403  403  404  404  in
account_delete      POST  in    303  403  403  403  403  404  404  in
members             GET   in    200  200  200  200  200  404  404  in
members             POST  in    405  405  405  405  405  405  405  in
member_invite       GET   in    200  200  403  403  403  404  404  in
member_invite       POST  in    303  303  403  403  403  404  404  in
member_role         GET   in    405  405  405  405  405  405  405  in
member_role         POST  in    303  303  403  403  403  404  404  in
member_remove       GET   in    200  200  403  403  200  404  404  in
member_remove       POST  in    303  303  403  403  303  404  404  in
invitation_resend   GET   in    405  405  405  405  405  405  405  in
invitation_resend   POST  in    303  303  403  403  403  404  404  in
invitation_withdraw GET   in    405  405  405  405  405  405  405  in
invitation_withdraw POST  in    303  303  403  403  403  404  404  in
invitation          GET   404   404  404  404  404  404  404  404  404
invitation          POST  405   405  405  405  405  405  405  405  405
invitation_accept   GET   in    405  405  405  405  405  405  405  in
invitation_accept   POST  in    404  404  404  404  404  404  404  in
account_new         GET   in    405  405  405  405  405  405  405  in
account_new         POST  in    409  409  409  409  409  409  303  in
user_general        GET   in    200  200  200  200  200  200  200  in
user_general        POST  in    303  303  303  303  303  303  303  in
user_delete         GET   in    200  200  200  200  200  200  200  in
user_delete         POST  in    400  400  400  400  400  400  400  in
user_keys           GET   in    200  200  200  200  200  200  200  in
user_keys           POST  in    405  405  405  405  405  405  405  in
user_key_new        GET   in    200  200  200  200  200  200  200  in
user_key_new        POST  in    201  201  201  201  201  201  201  in
user_key/own        GET   in    200  200  200  200  200  200  200  in
user_key/own        POST  in    405  405  405  405  405  405  405  in
user_key/other      GET   in    404  404  404  404  404  404  404  in
user_key/other      POST  in    405  405  405  405  405  405  405  in
user_key_rename/own GET   in    200  200  200  200  200  200  200  in
user_key_rename/own POST  in    303  303  303  303  303  303  303  in
user_key_rename/other GET in    404  404  404  404  404  404  404  in
user_key_rename/other POST in   404  404  404  404  404  404  404  in
user_key_rotate/own GET   in    200  200  200  200  200  200  200  in
user_key_rotate/own POST  in    201  201  201  201  201  201  201  in
user_key_rotate/other GET in    404  404  404  404  404  404  404  in
user_key_rotate/other POST in   404  404  404  404  404  404  404  in
user_key_delete/own GET   in    200  200  200  200  200  200  200  in
user_key_delete/own POST  in    303  303  303  303  303  303  303  in
user_key_delete/other GET in    404  404  404  404  404  404  404  in
user_key_delete/other POST in   404  404  404  404  404  404  404  in
user_key_addresses/own GET in   200  200  200  200  200  200  200  in
user_key_addresses/own POST in  303  303  303  303  303  303  303  in
user_key_addresses/other GET in 404  404  404  404  404  404  404  in
user_key_addresses/other POST in 404 404  404  404  404  404  404  in
service_keys        GET   in    200  200  403  403  403  404  404  in
service_keys        POST  in    405  405  405  405  405  405  405  in
service_key_new     GET   in    200  200  403  403  403  404  404  in
service_key_new     POST  in    201  201  403  403  403  404  404  in
service_key         GET   in    200  200  403  403  403  404  404  in
service_key         POST  in    405  405  405  405  405  405  405  in
service_key_rename  GET   in    200  200  403  403  403  404  404  in
service_key_rename  POST  in    303  303  403  403  403  404  404  in
service_key_rotate  GET   in    200  200  403  403  403  404  404  in
service_key_rotate  POST  in    201  201  403  403  403  404  404  in
service_key_delete  GET   in    200  200  403  403  403  404  404  in
service_key_delete  POST  in    303  303  403  403  403  404  404  in
service_key_addresses GET in    200  200  403  403  403  404  404  in
service_key_addresses POST in   303  303  403  403  403  404  404  in
account_key_policies GET  in    200  200  403  403  403  404  404  in
account_key_policies POST in    303  303  403  403  403  404  404  in
audit_log           GET   in    200  200  403  403  403  404  404  in
audit_log           POST  in    405  405  405  405  405  405  405  in
audit_log_export    GET   in    405  405  405  405  405  405  405  in
audit_log_export    POST  in    200  200  403  403  403  404  404  in
metrics             GET   404   404  404  404  404  404  404  404  404
metrics             POST  405   405  405  405  405  405  405  405  405
"""

FORMS: dict[str, dict[str, str]] = {
    "user_key_new": {"name": "From the form", "expires": "30"},
    "service_key_new": {"name": "From the form", "expires": "30", "role": "READ_ONLY"},
    "user_key_addresses": {"mode": "enforce", "networks": "192.0.2.0/24"},
    "service_key_addresses": {"mode": "enforce", "networks": "192.0.2.0/24"},
    "account_new": {"name": "An account of one's own"},
    "account_general": {"name": "Another name"},
    "account_policies": {"keys_manage_members": "on"},
    "account_key_policies": {"most_service_keys": "500", "from_day": f"{timezone.now():%Y-%m-%d}"},
    "account_delete": {"confirm_name": "Acme Ltd"},
    "member_invite": {"emails": "new@example.com", "role": "READ_ONLY"},
    "member_role": {"role": "READ_RUN"},
    "user_general": {"name": "Another name", "theme": "dark"},
    "user_key_rename": {"name": "Another name"},
    "user_key_rotate": {"overlap": "24h"},
    "service_key_rename": {"name": "Another name"},
    "service_key_rotate": {"overlap": "24h"},
}
MADE_OR_CHANGED = ("201", "303")
# Answers 200, and leaves the record that it was asked.
RECORDED = ("audit_log_export",)

Row = tuple[str, str, dict[str, str]]


def _read(table: str) -> list[Row]:
    """(door, method, expected answer by asker) for each line under the askers."""
    head, *lines = [line.split() for line in table.strip("\n").splitlines()]
    return [(door, method, dict(zip(head, answers, strict=True))) for door, method, *answers in lines]


PAGE_ROWS = _read(PAGES)
PEOPLE = list(PAGE_ROWS[0][2])
# The API's doors have a table of their own.
OUR_DOORS = {door.name: door for door in doors_of(OURS) if not door.name.startswith(("v1:", "gateway:"))}
_nonces = (f"a-nonce-of-the-matrix-{n}" for n in itertools.count())


def _row_id(row: Row) -> str:
    return f"{row[0]} {row[1]}"


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def _path(world: World, label: str, asker: str) -> str:
    """The address of a row's door, for the key that the row speaks of."""
    name, _, whose = label.partition("/")
    key = {"own": world.own_key, "other": world.anothers_key}.get(whose, lambda asker: world.service)(asker)
    return OUR_DOORS[name].path(**world.values() | {"public_id": key.public_id})


def _knock(client: Any, method: str, label: str, path: str) -> Any:
    form = {**FORMS.get(label.partition("/")[0], {}), "nonce": next(_nonces)}
    return client.post(path, form) if method == "POST" else client.get(path)


def _answer(response: Any) -> str:
    if response.status_code == 302:
        return "in" if response["Location"].startswith(reverse("account_login")) else "to"
    return str(response.status_code)


def test_every_url_of_our_own_stands_in_the_tables() -> None:
    in_tables = {(label.partition("/")[0], method) for label, method, _ in PAGE_ROWS}
    assert in_tables == {(name, method) for name in OUR_DOORS for method in ("GET", "POST")}


@pytest.mark.parametrize("row", PAGE_ROWS, ids=_row_id)
def test_people_get_the_answer_of_the_table_and_a_refusal_changes_nothing(world: World, row: Row) -> None:
    label, method, expected = row
    browsers = {asker: world.browser(asker) for asker in PEOPLE}
    before, answers, wrongly_changed = rows(), {}, []
    for asker, client in browsers.items():
        with undone():
            answers[asker] = _answer(_knock(client, method, label, _path(world, label, asker)))
            changes = answers[asker] in MADE_OR_CHANGED or (answers[asker] == "200" and label in RECORDED)
            if (rows() != before) != (method == "POST" and changes):
                wrongly_changed.append(asker)
    assert answers == expected
    assert wrongly_changed == []


@pytest.mark.parametrize("row", PAGE_ROWS, ids=_row_id)
def test_an_api_key_opens_no_page(world: World, row: Row) -> None:
    label, method, expected = row
    before = rows()
    for asker in MACHINES:
        path = _path(world, label, asker)
        assert _answer(_knock(world.machine(asker), method, label, path)) == expected["anon"], asker
    assert rows() == before


ROLES_NOBODY_GRANTS = ["OWNER", "owner", " OWNER", "Owner", "OWNER ", "admin", "", "NONE", "4", "READ_ONLY,OWNER"]


@pytest.mark.parametrize("role", ROLES_NOBODY_GRANTS)
def test_no_form_gives_a_service_key_a_role_that_does_not_exist(world: World, role: str) -> None:
    expected = {"O": 400, "A": 400, "RW": 403, "RR": 403, "RO": 403, "out": 404, "oper": 404}
    path = OUR_DOORS["service_key_new"].path(account_id=world.cast.acme.pk)
    before, answers = rows(), {}
    for asker in expected:
        form = {**FORMS["service_key_new"], "role": role, "nonce": next(_nonces)}
        answers[asker] = world.browser(asker).post(path, form).status_code
    assert answers == expected
    assert rows() == before


def test_a_role_sent_twice_is_the_last_one_and_never_owner(world: World) -> None:
    path = OUR_DOORS["service_key_new"].path(account_id=world.cast.acme.pk)
    form = {**FORMS["service_key_new"], "nonce": next(_nonces)}
    assert world.browser("A").post(path, {**form, "role": ["READ_ONLY", "OWNER"]}).status_code == 400
    assert world.browser("A").post(path, {**form, "role": ["OWNER", "READ_ONLY"]}).status_code == 201
    assert ApiKey.objects.latest("pk").role == "READ_ONLY"


def test_a_service_key_is_not_found_under_another_account_nor_among_user_keys(world: World) -> None:
    globex, key = world.cast.globex, world.service
    eve, olivia = world.browser("out"), world.browser("O")
    before = rows()
    own = world.user_keys["O"].public_id
    assert eve.get(reverse("service_key", args=[globex.pk, key.public_id])).status_code == 404
    for act in ("rename", "rotate", "addresses", "delete"):
        form = {**FORMS.get(f"service_key_{act}", {}), "nonce": next(_nonces)}
        assert eve.get(reverse(f"service_key_{act}", args=[globex.pk, key.public_id])).status_code == 404
        assert eve.post(reverse(f"service_key_{act}", args=[globex.pk, key.public_id]), form).status_code == 404
        assert olivia.post(reverse(f"user_key_{act}", args=[key.public_id]), form).status_code == 404
        assert olivia.post(reverse(f"service_key_{act}", args=[world.cast.acme.pk, own]), form).status_code == 404
    assert rows() == before


ACCOUNT_PAGES = [name for name, door in OUR_DOORS.items() if "account_id" in door.route and door.name.partition(":")[1] == ""]


@pytest.mark.parametrize("name", ACCOUNT_PAGES)
def test_a_stranger_cannot_tell_an_account_from_one_that_is_absent(world: World, name: str) -> None:
    eve = world.browser("out")
    real = eve.get(OUR_DOORS[name].path(**world.values()))
    absent = eve.get(OUR_DOORS[name].path(**world.values() | {"account_id": uuid.uuid4()}))
    assert real.status_code in (404, 405)
    assert _without_noise(real) == _without_noise(absent)


@pytest.mark.parametrize("name", ["user_key", "user_key_rename", "user_key_rotate", "user_key_addresses", "user_key_delete"])
def test_nobody_can_tell_anothers_key_from_one_that_is_absent(world: World, name: str) -> None:
    adam = world.browser("A")
    real = adam.get(reverse(name, args=[world.anothers_key("A").public_id]))
    absent = adam.get(reverse(name, args=["cu_000000000000"]))
    assert real.status_code == 404
    assert _without_noise(real) == _without_noise(absent)


def _without_noise(response: Any) -> str:
    """Headers and body without what differs between any two answers: request ID and form token."""
    text = response.serialize().decode().replace(response["X-Request-ID"], "ID")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "token", text)


# What others bring, by rule.

ADMIN_DOORS, ALLAUTH_DOORS = doors_of(ADMIN), doors_of(ALLAUTH)
# allauth's pages for people who are not signed in; everything else of it needs somebody.
OPEN_TO_ALL = {
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_email_verification_sent",
    "account_reset_password",
    "account_confirm_login_code",
    "account_confirm_email",
    "account_reset_password_from_key_done",
    "account_reset_password_from_key",
    "account_reset_password_done",
}


def _foreign_path(world: World, door: Door) -> str:
    """An address of the admin or allauth, on an object that exists."""
    objects = {
        "accounts/user": world.cast.adam.pk,
        "accounts/account": world.cast.acme.pk,
        "accounts/membership": world.cast.acme.memberships.first().pk,  # type: ignore[union-attr]
        "apikeys/apikey": world.service.pk,
    }
    model = "/".join(door.route.split("/")[1:3])
    return door.path(
        object_id=objects.get(model, 1), content_type_id=1, app_label="apikeys", url="nowhere", key="key", uidb36="1"
    )


# Signing out is for everybody.
GUARDED_ADMIN_DOORS = [door for door in ADMIN_DOORS if door.name != "admin:logout"]


@pytest.mark.parametrize("door", GUARDED_ADMIN_DOORS, ids=lambda door: door.name)
def test_the_admin_is_for_operators_alone(world: World, door: Door) -> None:
    path, before = _foreign_path(world, door), rows()
    askers = {asker: world.browser(asker) for asker in ("anon", "O", "RO", "out", "gone")}
    for asker, client in {**askers, "a key of the operator": world.machine("oper")}.items():
        for response in (client.get(path), client.post(path, {"_save": "Save"})):
            sent_away = response.status_code == 302 and "login" in response["Location"]
            assert sent_away or response.status_code in (403, 404, 405), (asker, response.status_code)
    assert rows() == before


def test_people_who_are_signed_in_and_no_operators_are_refused_at_the_admins_sign_in(world: World) -> None:
    answers = {asker: world.browser(asker).get(reverse("admin:login")).status_code for asker in PEOPLE}
    expected = dict.fromkeys(PEOPLE, 403) | {"anon": 302, "gone": 302, "oper": 302}
    assert answers == expected


@pytest.mark.parametrize("door", ADMIN_DOORS, ids=lambda door: door.name)
def test_an_operator_who_knocks_everywhere_changes_nothing(world: World, door: Door) -> None:
    oscar, path = world.browser("oper"), _foreign_path(world, door)
    before = rows()
    form = {"_save": "Save", "post": "yes", "name": "Mine", "role": "ADMIN", "is_staff": "on", "suspended_at": "2026-01-01"}
    answers = [oscar.get(path).status_code, oscar.post(path, form).status_code]
    assert all(status < 500 for status in answers), answers
    assert rows() == before


@pytest.mark.parametrize("kind", ["add", "change", "delete"])
def test_the_admin_makes_changes_and_deletes_no_row_but_a_membership_added(world: World, kind: str) -> None:
    oscar = world.browser("oper")
    doors = [door for door in ADMIN_DOORS if door.route.endswith(f"/{kind}/")]
    answers = {door.name: oscar.post(_foreign_path(world, door), {"_save": "Save"}).status_code for door in doors}
    assert len(answers) >= 5
    assert answers.pop("admin:accounts_membership_add", 200) == 200
    assert set(answers.values()) == {403}


@pytest.mark.parametrize("door", ALLAUTH_DOORS, ids=lambda door: door.name)
def test_a_page_of_allauth_needs_somebody_unless_it_is_for_signing_in(world: World, door: Door) -> None:
    path, before = _foreign_path(world, door), rows()
    for client in (world.browser("anon"), world.browser("gone"), world.machine("O"), world.machine("sADMIN")):
        for response in (client.get(path), client.post(path, {})):
            if door.name in OPEN_TO_ALL:
                assert response.status_code < 500
            else:
                assert _answer(response) == "in"
    assert rows() == before


@pytest.mark.parametrize("door", ALLAUTH_DOORS, ids=lambda door: door.name)
def test_an_empty_form_to_allauth_changes_nothing(world: World, door: Door) -> None:
    path = _foreign_path(world, door)
    browsers = [world.browser(asker) for asker in ("O", "RO", "out", "oper")]
    before = rows()
    for client in browsers:
        assert client.get(path).status_code < 500
        assert client.post(path, {}).status_code < 500
    assert rows() == before
