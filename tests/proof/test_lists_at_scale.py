"""A thousand keys, ten thousand events: lists stay at fifty a page and a fixed number of queries, and lose or repeat none."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.access import person
from accounts.audit import AuditEvent, event
from accounts.models import Account, User
from apikeys.models import ApiKey
from apikeys.secret import Kind, Secret
from keyportal.policy import GRANTABLE_ROLES
from tests import factories

MANY, PAGE = 1_000, 50


def make_keys(user: User, count: int, account: Account | None = None, name: str = "Key {}", **fields: Any) -> list[ApiKey]:
    """Rows of `count` keys of `user`, or of `account` made by `user`. Their secrets are lost: these are for lists."""
    secrets = [Secret.generate(Kind.SERVICE if account else Kind.USER) for _ in range(count)]
    return ApiKey.objects.bulk_create(
        ApiKey(
            user=None if account else user,
            account=account,
            role=GRANTABLE_ROLES[n % 4] if account else "",
            name=name.format(n),
            public_id=secret.public_id,
            last_four=secret.last_four,
            secret_hash=f"no hash {n}",
            created_by=user,
            **fields,
        )
        for n, secret in enumerate(secrets)
    )


@pytest.fixture(params=["user", "service"])
def keys_of(request: pytest.FixtureRequest, cast: factories.Cast) -> tuple[str, Callable[..., list[ApiKey]]]:
    """The address of a list, and what fills it: Olivia's own keys, then Acme's."""
    account = cast.acme if request.param == "service" else None
    url = reverse("service_keys", args=[account.pk]) if account else reverse("user_keys")

    def fill(count: int, **fields: Any) -> list[ApiKey]:
        return make_keys(cast.olivia, count, account, **fields)

    return url, fill


@pytest.fixture
def olivia(cast: factories.Cast) -> Client:
    client = Client()
    client.force_login(cast.olivia)
    return client


def shown(response: Any) -> list[str]:
    """The public IDs of the rows on a page, in their order, as the browser gets them."""
    assert response.status_code == 200
    rows = re.findall(r'class="name" href="[^"]*/([^"/]+)"', response.content.decode())
    assert rows == [key.public_id for key in response.context["listing"].keys]
    return rows


def link(response: Any, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', response.content.decode())
    return found[1].replace("&amp;", "&") if found else None


def walk(client: Client, url: str | None, rel: str) -> list[list[str]]:
    pages = []
    while url:
        response = client.get(url)
        pages.append(shown(response))
        url = link(response, rel)
        assert len(pages) <= MANY
    return pages


def test_walking_to_older_pages_meets_every_key_once_newest_first(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]
) -> None:
    url, fill = keys_of
    expected = [key.public_id for key in reversed(fill(MANY))]
    pages = walk(olivia, url, "next")
    assert [len(page) for page in pages] == [PAGE] * (MANY // PAGE)
    assert list(itertools.chain(*pages)) == expected


def test_walking_back_to_newer_pages_meets_every_key_once_too(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]
) -> None:
    url, fill = keys_of
    keys = fill(MANY)
    # From behind the oldest key: the page older than the second-oldest, which holds one.
    pages = walk(olivia, f"{url}?before={keys[1].public_id}", "prev")
    assert sorted(itertools.chain(*pages)) == sorted(key.public_id for key in keys)
    assert pages[0] == [keys[0].public_id]
    assert pages[-1][0] == keys[-1].public_id


def test_there_and_back_again(olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]) -> None:
    url, fill = keys_of
    fill(120)
    first = olivia.get(url)
    second = olivia.get(link(first, "next"))
    third = olivia.get(link(second, "next"))
    assert (link(first, "prev"), link(third, "next"), len(shown(third))) == (None, None, 20)
    assert shown(olivia.get(link(third, "prev"))) == shown(second)
    assert shown(olivia.get(link(second, "prev"))) == shown(first)


def test_a_list_of_a_thousand_costs_the_queries_of_a_list_of_ten(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]
) -> None:
    url, fill = keys_of
    fill(10)
    olivia.get(url)  # the first visit writes the account used last into the session
    ten = queries_of(olivia, url)
    keys = fill(MANY - 10)
    assert queries_of(olivia, url) == ten
    assert queries_of(olivia, f"{url}?before={keys[500].public_id}") == ten
    assert queries_of(olivia, f"{url}?after={keys[500].public_id}&show=usable&q=Key") == ten
    assert ten <= 8


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


@pytest.mark.parametrize(("count", "pages"), [(0, 0), (1, 1), (49, 1), (50, 1), (51, 2), (100, 2), (101, 3)])
def test_pages_end_where_the_keys_end(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]], count: int, pages: int
) -> None:
    url, fill = keys_of
    fill(count)
    walked = walk(olivia, url, "next")
    assert sum(len(page) for page in walked) == count
    assert len([page for page in walked if page]) == pages


def states(now: datetime) -> dict[str, tuple[int, dict[str, datetime]]]:
    past, future = now - timedelta(days=1), now + timedelta(days=1)
    return {
        "active": (60, {}),
        "expiring": (5, {"expires_at": future}),
        "expired": (7, {"expires_at": past}),
        "suspended": (3, {"suspended_at": past}),
        "suspended and expired": (2, {"suspended_at": past, "expires_at": past}),
        "deleted": (11, {"revoked_at": past}),
        "deleted and expired": (4, {"revoked_at": past, "expires_at": past}),
    }


def test_tabs_count_and_hold_the_keys_of_their_state(olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]) -> None:
    url, fill = keys_of
    made = {state: fill(count, **fields) for state, (count, fields) in states(timezone.now()).items()}
    holds = {
        "usable": ["active", "expiring"],
        "expired": ["expired"],
        "deleted": ["deleted", "deleted and expired"],
        "all": list(made),
    }
    tabs = {tab["label"]: tab["count"] for tab in olivia.get(url).context["listing"].tabs}
    assert tabs == {"Usable": 65, "Expired": 7, "Deleted": 15, "All": 92}
    for tab, of in holds.items():
        pages = walk(olivia, f"{url}?show={tab}", "next")
        expected = {key.public_id for state in of for key in made[state]}
        assert sorted(itertools.chain(*pages)) == sorted(expected), tab


def test_counts_stay_those_of_all_keys_while_a_filter_is_on(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]
) -> None:
    url, fill = keys_of
    fill(20)
    listing = olivia.get(f"{url}?q=Key 1").context["listing"]
    assert (len(listing.keys), listing.total, listing.tabs[-1]["count"]) == (11, 20, 20)


FILTERS = {
    "100%": ["100% sure"],
    "%": ["100% sure"],
    "_": ["a_b"],
    "a_b": ["a_b"],
    "\\": ["back\\slash"],
    "BACK": ["back\\slash"],
    "axb": ["axb"],
    "'; --": ["'; -- x"],
    "nothing like it": [],
}


@pytest.mark.parametrize("text", FILTERS)
def test_the_filter_takes_every_character_literally(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]], text: str
) -> None:
    url, fill = keys_of
    for name in ("100% sure", "100 sure", "a_b", "axb", "ab", "back\\slash", "'; -- x", "c", "d", "e"):
        fill(1, name=name)
    response = olivia.get(url, {"q": text})
    # Public IDs hold "_" and letters as well, and are found by their part.
    names = [key.name for key in response.context["listing"].keys if text in key.name or text == "BACK"]
    others = [key for key in response.context["listing"].keys if key.name not in names and text not in key.public_id]
    assert (names, others) == (FILTERS[text], [])


def test_a_key_is_found_by_its_public_id(olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]) -> None:
    url, fill = keys_of
    key = fill(60)[30]
    assert shown(olivia.get(url, {"q": key.public_id})) == [key.public_id]
    assert shown(olivia.get(url, {"q": key.public_id[3:11]})) == [key.public_id]


def test_a_filter_is_kept_on_the_way_to_the_next_page(olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]]) -> None:
    url, fill = keys_of
    wanted = fill(70, name="Wanted & found {}")
    fill(70)
    fill(5, name="Wanted & found {}", revoked_at=timezone.now())
    pages = walk(olivia, f"{url}?q=wanted+%26&show=usable", "next")
    assert list(itertools.chain(*pages)) == [key.public_id for key in reversed(wanted)]


@pytest.mark.parametrize("cursor", ["before=nothing", "after=nothing", "before=", "before=%27", "after=cu_000000000000"])
def test_an_unknown_cursor_gives_the_first_page(
    olivia: Client, keys_of: tuple[str, Callable[..., list[ApiKey]]], cursor: str
) -> None:
    url, fill = keys_of
    fill(60)
    assert shown(olivia.get(f"{url}?{cursor}")) == shown(olivia.get(url))


def test_somebody_else_s_key_is_no_cursor(olivia: Client, cast: factories.Cast) -> None:
    make_keys(cast.olivia, 60)
    stranger = make_keys(cast.eve, 1)[0]
    make_keys(cast.olivia, 5)
    url = reverse("user_keys")
    assert shown(olivia.get(f"{url}?before={stranger.public_id}")) == shown(olivia.get(url))


def test_lists_hold_no_keys_of_others(olivia: Client, cast: factories.Cast) -> None:
    own, acme = make_keys(cast.olivia, 10), make_keys(cast.olivia, 10, cast.acme)
    make_keys(cast.adam, 10)
    make_keys(cast.eve, 10, cast.globex)
    assert sorted(shown(olivia.get(reverse("user_keys")))) == sorted(key.public_id for key in own)
    response = olivia.get(reverse("service_keys", args=[cast.acme.pk]))
    assert sorted(shown(response)) == sorted(key.public_id for key in acme)


# The audit log


@pytest.fixture
def log(cast: factories.Cast) -> tuple[str, list[AuditEvent]]:
    """The address of Acme's audit log, and ten thousand events in it, by thirty people, among those of another account."""
    people = [person(factories.UserFactory()) for _ in range(30)]
    made = AuditEvent.objects.bulk_create(
        event(
            AuditEvent.Action.MEMBER_ADDED if n % 3 else AuditEvent.Action.KEY_CREATED,
            by=people[n % 30],
            target_type="user",
            target_id=n,
            target_name=f"Event {n}",
            account_id=cast.globex.pk if n % 2 else cast.acme.pk,
        )
        for n in range(20_000)
    )
    return reverse("audit_log", args=[cast.acme.pk]), made[::2]


def numbers(response: Any) -> list[str]:
    assert response.status_code == 200
    return re.findall(r"<bdi>Event (\d+)</bdi>", response.content.decode())


def test_the_audit_log_is_walked_there_and_back_and_meets_every_event_once(
    olivia: Client, log: tuple[str, list[AuditEvent]]
) -> None:
    url, made = log
    for rel, first in (("next", f"{url}?action=key.created&since=2020-01-01"), ("prev", f"{url}?before={made[1].pk}")):
        found: list[list[str]] = []
        page, response = first, olivia.get(first)
        while page and len(found) < 12:
            response = olivia.get(page)
            found.append(numbers(response))
            page = link(response, rel) or ""
        wanted = [str(n) for n in range(0, 20_000, 2) if rel == "prev" or n % 3 == 0]
        expected = wanted[::-1][: PAGE * 12] if rel == "next" else wanted[: len(found[0]) + PAGE * 11]
        met = list(itertools.chain(*(found if rel == "next" else (one[::-1] for one in found))))
        assert met == expected


def test_an_audit_log_of_ten_thousand_costs_the_queries_of_one_of_ten(
    olivia: Client, log: tuple[str, list[AuditEvent]], cast: factories.Cast
) -> None:
    url, made = log
    short = AuditEvent.objects.filter(account_id=cast.acme.pk, pk__lt=made[10].pk).count()
    assert short >= 10
    olivia.get(url)
    few = queries_of(olivia, f"{url}?before={made[10].pk}")
    for query in (
        "",
        f"?before={made[5_000].pk}",
        f"?after={made[5_000].pk}&action=people",
        f"?person={made[0].actor_id}&since=2020-01-01",
        "?until=2020-01-01",
    ):
        assert queries_of(olivia, url + query) <= few + ("until" in query)  # where there is nothing, whether there is anything
    assert few <= 7
