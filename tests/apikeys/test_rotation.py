"""A key gets a successor, by its page and by the verb, and works on beside it for a while."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.models import User
from apikeys.models import AlreadyShown, ApiKey, KeyStandsStill
from apikeys.secret import Secret
from apikeys.usage import Outcome, Usage
from keyportal.policy import Actor, Role
from tests.factories import PASSWORD, Cast, another_secret_of, service_key, user_key
from tests.sessions import browser_of

pytestmark = pytest.mark.django_db

NONCE = "one-nonce-of-a-rotation"
DAY, WEEK = timedelta(hours=24), timedelta(days=7)
ME = "/v1/accounts/me"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def form(overlap: str = "24h", nonce: str = NONCE) -> dict[str, str]:
    return {"overlap": overlap, "nonce": nonce}


def key_of(cast: Cast, kind: str, **changes: Any) -> tuple[ApiKey, str]:
    """Olivia's key, or Acme's."""
    return user_key(cast.olivia, **changes) if kind == "user" else service_key(cast.acme, **changes)


def actor_of(cast: Cast, kind: str) -> Actor:
    return person(cast.olivia) if kind == "user" else cast.actor(cast.olivia, cast.acme)


def rotate(cast: Cast, key: ApiKey, overlap: timedelta = DAY, **more: Any) -> tuple[ApiKey, Secret]:
    return key.rotate(by=actor_of(cast, "user" if key.user_id else "service"), overlap=overlap, **more)


def fresh(key: ApiKey) -> ApiKey:
    """As the database has it now."""
    return ApiKey.objects.get(pk=key.pk)


def shown(response: Any) -> str:
    """The key on a page that reveals one."""
    (found,) = set(re.findall(r"(?:cu|sv)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", response.content.decode()))
    return str(found)


def text(response: Any) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", "", response.content.decode()).split())


KINDS = pytest.mark.parametrize("kind", ["user", "service"])


# The successor


@KINDS
@pytest.mark.parametrize(("choice", "overlap"), [("24h", DAY), ("7d", WEEK)])
def test_both_keys_work_until_the_overlap_is_over(
    cast: Cast, call_api: Any, kind: str, choice: str, overlap: timedelta
) -> None:
    old, old_secret = key_of(cast, kind)
    with time_machine.travel(NOON, tick=False) as clock:
        answer = browser_of(cast.olivia).post(old.rotate_url, form(choice))
        assert answer.status_code == 201
        new_secret = shown(answer)
        after = fresh(old)
        new = after.successor
        assert new is not None
        assert (after.replaced_at, after.expires_at, after.revoked_at) == (NOON, NOON + overlap, None)
        assert (new.name, new.role, new.user_id, new.account_id) == (old.name, old.role, old.user_id, old.account_id)
        assert (new.expires_at, new.created_at, new.created_by) == (None, NOON, cast.olivia)
        assert {call_api(ME, secret, cast.acme).status_code for secret in (old_secret, new_secret)} == {200}
        clock.shift(overlap - timedelta(microseconds=1))
        assert {call_api(ME, secret, cast.acme).status_code for secret in (old_secret, new_secret)} == {200}
        clock.shift(timedelta(microseconds=1))
        assert call_api(ME, new_secret, cast.acme).status_code == 200
        refused = call_api(ME, old_secret, cast.acme)
        assert refused.status_code == 401
        assert refused.json()["message"] == (
            "This API key was replaced on 22 Nov 2026 and has ended. Use the key that took its place."
        )
        assert list(Usage.objects.filter(public_id=old.public_id).exclude(outcome="allowed").values_list("outcome")) == [
            (Outcome.REPLACED,)
        ]


@KINDS
def test_without_an_overlap_the_old_key_is_revoked_at_once(cast: Cast, call_api: Any, kind: str) -> None:
    old, old_secret = key_of(cast, kind)
    answer = browser_of(cast.olivia).post(old.rotate_url, form("0"))
    assert answer.status_code == 201
    after = fresh(old)
    assert after.revoked_at is not None
    assert (after.revoked_reason, after.revoked_by, after.state.value) == ("Rotated", cast.olivia, "deleted")
    assert call_api(ME, shown(answer), cast.acme).status_code == 200
    refused = call_api(ME, old_secret, cast.acme)
    assert refused.status_code == 401
    assert "was replaced on" in refused.json()["message"]
    assert "The old key has ended" in text(answer)


def test_who_has_not_proven_the_secret_is_not_told_that_the_key_was_replaced(cast: Cast, call_api: Any) -> None:
    old, secret = user_key(cast.olivia)
    rotate(cast, old, timedelta(0))
    assert "replaced" not in call_api(ME, another_secret_of(secret), cast.acme).json()["message"]


@pytest.mark.parametrize(
    ("age", "lifetime", "expected"),
    [
        (timedelta(days=30), timedelta(days=90, hours=7), timedelta(days=90, hours=7)),
        (timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=2)),
        (timedelta(days=400), None, None),
    ],
)
def test_the_successor_lives_as_long_as_the_old_key_was_given(
    cast: Cast, age: timedelta, lifetime: timedelta | None, expected: timedelta | None
) -> None:
    made = timezone.now() - age
    old, _ = user_key(cast.olivia, created_at=made, expires_at=made + lifetime if lifetime else None)
    new, _ = rotate(cast, old)
    new = fresh(new)
    assert (new.expires_at - new.created_at if new.expires_at else None) == expected


def test_no_successor_lives_longer_than_ten_years(cast: Cast) -> None:
    """Ten years over three leap days are a day more than ten years over two."""
    made = datetime(2027, 3, 1, tzinfo=UTC)
    old, _ = user_key(cast.olivia, created_at=made, expires_at=datetime(2037, 3, 1, 23, 59, 59, tzinfo=UTC))
    with time_machine.travel(datetime(2029, 3, 1, 12, tzinfo=UTC), tick=False):
        new, _ = rotate(cast, old)
    assert new.expires_at == datetime(2039, 3, 1, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("left", [timedelta(seconds=1), timedelta(hours=23), timedelta(days=6)])
def test_the_old_key_s_own_expiry_stays_where_it_is_sooner(cast: Cast, left: timedelta) -> None:
    end = timezone.now() + left
    old, _ = user_key(cast.olivia, expires_at=end)
    rotate(cast, old, WEEK)
    assert fresh(old).expires_at == end


def test_each_of_both_records_what_happened_to_it(cast: Cast) -> None:
    old, _ = service_key(cast.acme)
    before = AuditEvent.objects.count()
    new, _ = rotate(cast, old)
    created, rotated = AuditEvent.objects.order_by("pk")[before:]
    assert (created.action, created.target_id, created.details["replaces"]) == ("key.created", new.public_id, old.public_id)
    assert (rotated.action, rotated.target_id, rotated.details["replaced_by"]) == ("key.rotated", old.public_id, new.public_id)
    assert rotated.details["ends_at"] == fresh(old).expires_at.isoformat()  # type: ignore[union-attr]
    assert {created.account_id, rotated.account_id} == {cast.acme.pk}


def test_the_successor_is_rotated_in_its_turn(cast: Cast, call_api: Any) -> None:
    first, first_secret = user_key(cast.olivia)
    second, _ = rotate(cast, first, WEEK)
    third, third_secret = rotate(cast, fresh(second), timedelta(0))
    assert [fresh(key).state.value for key in (first, second, third)] == ["ending", "deleted", "active"]
    assert {call_api(ME, key, cast.acme).status_code for key in (first_secret, third_secret.reveal())} == {200}


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), WEEK + timedelta(seconds=1)])
def test_an_overlap_below_nothing_or_beyond_a_week_is_refused(cast: Cast, overlap: timedelta) -> None:
    old, _ = user_key(cast.olivia)
    with pytest.raises(ValidationError):
        rotate(cast, old, overlap)
    assert ApiKey.objects.count() == 1


# Who, when and which


def test_a_user_key_is_rotated_by_its_user_alone(cast: Cast) -> None:
    old, _ = user_key(cast.wendy)
    for other in (cast.olivia, cast.adam, cast.eve):
        assert browser_of(other).post(old.rotate_url, form()).status_code == 404
        with pytest.raises(PermissionDenied):
            old.rotate(by=cast.actor(other, cast.acme), overlap=DAY)
    for nobody in (operator_at_shell(), Actor(via="key", user_id=cast.wendy.pk, key_id=old.public_id)):
        with pytest.raises(PermissionDenied):
            old.rotate(by=nobody, overlap=DAY)
    assert ApiKey.objects.count() == 1
    assert old.rotate(by=person(cast.wendy), overlap=DAY)[0].user == cast.wendy


@pytest.mark.parametrize("role", list(Role))
def test_a_service_key_is_rotated_by_admin_and_owner(cast: Cast, role: Role) -> None:
    old, _ = service_key(cast.acme, Role.READ_RUN)
    user = cast.member(role)
    answer = browser_of(user).post(old.rotate_url, form())
    if role in (Role.ADMIN, Role.OWNER):
        new = fresh(old).successor
        assert answer.status_code == 201
        assert new is not None
        assert (new.role, new.created_by) == ("READ_RUN", user)
    else:
        assert answer.status_code == 403
        with pytest.raises(PermissionDenied):
            old.rotate(by=cast.actor(user, cast.acme), overlap=DAY)
        assert ApiKey.objects.count() == 1


def test_a_demotion_or_a_suspension_counts_though_the_page_was_open_before(cast: Cast) -> None:
    old, _ = service_key(cast.acme)
    adam, olivia = cast.actor(cast.adam, cast.acme), cast.actor(cast.olivia, cast.acme)
    cast.acme.memberships.filter(user=cast.adam).update(stored_role=Role.READ_WRITE)
    with pytest.raises(PermissionDenied):
        old.rotate(by=adam, overlap=DAY)
    cast.acme.suspend(by=operator_at_shell(), reason="breach")
    with pytest.raises(PermissionDenied, match="suspended"):
        old.rotate(by=olivia, overlap=DAY)
    page = browser_of(cast.olivia).get(old.get_absolute_url()).content.decode()
    assert old.rotate_url not in page
    assert old.rename_url not in page
    assert old.delete_url in page
    assert browser_of(cast.olivia).post(old.rotate_url, form()).status_code == 403
    assert browser_of(cast.olivia).post(old.delete_url).status_code == 303


def test_somebody_who_was_deactivated_rotates_nothing(cast: Cast) -> None:
    old, _ = user_key(cast.wendy)
    actor = person(cast.wendy)
    User.objects.filter(pk=cast.wendy.pk).update(is_active=False)
    with pytest.raises(PermissionDenied):
        old.rotate(by=actor, overlap=DAY)


def test_a_sign_in_of_long_ago_is_asked_for_again_and_then_the_form_goes_on(cast: Cast) -> None:
    old, _ = user_key(cast.olivia)
    browser = browser_of(cast.olivia, ago=timedelta(hours=5))
    assert browser.get(old.rotate_url).status_code == 200
    assert browser.post(old.rotate_url, form("99y")).status_code == 400
    answer = browser.post(old.rotate_url, form())
    assert answer.status_code == 302
    assert "/reauthenticate/" in answer["Location"]
    assert ApiKey.objects.count() == 1
    done = browser.post(answer["Location"], {"password": PASSWORD})
    assert done.status_code == 201
    assert shown(done).startswith(fresh(old).successor.public_id)  # type: ignore[union-attr]


STANDING_STILL = {
    "deleted": ({"revoked_at": PAST}, "This key was deleted. Create a new one instead."),
    "suspended": ({"suspended_at": PAST}, "It can be rotated once an operator has resumed it."),
    "expired": ({"expires_at": PAST}, "This key has expired. Create a new one instead."),
}


@KINDS
@pytest.mark.parametrize("state", STANDING_STILL)
def test_only_a_usable_key_is_rotated(cast: Cast, kind: str, state: str) -> None:
    changes, reason = STANDING_STILL[state]
    old, _ = key_of(cast, kind)
    ApiKey.objects.filter(pk=old.pk).update(**changes | {"created_at": PAST - DAY})
    browser = browser_of(cast.olivia)
    for answer in (browser.get(old.rotate_url), browser.post(old.rotate_url, form())):
        assert answer.status_code == 409
        assert reason in text(answer)
        way_on = old.get_absolute_url() if state == "suspended" else old.new_url
        assert f'href="{way_on}"' in answer.content.decode()
    with pytest.raises(KeyStandsStill):
        rotate(cast, old)
    assert ApiKey.objects.count() == 1
    assert f'href="{old.rotate_url}"' not in browser.get(old.get_absolute_url()).content.decode()


@KINDS
@pytest.mark.parametrize("overlap", ["0", "24h"])
def test_a_key_that_was_rotated_is_not_rotated_again_and_the_answer_leads_to_its_successor(
    cast: Cast, kind: str, overlap: str
) -> None:
    old, _ = key_of(cast, kind)
    browser = browser_of(cast.olivia)
    assert browser.post(old.rotate_url, form(overlap)).status_code == 201
    new = fresh(old).successor
    assert new is not None
    for answer in (browser.get(old.rotate_url), browser.post(old.rotate_url, form(overlap, "another-nonce-than-before"))):
        assert answer.status_code == 409
        assert f"Rotate the one that took its place, {new.masked}." in text(answer)
        assert f'href="{new.get_absolute_url()}"' in answer.content.decode()
    assert ApiKey.objects.count() == 2


def test_the_database_itself_keeps_one_successor_for_each_key_and_an_end_for_each_replaced(cast: Cast) -> None:
    old, _ = user_key(cast.olivia)
    rotate(cast, old)
    other, _ = user_key(cast.olivia)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=other.pk).update(replaces=old)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=old.pk).update(expires_at=None)


# The form


@KINDS
def test_the_dialog_says_what_happens_and_when(cast: Cast, kind: str) -> None:
    old, _ = key_of(cast, kind)
    with time_machine.travel(NOON, tick=False):
        ApiKey.objects.filter(pk=old.pk).update(created_at=NOON - timedelta(days=87), expires_at=NOON + timedelta(days=3))
        said = text(browser_of(cast.olivia).get(old.rotate_url))
    assert "It works through 20 February 2027." in said
    assert "24 hours Both work until 23 November 2026, 12:00 UTC." in said
    assert "7 days Both work until 25 November 2026, 12:00 UTC." in said, "its own expiry is sooner"
    assert "Requests with it fail with 401 at once." in said


@pytest.mark.parametrize("overlap", ["", "1h", "-1", "0h", "24H", "604800"])
def test_an_overlap_that_is_not_offered_is_refused_in_the_dialog(cast: Cast, overlap: str) -> None:
    old, _ = user_key(cast.olivia)
    answer = browser_of(cast.olivia).post(old.rotate_url, form(overlap))
    assert answer.status_code == 400
    assert answer.context["dialog"] == "rotate"
    assert "overlap" in answer.context["rotate_form"].errors
    assert (ApiKey.objects.count(), fresh(old).replaced_at) == (1, None)


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "nonce\x00with-a-nul-000"])
def test_a_form_without_a_proper_nonce_makes_nothing(cast: Cast, nonce: str) -> None:
    old, _ = user_key(cast.olivia)
    assert browser_of(cast.olivia).post(old.rotate_url, form(nonce=nonce)).status_code == 400
    assert (ApiKey.objects.count(), fresh(old).replaced_at) == (1, None)


@KINDS
@pytest.mark.parametrize("overlap", ["0", "24h"])
def test_a_form_sent_again_makes_nothing_and_shows_nothing(cast: Cast, kind: str, overlap: str) -> None:
    old, _ = key_of(cast, kind)
    browser = browser_of(cast.olivia)
    first = browser.post(old.rotate_url, form(overlap))
    before = AuditEvent.objects.count()
    again = browser.post(old.rotate_url, form(overlap))
    assert (first.status_code, again.status_code) == (201, 409)
    assert "already shown" in text(again)
    assert "data-secret" not in again.content.decode()
    new = fresh(old).successor
    assert new is not None
    assert shown(first) not in again.content.decode()
    assert f'href="{new.rotate_url}"' in again.content.decode()
    assert (ApiKey.objects.count(), AuditEvent.objects.count()) == (2, before)


def test_the_nonce_of_another_form_of_one_s_own_is_spent(cast: Cast) -> None:
    old, _ = user_key(cast.olivia)
    rotate(cast, old, nonce=NONCE)
    other, _ = user_key(cast.olivia, name="Other")
    with pytest.raises(AlreadyShown):
        rotate(cast, other, nonce=NONCE)
    assert fresh(other).replaced_at is None


@KINDS
def test_the_reveal_has_the_headers_of_every_reveal_and_says_what_becomes_of_the_old_key(cast: Cast, kind: str) -> None:
    old, _ = key_of(cast, kind)
    with time_machine.travel(NOON, tick=False):
        answer = browser_of(cast.olivia).post(old.rotate_url, form())
    assert answer["Referrer-Policy"] == "no-referrer"
    assert {"no-store", "private"} <= {part.strip() for part in answer["Cache-Control"].split(",")}
    assert answer.content.decode().count(shown(answer)) == 1
    said = text(answer)
    assert "The old key works until 23 Nov 2026, 12:00 UTC" in said
    assert old.masked in said
    assert "If you lose it, rotate it again." in said


# What pages say meanwhile


@KINDS
def test_the_list_marks_which_is_which_and_counts_both(cast: Cast, kind: str) -> None:
    old, _ = key_of(cast, kind)
    with time_machine.travel(NOON, tick=False) as clock:
        new, _ = rotate(cast, old)
        browser = browser_of(cast.olivia)
        clock.shift(timedelta(minutes=30))
        page = browser.get(old.list_url)
        said = text(page)
        assert f"Replaces {old.masked}" in said
        assert f"Replaced by {new.masked}" in said
        assert "Replaced, ends in 23 hours" in said
        assert {tab["label"]: tab["count"] for tab in page.context["listing"].tabs} == {
            "Usable": 2,
            "Expired": 0,
            "Deleted": 0,
            "All": 2,
        }
        clock.shift(DAY)
        page = browser_of(cast.olivia).get(old.list_url)
        assert f"Replaces {old.masked}" not in text(page)
        assert [key.state.label for key in page.context["listing"].keys] == ["Active", "Replaced"]
        assert [tab["count"] for tab in page.context["listing"].tabs] == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("left", "label"),
    [
        (timedelta(seconds=59), "Replaced, ends in less than a minute"),
        (timedelta(minutes=1), "Replaced, ends in 1 minute"),
        (timedelta(minutes=59, seconds=59), "Replaced, ends in 59 minutes"),
        (timedelta(hours=1), "Replaced, ends in 1 hour"),
        (timedelta(hours=23, minutes=59), "Replaced, ends in 23 hours"),
        (timedelta(hours=24), "Replaced, ends tomorrow"),
        (timedelta(days=7), "Replaced, ends in 7 days"),
        (timedelta(0), "Replaced"),
    ],
)
def test_the_state_says_how_much_is_left(left: timedelta, label: str) -> None:
    with time_machine.travel(NOON, tick=False):
        assert ApiKey(replaced_at=NOON - DAY, expires_at=NOON + left).state.label == label


def test_deleted_and_suspended_come_before_replaced() -> None:
    past = {"replaced_at": NOON - DAY, "expires_at": NOON}
    assert ApiKey(**past, suspended_at=NOON).state.value == "suspended"
    assert ApiKey(**past, suspended_at=NOON, revoked_at=NOON).state.value == "deleted"


QUIET, UNUSED = "The old secret has not been used since", "The new key has not been used, and the old one ends in"


@KINDS
def test_both_pages_say_who_still_uses_the_old_key_and_whether_the_new_one_is_used(
    cast: Cast, call_api: Any, kind: str
) -> None:
    old, old_secret = key_of(cast, kind)
    browser = browser_of(cast.olivia)
    agent = {"headers": {"User-Agent": "checkly-cli/9.1"}, "REMOTE_ADDR": "198.51.100.7"}

    def pages() -> list[Any]:
        return [browser.get(key.get_absolute_url()) for key in (old, new)]

    with time_machine.travel(NOON, tick=False) as clock:
        call_api(ME, old_secret, cast.acme, **agent)
        clock.shift(timedelta(minutes=5))
        new, secret = rotate(cast, old)
        clock.shift(timedelta(minutes=5))
        for page in pages():
            assert QUIET in text(page), "what was before the rotation says nothing"
            assert UNUSED in text(page)
            assert "End the old key now" in text(page)
            assert f'href="{old.delete_url}"' in page.content.decode()
        call_api(ME, old_secret, cast.acme, **agent)
        clock.shift(timedelta(minutes=12))
        for page in pages():
            assert "checkly-cli from 198.51.100.7 still uses the old secret, 12 minutes ago" in text(page)
            assert "End the old key now" not in text(page)
        call_api(ME, secret.reveal(), cast.acme, **agent)
        for page in pages():
            assert UNUSED not in text(page)
            assert "Used just now by checkly-cli" in text(page)
        clock.shift(DAY)
        old_page, new_page = pages()
        assert "Replaced 22 Nov 2026, 12:05 UTC, ended 23 Nov 2026, 12:05 UTC" in text(old_page)
        assert new.get_absolute_url() in old_page.content.decode()
        assert old.get_absolute_url() in new_page.content.decode()
        assert "still uses" not in text(new_page)


def test_a_use_after_the_rotation_is_seen_though_another_was_written_in_the_same_minute(cast: Cast, call_api: Any) -> None:
    old, secret = user_key(cast.olivia)
    with time_machine.travel(NOON, tick=False) as clock:
        call_api(ME, secret, cast.acme)
        clock.shift(timedelta(seconds=10))
        rotate(cast, old)
        clock.shift(timedelta(seconds=10))
        call_api(ME, secret, cast.acme)
        assert fresh(old).last_used_at == NOON + timedelta(seconds=20)
        clock.shift(timedelta(seconds=10))
        call_api(ME, secret, cast.acme)
        assert fresh(old).last_used_at == NOON + timedelta(seconds=20), "from then on once a minute, as ever"


def test_an_unused_new_key_is_no_reason_to_warn_while_the_old_one_has_days_to_go(cast: Cast) -> None:
    old, _ = user_key(cast.olivia)
    rotate(cast, old, WEEK)
    browser = browser_of(cast.olivia)
    assert UNUSED not in text(browser.get(old.get_absolute_url()))
    ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now() + DAY)
    assert UNUSED in text(browser.get(old.get_absolute_url()))


def test_the_old_key_is_ended_now_by_deleting_it(cast: Cast, call_api: Any) -> None:
    old, old_secret = user_key(cast.olivia)
    _, secret = rotate(cast, old)
    assert browser_of(cast.olivia).post(old.delete_url).status_code == 303
    assert call_api(ME, old_secret, cast.acme).status_code == 401
    assert call_api(ME, secret.reveal(), cast.acme).status_code == 200


def test_deleting_the_new_key_leaves_the_old_one_its_overlap(cast: Cast, call_api: Any) -> None:
    old, old_secret = user_key(cast.olivia)
    new, secret = rotate(cast, old)
    new.revoke(by=person(cast.olivia))
    assert call_api(ME, secret.reveal(), cast.acme).status_code == 401
    assert call_api(ME, old_secret, cast.acme).status_code == 200
    for key in (old, new):
        said = text(browser_of(cast.olivia).get(key.get_absolute_url()))
        assert "The new key does not work, and the old one ends" in said
        assert "The old key works until" in said
        assert "Both keys work" not in said


def test_a_suspended_key_that_was_replaced_says_that_it_is_suspended_also_after_its_end(cast: Cast, call_api: Any) -> None:
    old, secret = user_key(cast.olivia)
    rotate(cast, old)
    ApiKey.objects.filter(pk=old.pk).update(suspended_at=PAST, expires_at=PAST)
    assert "is suspended" in call_api(ME, secret, cast.acme).json()["message"]
