"""A hundred days over keys of every expiry: each reminder once, to whom it concerns, one mail a person and day.

What should be told is worked out a second time here, key by key and day by day, from nothing but the rule.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts import outbox
from accounts.access import operator_at_shell
from accounts.models import User
from accounts.outbox import Mail
from apikeys import mails as mails_about_keys
from apikeys import reminders
from apikeys.digests import Digest
from apikeys.models import ApiKey
from apikeys.reminders import Reminder
from apikeys.secret import Kind, Secret
from tests import factories
from tests.browser.server import ROOT, Server
from tests.proof.mail_server import MailServer, mail_server
from tests.proof.serving import served

START = datetime(2026, 11, 22, tzinfo=UTC)
DAYS = 100
BEFORE = (60, 30, 14, 7, 1)
NAME, DELETED, RENAMED, SUSPENDED, RESUMED = "Key of day", 40, 45, 50, 55


@dataclass
class Told:
    """What the rule says of one key: which reminders it has had."""

    key: ApiKey
    people: list[str]
    made_on: date
    expires_on: date
    had: set[int] = field(default_factory=set)

    def due(self, today: date) -> bool:
        """Whether it is told of today: the reminder nearest to its end, where it has not had that one."""
        left = (self.expires_on - today).days
        if left < 0:
            return False
        nearest = min((days for days in BEFORE if days >= left), default=None)
        if nearest is None or nearest in self.had or self.expires_on - timedelta(days=nearest) <= self.made_on:
            return False
        self.had.add(nearest)
        return True


def make_keys(cast: factories.Cast) -> list[Told]:
    """Keys for every expiry from today to after the last day, of two people and an account, old and new."""
    keys = []
    for day in range(DAYS + 10):
        expires_at = START + timedelta(days=day, hours=23, minutes=59, seconds=59)
        made = START if day % 3 == 0 and day else START - timedelta(days=100)
        dates = {"created_at": made, "expires_at": expires_at}
        name = f"{NAME} {day}"
        keys += [
            Told(factories.user_key(cast.wendy, name, **dates)[0], ["wendy"], made.date(), expires_at.date()),
            Told(factories.service_key(cast.acme, name=name, **dates)[0], ["adam", "olivia"], made.date(), expires_at.date()),
        ]
    keys.append(Told(factories.user_key(cast.adam, "For ever")[0], [], START.date(), date.max))
    return keys


def walk(cast: factories.Cast, run: Callable[[int], None], *, sleeps: range = range(0)) -> None:
    """Go through the days. `run` is the daily command; on the days in `sleeps` nobody runs it."""
    keys = make_keys(cast)
    reminded: Counter[tuple[str, int]] = Counter()
    with time_machine.travel(START, tick=False) as clock:
        for day in range(DAYS):
            clock.move_to(START + timedelta(days=day, hours=(7 * day) % 24))  # timers are not punctual
            befall(cast, keys, day)
            mail.outbox = []
            if day in sleeps:
                continue
            run(day)
            today = timezone.now().date()
            expected: dict[str, set[str]] = defaultdict(set)
            for told in alive(keys, day):
                if told.due(today):
                    for person in told.people:
                        expected[person].add(told.key.public_id)
                        reminded[told.key.public_id, len(told.had)] += 1
            check_mails(expected, today, {told.key.public_id: told for told in keys})
    assert len(reminded) > 400
    assert Digest.objects.count() == 0


def befall(cast: factories.Cast, keys: list[Told], day: int) -> None:
    """What happens to keys on the way: every fifth is deleted, renamed, suspended, resumed."""
    shell = operator_at_shell()
    some = ApiKey.objects.filter(pk__in=[told.key.pk for told in keys[::5]])
    if day == DELETED:
        ApiKey.objects.filter(pk__in=[told.key.pk for told in keys[1::5]]).revoke(by=shell, reason="cleaning up")
    elif day == RENAMED:
        ApiKey.objects.filter(pk__in=[told.key.pk for told in keys[2::5]]).update(name="Renamed")
    elif day == SUSPENDED:
        some.suspend(by=shell, reason="to be sure")
    elif day == RESUMED:
        some.resume(by=shell, reason="it was nothing")


def alive(keys: list[Told], day: int) -> Iterator[Told]:
    for number, told in enumerate(keys):
        if not (number % 5 == 1 and day >= DELETED) and not (number % 5 == 0 and SUSPENDED <= day < RESUMED):
            yield told


def check_mails(expected: dict[str, set[str]], today: date, keys: dict[str, Told]) -> None:
    mails = {message.to[0].partition("@")[0]: message for message in mail.outbox if "expire" in message.subject}
    assert len(mails) == len([message for message in mail.outbox if "expire" in message.subject])  # one a person
    assert mails.keys() == expected.keys(), today
    for person, message in mails.items():
        listed = dict(re.findall(r"“.+”.*\n(\w+) .*\nExpires (.+), on ", message.body))
        assert listed.keys() == expected[person], (today, person)
        for public_id, words in listed.items():
            left = (keys[public_id].expires_on - today).days
            assert words == {0: "today", 1: "tomorrow"}.get(left, f"in {left} days")
        renamed = [told for number, told in enumerate(keys.values()) if number % 5 == 2 and told.key.public_id in listed]
        if today >= (START + timedelta(days=RENAMED)).date():
            assert message.body.count("“Renamed”") == len(renamed)


def daily(day: int = 0) -> None:
    call_command("daily", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_each_reminder_comes_once_and_to_whom_it_concerns() -> None:
    walk(factories.make_cast(), daily)


@pytest.mark.django_db(transaction=True)
def test_it_does_not_matter_how_often_it_runs_and_after_a_week_without_it_the_nearest_reminder_comes() -> None:
    def often(day: int) -> None:
        for _ in range(1 + day % 3):
            daily()

    walk(factories.make_cast(), often, sleeps=range(26, 33))


@pytest.mark.django_db(transaction=True)
def test_killed_at_every_step_it_tells_of_each_key_once(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Each day it dies after a few statements more than the day before, and is run again, which sends what was written."""
    monkeypatch.setattr(reminders, "CLAIMED_AT_ONCE", 2)
    settings.EMAIL_BACKEND = "accounts.outbox.OutboxBackend"
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    survived = set()

    def dies(day: int) -> None:
        left = [day * 3]

        def count(execute: Any, *arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return execute(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(outbox, "deliver_soon", lambda: None)
            try:
                with connection.execute_wrapper(count):
                    daily()
            except KeyboardInterrupt:
                connection.close()
            else:
                survived.add(day)
        daily()

    walk(factories.make_cast(), dies)
    assert 20 < min(survived) < DAYS  # it died at its first statement, at its last, and at most in between


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_at_once_tell_each_person_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "CLAIMED_AT_ONCE", 1)
    claimants: set[tuple[date, int]] = set()
    people_of = mails_about_keys.people_of

    def seen(keys: Iterable[ApiKey]) -> Any:
        if told := people_of(keys):
            claimants.add((timezone.now().date(), threading.get_ident()))
        return told

    monkeypatch.setattr(mails_about_keys, "people_of", seen)
    walk(factories.make_cast(), lambda day: at_once() if day % 4 == 0 else daily())
    shared = [day for day, number in Counter(day for day, _ in claimants).items() if number == 2]
    assert len(shared) > 5  # otherwise they went one after the other, and proved nothing


def at_once() -> None:
    barrier, failed = threading.Barrier(2), []

    def one() -> None:
        try:
            barrier.wait(30)
            daily()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


# With processes of their own, which a mail server hears of.

PEOPLE, EACH = 40, 75


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def server(transactional_db: None, tmp_path: Path, mails: MailServer) -> Iterator[Server]:
    with served(tmp_path, EMAIL_URL=mails.url, WEB_WORKERS="1") as server:
        server.stop()  # so that nobody but the command sends
        yield server


def many_keys() -> set[str]:
    """The addresses of people with so many keys each that expire in a week."""
    people = User.objects.bulk_create(User(email=f"p{n}@example.com", password="!") for n in range(PEOPLE))
    now = timezone.now()
    keys = []
    for _ in range(EACH):
        for person in people:
            secret = Secret.generate(Kind.USER)
            keys.append(
                ApiKey(
                    user=person,
                    created_by=person,
                    name="One of many",
                    public_id=secret.public_id,
                    last_four=secret.last_four,
                    secret_hash="none",
                    created_at=now - timedelta(days=50),
                    expires_at=now + timedelta(days=6),
                )
            )
    ApiKey.objects.bulk_create(keys)
    return {person.email for person in people}


def start(server: Server) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "daily"], cwd=ROOT, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def check_processes(addresses: set[str], mails: MailServer) -> None:
    told = Counter(mail["To"] for mail in mails.mails)
    assert told == Counter(addresses)
    assert {mail["Subject"] for mail in mails.mails} == {f"{EACH} API keys expire soon"}
    assert Digest.objects.count() == 0
    assert Reminder.objects.exclude(public_id="").count() == PEOPLE * EACH
    assert not Mail.objects.filter(sent_at=None).exists()


def test_two_processes_at_once_send_no_mail_twice(server: Server, mails: MailServer) -> None:
    addresses = many_keys()
    for process in [start(server), start(server)]:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, (output, errors)
    check_processes(addresses, mails)


def test_a_process_killed_in_the_midst_is_made_up_for_by_the_next(server: Server, mails: MailServer) -> None:
    addresses = many_keys()
    process, deadline = start(server), time.monotonic() + 60
    while not Reminder.objects.exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not Reminder.objects.filter(public_id="").exists()  # it had not come to its end
    assert start(server).wait(60) == 0
    check_processes(addresses, mails)
