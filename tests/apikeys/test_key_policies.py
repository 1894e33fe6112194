"""What an account asks of keys: when they are made, when they are used, and what the page says before it is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone
from hypothesis import HealthCheck, example, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.models import Account
from apikeys.models import ApiKey
from apikeys.policy_preview import preview, stopped_keys
from apikeys.usage import Outcome, Usage
from keyportal.key_policy import NOTHING, KeyPolicy, allows_key, announced, changed, for_making, in_force, read
from keyportal.policy import Role
from tests import factories
from tests.apikeys.conftest import Verify
from tests.sessions import browser_of
from tests.statements import statements

ME = "/v1/accounts/me"
NOON = datetime(2030, 1, 10, 12, 30, tzinfo=UTC)
TODAY = NOON.date()
DAY = timedelta(days=1)
Call = Callable[..., Any]


def ask(cast: factories.Cast, from_day: date = TODAY, **asked: Any) -> None:
    cast.acme.set_key_policy(KeyPolicy(**asked), from_day=from_day, by=cast.actor(cast.adam, cast.acme))


@pytest.fixture
def noon() -> Any:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def cast(noon: Any, db: None) -> factories.Cast:
    return factories.make_cast()


def end_of(days: int) -> datetime:
    return datetime.combine(TODAY + timedelta(days=days), datetime.max.time(), UTC).replace(microsecond=0)


# When a key is used


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"service_only": True}, "Acme Ltd allows service API keys only."),
        ({"must_expire": True}, "Acme Ltd requires keys to expire."),
        ({"longest_days": 90}, "Acme Ltd requires keys to expire within 90 days."),
        ({"longest_days": 1, "must_expire": True}, "Acme Ltd requires keys to expire within 1 day."),
    ],
)
def test_a_user_key_that_does_not_fit_is_refused_for_this_account_alone(
    cast: factories.Cast, call_api: Call, verify: Verify, asked: dict[str, Any], said: str
) -> None:
    cast.globex.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    row, key = factories.user_key(cast.wendy)
    ask(cast, **asked)
    refused, at_gateway = call_api(ME, key, cast.acme), verify("", key, cast.acme)
    assert (refused.status_code, refused.json()["message"]) == (403, said)
    assert (at_gateway.status, at_gateway.json()["message"]) == (403, said)
    assert call_api(ME, key, cast.globex).status_code == verify("", key, cast.globex).status == 200
    assert call_api("/v1/accounts", key).status_code == 200
    assert Usage.objects.filter(public_id=row.public_id, outcome=Outcome.POLICY).get().requests == 2


def test_who_has_no_access_to_an_account_is_not_told_what_it_asks(cast: factories.Cast, call_api: Call) -> None:
    key = factories.user_key(cast.eve)[1]
    unasked = call_api(ME, key, cast.acme)
    ask(cast, service_only=True)
    assert call_api(ME, key, cast.acme).content == unasked.content


@pytest.mark.parametrize(("days", "status"), [(89, 200), (90, 200), (91, 403), (None, 403)])
def test_days_are_counted_as_the_form_counts_them(cast: factories.Cast, call_api: Call, days: int | None, status: int) -> None:
    expires_at = end_of(days) if days else None
    keys = [factories.user_key(cast.rob, expires_at=expires_at)[1], factories.service_key(cast.acme, expires_at=expires_at)[1]]
    ask(cast, longest_days=90)
    assert [call_api(ME, key, cast.acme).status_code for key in keys] == [status] * 2


def test_service_keys_work_where_only_they_do(cast: factories.Cast, call_api: Call) -> None:
    key = factories.service_key(cast.acme)[1]
    ask(cast, service_only=True)
    assert call_api(ME, key).status_code == 200


def test_a_policy_holds_from_the_midnight_of_its_day_and_the_one_before_until_then(
    cast: factories.Cast, call_api: Call, noon: Any
) -> None:
    long, endless = factories.service_key(cast.acme, expires_at=end_of(80))[1], factories.service_key(cast.acme)[1]
    ask(cast, longest_days=90)
    ask(cast, TODAY + 2 * DAY, longest_days=30)
    before = datetime.combine(TODAY + 2 * DAY, datetime.min.time(), UTC) - timedelta(seconds=1)
    for moment, statuses in ((NOON, [200, 403]), (before, [200, 403]), (before + timedelta(seconds=1), [403, 403])):
        noon.move_to(moment)
        assert [call_api(ME, key).status_code for key in (long, endless)] == statuses, moment
    ask(cast, before.date() + DAY, service_only=True)
    assert [call_api(ME, key).status_code for key in (long, endless)] == [200, 200]


def test_a_policy_costs_no_query_more(cast: factories.Cast, call_api: Call) -> None:
    fits, does_not = factories.service_key(cast.acme, expires_at=end_of(10))[1], factories.user_key(cast.rob)[1]
    ask(cast, longest_days=30)
    ask(cast, TODAY + DAY, longest_days=20)
    for key, status in ((fits, 200), (does_not, 403)):
        call_api(ME, key, cast.acme)
        with statements() as queries:
            assert call_api(ME, key, cast.acme).status_code == status
        assert len(queries) == 1, queries


def test_introspection_calls_a_key_inactive_that_does_not_fit(cast: factories.Cast, client: Any) -> None:
    service, token = factories.service_key(cast.acme)[1], factories.user_key(cast.rob)[1]
    ask(cast, service_only=True)
    headers = {"Authorization": f"Bearer {service}"}
    form = {"data": f"token={token}", "content_type": "application/x-www-form-urlencoded"}
    assert client.post("/gateway/introspect", headers=headers, **form).json() == {"active": False}


# When a key is made


def test_a_service_key_that_would_not_work_is_not_made(cast: factories.Cast) -> None:
    ask(cast, longest_days=90)
    ask(cast, TODAY + DAY, longest_days=30)
    by = cast.actor(cast.adam, cast.acme)
    for days in (None, 91, 31):  # what is announced counts for new keys at once
        with pytest.raises(ValidationError, match="requires keys to expire within"):
            ApiKey.objects.issue_service_key(
                by=by, account=cast.acme, name="CI", role=Role.READ_RUN, expires_at=end_of(days) if days else None
            )
    assert not cast.acme.service_keys.exists()
    ApiKey.objects.issue_service_key(by=by, account=cast.acme, name="CI", role=Role.READ_RUN, expires_at=end_of(30))


def test_the_form_of_a_service_key_says_what_the_account_asks(cast: factories.Cast) -> None:
    ask(cast, longest_days=60)
    form = {"name": "CI", "role": "READ_RUN", "expires": "90", "nonce": "0123456789abcdef"}
    answer = browser_of(cast.adam).post(f"/settings/accounts/{cast.acme.pk}/api-keys/new", form)
    assert answer.status_code == 400
    assert "Acme Ltd requires keys to expire within 60 days." in answer.content.decode()
    assert (
        browser_of(cast.adam).post(f"/settings/accounts/{cast.acme.pk}/api-keys/new", form | {"expires": "30"}).status_code
        == 201
    )


def test_a_user_key_is_made_all_the_same_and_its_page_says_who_refuses_it(cast: factories.Cast) -> None:
    ask(cast, TODAY + DAY, service_only=True)
    browser = browser_of(cast.rob)
    made = browser.post("/settings/user/api-keys/new", {"name": "CLI", "expires": "30", "nonce": "0123456789abcdef"})
    assert made.status_code == 201
    said = "From 11 Jan 2030: Acme Ltd allows service API keys only."
    assert said in made.content.decode()
    key = ApiKey.objects.get(user=cast.rob)
    assert said in browser.get(key.get_absolute_url()).content.decode()


def test_the_number_of_usable_keys_limits_the_making_alone(cast: factories.Cast, call_api: Call) -> None:
    first, second = factories.service_key(cast.acme), factories.service_key(cast.acme)
    ask(cast, most_service_keys=1)
    assert [call_api(ME, key).status_code for _, key in (first, second)] == [200, 200]
    for row, _ in (first, second):
        with pytest.raises(ValidationError, match=r"Acme Ltd allows 1 usable service key\. Delete one first\."):
            factories.service_key(cast.acme)
        row.revoke(by=cast.actor(cast.olivia, cast.acme))
    factories.service_key(cast.acme)


def test_of_a_person_s_accounts_the_one_that_allows_the_fewest_user_keys_decides(cast: factories.Cast) -> None:
    cast.globex.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    ask(cast, most_user_keys=3)
    cast.globex.set_key_policy(KeyPolicy(most_user_keys=2), from_day=TODAY, by=cast.actor(cast.eve, cast.globex))
    for _ in range(2):
        factories.user_key(cast.wendy)
    with pytest.raises(ValidationError, match=r"Globex allows its members 2 usable user keys each\."):
        factories.user_key(cast.wendy)
    factories.user_key(cast.rob)
    cast.globex.memberships.get(user=cast.wendy).remove(by=cast.actor(cast.wendy, cast.globex))
    factories.user_key(cast.wendy)
    with pytest.raises(ValidationError, match=r"Acme Ltd allows its members 3 usable user keys each\."):
        factories.user_key(cast.wendy)


# The rule, by a model


@dataclass
class Model:
    """What was asked since when, as plain as can be: a list of all changes."""

    changes: list[tuple[datetime, datetime, KeyPolicy]]

    def at(self, moment: datetime) -> KeyPolicy:
        """Of the changes made by then the last one that has begun; what a change made later was to begin, never does."""
        held = NOTHING
        for index, (_, begins, asked) in enumerate(self.changes):
            dropped = any(later_made < begins for later_made, _, _ in self.changes[index + 1 :])
            if begins <= moment and not dropped:
                held = asked
        return held


POLICIES = st.builds(KeyPolicy, st.none() | st.integers(1, 40), st.booleans(), st.booleans())
STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), POLICIES), max_size=6)


@given(STEPS, st.integers(0, 30))
def test_what_is_in_force_is_what_a_list_of_all_changes_says(steps: list[tuple[int, int, KeyPolicy]], later: int) -> None:
    text, model, now = "", Model([]), NOON
    for wait, ahead, asked in steps:
        now += wait * DAY + timedelta(minutes=1)
        begins = datetime.combine(now.date() + ahead * DAY, datetime.min.time(), UTC)
        text = changed(text, asked, begins.date(), now)
        model.changes.append((now, max(begins, now), asked))
        assert in_force(text, now) == model.at(now)
        assert len(read(text)) <= 2
        coming = announced(text, now)
        assert (coming.policy if coming else None) == (asked if ahead and text else None)
    moment = now + later * DAY
    assert in_force(text, moment) == model.at(moment)


def fits(policy: KeyPolicy, of_user: bool, days: int | None) -> bool:
    """The small model of the rule."""
    if policy.service_only and of_user:
        return False
    if days is None:
        return not policy.must_expire and policy.longest_days is None
    return policy.longest_days is None or days <= policy.longest_days


@given(POLICIES, st.booleans(), st.none() | st.integers(0, 60), st.integers(0, 86_399), st.integers(0, 86_399))
def test_the_rule_agrees_with_the_model(policy: KeyPolicy, of_user: bool, days: int | None, made: int, ends: int) -> None:
    midnight = datetime.combine(TODAY, datetime.min.time(), UTC)
    created_at = midnight + timedelta(seconds=made)
    expires_at = None if days is None else midnight + days * DAY + timedelta(seconds=ends)
    allowed = allows_key("Acme Ltd", policy, of_user=of_user, created_at=created_at, expires_at=expires_at)
    assert (allowed is True) == fits(policy, of_user, days)


@given(STEPS, st.booleans(), st.none() | st.integers(1, 60), st.integers(0, 10))
def test_a_key_that_may_be_made_may_be_used_until_something_else_is_asked(
    steps: list[tuple[int, int, KeyPolicy]], of_user: bool, days: int | None, later: int
) -> None:
    text, now = "", NOON
    for wait, ahead, asked in steps:
        now += wait * DAY
        text = changed(text, asked, now.date() + ahead * DAY, now)
    key: dict[str, Any] = {"of_user": of_user, "created_at": now, "expires_at": now + days * DAY if days else None}
    if all(allows_key("Acme Ltd", asked, **key) for asked in for_making(text, now)):
        assert allows_key("Acme Ltd", in_force(text, now + later * DAY), **key) is True


# What the page says, and what happens


@pytest.fixture
def many_keys(cast: factories.Cast) -> dict[str, str]:
    """Keys of every kind and life by public ID: Acme's own, its members', a stranger's, ended ones."""
    cast.globex.add_member(cast.wendy, Role.READ_ONLY, by=operator_at_shell())
    keys = {}
    for days in (None, 1, 5, 30, 31, 90, 365):
        for row, key in (
            factories.service_key(cast.acme, expires_at=end_of(days) if days else None),
            factories.user_key(cast.wendy, expires_at=end_of(days) if days else None),
            factories.user_key(cast.eve, expires_at=end_of(days) if days else None),
        ):
            keys[row.public_id] = key
    for changes in ({"suspended_at": NOON}, {"revoked_at": NOON}, {"expires_at": NOON - DAY}):
        row, keys[row.public_id] = factories.user_key(cast.rob, **changes)
    row, keys[row.public_id] = factories.user_key(cast.rhea)
    cast.rhea.deactivate(by=operator_at_shell(), reason="left")
    return keys


@with_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=POLICIES, after=POLICIES, ahead=st.integers(0, 6))
@example(before=NOTHING, after=KeyPolicy(service_only=True), ahead=0)
@example(before=KeyPolicy(longest_days=60), after=KeyPolicy(longest_days=30), ahead=3)
def test_what_the_preview_says_is_just_what_stops(
    cast: factories.Cast, call_api: Call, noon: Any, many_keys: dict[str, str], before: KeyPolicy, after: KeyPolicy, ahead: int
) -> None:
    """Each key is tried before the policy and on its first day; those that were refused by it alone are those of the preview."""

    def working() -> set[str]:
        return {public_id for public_id, key in many_keys.items() if call_api(ME, key, cast.acme).status_code == 200}

    def against_policy() -> set[str]:
        Usage.objects.all().delete()
        working()
        return set(Usage.objects.filter(outcome=Outcome.POLICY).values_list("public_id", flat=True))

    noon.move_to(NOON)
    Account.objects.filter(pk=cast.acme.pk).update(key_policies="")
    cast.acme.refresh_from_db()
    by = cast.actor(cast.adam, cast.acme)
    cast.acme.set_key_policy(before, from_day=TODAY, by=by)
    worked = working()
    said = {key.public_id for key in stopped_keys(cast.acme, after, TODAY + ahead * DAY, NOON)}
    cast.acme.set_key_policy(after, from_day=TODAY + ahead * DAY, by=by)
    noon.shift(ahead * DAY)
    assert said == against_policy() & worked
    assert not said & working()


def test_the_preview_counts_keys_and_use_of_today(cast: factories.Cast, many_keys: dict[str, str], call_api: Call) -> None:
    for key in list(many_keys.values())[:6]:
        call_api(ME, key, cast.acme)
    found = preview(cast.acme, KeyPolicy(service_only=True), TODAY)
    (wendy,) = found.people.values()
    assert (found.keys, found.used_today, found.service_keys) == (7, 2, [])
    assert (wendy.user, wendy.keys, wendy.last_used_at) == (cast.wendy, 7, NOON)


def test_nothing_is_saved_before_it_was_shown_what_would_stop(cast: factories.Cast, many_keys: dict[str, str]) -> None:
    browser, url = browser_of(cast.adam), f"/settings/accounts/{cast.acme.pk}/general/keys"
    form = {"longest_days": "30", "from_day": "2030-01-10"}
    shown = browser.post(url, form)
    text = shown.content.decode()
    assert shown.status_code == 200
    assert "This would stop 8 keys, 0 of them used today" in text
    assert "4 user keys" in text
    assert "Laptop CLI" not in text  # how other people's keys are called
    confirm = text.split('name="confirm" value="')[1].split('"')[0].replace("&#x27;", "'")
    # A confirmation is good for what was shown, and for nothing else.
    assert browser.post(url, form | {"longest_days": "1", "confirm": confirm}).status_code == 200
    assert browser.post(url, form | {"confirm": "on"}).status_code == 200
    assert Account.objects.get(pk=cast.acme.pk).key_policies == ""
    assert browser.post(url, form | {"confirm": confirm}).status_code == 303
    assert Account.objects.get(pk=cast.acme.pk).key_policy == KeyPolicy(longest_days=30)
    # What stops nothing more needs no confirmation.
    assert browser.post(url, form | {"longest_days": "60"}).status_code == 303


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("from_day", "2030-01-09", "That day is over. Choose today or a later one."),
        ("from_day", "2031-01-11", "Choose a day from today on, at most a year from now."),
        ("from_day", "9999-12-31", "Choose a day from today on, at most a year from now."),
        ("from_day", "soon", "Give the day as YYYY-MM-DD."),
        ("from_day", "", "Choose a day."),
        ("longest_days", "0", "greater than or equal to 1"),
        ("longest_days", "9" * 20, "less than or equal to 3650"),
        ("longest_days", "9" * 5000, "Enter a whole number."),
        ("most_user_keys", "-1", "greater than or equal to 1"),
        ("most_service_keys", "many", "Enter a whole number."),
    ],
)
def test_the_form_says_what_is_wrong(cast: factories.Cast, field: str, value: str, said: str) -> None:
    form = {"longest_days": "30", "from_day": "2030-01-10", field: value}
    answer = browser_of(cast.adam).post(f"/settings/accounts/{cast.acme.pk}/general/keys", form)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert Account.objects.get(pk=cast.acme.pk).key_policies == ""


def test_each_change_is_recorded_with_what_was_and_what_is(cast: factories.Cast) -> None:
    ask(cast, longest_days=90)
    ask(cast, TODAY + DAY, service_only=True)
    assert not cast.acme.set_key_policy(KeyPolicy(service_only=True), from_day=TODAY + DAY, by=cast.actor(cast.adam, cast.acme))
    newest, first = AuditEvent.objects.filter(action="account.policy_changed")
    assert (newest.actor_id, newest.account_id) == (cast.adam.pk, cast.acme.pk)
    assert (first.details["was"]["in_force"]["longest_days"], first.details["now"]["in_force"]["longest_days"]) == (None, 90)
    assert newest.details["was"] == {"in_force": first.details["now"]["in_force"]}
    assert newest.details["now"]["in_force"]["longest_days"] == 90
    assert (newest.details["now"]["announced"]["service_only"], newest.details["now"]["from"]) == (
        True,
        "2030-01-11T00:00:00+00:00",
    )


def test_operators_see_what_an_account_asks(cast: factories.Cast) -> None:
    ask(cast, longest_days=90, most_service_keys=5)
    ask(cast, TODAY + DAY, service_only=True)
    page = browser_of(cast.oscar).get(f"/admin/accounts/account/{cast.acme.pk}/change/").content.decode()
    assert "Keys must expire within 90 days. Nobody makes more than 5 usable service keys for the account." in page
    assert "From 2030-01-11: Only service API keys work here." in page


def test_members_read_what_their_account_asks(cast: factories.Cast) -> None:
    ask(cast, longest_days=90)
    page = browser_of(cast.rob).get(f"/settings/accounts/{cast.acme.pk}/general").content.decode()
    assert "Keys must expire within 90 days." in page
    assert "/general/keys" not in page


def test_admins_and_owners_alone_ask_something_of_keys(cast: factories.Cast) -> None:
    for user in (cast.wendy, cast.rhea, cast.rob):
        with pytest.raises(PermissionDenied, match="Only admins and owners"):
            cast.acme.set_key_policy(KeyPolicy(must_expire=True), from_day=TODAY, by=cast.actor(user, cast.acme))
    with pytest.raises(PermissionDenied):
        cast.acme.set_key_policy(KeyPolicy(must_expire=True), from_day=TODAY, by=person(cast.eve))
    assert Account.objects.get(pk=cast.acme.pk).key_policies == ""


# When a key expires soon


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=14), "2030-01-24T12:30:00Z"),
        (timedelta(seconds=1), "2030-01-10T12:30:01Z"),
        (timedelta(days=14, seconds=1), None),
        (None, None),
    ],
)
@pytest.mark.parametrize("asked", [NOTHING, KeyPolicy(most_user_keys=50)])
def test_answers_to_a_good_key_say_when_it_expires(
    cast: factories.Cast, call_api: Call, verify: Verify, left: timedelta | None, said: str | None, asked: KeyPolicy
) -> None:
    cast.acme.set_key_policy(asked, from_day=TODAY, by=cast.actor(cast.adam, cast.acme))
    for key in (
        factories.user_key(cast.rob, expires_at=NOON + left if left else None)[1],
        factories.service_key(cast.acme, expires_at=NOON + left if left else None)[1],
    ):
        assert call_api(ME, key, cast.acme).get("KeyportalKeyExpires") == said
        assert call_api("/v1/nothing-here", key, cast.acme).get("KeyportalKeyExpires") is None
        assert verify("", key, cast.acme).header("KeyportalKeyExpires") == said
        assert call_api(ME, factories.another_secret_of(key), cast.acme).get("KeyportalKeyExpires") is None


def test_a_key_that_never_expired_is_rotated_to_one_that_does_where_that_is_asked(cast: factories.Cast) -> None:
    key = factories.service_key(cast.acme)[0]
    by = cast.actor(cast.olivia, cast.acme)
    cast.acme.set_key_policy(KeyPolicy(must_expire=True), from_day=timezone.now().date(), by=by)
    successor, _ = ApiKey.objects.get(pk=key.pk).rotate(by=by, overlap=timedelta(hours=24))
    assert successor.expires_at is not None
    cast.acme.set_key_policy(KeyPolicy(longest_days=30), from_day=timezone.now().date(), by=by)
    third, _ = ApiKey.objects.get(pk=successor.pk).rotate(by=by, overlap=timedelta(hours=24))
    assert third.expires_at is not None
    assert (third.expires_at - timezone.now()).days in (29, 30)
