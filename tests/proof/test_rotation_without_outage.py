"""A rotation under continuous use, as served: inside the overlap no request fails, and after it each one with the old key does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from django.utils import timezone

from accounts.access import person
from apikeys.models import ApiKey
from keyportal.policy import Actor
from tests import factories
from tests.browser.calls import Connection
from tests.browser.server import Server
from tests.proof.serving import served

OVERLAP = timedelta(seconds=3)
# How long callers go on after the last end, so that there is something to be refused.
AFTERWARDS = timedelta(seconds=1)
CALLERS = 2
PATHS = ("/v1/checks", "/gateway/verify")


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    """With limits that count and are never reached."""
    limits = {"API_REQUESTS_PER_MINUTE": "1000000", "API_FAILURES_PER_MINUTE": "1000000"}
    with served(tmp_path, WEB_WORKERS="2", **limits) as server:
        yield server


class Call(NamedTuple):
    asked: datetime
    answered: datetime
    status: int


@dataclass
class Callers:
    """Some who use one key without a pause, each on a connection of its own."""

    server: Server
    key: str
    account: str
    calls: list[Call] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> Callers:
        """Returns when they are at it."""
        self.threads = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]
        for thread in self.threads:
            thread.start()
        deadline = time.monotonic() + 30
        while len(self.calls) < 10 * CALLERS:
            assert time.monotonic() < deadline, f"only {len(self.calls)} calls were answered: {self.broken}"
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=30)
        assert not any(thread.is_alive() for thread in self.threads)
        assert not self.broken, self.broken

    def _call(self, number: int) -> None:
        try:
            with closing(Connection(self.server)) as connection:
                while not self.over.is_set():
                    asked = timezone.now()
                    connection.ask(self.key, self.account, path=PATHS[(number + len(self.calls)) % len(PATHS)])
                    status = connection.answer()
                    self.calls.append(Call(asked, timezone.now(), status))
        except BaseException as error:
            self.broken.append(error)

    def check(self, end: End | None) -> None:
        """Each call that was answered before the end was allowed, and each that was asked after it was refused."""
        before = [call for call in self.calls if end is None or call.answered < end.not_before]
        after = [call for call in self.calls if end is not None and call.asked >= end.not_after]
        assert len(before) >= CALLERS, "nothing was asked before the end"
        assert [call for call in before if call.status != 200] == []
        assert end is None or len(after) >= CALLERS, "nothing was asked after the end"
        assert [call for call in after if call.status != 401] == []


class End(NamedTuple):
    """Between these two moments a key ended."""

    not_before: datetime
    not_after: datetime


def ended_by(act: Callable[[], object]) -> End:
    began = timezone.now()
    act()
    return End(began, timezone.now())


@dataclass
class Rotation:
    """A key that is in use, and what becomes of it."""

    old: ApiKey
    actor: Actor
    new: ApiKey = field(init=False)
    secret: str = field(init=False)

    def rotate(self, overlap: timedelta) -> None:
        self.new, secret = self.old.rotate(by=self.actor, overlap=overlap)
        self.secret = secret.reveal()

    @property
    def expiry(self) -> End:
        end = ApiKey.objects.get(pk=self.old.pk).expires_at
        assert end is not None
        return End(end, end)


# What is done once both keys are in use, and when the old key and the new one end by it.
Story = Callable[[Rotation], tuple[End, End | None]]


def the_overlap_passes(rotation: Rotation) -> tuple[End, End | None]:
    return rotation.expiry, None


def the_old_key_is_deleted(rotation: Rotation) -> tuple[End, End | None]:
    return ended_by(lambda: rotation.old.revoke(by=rotation.actor)), None


def the_new_key_is_deleted(rotation: Rotation) -> tuple[End, End | None]:
    """The old one has its overlap all the same."""
    new_end = ended_by(lambda: rotation.new.revoke(by=rotation.actor))
    return rotation.expiry, new_end


def use(server: Server, overlap: timedelta, story: Story, expires_in: timedelta | None = None) -> None:
    """Rotate keys in use, live the story with both in use, and look at every answer that anybody had."""
    everybody: list[Callers] = []
    checks: list[tuple[Callers, End | None]] = []
    cast = factories.make_cast()
    account = str(cast.acme.pk)
    try:
        for rotation, key in keys(cast):
            old = Callers(server, key, account)
            everybody.append(old)
            old.start()
            if expires_in:
                now = timezone.now()
                ApiKey.objects.filter(pk=rotation.old.pk).update(
                    created_at=now - timedelta(days=1), expires_at=now + expires_in
                )
            at_once = ended_by(lambda: rotation.rotate(overlap))  # noqa: B023
            new = Callers(server, rotation.secret, account)
            everybody.append(new)
            new.start()
            old_end, new_end = story(rotation) if overlap else (at_once, None)
            checks += [(old, old_end), (new, new_end)]
        last = max(end.not_after for _, end in checks if end)
        time.sleep(max(0.0, (last + AFTERWARDS - timezone.now()).total_seconds()))
    finally:
        for callers in everybody:
            callers.stop()
    for callers, end in checks:
        callers.check(end)


def keys(cast: factories.Cast) -> list[tuple[Rotation, str]]:
    """A user key and a service key, each with who rotates it."""
    (user_row, user_key), (service_row, service_key) = factories.user_key(cast.wendy), factories.service_key(cast.acme)
    admin = cast.actor(cast.adam, cast.acme)
    return [(Rotation(user_row, person(cast.wendy)), user_key), (Rotation(service_row, admin), service_key)]


@pytest.mark.parametrize(
    ("overlap", "story"),
    [
        (OVERLAP, the_overlap_passes),
        (timedelta(hours=24), the_old_key_is_deleted),
        (OVERLAP, the_new_key_is_deleted),
    ],
)
def test_no_request_fails_inside_the_overlap_and_each_with_the_old_key_after_it(
    server: Server, overlap: timedelta, story: Story
) -> None:
    use(server, overlap, story)


def test_an_expiry_inside_the_overlap_ends_the_old_key_and_the_new_one_goes_on(server: Server) -> None:
    use(server, timedelta(hours=24), the_overlap_passes, expires_in=OVERLAP)


def test_without_an_overlap_the_old_key_ends_as_the_new_one_begins(server: Server) -> None:
    use(server, timedelta(0), the_overlap_passes)
