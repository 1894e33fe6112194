"""No input makes a 500: the strange ones that clients, scanners and fuzzers send, at every door of ours."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apikeys.models import ApiKey
from tests import factories
from tests.proof.doors import ADMIN, ALLAUTH, OURS, Door, all_doors
from tests.proof.world import World, make_world, undone

HUGE = 5_000

# What may stand in a path or a query, percent-encoded.
ENCODED = {
    "NUL": "%00",
    "NUL inside": "a%00b",
    "lone surrogate": "%ED%A0%80",
    "bad UTF-8": "%FF%FE",
    "overlong UTF-8": "%C0%80",
    "digits": "9" * HUGE,
    "negative": "-1",
    "percent": "%25",
    "half an escape": "%",
    "quote": "%27%22",
    "newline": "%0D%0ASet-Cookie:%20a=b",
    "dots": "..%2F..%2Fetc",
    "brackets": "[" * 2_000,
    "emoji": quote("💩" * 50),
    "bidi": quote("\u202e\u2066"),
    "spaces": "%20%09",
    "malformed UUID": "00000000-0000-0000-0000-00000000000g",
    "UUID without hyphens": "0" * 32,
    "year 10000": "10000-01-01",
}

# What the doors of others are asked as well.
WORST = ("NUL", "lone surrogate", "bad UTF-8", "digits", "malformed UUID", "quote")

# What may be typed into a form, as text.
TYPED = {
    "nothing": "",
    "NUL": "a\x00b",
    "lone surrogate": "a\ud800b",
    "digits": "9" * HUGE,
    "over the limit": "n" * 101,
    "far over the limit": "n" * 100_000,
    "31 February": "2027-02-31",
    "last day": "9999-12-31",
    "first day": "0001-01-01",
    "year 0": "0000-01-01",
    "year 10000": "10000-01-01",
    "other digits": "٢٠٢٧-٠١-٠١",
    "combining marks": "e" + "\u0301" * 500,
    "only marks": "\u0301",
    "expands when composed": "\ufb2c" * 100,
    "zero width": "\u200b\u200d",
    "bidi": "abc\u202ecba",
    "unassigned": "\U000e0080",
    "line separator": "a\u2028b",
    "tag soup": "<script>alert(1)</script>{{ 7*7 }}{% load x %}",
    "formula": "=cmd|' /C calc'!A0",
    "emoji": "👩‍👩‍👧‍👦" * 20,
    "NaN": "NaN",
    "infinity": "-Infinity",
    "list": "[" * 2_000,
}

GOOD_FORM = {"name": "Zoo", "role": "READ_ONLY", "expires": "custom", "expires_on": "2027-01-01", "confirm_name": "x"}
DOORS = [door for door in all_doors() if door.origin in (OURS, ALLAUTH) or "apikey" in door.route or door.name == "admin:index"]
OUR_DOORS = [door for door in DOORS if door.origin == OURS]


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def client_of(world: World, door: Door) -> Client:
    """Who gets past the guard of this door: a person, an operator or a key."""
    if door.name.startswith("v1:"):
        return world.machine("O")
    if door.name.startswith("gateway:"):
        return world.machine("sADMIN")
    return world.browser("oper" if door.origin == ADMIN else "O")


def path_of(world: World, door: Door, **changes: Any) -> str:
    key = world.service if "accounts" in door.route else world.own_key("O")
    usual = {**world.values(), "public_id": key.public_id, "object_id": key.pk}
    foreign = {"content_type_id": 1, "app_label": "apikeys", "url": "x", "key": "key", "uidb36": "1"}
    return door.path(**{**usual, **foreign, **changes})


def strange_addresses(world: World, door: Door) -> Iterator[tuple[str, str, str]]:
    """(what is strange, path, query) for each strange request at this door."""
    path = path_of(world, door)
    for what in ENCODED if door.origin == OURS else WORST:
        text = ENCODED[what]
        if "<" in door.route or "(?P" in door.route:
            yield f"path: {what}", path_of(world, door, **dict.fromkeys(PARAMETERS, text)), ""
        if door.name in ("home", "v1:list_checks"):
            yield f"behind the path: {what}", f"{path}{text}", ""
        yield f"query: {what}", path, "&".join(f"{name}={text}" for name in QUERY_FIELDS)
        yield f"query, back: {what}", path, f"after={text}&{text}={text}&{text}"
    # Servers take no longer address than this.
    yield "query: very long", path, "q=" + "a" * 8_000
    yield "query: many fields", path, "&".join(f"a{n}=1" for n in range(1_000))
    yield "query: too many fields", path, "&".join(f"a{n}=1" for n in range(10_000))
    yield "query: no names", path, "&&==&;&%"
    yield "query: one field many times", path, "&".join(["before=a", "after=b", "q=c", "limit=1", "page=1"] * 20)


QUERY_FIELDS = ("q", "show", "before", "limit", "page", "next", "e", "p", "o", "_changelist_filters", "_popup")
PARAMETERS = (
    *("account_id", "public_id", "section", "object_id", "content_type_id", "app_label", "url", "key", "uidb36"),
    *("check", "check_id", "check_type", "group_id", "runtime_id", "logical_id", "user_id", "invitation_id", "token", "rest"),
)


def raw(client: Client, method: str, path: str, query: str = "", body: bytes = b"", **environ: Any) -> Any:
    """A request as a server hands it on: the path decoded to bytes read as Latin-1, everything else untouched."""
    client.raise_request_exception = False
    return client.request(
        **{
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            **environ,
        }
    )


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_no_path_and_no_query_makes_a_500(world: World, door: Door) -> None:
    client = client_of(world, door)
    bad = [
        what for what, path, query in strange_addresses(world, door) if raw(client, "GET", path, query=query).status_code >= 500
    ]
    assert bad == []


@pytest.mark.parametrize("address", ["/{}", "/v1/{}", "/v1/accounts/{}", "/v1/checks?a={}", "/settings/user/api-keys?{}=a"])
def test_a_nul_in_path_or_query_is_400_whoever_asks(world: World, address: str) -> None:
    path, _, query = address.format("a%00b").partition("?")
    for client in (Client(), world.browser("O"), world.machine("O")):
        assert raw(client, "GET", path, query=query).status_code == 400


FORMS = {
    "user_key_new": ("name", "expires", "expires_on", "nonce", "unknown"),
    "service_key_new": ("name", "role", "expires_on"),
    "user_key_delete": ("confirm_name", "then"),
    "service_key_delete": ("confirm_name", "then"),
}


@pytest.mark.parametrize("name", FORMS)
def test_no_form_makes_a_500(world: World, name: str) -> None:
    ApiKey.objects.update(last_used_at=timezone.now())  # deleting asks for the name
    door = next(door for door in OUR_DOORS if door.name == name)
    client, path, bad = client_of(world, door), path_of(world, door), []
    client.raise_request_exception = False
    for field in FORMS[name]:
        for what, text in TYPED.items():
            form = urlencoded({**GOOD_FORM, "nonce": "a-nonce-of-the-zoo", field: text})
            with undone():
                if client.post(path, form, "application/x-www-form-urlencoded").status_code >= 500:
                    bad.append(f"{field}: {what}")
    assert bad == []


def urlencoded(form: dict[str, str]) -> bytes:
    """As a browser would send it; surrogates as the three bytes that a careless client makes of them."""
    return "&".join(f"{quote(name)}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in form.items()).encode()


BODIES = {
    "nothing": (b"", "application/x-www-form-urlencoded"),
    "bytes": (b"\xff\x00\xfe", "application/x-www-form-urlencoded"),
    "bad escape": (b"name=%zz&nonce=%u0000", "application/x-www-form-urlencoded"),
    "too many fields": (b"&".join(b"a%d=1" % n for n in range(10_000)), "application/x-www-form-urlencoded"),
    "too large": (b"name=" + b"a" * 400_000, "application/x-www-form-urlencoded"),
    "no boundary": (b"x", "multipart/form-data"),
    "bad boundary": (b"x", "multipart/form-data; boundary=\xe9".encode("latin-1").decode("latin-1")),
    "unfinished multipart": (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx', "multipart/form-data; boundary=b"),
    "a file for a name": (
        b'--b\r\nContent-Disposition: form-data; name="name"; filename="../x"\r\n\r\nx\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
    ),
    "another charset": (b"name=%FF", "application/x-www-form-urlencoded; charset=utf-7"),
    "no such charset": (b"name=x", "application/x-www-form-urlencoded; charset=nothing"),
    "JSON": (b'{"name": "\\u0000"}', "application/json"),
    "deep JSON": (b"[" * 100_000, "application/json"),
    "long integer": (b'{"name": ' + b"9" * HUGE + b"}", "application/json"),
    "no type": (b"name=x", ""),
    "strange type": (b"name=x", "\x01/\x02"),
}


@pytest.mark.parametrize("door", OUR_DOORS, ids=lambda door: door.name)
def test_no_body_makes_a_500(world: World, door: Door) -> None:
    client, path = client_of(world, door), path_of(world, door)
    bad = [
        f"{method} {what}"
        for what, (body, content_type) in BODIES.items()
        for method in ("POST", "PUT")
        if raw(client, method, path, body=body, CONTENT_TYPE=content_type).status_code >= 500
    ]
    assert bad == []


HEADERS = {
    "NUL": "\x00",
    "not ASCII": "é\xff",
    "very long": "x" * 100_000,
    "empty": "",
    "twice": "a, b",
    "comma": ",",
    "malformed UUID": "{00000000-0000-0000-0000-00000000000g}",
    "digits": "9" * HUGE,
    "control": "\x01\x7f",
}
# One alone where it hides the others: a bad host, key or session is refused before anything else is read.
STRANGE_HEADERS = (
    ("HTTP_HOST",),
    ("HTTP_AUTHORIZATION",),
    ("HTTP_COOKIE",),
    ("HTTP_X_CHECKLY_ACCOUNT",),
    (
        "HTTP_X_REQUEST_ID",
        "HTTP_USER_AGENT",
        "HTTP_X_CHECKLY_SOURCE",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_ACCEPT",
        "HTTP_ACCEPT_LANGUAGE",
        "HTTP_REFERER",
        "HTTP_ORIGIN",
        "HTTP_IF_MODIFIED_SINCE",
        "REMOTE_ADDR",
    ),
)


@pytest.mark.parametrize("door", OUR_DOORS, ids=lambda door: door.name)
@pytest.mark.parametrize("proxies", [0, 1])
def test_no_header_makes_a_500(world: World, door: Door, proxies: int, settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    client, path = client_of(world, door), path_of(world, door)
    bad = [
        f"{headers}: {what}"
        for headers in STRANGE_HEADERS
        for what, value in HEADERS.items()
        if raw(client, "GET", path, **dict.fromkeys(headers, value)).status_code >= 500
    ]
    assert bad == []


COOKIES = ["", "x" * 100_000, "\x00", "é", "a b c", "../..", "9" * HUGE, "[[[", '"', "a:b:c", "W10:1:x"]


@pytest.mark.parametrize("door", OUR_DOORS, ids=lambda door: door.name)
def test_no_cookie_makes_a_500(world: World, door: Door, settings: Any) -> None:
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "messages", "sessionid")
    jars = ["; ".join(f"{name}={value}" for name in names) for value in COOKIES]
    jars.append("; ".join(f"c{n}=1" for n in range(3_000)))
    path = path_of(world, door)
    bad = [jar[:40] for jar in jars if raw(Client(), "GET", path, HTTP_COOKIE=jar).status_code >= 500]
    assert bad == []


def test_a_stored_message_that_is_garbage_is_passed_over(world: World) -> None:
    """Messages wait in a cookie, which anybody may rewrite, for the next page of somebody who is signed in."""
    client = world.browser("O")
    for value in COOKIES:
        client.cookies["messages"] = value.replace("\x00", "")
        assert client.get("/settings/user/api-keys").status_code == 200


def test_a_stored_key_is_readable_whatever_was_typed(world: World) -> None:
    """No form leaves behind a row that makes the list fail for ever after."""
    olivia, oscar = world.browser("O"), world.browser("oper")
    for path in ("/settings/user/api-keys/new", f"/settings/accounts/{world.cast.acme.pk}/api-keys/new"):
        for field in ("name", "expires_on"):
            for text in TYPED.values():
                form = {**GOOD_FORM, "nonce": f"zoo-nonce-{ApiKey.objects.count()}-rows", field: text}
                olivia.post(path, urlencoded(form), "application/x-www-form-urlencoded")
        assert olivia.get(path.removesuffix("/new")).status_code == 200
    for key in ApiKey.objects.all():
        assert olivia.get(key.get_absolute_url()).status_code in (200, 404)
        assert oscar.get(f"/admin/apikeys/apikey/{key.pk}/change/").status_code == 200


DATES = {
    "2027-02-31": 400,
    "9999-12-31": 400,
    "0001-01-01": 400,
    "2020-01-01": 400,
    "2027-01-01T00:00": 400,
    "9" * HUGE: 400,
    "01.02.2027": 400,
    "": 400,
}


@pytest.mark.parametrize("day", DATES, ids=lambda day: day[:12] or "nothing")
def test_a_day_that_cannot_be_makes_no_key(world: World, day: str) -> None:
    before = ApiKey.objects.count()
    form = {**GOOD_FORM, "expires_on": day, "nonce": "a-nonce-of-the-zoo"}
    response = world.browser("O").post("/settings/user/api-keys/new", form)
    assert (response.status_code, ApiKey.objects.count()) == (DATES[day], before)
    assert "expires_on" in response.context["form"].errors


@pytest.mark.django_db
@hypothesis_settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.text(max_size=60), query=st.text(max_size=60), account=st.text(max_size=60), key=st.text(max_size=90))
def test_any_text_at_all_is_answered_below_500(path: str, query: str, account: str, key: str) -> None:
    environ = {
        "HTTP_X_CHECKLY_ACCOUNT": account.encode("utf-8", "surrogatepass").decode("latin-1"),
        "HTTP_AUTHORIZATION": f"Bearer {key}".encode("utf-8", "surrogatepass").decode("latin-1"),
    }
    client = Client()
    for root in ("/v1/", "/v1/accounts/", "/settings/user/api-keys/", "/"):
        encoded = root + quote(path.encode("utf-8", "surrogatepass"), safe="/")
        query_string = quote(query.encode("utf-8", "surrogatepass"), safe="=&")
        assert raw(client, "GET", encoded, query_string, **environ).status_code < 500


def test_the_api_answers_any_account_id_in_a_path(cast: factories.Cast) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.user_key(cast.rob)[1]}"})
    for what, text in ENCODED.items():
        response = raw(client, "GET", f"/v1/accounts/{text}")
        assert response.status_code in (400, 403, 404), what
        assert response.json()["statusCode"] == response.status_code
