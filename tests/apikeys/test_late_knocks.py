"""Late knocks: who holds a key sees when and why it was refused, in bounded space, and no more of an account than is theirs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.access import operator_at_shell
from accounts.audit import AuditEvent
from accounts.models import Account, User
from apikeys import knocks
from apikeys.knocks import KEPT, LateKnock
from apikeys.models import ApiKey
from apikeys.usage import Outcome
from apikeys.use import Recorder
from keyportal.policy import Actor, Role
from tests import factories
from tests.apikeys.conftest import Verify

ME = "/v1/accounts/me"
NOON = datetime(2030, 1, 1, 12, 30, 20, tzinfo=UTC)
Call = Callable[..., Any]


def asked(address: str = "192.0.2.1", path: str = "/v1/checks", **headers: str) -> Any:
    return RequestFactory().get(path, REMOTE_ADDR=address, headers={"User-Agent": "curl/8", **headers})


def kept(row: ApiKey) -> list[tuple[str, str, str]]:
    return [(knock.outcome, knock.address, knock.door) for knock in knocks.latest(row.public_id)]


def causes(page: Any) -> list[str]:
    return [str(one.cause) for one in page.context["knocks"]]


def page_of(signed_in: Call, user: User, row: ApiKey) -> Any:
    return signed_in(user).get(row.get_absolute_url())


# What is kept


def test_every_refusal_of_the_true_secret_is_kept_with_where_and_from_where(
    cast: factories.Cast, call_api: Call, verify: Verify
) -> None:
    row, key = factories.user_key(cast.rob)
    call_api(ME, key, cast.acme)
    assert kept(row) == []
    verify("/admin", key, cast.acme)
    verify("/nonsense", key, cast.acme)
    call_api(ME, key, cast.globex, REMOTE_ADDR="192.0.2.7", headers={"User-Agent": "curl/8"})
    call_api(f"/v1/accounts/{cast.globex.pk}", key, cast.acme, REMOTE_ADDR="192.0.2.8")
    row.revoke(by=cast.actor(cast.rob))
    verify("", key, cast.acme)
    found = {(one.outcome, one.door, one.account_id) for one in LateKnock.objects.filter(public_id=row.public_id)}
    assert found == {
        ("no_right", "gateway.admin", cast.acme.pk),
        ("no_access", "api", cast.globex.pk),
        ("deleted", "gateway.read", cast.acme.pk),
    }
    assert {one.address for one in LateKnock.objects.filter(outcome="no_access")} == {"192.0.2.7", "192.0.2.8"}
    assert LateKnock.objects.get(address="192.0.2.7").client == "curl"


def test_a_wrong_secret_leaves_no_knock_whoever_sends_it(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    for number in range(5):
        call_api(ME, factories.another_secret_of(key), REMOTE_ADDR=f"10.0.0.{number}")
    assert kept(row) == []


def test_one_knock_a_minute_for_each_reason_and_address_is_kept(cast: factories.Cast) -> None:
    row = factories.user_key(cast.rob)[0]
    workers = [Recorder(), Recorder()]
    for seconds in (0, 10, 39, 40, 41):
        for worker in workers:
            for address in ("192.0.2.1", "192.0.2.2"):
                worker.keep_knock(row.public_id, Outcome.DELETED, NOON + timedelta(seconds=seconds), asked(address))
            worker.write()
    workers[0].keep_knock(row.public_id, Outcome.EXPIRED, NOON, asked())
    workers[0].write()
    rows = LateKnock.objects.order_by("minute", "outcome", "address").values_list("minute", "outcome", "address")
    first, second = NOON.replace(second=0), NOON.replace(minute=31, second=0)
    assert list(rows) == [
        (first, "deleted", "192.0.2.1"),
        (first, "deleted", "192.0.2.2"),
        (first, "expired", "192.0.2.1"),
        (second, "deleted", "192.0.2.1"),
        (second, "deleted", "192.0.2.2"),
    ]


def test_what_stands_there_is_not_written_again_within_its_minute(cast: factories.Cast) -> None:
    row = factories.user_key(cast.rob)[0]
    recorder, written = Recorder(), []
    for seconds in (0, 5, 39, 45):
        recorder.keep_knock(row.public_id, Outcome.DELETED, NOON + timedelta(seconds=seconds), asked())
        with CaptureQueriesContext(connection) as queries:
            recorder.write()
        written.append(any("INSERT" in query["sql"] for query in queries))
    assert written == [True, False, False, True]


def test_a_key_that_is_knocked_with_from_everywhere_takes_the_room_of_twenty(cast: factories.Cast) -> None:
    flooded, other = factories.user_key(cast.rob)[0], factories.user_key(cast.rob)[0]
    recorder = Recorder()
    recorder.keep_knock(other.public_id, Outcome.DELETED, NOON - timedelta(days=9), asked())
    for number in range(3000):
        recorder.keep_knock(flooded.public_id, Outcome.DELETED, NOON, asked(f"10.{number % 250}.{number // 250}.1"))
        if number % 100 == 0:
            recorder.write()
    recorder.write()
    assert LateKnock.objects.filter(public_id=flooded.public_id).count() == KEPT
    assert len(kept(other)) == 1
    later = NOON + timedelta(minutes=5)
    for minute in range(KEPT + 5):
        recorder.keep_knock(flooded.public_id, Outcome.EXPIRED, later + timedelta(minutes=minute), asked())
        recorder.write()
    assert [one.minute for one in knocks.latest(flooded.public_id)] == [
        (later + timedelta(minutes=minute)).replace(second=0) for minute in reversed(range(5, KEPT + 5))
    ]
    assert LateKnock.objects.filter(public_id=flooded.public_id).count() == KEPT


def test_no_request_writes_a_knock_and_none_fails_where_none_can_be_written(
    cast: factories.Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = factories.user_key(cast.rob)[0]
    recorder = Recorder()
    with CaptureQueriesContext(connection) as queries:
        recorder.keep_knock(row.public_id, Outcome.DELETED, NOON, asked())
    assert len(queries) == 0

    def away(rows: Any) -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(knocks, "add", away)
    recorder.write()
    assert "could not be written" in caplog.text
    monkeypatch.undo()
    recorder.keep_knock(row.public_id, Outcome.DELETED, NOON + timedelta(minutes=1), asked())
    recorder.write()
    assert len(kept(row)) == 1


@pytest.mark.parametrize("header", ["", "nonsense", "0" * 5000, "{00000000-0000-0000-0000-000000000001}", "\x00", "ÿ"])
def test_an_account_header_of_any_kind_is_kept_or_left_out(cast: factories.Cast, header: str) -> None:
    row = factories.user_key(cast.rob)[0]
    recorder = Recorder()
    recorder.keep_knock(row.public_id, Outcome.NO_ACCESS, NOON, asked(**{"X-Checkly-Account": header}))
    recorder.write()
    assert len(kept(row)) == 1


# What its people are told


def test_a_key_that_was_never_refused_has_no_such_card(cast: factories.Cast, signed_in: Call) -> None:
    page = page_of(signed_in, cast.rob, factories.user_key(cast.rob)[0])
    assert "Last refusals" not in page.content.decode()


def test_the_page_names_the_event_behind_each_refusal(cast: factories.Cast, signed_in: Call, call_api: Call) -> None:
    service, key = factories.service_key(cast.acme)
    call_api(ME, key, cast.globex)
    with time_machine.travel(NOON, tick=False):
        service.revoke(by=cast.actor(cast.adam, cast.acme), reason="Pipeline retired")
        call_api(ME, key, REMOTE_ADDR="192.0.2.9")
        expired, late = factories.user_key(cast.rob, expires_at=NOON)
        call_api(ME, late, cast.acme)
    page = page_of(signed_in, cast.olivia, service)
    assert causes(page) == ["Deleted by Adam on 1 Jan 2030 (Pipeline retired)", "Another account was named"]
    words = page.content.decode()
    assert "Deleted by <bdi>Adam</bdi> on <time" in words
    assert "Reason: <bdi>Pipeline retired</bdi>" in words
    assert "192.0.2.9" in words
    assert causes(page_of(signed_in, cast.rob, expired)) == ["Expired on 1 Jan 2030"]


def test_a_removed_member_learns_the_account_and_the_day_and_not_who(
    cast: factories.Cast, signed_in: Call, call_api: Call
) -> None:
    row, key = factories.user_key(cast.rob)
    olivia = cast.actor(cast.olivia, cast.acme)
    with time_machine.travel(NOON, tick=False):
        cast.acme.memberships.get(user=cast.rob).remove(by=olivia)
        cast.acme.rename("Secret new name", by=olivia)
        call_api(ME, key, cast.acme)
    page = page_of(signed_in, cast.rob, row)
    assert causes(page) == ["Removed from Acme Ltd on 1 Jan 2030"]
    assert "Olivia" not in page.content.decode()
    assert "Secret new name" not in page.content.decode()
    # A member again, they may read by whom.
    cast.acme.add_member(cast.rob, Role.READ_ONLY, by=operator_at_shell())
    assert causes(page_of(signed_in, cast.rob, row)) == ["Removed from Acme Ltd by Olivia on 1 Jan 2030"]


def test_who_left_by_themselves_reads_that(cast: factories.Cast, signed_in: Call, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    cast.acme.memberships.get(user=cast.rob).remove(by=cast.actor(cast.rob, cast.acme))
    call_api(ME, key, cast.acme)
    (cause,) = causes(page_of(signed_in, cast.rob, row))
    assert cause.startswith("Left Acme Ltd on ")


def test_a_lowered_role_is_named_with_who_lowered_it(cast: factories.Cast, signed_in: Call, verify: Verify) -> None:
    row, key = factories.user_key(cast.wendy)
    member = cast.acme.memberships.get(user=cast.wendy)
    member.change_role(Role.READ_ONLY, by=cast.actor(cast.adam, cast.acme))
    verify("/write", key, cast.acme)
    (cause,) = causes(page_of(signed_in, cast.wendy, row))
    assert cause.startswith("Role lowered to Read Only in Acme Ltd by Adam on ")
    # Raised since: what comes now has no such cause.
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5), tick=False):
        member.change_role(Role.READ_RUN, by=cast.actor(cast.adam, cast.acme))
        verify("/write", key, cast.acme)
    assert causes(page_of(signed_in, cast.wendy, row)) == ["None", cause]


def test_an_account_that_was_suspended_or_deleted_is_named_to_who_was_in_it(
    cast: factories.Cast, signed_in: Call, call_api: Call
) -> None:
    row, key = factories.user_key(cast.rob)
    with time_machine.travel(NOON, tick=False) as clock:
        cast.acme.suspend(by=operator_at_shell(), reason="a breach")
        call_api(ME, key, cast.acme)
        clock.shift(timedelta(minutes=5))
        cast.acme.resume(by=operator_at_shell(), reason="over")
        cast.acme.close(by=cast.actor(cast.olivia, cast.acme))
        call_api(ME, key, cast.acme)
    page = page_of(signed_in, cast.rob, row)
    assert causes(page) == ["Deletion of Acme Ltd on 1 Jan 2030", "Suspension of Acme Ltd by an operator on 1 Jan 2030"]
    assert "Olivia" not in page.content.decode()


@pytest.mark.parametrize("what", ["alive", "suspended", "deleted"])
def test_an_account_that_somebody_guessed_gets_no_name(
    cast: factories.Cast, signed_in: Call, call_api: Call, what: str
) -> None:
    row, key = factories.user_key(cast.rob)
    if what == "suspended":
        cast.globex.suspend(by=operator_at_shell(), reason="a breach")
    if what == "deleted":
        cast.globex.close(by=cast.actor(cast.eve, cast.globex))
    call_api(ME, key, cast.globex)
    call_api(ME, key)
    page = page_of(signed_in, cast.rob, row)
    assert sorted(causes(page)) in (["No account was named"], ["None"])
    assert "Globex" not in page.content.decode()


def test_a_service_key_tells_nothing_of_an_account_that_it_named(cast: factories.Cast, signed_in: Call, call_api: Call) -> None:
    row, key = factories.service_key(cast.acme)
    cast.globex.suspend(by=operator_at_shell(), reason="a breach")
    call_api(ME, key, cast.globex)
    page = page_of(signed_in, cast.olivia, row)
    assert causes(page) == ["Another account was named"]
    assert "Globex" not in page.content.decode()


def test_a_suspension_recorded_by_an_operator_is_named_and_gone_when_undone(cast: factories.Cast, signed_in: Call) -> None:
    row = factories.user_key(cast.rob)[0]
    oscar = Actor(via="operator", user_id=cast.oscar.pk, name=str(cast.oscar), address="203.0.113.99")
    for at, action in ((NOON, "key.suspended"), (NOON + timedelta(hours=1), "key.resumed")):
        recorded = row.event(AuditEvent.Action.KEY_REVOKED, by=oscar, reason="Seen in a paste")
        recorded.at, recorded.action = at, action
        recorded.save()
    for hours in (0, 2):
        knocks.add([LateKnock(public_id=row.public_id, minute=NOON + timedelta(hours=hours), outcome="suspended", door="api")])
    page = page_of(signed_in, cast.rob, row)
    assert causes(page) == ["None", "Suspended by Oscar on 1 Jan 2030 (Seen in a paste)"]
    assert "203.0.113.99" not in page.content.decode()


def test_the_card_costs_the_same_queries_for_one_refusal_and_for_twenty(cast: factories.Cast, signed_in: Call) -> None:
    row = factories.user_key(cast.rob)[0]
    client = signed_in(cast.rob)

    def queries(number: int) -> int:
        account = Account.objects.order_by("?").values_list("pk", flat=True)[0]
        minute = NOON + timedelta(minutes=number)
        knocks.add([LateKnock(public_id=row.public_id, minute=minute, outcome="no_access", door="api", account_id=account)])
        with CaptureQueriesContext(connection) as captured:
            assert client.get(row.get_absolute_url()).status_code == 200
        return len(captured)

    client.get(row.get_absolute_url())
    assert len({queries(number) for number in range(KEPT)}) == 1


def test_operators_read_the_same_in_the_admin_with_all_names(cast: factories.Cast, signed_in: Call, call_api: Call) -> None:
    cast.olivia.name = "<script>alert(1)</script>"
    cast.olivia.save()
    row, key = factories.user_key(cast.rob)
    cast.acme.memberships.get(user=cast.rob).remove(by=cast.actor(cast.olivia, cast.acme))
    call_api(ME, key, cast.acme, REMOTE_ADDR="192.0.2.7")
    page = signed_in(cast.oscar).get(reverse("admin:apikeys_apikey_change", args=[row.pk])).content.decode()
    assert "Removed from Acme Ltd by &lt;script&gt;" in page
    assert "192.0.2.7" in page
    assert "<script>alert" not in page


def test_a_refusal_in_one_account_is_never_explained_by_another_that_was_named(
    cast: factories.Cast, signed_in: Call, call_api: Call
) -> None:
    row, key = factories.user_key(cast.rob)
    call_api(ME, key, cast.globex)
    for account in (cast.acme, cast.globex):
        account.suspend(by=operator_at_shell(), reason="breach")
    assert call_api(f"/next/accounts/{cast.acme.pk}", key).status_code == 403
    assert call_api("/v1/accounts", key).status_code == 200
    words = signed_in(cast.rob).get(row.get_absolute_url()).content.decode()
    assert "Globex" not in words
    assert "Suspension of" in words
