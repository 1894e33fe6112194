"""Allowed addresses: how lists are read, whom they refuse, what they would have refused, and who may choose them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from apikeys import usage
from apikeys.allowlist import MOST_NETWORKS, Mode, allows, observe, read_networks, suggest
from apikeys.models import ApiKey
from apikeys.usage import OTHERS, Outcome, Span, Usage
from keyportal.exceptions import Conflict
from keyportal.policy import Role
from tests import factories
from tests.apikeys.conftest import Verify
from tests.sessions import browser_of
from tests.statements import statements

ME = "/v1/accounts/me"
REFUSED = "This API key may not be used from this address."
Call = Callable[..., Any]


def restricted(key: ApiKey, *networks: str, mode: Mode = Mode.ENFORCE) -> None:
    by = person(key.user) if key.user else key.account.present(person(key.account.owner))  # type: ignore[union-attr]
    key.allow_from(by=by, networks=networks, mode=mode)


# How lists are read


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_a_network_has_one_spelling(typed: str, read: str) -> None:
    assert read_networks([typed]) == read_networks([typed, typed, read]) == [read]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("192.0.2.7/24", "Did you mean 192.0.2.0/24, or 192.0.2.7 alone?"),
        ("::ffff:192.0.2.0/64", "Did you mean"),
        ("fe80::1%eth0", "leave out the zone"),
        ("fe80::/10%1", "leave out the zone"),
        ("192.0.02.1", "without leading zeros"),
        ("010.0.0.0/8", "without leading zeros"),
        ("192.0.2.0/024", "from 0 to 32"),
        ("192.0.2.0/33", "from 0 to 32"),
        ("192.0.2.0/255.255.255.0", "from 0 to 32"),
        ("192.0.2.0/", "from 0 to 32"),
        ("192.0.2.0/-1", "from 0 to 32"),
        ("192.0.2.0/２４", "from 0 to 32"),
        ("2001:db8::/129", "from 0 to 128"),
        ("/24", "neither an IP address nor a network"),
        ("192.0.2", "neither an IP address nor a network"),
        ("192.0.2.1-192.0.2.9", "neither an IP address nor a network"),
        ("office", "neither an IP address nor a network"),
        ("192.0.2.0/24/24", "from 0 to 32"),
        ("3221225985", "neither an IP address nor a network"),
        ("1" * 3000, "neither an IP address nor a network"),
        ("\u0661.0.0.1", "neither an IP address nor a network"),
        ("<b>", "neither an IP address nor a network"),
    ],
)
def test_what_is_no_network_is_said_so(typed: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read_networks(["198.51.100.0/24", typed])
    (message,) = refused.value.messages
    assert said in message
    assert len(message) < 200


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["192.0.2.0/24", "192.0.2.7"], "192.0.2.7 lies within 192.0.2.0/24."),
        (["192.0.2.7", "0.0.0.0/0"], "192.0.2.7 lies within 0.0.0.0/0."),
        (["2001:db8::/32", "2001:db8:1::/48"], "2001:db8:1::/48 lies within 2001:db8::/32."),
        (["0.0.0.0/0", "::/0"], "These are all addresses there are."),
        ([f"10.0.{n}.0/24" for n in range(MOST_NETWORKS + 1)], "At most 50 networks. These are 51."),
    ],
)
def test_networks_that_make_no_list_are_said_so(typed: list[str], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read_networks(typed)
    assert refused.value.messages[0].startswith(said)


def test_of_many_mistakes_the_first_five_are_told() -> None:
    with pytest.raises(ValidationError) as refused:
        read_networks(f"x{n}" for n in range(40))
    assert len(refused.value.messages) == 6
    assert refused.value.messages[5] == "And 35 more."


NETWORKS = st.one_of(
    st.builds(
        lambda n, bits: ipaddress.ip_network((n >> (32 - bits) << (32 - bits), bits)),
        st.integers(0, 2**32 - 1),
        st.integers(1, 32),
    ),
    st.builds(
        lambda n, bits: ipaddress.IPv6Network((n >> (128 - bits) << (128 - bits), bits)),
        st.integers(0, 2**128 - 1),
        st.integers(1, 128),
    ),
)


@given(st.lists(NETWORKS, max_size=5), st.data())
def test_a_list_allows_just_the_addresses_of_its_networks(networks: list[Any], data: st.DataObject) -> None:
    try:
        listed = read_networks(map(str, networks))
    except ValidationError:
        return
    for network in networks:
        span = int(network.network_address), int(network.broadcast_address)
        near = data.draw(st.sampled_from([span[0], span[1], span[0] - 1, span[1] + 1]))
        if not 0 <= near < 2**network.max_prefixlen:
            continue
        address = type(network.network_address)(near)
        expected = any(address.version == one.version and address in one for one in networks)
        if getattr(address, "ipv4_mapped", None) is None:
            assert allows("\n".join(listed), str(address)) == expected


# Whom they refuse


@pytest.fixture
def service(cast: factories.Cast) -> tuple[ApiKey, str]:
    return factories.service_key(cast.acme, Role.ADMIN)


def test_a_key_works_from_its_addresses_and_from_no_other(service: tuple[ApiKey, str], call_api: Call, verify: Verify) -> None:
    row, key = service
    restricted(row, "192.0.2.0/24", "2001:db8::7")
    for address in ("192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7", "2001:db8::7", "2001:db8::7%eth0", "2001:0DB8:0::7"):
        assert call_api(ME, key, REMOTE_ADDR=address).status_code == 200, address
        assert verify("/admin", key, REMOTE_ADDR=address).status == 200, address
    for address in ("192.0.3.0", "192.0.1.255", "2001:db8::8", "::192.0.2.7", "127.0.0.1", "", "unix:", "192.0.2.7.evil"):
        refused = call_api(ME, key, REMOTE_ADDR=address)
        assert (refused.status_code, refused.json()["message"]) == (403, REFUSED), address
        at_gateway = verify("/read", key, REMOTE_ADDR=address)
        assert (at_gateway.status, at_gateway.json()["message"]) == (403, REFUSED), address
        assert b"192.0.2" not in refused.content + at_gateway.body
    refused_uses = sum(r.requests for r in Usage.objects.filter(public_id=row.public_id, outcome=Outcome.ADDRESS))
    assert refused_uses == 16


def test_a_user_key_is_refused_whatever_it_asks_for(cast: factories.Cast, call_api: Call) -> None:
    row, key = factories.user_key(cast.rob)
    restricted(row, "192.0.2.0/24")
    for account in (cast.acme, cast.globex, None):
        for path in (ME, "/v1/accounts", f"/v1/accounts/{cast.acme.pk}"):
            assert call_api(path, key, account, REMOTE_ADDR="198.51.100.1").json()["message"] == REFUSED


def test_a_wrong_secret_is_told_nothing_of_the_list(service: tuple[ApiKey, str], call_api: Call) -> None:
    row, key = service
    restricted(row, "192.0.2.0/24")
    wrong = call_api(ME, factories.another_secret_of(key), REMOTE_ADDR="198.51.100.1")
    assert (wrong.status_code, wrong.json()["message"]) == (401, call_api(ME, "garbage").json()["message"])


def test_a_deleted_key_is_401_from_everywhere(cast: factories.Cast, service: tuple[ApiKey, str], call_api: Call) -> None:
    row, key = service
    restricted(row, "192.0.2.0/24")
    row.revoke(by=cast.actor(cast.olivia, cast.acme))
    assert call_api(ME, key, REMOTE_ADDR="198.51.100.1").status_code == 401


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        (0, "192.0.2.7", 403),  # nobody in front is known, so nobody is believed
        (1, "192.0.2.7", 200),
        (1, "192.0.2.7, 198.51.100.1", 403),  # what the client wrote stands on the left
        (1, "192.0.2.7, 192.0.2.7, 198.51.100.1", 403),
        (1, "198.51.100.1, 192.0.2.7", 200),
        (2, "192.0.2.7, 10.0.0.1", 200),
        (2, "192.0.2.7", 403),  # came round one of the proxies
        (1, "192.0.2.7:4711", 403),
        (1, "garbage", 403),
        (1, "", 403),
        (1, "::ffff:192.0.2.7", 200),
        (1, "::ffff:c000:207", 200),
        (1, "192.0.2.7%eth0", 403),
    ],
)
def test_the_address_is_the_one_that_trusted_proxies_saw(
    service: tuple[ApiKey, str], call_api: Call, verify: Verify, settings: Any, proxies: int, forwarded: str, status: int
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    row, key = service
    restricted(row, "192.0.2.0/24")
    headers = {"X-Forwarded-For": forwarded}
    assert call_api(ME, key, headers=dict(headers), REMOTE_ADDR="198.51.100.9").status_code == status
    assert verify("", key, headers=headers, REMOTE_ADDR="198.51.100.9").status == status


def test_a_change_holds_on_the_very_next_request(service: tuple[ApiKey, str], call_api: Call) -> None:
    row, key = service
    restricted(row, "192.0.2.0/24")
    assert call_api(ME, key, REMOTE_ADDR="198.51.100.1").status_code == 403
    restricted(row, "192.0.2.0/24", "198.51.100.1")
    assert call_api(ME, key, REMOTE_ADDR="198.51.100.1").status_code == 200
    restricted(row, "192.0.2.0/24")
    assert call_api(ME, key, REMOTE_ADDR="198.51.100.1").status_code == 403
    for mode in (Mode.OBSERVE, Mode.OFF):
        restricted(row, "192.0.2.0/24", mode=mode)
        assert call_api(ME, key, REMOTE_ADDR="198.51.100.1").status_code == 200


def test_a_list_costs_no_query_more(service: tuple[ApiKey, str], call_api: Call) -> None:
    row, key = service
    restricted(row, *(f"10.0.{n}.0/24" for n in range(MOST_NETWORKS)))
    for address, status in (("10.0.49.1", 200), ("198.51.100.1", 403)):
        call_api(ME, key, REMOTE_ADDR=address)
        with statements() as queries:
            assert call_api(ME, key, REMOTE_ADDR=address).status_code == status
        assert len(queries) == 1, queries


def test_a_refused_address_is_no_use_of_the_key(service: tuple[ApiKey, str], call_api: Call) -> None:
    row, key = service
    restricted(row, "192.0.2.0/24")
    call_api(ME, key, REMOTE_ADDR="198.51.100.1")
    row.refresh_from_db()
    assert (row.last_used_at, row.last_used_address) == (None, None)


@pytest.mark.usefixtures("limited", "clock")
def test_requests_from_refused_addresses_count_for_the_key(service: tuple[ApiKey, str], call_api: Call) -> None:
    row, key = service
    restricted(row, "192.0.2.0/24")
    statuses = [call_api(ME, key, REMOTE_ADDR="198.51.100.1").status_code for _ in range(7)]
    assert statuses == [403] * 5 + [429] * 2


def test_introspection_asks_for_the_address_of_who_asks_and_of_nobody_else(
    cast: factories.Cast, service: tuple[ApiKey, str], client: Client
) -> None:
    (_, asking), (row, token) = service, factories.user_key(cast.rob)
    restricted(row, "192.0.2.0/24")

    def introspected(address: str) -> Any:
        headers = {"Authorization": f"Bearer {asking}"}
        return client.post(
            "/gateway/introspect",
            f"token={token}",
            content_type="application/x-www-form-urlencoded",
            headers=headers,
            REMOTE_ADDR=address,
        )

    assert introspected("198.51.100.1").json()["active"] is True
    restricted(service[0], "203.0.113.1")
    assert introspected("203.0.113.1").json()["active"] is True
    refused = introspected("198.51.100.1")
    assert (refused.status_code, refused.json()["message"]) == (403, REFUSED)


# What they would have refused


def used(key: ApiKey, network: str, requests: int, outcome: str = Outcome.ALLOWED, days_ago: int = 1) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    usage.add([(key.public_id, Span.HOUR.value, hour, str(outcome), "curl", network, requests)])


@pytest.fixture
def observed_key(service: tuple[ApiKey, str]) -> ApiKey:
    key = service[0]
    used(key, "192.0.2.0/24", 100)
    used(key, "198.51.100.0/24", 10)
    used(key, "203.0.113.0/24", 3)
    used(key, "2001:db8:1::/48", 2)
    used(key, "", 1)
    used(key, OTHERS, 5)
    used(key, "10.0.0.0/24", 7, Outcome.ADDRESS)
    used(key, "10.0.1.0/24", 7, Outcome.WRONG_SECRET)
    used(key, "10.0.2.0/24", 7, days_ago=30)
    return key


def test_what_an_observed_list_would_have_refused_is_told_as_far_as_the_ledger_knows(observed_key: ApiKey) -> None:
    # Two halves cover a network, a single address does in part, and what was refused anyway counts for nothing.
    found = observe(observed_key.public_id, "192.0.2.0/25\n192.0.2.128/25\n198.51.100.7")
    assert [share.name for share in found.inside] == ["192.0.2.0/24"]
    assert [(share.name, share.total) for share in found.partly] == [("198.51.100.0/24", 10), (OTHERS, 5)]
    assert [(share.name, share.total) for share in found.outside] == [("203.0.113.0/24", 3), ("2001:db8:1::/48", 2), ("", 1)]
    assert (found.refused, found.unclear, found.total) == (6, 15, 121)


@pytest.mark.parametrize("listed", ["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "192.0.2.7", "0.0.0.0/1\n203.0.113.64/26"])
def test_what_would_have_been_refused_is_what_an_enforced_list_refuses(
    service: tuple[ApiKey, str], call_api: Call, listed: str
) -> None:
    """Each network is tried by its first and last address: all pass, none does, or it can't be told."""
    row, key = service
    places = {"192.0.2.0/24": ("192.0.2.0", "192.0.2.255"), "203.0.113.0/24": ("203.0.113.0", "203.0.113.255")}
    places["2001:db8:1::/48"] = ("2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff")
    for network in places:
        used(row, network, 1)
    found = observe(row.public_id, listed)
    restricted(row, *listed.splitlines())
    for group, expected in ((found.inside, [200, 200]), (found.outside, [403, 403])):
        for share in group:
            assert [call_api(ME, key, REMOTE_ADDR=end).status_code for end in places[share.name]] == expected, share
    assert len(found.inside) + len(found.partly) + len(found.outside) == 3


def test_the_page_says_what_would_have_been_refused(cast: factories.Cast, observed_key: ApiKey) -> None:
    restricted(observed_key, "192.0.2.0/24", "198.51.100.7", mode=Mode.OBSERVE)
    page = browser_of(cast.olivia).get(observed_key.get_absolute_url()).content.decode()
    assert "Would have refused <strong>6 requests from 3 networks</strong> in the last 30 days, of 121." in page
    assert "Of 15 requests it can’t be told" in page


def test_what_is_suggested_is_what_was_allowed_and_nothing_typed_touches(observed_key: ApiKey) -> None:
    assert suggest(observed_key.public_id, ["198.51.100.7", "nonsense"]) == [
        "192.0.2.0/24",
        "203.0.113.0/24",
        "2001:db8:1::/48",
    ]


def test_the_form_keeps_what_was_typed_beside_the_suggestions(cast: factories.Cast, observed_key: ApiKey) -> None:
    sent = {"suggest": "yes", "mode": "enforce", "networks": "203.0.113.9\nnonsense"}
    answer = browser_of(cast.olivia).post(observed_key.addresses_url, sent)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "203.0.113.9\nnonsense\n192.0.2.0/24\n198.51.100.0/24\n2001:db8:1::/48</textarea>" in text
    assert 'value="enforce" checked' in text
    observed_key.refresh_from_db()
    assert (observed_key.allow_mode, observed_key.allowed_from) == ("off", "")


# Who may choose


def test_the_choice_is_the_user_s_own_or_of_admins_and_owners(cast: factories.Cast, service: tuple[ApiKey, str]) -> None:
    own, _ = factories.user_key(cast.rob)
    for key, by, may in (
        (own, cast.actor(cast.rob), True),
        (own, cast.actor(cast.olivia, cast.acme), False),
        (own, operator_at_shell(), False),
        (service[0], cast.actor(cast.adam, cast.acme), True),
        (service[0], cast.actor(cast.wendy, cast.acme), False),
        (service[0], cast.actor(cast.eve, cast.globex), False),
        (service[0], operator_at_shell(), False),
    ):
        if may:
            assert key.allow_from(by=by, networks=["192.0.2.0/24"], mode=Mode.ENFORCE)
        else:
            with pytest.raises(PermissionDenied):
                key.allow_from(by=by, networks=["198.51.100.0/24"], mode=Mode.OFF)
    for key in (own, service[0]):
        key.refresh_from_db()
        assert (key.allow_mode, key.allowed_from) == ("enforce", "192.0.2.0/24")


def test_each_change_is_recorded_with_what_was_and_what_is(cast: factories.Cast, service: tuple[ApiKey, str]) -> None:
    row, by = service[0], cast.actor(cast.adam, cast.acme)
    assert row.allow_from(by=by, networks=["192.0.2.7/32", "2001:db8::/32"], mode=Mode.OBSERVE)
    assert not row.allow_from(by=by, networks=["2001:DB8::/32", "192.0.2.7"], mode=Mode.OBSERVE)
    (recorded,) = AuditEvent.objects.filter(action="key.addresses_changed")
    assert (recorded.target_id, recorded.account_id, recorded.actor_id) == (row.public_id, cast.acme.pk, cast.adam.pk)
    assert recorded.details == {
        "was": {"mode": "off", "networks": []},
        "now": {"mode": "observe", "networks": ["192.0.2.7", "2001:db8::/32"]},
    }


def test_a_list_without_a_network_is_neither_enforced_nor_observed(service: tuple[ApiKey, str]) -> None:
    for mode in (Mode.OBSERVE, Mode.ENFORCE):
        with pytest.raises(ValidationError, match="Give one network or more"):
            restricted(service[0], mode=mode)
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.filter(pk=service[0].pk).update(allow_mode=mode)
    restricted(service[0], mode=Mode.OFF)


def test_a_deleted_key_keeps_its_list(cast: factories.Cast, service: tuple[ApiKey, str]) -> None:
    row = service[0]
    row.revoke(by=cast.actor(cast.olivia, cast.acme))
    with pytest.raises(Conflict):
        restricted(row, "192.0.2.0/24")
    assert browser_of(cast.olivia).get(row.addresses_url).status_code == 409


@pytest.mark.parametrize(
    ("mode", "networks", "opens"),
    [
        ("enforce", "192.0.2.0/24\n198.51.100.1", False),
        ("enforce", "192.0.2.0/25", False),
        ("enforce", "192.0.2.0/23", True),
        ("enforce", "198.51.100.2", True),
        ("observe", "192.0.2.0/24\n198.51.100.1", True),
        ("off", "192.0.2.0/24\n198.51.100.1", True),
    ],
)
def test_only_who_lets_more_addresses_pass_must_have_signed_in_lately(
    cast: factories.Cast, service: tuple[ApiKey, str], mode: str, networks: str, opens: bool
) -> None:
    row = service[0]
    restricted(row, "192.0.2.0/24", "198.51.100.1")
    answer = browser_of(cast.olivia, ago=timedelta(hours=1)).post(row.addresses_url, {"mode": mode, "networks": networks})
    if opens:
        assert answer.status_code == 302
        assert "/reauthenticate/" in answer["Location"]
    else:
        assert (answer.status_code, answer["Location"]) == (303, row.get_absolute_url())
    row.refresh_from_db()
    assert (row.allow_mode, row.allowed_from) == (("enforce", "192.0.2.0/24\n198.51.100.1") if opens else (mode, networks))


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"mode": "enforce", "networks": "192.0.2.7/24\nfe80::1%eth0"}, "Did you mean 192.0.2.0/24, or 192.0.2.7 alone?"),
        ({"mode": "enforce", "networks": "  \n "}, "Give one network or more, or choose “Off”."),
        ({"mode": "sometimes", "networks": "192.0.2.7"}, "Choose one of these."),
        ({"networks": "192.0.2.7"}, "Choose one."),
        ({"mode": "off", "networks": "<script>"}, "“&lt;script&gt;” is neither"),
    ],
)
def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(
    cast: factories.Cast, service: tuple[ApiKey, str], sent: dict[str, str], said: str
) -> None:
    answer = browser_of(cast.olivia).post(service[0].addresses_url, sent)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert said in text
    assert (
        sent["networks"].strip().splitlines()[0:1] == [] or sent["networks"].replace("<", "&lt;").replace(">", "&gt;") in text
    )
    service[0].refresh_from_db()
    assert service[0].allow_mode == "off"


def test_the_list_never_keeps_anybody_from_the_pages(cast: factories.Cast, service: tuple[ApiKey, str]) -> None:
    row = service[0]
    restricted(row, "192.0.2.0/24")
    browser = browser_of(cast.olivia)
    assert browser.get(row.addresses_url, REMOTE_ADDR="198.51.100.1").status_code == 200
    assert browser.post(row.addresses_url, {"mode": "off"}, REMOTE_ADDR="198.51.100.1").status_code == 303


def test_lists_tell_which_keys_work_from_everywhere(cast: factories.Cast, service: tuple[ApiKey, str]) -> None:
    factories.service_key(cast.acme, name="Open")
    restricted(service[0], "192.0.2.0/24")
    page = browser_of(cast.olivia).get(f"/settings/accounts/{cast.acme.pk}/api-keys").content.decode()
    assert "2 keys, 2 usable, 1 of them from everywhere." in page
    assert page.count("Restricted") == 1
    for asked, names in (("everywhere", {"Open"}), ("some", {"Deploy"}), ("nonsense", {"Open", "Deploy"})):
        text = browser_of(cast.oscar).get(f"/admin/apikeys/apikey/?addresses={asked}").content.decode()
        assert {name for name in ("Open", "Deploy") if f">{name}</" in text} == names, asked
