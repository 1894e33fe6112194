"""The account's audit log: its admins and its owner read all of their account's record, and nothing else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import audit_export
from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent, event
from accounts.audit_export import harmless
from accounts.audit_words import details
from accounts.models import Account, User
from apikeys.allowlist import Mode
from keyportal.key_policy import KeyPolicy
from keyportal.policy import Actor, Role
from tests import factories

Action = AuditEvent.Action
SignedIn = Callable[[User], Client]

HOSTILE = [
    '=HYPERLINK("http://evil.example")',
    "<script>alert(1)</script>",
    "\"'><b>",
    "+1",
    "-1",
    "@SUM(A1)",
    "＝1+1",
    "a;=1+1",
]


def record(
    account: Account | None, by: Actor, at: datetime | None = None, action: Action = Action.MEMBER_ADDED, **more: Any
) -> None:
    fields = {"target_type": "user", "target_id": "1", "target_name": "Somebody"} | more
    recorded = event(
        action, by=by, account_id=account.pk if account else None, account_name=account.name if account else "", **fields
    )
    recorded.at = at or recorded.at
    recorded.save()


@pytest.fixture
def url(cast: factories.Cast) -> str:
    return reverse("audit_log", args=[cast.acme.pk])


@pytest.fixture
def olivia(cast: factories.Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.olivia)


def shown(response: Any) -> list[tuple[str, str, str]]:
    assert response.status_code == 200
    return [(entry.who, entry.what, entry.target) for entry in response.context["log"].entries]


def words(response: Any) -> str:
    """The page's main part as people read it."""
    main = response.content.decode().partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def exported(client: Client, url: str, **asked: str) -> list[dict[str, str]]:
    response = client.post(f"{url}/export", asked)
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))


# What it says


def test_the_log_says_who_did_what_to_what_from_where_and_how(cast: factories.Cast, olivia: Client, url: str) -> None:
    member = cast.acme.memberships.get(user=cast.wendy)
    olivia.post(reverse("member_role", args=[cast.acme.pk, cast.wendy.pk]), {"role": "READ_ONLY"}, REMOTE_ADDR="192.0.2.7")
    cast.acme.rename("Acme Inc", by=cast.actor(cast.adam, cast.acme))
    member.refresh_from_db()
    member.remove(by=cast.actor(cast.adam, cast.acme))
    key, _ = factories.service_key(cast.acme, Role.READ_RUN, name="Deploy")
    key.revoke(by=cast.actor(cast.adam, cast.acme), reason="Pipeline retired")
    page = olivia.get(url)
    assert shown(page)[:5] == [
        ("Adam", "Key deleted", "Deploy"),
        ("Olivia", "Key created", "Deploy"),
        ("Adam", "Member removed", "Wendy"),
        ("Adam", "Account renamed", "Acme Inc"),
        ("Olivia", "Role changed", "Wendy"),
    ]
    text = words(page)
    for said in (
        "Role changed Role: Read &amp; Write → Read Only",
        "Name: Acme Ltd → Acme Inc",
        "Reason: Pipeline retired",
        "192.0.2.7",
        key.public_id,
        "olivia@example.com",
    ):
        assert said in text, said
    assert f'href="{key.get_absolute_url()}"' in page.content.decode()


def test_every_action_has_words_and_a_place_in_the_filter(cast: factories.Cast, olivia: Client, url: str) -> None:
    details = {"role": "READ_RUN", "was": "ADMIN", "flag": True, "several": ["a", "b"], "until": "2026-11-03T10:00:00+00:00"}
    for action in Action:
        record(cast.acme, person(cast.adam), action=action, target_type="key", target_id="sv_0123456789AB", **details)
    page = olivia.get(url)
    assert len(shown(page)) >= len(Action)
    assert "Several: a, b" in words(page)
    assert "Flag: Yes" in words(page)
    assert "Until: 3 Nov 2026, 10:00 UTC" in words(page)
    offered = set(re.findall(r'<option value="([a-z_]+\.[a-z_]+)"', page.content.decode()))
    assert offered == {action for action in Action.values if not action.startswith("user.")}


def test_an_operator_s_address_is_shown_to_nobody(cast: factories.Cast, olivia: Client, url: str) -> None:
    oscar = Actor(via="operator", user_id=cast.oscar.pk, name="Oscar", address="203.0.113.99")
    cast.acme.suspend(by=oscar, reason="A breach")
    page = olivia.get(url)
    assert shown(page)[0] == ("Oscar", "Account suspended", "Acme Ltd")
    assert "Operator of KeyPortal" in words(page)
    assert "Reason: A breach" in words(page)
    assert "203.0.113.99" not in page.content.decode()
    rows = exported(olivia, url)
    assert (rows[0]["who"], rows[0]["address"]) == ("Oscar", "")
    assert "203.0.113.99" not in str(rows)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_the_page_and_in_the_file(cast: factories.Cast, olivia: Client, url: str, name: str) -> None:
    cast.acme.rename(name, by=cast.actor(cast.adam, cast.acme))
    cast.adam.name = name
    cast.adam.save()
    key, _ = factories.service_key(cast.acme, name=name)
    key.revoke(by=cast.actor(cast.adam, cast.acme), reason=name)
    page = olivia.get(url).content.decode()
    assert "<script>alert" not in page
    assert "<b>" not in page
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#x27;")
    assert page.count(f"<bdi>{escaped}</bdi>") >= 3
    row = exported(olivia, url)[0]
    for cell in (row["target"], row["reason"], row["who"]):
        assert cell == harmless(cell)
        assert cell.replace("'", "").startswith(name.replace("'", ""))
        assert not re.match(r"\s*[=+\-@＝＋－＠]", cell)


# Whose it is


def test_another_account_s_events_and_those_of_no_account_never_appear(cast: factories.Cast, olivia: Client, url: str) -> None:
    record(cast.globex, person(cast.eve), target_name="Secret of Globex")
    record(None, person(cast.olivia), action=Action.KEY_CREATED, target_type="key", target_name="Secret user key")
    factories.user_key(cast.wendy, name="Wendy’s own key")
    cast.rob.deactivate(by=operator_at_shell(), reason="Secret of the operators")
    foreign = AuditEvent.objects.get(target_name="Secret of Globex")
    for query in (
        "",
        f"?before={foreign.pk}",
        f"?after={foreign.pk}",
        "?person=operators",
        "?action=service-keys",
        "?since=2000-01-01",
    ):
        page = olivia.get(url + query).content.decode()
        assert "Secret" not in page
        assert "own key" not in page.replace("own keys", "")
        assert "eve@example.com" not in page
    assert "Secret" not in str(exported(olivia, url))
    assert shown(olivia.get(f"{url}?before={foreign.pk}")) == shown(olivia.get(url))


def test_somebody_who_did_nothing_here_cannot_be_asked_for(cast: factories.Cast, olivia: Client, url: str) -> None:
    record(cast.globex, person(cast.eve))
    page = olivia.get(f"{url}?person={cast.eve.pk}")
    assert page.status_code == 400
    assert "Choose somebody of this list." in page.content.decode()


def test_admins_and_the_owner_have_it_in_the_menu_and_others_read_why_not(
    cast: factories.Cast, signed_in: SignedIn, url: str
) -> None:
    for user in (cast.olivia, cast.adam):
        assert f'href="{url}" aria-current="page"' in signed_in(user).get(url).content.decode()
    for user in (cast.wendy, cast.rhea, cast.rob):
        client = signed_in(user)
        refused = client.get(url)
        assert refused.status_code == 403
        assert "Only admins and owners can see the audit log. Your role in Acme Ltd is" in refused.content.decode()
        assert url not in client.get(reverse("members", args=[cast.acme.pk])).content.decode()


# Filters


@pytest.fixture
def history(cast: factories.Cast) -> None:
    """Two events of Olivia's, one of an operator, one by a service key, on days of their own."""
    for day, by, action in (
        (1, person(cast.olivia), Action.MEMBER_INVITED),
        (2, person(cast.olivia), Action.KEY_CREATED),
        (3, Actor(via="operator", name="Oscar"), Action.ACCOUNT_SUSPENDED),
        (4, Actor(via="key", key_id="sv_0123456789AB", name="Robot"), Action.MEMBER_ROLE_CHANGED),
    ):
        record(cast.acme, by, datetime(2020, 5, day, 23, 59, 59, 999_999, UTC), action, target_name=f"Day {day}")


ASKED = {
    "person={olivia}": "1 2",
    "person=operators": "3",
    "person=keys": "4",
    "action=people": "1 4",
    "action=service-keys": "2",
    "action=settings": "3",
    "action=key.created": "2",
    "since=2020-05-02&until=2020-05-03": "2 3",
    "until=2020-05-01": "1",
    "since=2020-05-04": "4",
    "person={olivia}&action=people&until=2020-05-04": "1",
    "person={olivia}&action=settings": "",
}


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("query", ASKED)
def test_filters_find_what_they_say_on_the_page_and_in_the_file(
    cast: factories.Cast, olivia: Client, url: str, query: str
) -> None:
    asked = query.format(olivia=cast.olivia.pk)
    page = olivia.get(f"{url}?{asked}")
    days = sorted(target for _, _, target in shown(page) if target.startswith("Day"))
    assert days == [f"Day {day}" for day in ASKED[query].split()]
    if not ASKED[query]:
        assert "Nothing recorded matches this filter." in words(page)
    rows = exported(olivia, url, **dict(pair.split("=") for pair in asked.split("&")))
    assert sorted(row["target"] for row in rows if row["target"].startswith("Day")) == days


BAD = [
    ("since", "2026-02-31"),
    ("since", "31.12.2026"),
    ("since", "9" * 5000),
    ("until", "10000-01-01"),
    ("until", "0000-01-01"),
    ("until", "yesterday"),
    ("until", "2020-04-01"),
    ("person", "nobody"),
    ("person", "' OR 1=1 --"),
    ("action", "user.deleted"),
    ("action", "\ud7ff"),
]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: value[:12])
def test_a_bad_filter_says_what_is_wrong_and_keeps_the_rest(
    cast: factories.Cast, olivia: Client, url: str, field: str, value: str
) -> None:
    good = {"person": str(cast.olivia.pk), "action": "people", "since": "2020-05-01"}
    before = AuditEvent.objects.count()
    for page in (olivia.get(url, good | {field: value}), olivia.post(f"{url}/export", good | {field: value})):
        assert page.status_code == 400
        assert f'id="{field}_error"' in page.content.decode()
        found = [entry.target for entry in page.context["log"].entries]
        assert "Day 1" in found
        assert ("Day 2" in found) == (field == "action")
    assert AuditEvent.objects.count() == before


def test_the_first_and_the_last_day_there_is_are_days(olivia: Client, url: str) -> None:
    assert len(shown(olivia.get(f"{url}?since=0001-01-01&until=9999-12-31"))) > 0


@pytest.mark.parametrize("cursor", ["before=x", "after=-1", "before=%00", "after=99999999999999999999", "before=²", "after="])
def test_an_unknown_place_gives_the_first_page(olivia: Client, url: str, cursor: str) -> None:
    page = olivia.get(f"{url}?{cursor}")
    assert page.status_code == 400 if "%00" in cursor else shown(page) == shown(olivia.get(url))


@pytest.mark.django_db
def test_an_account_with_nothing_recorded_says_so(signed_in: SignedIn) -> None:
    account = factories.AccountFactory.create()
    page = signed_in(account.owner).get(reverse("audit_log", args=[account.pk]))
    assert "Nothing is recorded yet" in words(page)


# The file


def test_the_file_is_named_after_account_and_day_and_opens_in_excel(cast: factories.Cast, olivia: Client, url: str) -> None:
    response = olivia.post(f"{url}/export")
    day = datetime.now(UTC).date().isoformat()
    assert response["Content-Disposition"] == f'attachment; filename="audit-log-acme-ltd-{day}.csv"'
    assert (response["Content-Type"], response["Cache-Control"]) == ("text/csv; charset=utf-8", "no-store, private")
    assert b"".join(response.streaming_content).startswith(b"\xef\xbb\xbf")
    cast.acme.rename("株式会社", by=cast.actor(cast.adam, cast.acme))
    assert f"audit-log-{cast.acme.pk}-{day}.csv" in olivia.post(f"{url}/export")["Content-Disposition"]


def test_the_export_is_itself_recorded_with_its_filter_and_is_not_in_its_own_file(
    cast: factories.Cast, olivia: Client, url: str
) -> None:
    record(cast.acme, person(cast.adam))
    rows = exported(olivia, url, person=str(cast.adam.pk), since="2020-01-01")
    assert [row["action"] for row in rows] == ["member.added"]
    recorded = AuditEvent.objects.filter(action=Action.AUDIT_LOG_EXPORTED).get()
    assert (recorded.actor_id, recorded.account_id) == (cast.olivia.pk, cast.acme.pk)
    assert recorded.details == {"filter": {"person": str(cast.adam), "since": "2020-01-01"}}
    assert "person: Adam" in words(olivia.get(url))  # PostgreSQL keeps no order of what JSON names
    assert [row["action"] for row in exported(olivia, url)].count(Action.AUDIT_LOG_EXPORTED) == 1


def test_the_file_has_every_event_once_in_pieces_that_are_read_one_by_one(
    cast: factories.Cast, olivia: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "PIECE", 10)
    for number in range(35):
        record(cast.acme, person(cast.adam), target_name=f"Number {number}")
    stream = olivia.post(f"{url}/export", {"person": str(cast.adam.pk)}).streaming_content
    next(stream)
    with CaptureQueriesContext(connection) as queries:
        first = next(stream)
    assert (first.count(b"\r\n"), len(queries)) == (10, 1)
    # What comes while the file is read is not in it.
    record(cast.acme, person(cast.adam), target_name="Late")
    rest = b"".join(stream)
    numbers = re.findall(rb'"Number (\d+)"', first + rest)
    assert [int(number) for number in numbers] == list(range(34, -1, -1))
    assert b"Late" not in rest


HARMLESS = {
    "=1": "'=1",
    " =1": "' =1",
    "\t=1": "'\t'=1",
    "\tx": "'\tx",
    "\rx": "'\rx",
    "＝1": "'＝1",
    "－1": "'－1",
    "a;=1": "a;'=1",
    "a, -1": "a,' -1",
    "a\n@x": "a\n'@x",
    "2026-11-22": "2026-11-22",
    "Olivia <olivia@example.com>": "Olivia <olivia@example.com>",
    "a=b": "a=b",
    "": "",
}


@pytest.mark.parametrize("text", HARMLESS)
def test_no_cell_begins_a_formula_wherever_a_spreadsheet_splits(text: str) -> None:
    assert harmless(text) == HARMLESS[text]


def test_a_change_of_allowed_addresses_reads_as_what_was_and_what_is(
    cast: factories.Cast,
) -> None:
    key = factories.service_key(cast.acme)[0]
    key.allow_from(by=cast.actor(cast.adam, cast.acme), networks=["192.0.2.0/24", "2001:db8::/48"], mode=Mode.ENFORCE)
    event = AuditEvent.objects.get(action=AuditEvent.Action.KEY_ADDRESSES_CHANGED)
    assert [str(detail) for detail in details(event)] == ["Allowed addresses: off → enforce 192.0.2.0/24, 2001:db8::/48"]


def test_a_change_of_what_is_asked_of_keys_reads_as_the_account_s_page_says_it(cast: factories.Cast) -> None:
    today = timezone.now().date()
    by = cast.actor(cast.olivia, cast.acme)
    cast.acme.set_key_policy(KeyPolicy(must_expire=True), from_day=today, by=by)
    cast.acme.set_key_policy(KeyPolicy(longest_days=90), from_day=today + timedelta(days=3), by=by)
    later, first = AuditEvent.objects.filter(action=AuditEvent.Action.ACCOUNT_POLICY_CHANGED).order_by("-pk")
    assert [str(detail) for detail in details(first)] == ["Keys: Nothing is asked. → Keys must expire."]
    (detail,) = details(later)
    assert detail.was == "Keys must expire."
    assert re.fullmatch(r"Keys must expire\. From \d+ \w+ \d{4}, 00:00 UTC: Keys must expire within 90 days\.", detail.value)
