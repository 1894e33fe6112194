"""A rotation and something else at once, on PostgreSQL with real threads: a key has one successor, and an end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from apikeys.models import ApiKey
from keyportal.policy import Role
from tests import factories
from tests.proof.test_people_races import ROUNDS, Round, at_once
from tests.sessions import browser_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

AT_ONCE = 8
DAY = timedelta(hours=24)


def keys(here: Round, kind: str) -> ApiKey:
    return factories.user_key(here.olivia)[0] if kind == "user" else factories.service_key(here.account)[0]


def send_at_once(sendings: list[Callable[[], int]]) -> Counter[int]:
    """The answers to forms that were sent together, each on a connection of its own."""
    barrier = threading.Barrier(len(sendings))

    def run(send: Callable[[], int]) -> int:
        barrier.wait(timeout=30)
        try:
            return send()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(sendings)) as pool:
        return Counter(pool.map(run, sendings))


def copy_of(browser: Client) -> Client:
    copy = Client()
    copy.cookies = browser.cookies
    return copy


@pytest.mark.parametrize("kind", ["user", "service"])
@pytest.mark.parametrize("overlap", ["0", "24h"])
def test_of_eight_rotations_at_once_one_wins_and_the_others_are_told(cast: factories.Cast, kind: str, overlap: str) -> None:
    key = factories.user_key(cast.olivia)[0] if kind == "user" else factories.service_key(cast.acme)[0]
    people = [cast.olivia] * AT_ONCE if kind == "user" else [cast.olivia, cast.adam] * (AT_ONCE // 2)
    browsers = [browser_of(person) for person in people]
    forms = [{"overlap": overlap, "nonce": f"nonce-of-rotation-{number}"} for number in range(AT_ONCE)]

    def sending(browser: Client, form: dict[str, str]) -> Callable[[], int]:
        return lambda: copy_of(browser).post(key.rotate_url, form).status_code

    answers = send_at_once([sending(*one) for one in zip(browsers, forms, strict=True)])
    assert answers == {201: 1, 409: AT_ONCE - 1}
    assert ApiKey.objects.count() == 2
    assert AuditEvent.objects.filter(action=AuditEvent.Action.KEY_ROTATED).count() == 1


def test_eight_sendings_of_one_form_at_once_make_one_successor(cast: factories.Cast) -> None:
    key, _ = factories.user_key(cast.olivia)
    browser, form = browser_of(cast.olivia), {"overlap": "24h", "nonce": "one-nonce-for-one-key"}
    answers = send_at_once([lambda: copy_of(browser).post(key.rotate_url, form).status_code] * AT_ONCE)
    assert answers == {201: 1, 409: AT_ONCE - 1}
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("kind", ["user", "service"])
@pytest.mark.parametrize("overlap", [timedelta(0), DAY])
def test_rotation_and_deletion_at_once(kind: str, overlap: timedelta) -> None:
    """Deletion wins in the end, whoever comes first; a key that was deleted first has no successor."""
    for _ in range(ROUNDS):
        here = Round()
        key = keys(here, kind)
        actor = person(here.olivia) if kind == "user" else here.actor(here.olivia)
        rotated, _ = at_once(
            lambda: key.rotate(by=actor, overlap=overlap),  # noqa: B023
            lambda: key.revoke(by=actor),  # noqa: B023
        )
        after = ApiKey.objects.get(pk=key.pk)
        assert after.revoked_at is not None
        assert (after.successor is not None) == (after.replaced_at is not None) == rotated
        assert after.successor is None or after.successor.is_usable


def test_rotation_and_an_operator_s_revocation_at_once() -> None:
    """An operator's revocation locks no account: the row of the key alone stands between."""
    for _ in range(ROUNDS):
        here = Round()
        key, actor = keys(here, "service"), here.actor(here.olivia)
        rotated, revoked = at_once(
            lambda: key.rotate(by=actor, overlap=DAY),  # noqa: B023
            lambda: key.revoke(by=operator_at_shell(), reason="leaked"),  # noqa: B023
        )
        after = ApiKey.objects.get(pk=key.pk)
        assert (revoked, after.revoked_reason) == (True, "leaked")
        assert (after.successor is not None) == rotated


def test_rotation_and_the_demotion_of_who_asks_for_it_at_once() -> None:
    for _ in range(ROUNDS):
        here = Round()
        key, adam, olivia = keys(here, "service"), here.actor(here.adam), here.actor(here.olivia)
        target = here.member(here.adam)
        rotated, demoted = at_once(
            lambda: key.rotate(by=adam, overlap=DAY),  # noqa: B023
            lambda: target.change_role(Role.READ_ONLY, by=olivia),  # noqa: B023
        )
        assert demoted
        events = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)[here.before + 1 :])
        assert (ApiKey.objects.get(pk=key.pk).successor is not None) == rotated
        if rotated:
            assert events.index("key.rotated") < events.index("member.role_changed")


def test_two_names_at_once_leave_one_of_them_and_the_record_tells_the_way() -> None:
    for _ in range(ROUNDS):
        here = Round()
        key, actor = keys(here, "user"), person(here.olivia)
        assert at_once(
            lambda: key.rename(by=actor, name="One"),  # noqa: B023
            lambda: key.rename(by=actor, name="Two"),  # noqa: B023
        ) == [True, True]
        first, second = AuditEvent.objects.filter(target_id=key.public_id, action="key.renamed").order_by("pk")
        assert (first.details["was"], second.details["was"]) == ("Laptop CLI", first.target_name)
        assert ApiKey.objects.get(pk=key.pk).name == second.target_name
