"""Reminders of keys that expire or go unused: to whom, when, once, and whatever happens to the daily command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.access import operator_at_shell, person
from accounts.models import User
from apikeys import mails, reminders
from apikeys.digests import Digest
from apikeys.models import ApiKey
from apikeys.reminders import Reminder
from keyportal.management.commands import daily
from keyportal.policy import Role
from tests.factories import Cast, service_key, user_key

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
LONG_AGO = START - timedelta(days=80)


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Any:
    settings.PUBLIC_URL = "https://keys.example.com"
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def end_of_day(days: int) -> datetime:
    return (START + timedelta(days=days)).replace(hour=23, minute=59, second=59)


def told(task: Any = reminders.remind_of_expiry) -> dict[str, Any]:
    """What each person is told now, one mail a person."""
    mail.outbox = []
    assert task() == len(mail.outbox)
    by_name = {message.to[0].partition("@")[0]: message for message in mail.outbox}
    assert len(by_name) == len(mail.outbox)
    return by_name


def test_one_key_that_expires_is_told_with_when_and_where_to_look(cast: Cast) -> None:
    key, _ = user_key(cast.wendy, created_at=LONG_AGO, expires_at=end_of_day(7))
    message = told()["wendy"]
    assert message.subject == "API key “Laptop CLI” expires in 7 days"
    assert f"“Laptop CLI”\n{key.public_id} ({key.masked})\nExpires in 7 days, on 29 Nov 2026, 23:59 UTC\n" in message.body
    assert f"See the key:\nhttps://keys.example.com/settings/user/api-keys/{key.public_id}\n" in message.body
    assert told() == {}


def test_a_person_s_keys_of_all_accounts_are_one_mail_soonest_first(cast: Cast) -> None:
    cast.globex.add_member(cast.adam, Role.ADMIN, by=operator_at_shell())
    later, _ = user_key(cast.adam, "Later", created_at=LONG_AGO, expires_at=end_of_day(30))
    here, _ = service_key(cast.acme, name="Here", created_at=LONG_AGO, expires_at=end_of_day(1))
    there, _ = service_key(cast.globex, name="There", created_at=LONG_AGO, expires_at=end_of_day(14))
    messages = told()
    assert sorted(messages) == ["adam", "eve", "olivia"]
    adams = messages["adam"]
    assert adams.subject == "3 API keys expire soon"
    places = [adams.body.index(key.public_id) for key in (here, there, later)]
    assert places == sorted(places)
    assert "“Here”" in messages["olivia"].body
    assert "“There”" not in messages["olivia"].body
    assert "“Later”" not in messages["eve"].body
    assert "“There” of Globex\n" in messages["eve"].body


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked_at": START},
        {"suspended_at": START},
        {"expires_at": START},
        {"expires_at": START - timedelta(days=1)},
        {"expires_at": None},
        {"expires_at": end_of_day(61)},
    ],
)
def test_nobody_is_told_of_a_key_that_does_not_work_or_lasts(cast: Cast, changes: dict[str, Any]) -> None:
    user_key(cast.wendy, **({"created_at": LONG_AGO, "expires_at": end_of_day(7)} | changes))
    assert told() == {}


def test_a_key_is_not_told_of_by_what_its_maker_has_just_chosen(cast: Cast, clock: Any) -> None:
    """A key made for 30 days is told of 14 days before its end, not on the evening of its first day."""
    user_key(cast.wendy, created_at=START, expires_at=end_of_day(30))
    days = []
    for day in range(32):
        clock.move_to(START + timedelta(days=day))
        days += [30 - day for _ in told()]
    assert days == [14, 7, 1]


def test_after_days_that_were_missed_only_the_nearest_is_sent(cast: Cast, clock: Any) -> None:
    user_key(cast.wendy, created_at=LONG_AGO, expires_at=end_of_day(60))
    assert list(told()) == ["wendy"]
    clock.move_to(START + timedelta(days=50))  # 30 and 14 were missed
    assert told()["wendy"].subject.endswith("expires in 10 days")
    assert told() == {}
    assert sorted(Reminder.objects.exclude(public_id="").values_list("due_on", flat=True)) == [
        START.date(),
        (START + timedelta(days=46)).date(),
    ]


def test_other_days_can_be_set_or_none(cast: Cast, settings: Any) -> None:
    user_key(cast.wendy, created_at=LONG_AGO, expires_at=end_of_day(3))
    settings.EXPIRY_REMINDER_DAYS = []
    assert told() == {}
    Reminder.objects.all().delete()
    settings.EXPIRY_REMINDER_DAYS = [2]
    assert told() == {}
    Reminder.objects.all().delete()
    settings.EXPIRY_REMINDER_DAYS = [2, 3]
    assert list(told()) == ["wendy"]


def test_a_resumed_key_is_told_of_the_next_day(cast: Cast, clock: Any) -> None:
    key, _ = user_key(cast.wendy, created_at=LONG_AGO, expires_at=end_of_day(10))
    key.suspend(by=operator_at_shell(), reason="x")
    assert told() == {}
    key.resume(by=operator_at_shell(), reason="x")
    assert told() == {}  # this day is done: nobody gets two mails in one
    clock.shift(timedelta(days=1))
    assert told()["wendy"].subject.endswith("expires in 9 days")


def test_deactivated_people_and_suspended_accounts_are_told_when_they_are_back(cast: Cast, clock: Any) -> None:
    user_key(cast.wendy, created_at=LONG_AGO, expires_at=end_of_day(10))
    service_key(cast.acme, created_at=LONG_AGO, expires_at=end_of_day(10))
    cast.wendy.deactivate(by=operator_at_shell(), reason="x")
    cast.acme.suspend(by=operator_at_shell(), reason="x")
    assert told() == {}
    cast.wendy.reactivate(by=operator_at_shell(), reason="x")
    cast.acme.resume(by=operator_at_shell(), reason="x")
    clock.shift(timedelta(days=1))
    assert sorted(told()) == ["adam", "olivia", "wendy"]


def test_unused_keys_are_told_of_once_a_month_in_one_mail_a_person(cast: Cast, clock: Any) -> None:
    made = START - timedelta(days=200)
    never, _ = user_key(cast.wendy, "Never", created_at=made)
    once, _ = user_key(cast.wendy, "Once", created_at=made, last_used_at=START - timedelta(days=150))
    user_key(cast.wendy, "Lately", created_at=made, last_used_at=START - timedelta(days=82))
    user_key(cast.wendy, "New", created_at=START - timedelta(days=82))
    user_key(cast.wendy, "Over", created_at=made, expires_at=START)
    user_key(cast.wendy, "Gone", created_at=made, revoked_at=START)
    user_key(cast.wendy, "Stopped", created_at=made, suspended_at=START)
    service_key(cast.acme, name="Ours", created_at=made)
    messages = told(reminders.remind_of_unused)
    assert sorted(messages) == ["adam", "olivia", "wendy"]
    wendys = messages["wendy"]
    assert wendys.subject == "2 API keys have not been used for 90 days"
    assert f"“Never”\n{never.public_id} ({never.masked})\nNever used, made on 6 May 2026\n" in wendys.body
    assert f"“Once”\n{once.public_id} ({once.masked})\nLast used on 25 Jun 2026\n" in wendys.body
    assert messages["adam"].subject == "Service API key “Ours” of Acme Ltd has not been used for 90 days"
    for _ in range(9):
        assert told(reminders.remind_of_unused) == {}
        clock.shift(timedelta(days=1))
    assert "4 API keys" in told(reminders.remind_of_unused)["wendy"].subject  # it is the first of December
    assert told(reminders.remind_of_unused) == {}
    ApiKey.objects.update(last_used_at=datetime(2026, 12, 5, tzinfo=UTC))
    clock.move_to(datetime(2027, 1, 1, 0, 1, tzinfo=UTC))
    assert told(reminders.remind_of_unused) == {}


def stops_after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, calls: int) -> None:
    """The function dies in its call after so many."""
    real, left = getattr(module, name), [calls]

    def dies(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, dies)


@pytest.mark.parametrize(("module", "name"), [(mails, "people_of"), (mails, "send_digests"), (mails, "_mail_of")])
@pytest.mark.parametrize("calls", range(4))
def test_a_run_that_is_killed_is_finished_by_the_next(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, calls: int
) -> None:
    monkeypatch.setattr(reminders, "CLAIMED_AT_ONCE", 2)
    monkeypatch.setattr(mails, "SENT_AT_ONCE", 1)
    people = (cast.olivia, cast.adam, cast.wendy, cast.rob)
    keys = [user_key(person, created_at=LONG_AGO, expires_at=end_of_day(5 + n))[0] for n in range(2) for person in people]
    mail.outbox = []
    with monkeypatch.context() as patch:
        stops_after(patch, module, name, calls)
        try:
            reminders.remind_of_expiry()
        except KeyboardInterrupt:
            stopped = True
        else:
            stopped = False
    assert stopped is (name != "send_digests" or calls == 0)
    reminders.remind_of_expiry()
    bodies = [message.body for message in mail.outbox]
    assert sorted(message.to[0] for message in mail.outbox) == sorted(person.email for person in people)
    assert all(sum(key.public_id in body for body in bodies) == 1 for key in keys)
    assert not Digest.objects.exists()


def test_what_changed_since_it_was_claimed_is_told_as_it_is_now(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, gone = (user_key(cast.wendy, created_at=LONG_AGO, expires_at=end_of_day(5))[0] for _ in range(2))
    user_key(cast.rob, created_at=LONG_AGO, expires_at=end_of_day(5))
    with monkeypatch.context() as patch:
        stops_after(patch, mails, "send_digests", 0)
        with pytest.raises(KeyboardInterrupt):
            reminders.remind_of_expiry()
    gone.revoke(by=cast.actor(cast.wendy))
    ApiKey.objects.filter(pk=kept.pk).update(name="Renamed")
    User.objects.filter(pk=cast.rob.pk).update(is_active=False)
    messages = told()
    assert list(messages) == ["wendy"]
    assert messages["wendy"].subject == "API key “Renamed” expires in 5 days"
    assert gone.public_id not in messages["wendy"].body


def test_a_run_asks_as_often_for_many_keys_as_for_one(cast: Cast) -> None:
    def queries(number: int) -> int:
        Reminder.objects.all().delete()
        for n in range(number):
            user_key(cast.wendy, f"{number} {n}", created_at=LONG_AGO, expires_at=end_of_day(7))
        with CaptureQueriesContext(connection) as captured:
            assert reminders.remind_of_expiry() == 1
        return len(captured)

    assert queries(1) == queries(100)


def test_once_a_day_is_done_another_run_asks_next_to_nothing(cast: Cast, django_assert_num_queries: Any) -> None:
    reminders.remind_of_expiry()
    reminders.remind_of_unused()
    with django_assert_num_queries(2 + 2 * 3):  # whether it was done, and whether digests wait, in a transaction
        reminders.remind_of_expiry()
        reminders.remind_of_unused()


def test_reminders_of_long_ago_are_dropped(cast: Cast) -> None:
    for days in (0, 400, 401, 500):
        Reminder.objects.create(due_on=START.date() - timedelta(days=days), kind=Digest.Kind.EXPIRING, public_id="cu_x")
    assert reminders.prune() == 2
    assert reminders.prune() == 0
    assert Reminder.objects.count() == 2


@pytest.mark.django_db(transaction=True)  # after a failure it takes a new connection
def test_the_daily_command_says_what_it_did_and_goes_on_after_a_failure(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    user_key(cast.wendy, created_at=LONG_AGO - timedelta(days=90), expires_at=end_of_day(7))
    assert daily.TASKS[1][0].startswith("Rows of use")
    broken = [(name, task if number != 1 else lambda: 1 // 0) for number, (name, task) in enumerate(daily.TASKS)]
    out = StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(daily, "TASKS", broken)
        with pytest.raises(CommandError, match="Rows of use summed up or dropped"):
            call_command("daily", stdout=out)
    assert out.getvalue().splitlines() == [
        "Mails sent: 0",
        "Rows of use summed up or dropped: failed",
        "Mails about keys, left over by what was interrupted: 0",
        "Mails about keys that expire: 1",
        "Mails about keys that nobody uses: 1",
        "Mails about replaced keys that are still tried: 0",
        "Records of reminders dropped: 0",
        "Addresses of keys’ last uses forgotten: 0",
        "Refusals dropped: 0",
        "Mails dropped: 0",
        "Sessions dropped: 0",
    ]
    again = StringIO()
    call_command("daily", stdout=again)
    assert "Mails about keys that expire: 0\nMails about keys that nobody uses: 0\n" in again.getvalue()


# Replaced keys that somebody still tries


def test_a_replaced_key_that_is_tried_after_its_end_is_told_once_a_day(
    cast: Cast, clock: time_machine.Traveller, call_api: Any
) -> None:
    key, secret = user_key(cast.wendy)
    service, _ = service_key(cast.acme)
    for one, by in ((key, person(cast.wendy)), (service, cast.actor(cast.adam, cast.acme))):
        one.rotate(by=by, overlap=timedelta(hours=24))
    clock.shift(timedelta(hours=25))
    for _ in range(3):
        assert call_api("/v1/accounts", secret).status_code == 401
    assert told(reminders.remind_of_knocks) == {}
    clock.shift(timedelta(days=1))
    message = told(reminders.remind_of_knocks)["wendy"]
    assert message.subject == "API key “Laptop CLI” was replaced and is still tried"
    assert f"{key.public_id} ({key.masked})\nReplaced on 22 Nov 2026" in message.body
    assert key.get_absolute_url() in message.body
    # Once a day, and no more when it is quiet.
    for hours in (1, 24, 24):
        clock.shift(timedelta(hours=hours))
        assert told(reminders.remind_of_knocks) == {}


def test_of_a_deleted_or_an_expired_key_that_is_tried_nobody_is_told(
    cast: Cast, clock: time_machine.Traveller, call_api: Any
) -> None:
    """Its people ended it, or were reminded: the key's page shows who still tries."""
    deleted, secret = user_key(cast.wendy)
    deleted.revoke(by=person(cast.wendy))
    expired = user_key(cast.wendy, expires_at=START - timedelta(days=1))[1]
    for one in (secret, expired):
        assert call_api("/v1/accounts", one).status_code == 401
    clock.shift(timedelta(days=1))
    assert told(reminders.remind_of_knocks) == {}
