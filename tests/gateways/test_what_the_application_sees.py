"""What reaches the application: the true identity once, never the key, and the body whole or not at all."""

from __future__ import annotations

import time
from http.client import NotConnected

import pytest

from keyportal.policy import Role
from tests.clients.team import Team
from tests.gateways.application import Application, Received
from tests.gateways.recipes import Gateway

IDENTITY = ("KeyportalAccount", "KeyportalKey", "KeyportalKind", "KeyportalRole", "KeyportalUser")
# How somebody might spell a name that is not theirs to say.
SPELLINGS = (
    str,
    str.lower,
    str.upper,
    lambda name: name.replace("Keyportal", "Keyportal_"),
    lambda name: name.replace("Keyportal", "KEYPORTAL_"),
)
WEBSOCKET = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
BODIES: dict[str, bytes | list[bytes]] = {
    "small": b'{"amount": 1}',
    "a megabyte": b"0123456789" * 100_000,
    "chunked": [b"one", b"two" * 1000, b"3"],
    "a megabyte in chunks": [b"0123456789" * 1000] * 100,
}


def the_one(application: Application) -> Received:
    (received,) = application.received
    return received


def identity(received: Received) -> dict[str, list[str]]:
    """Whatever could pass for it. A service key has no user: the header is then empty or absent."""
    told = {name: received.all(name) for name in IDENTITY}
    if told["KeyportalUser"] == [""]:
        told["KeyportalUser"] = []
    return told


@pytest.mark.parametrize("kind", ["user", "service"])
@pytest.mark.parametrize("spelling", SPELLINGS, ids=["as is", "lower", "upper", "underscore", "UNDERSCORE"])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_the_application_is_told_the_true_identity_once(
    gateway: Gateway, application: Application, acme: Team, kind: str, spelling: object, times: int
) -> None:
    role = Role.READ_RUN
    key = acme.user_key(role) if kind == "user" else acme.service_key(role)
    claimed = [(spelling(name), claim) for name in IDENTITY for claim in ("OWNER", "OWNER ")[:times]]  # type: ignore[operator]
    with gateway.caller(key, acme.id) as caller:
        assert caller.get("/x", claimed).status == 200
    received = the_one(application)
    assert identity(received) == {
        "KeyportalAccount": [acme.id],
        "KeyportalKey": [key[:15]],
        "KeyportalKind": [kind],
        "KeyportalRole": [role.value],
        "KeyportalUser": [str(acme.people[role].pk)] if kind == "user" else [],
    }
    assert "OWNER" not in repr(received)


def test_a_name_with_a_space_at_its_end_claims_nothing(gateway: Gateway, application: Application, acme: Team) -> None:
    for odd in ("KeyportalRole ", "KeyportalRole\t", "Keyportal Role", "keyportalrole\x0b", "KeyportalRole\0"):
        application.received.clear()
        with gateway.caller(acme.user_key(Role.READ_ONLY), acme.id) as caller:
            caller.get("/x", [("X-First", "1"), (odd, "OWNER")])
        for received in application.received:
            assert received.all("KeyportalRole") == ["READ_ONLY"], odd
            assert "OWNER" not in [value.strip() for name, value in received.headers if name.lower().startswith("key")]


@pytest.mark.parametrize("named", ["KeyportalRole", "Upgrade, KeyportalRole", "keyportalrole, KeyportalAccount, close"])
def test_connection_headers_take_no_identity_away(gateway: Gateway, application: Application, acme: Team, named: str) -> None:
    """In `Connection` a client names the headers that end at the next hop; the identity is none of them."""
    key = acme.service_key(Role.READ_ONLY)
    for headers in ([("Connection", named)], [("Connection", named), *WEBSOCKET[1:]], [*WEBSOCKET, ("Connection", named)]):
        application.received.clear()
        with gateway.caller(key, acme.id) as caller:
            status = caller.get("/x", headers).status
        reached = [identity(received) for received in application.received]
        assert len(reached) == (1 if status in (101, 200) else 0)
        assert all((told["KeyportalRole"], told["KeyportalAccount"]) == (["READ_ONLY"], [acme.id]) for told in reached)


@pytest.mark.parametrize("kind", ["user", "service"])
def test_the_key_ends_at_the_gateway(gateway: Gateway, application: Application, acme: Team, kind: str) -> None:
    key = acme.user_key(Role.READ_WRITE) if kind == "user" else acme.service_key(Role.READ_WRITE)
    for method, path, body in (("GET", "/x", b""), ("POST", "/run/x?a=1", b"body"), ("POST", "/x", [b"chunk"])):
        application.received.clear()
        with gateway.caller(key, acme.id) as caller:
            assert caller.send(method, path, (), body).status == 200
        received = the_one(application)
        assert received.all("Authorization") == []
        assert key[16:] not in repr(received)
        assert all(key[start : start + 8] not in repr(received) for start in range(16, len(key) - 8))


def test_other_headers_and_the_query_reach_the_application(gateway: Gateway, application: Application, acme: Team) -> None:
    with gateway.caller(acme.service_key(Role.READ_ONLY), acme.id) as caller:
        assert caller.get("/x?a=1&b=%2F..%2F&c=//", [("X-Trace", "abc"), ("Cookie", "a=b")]).status == 200
    received = the_one(application)
    assert received.target == "/x?a=1&b=%2F..%2F&c=//"
    assert (received.all("X-Trace"), received.all("Cookie")) == (["abc"], ["a=b"])


@pytest.mark.parametrize("name", BODIES)
def test_a_body_arrives_whole_or_not_at_all(gateway: Gateway, application: Application, acme: Team, name: str) -> None:
    body = BODIES[name]
    with gateway.caller(acme.service_key(Role.READ_WRITE), acme.id) as caller:
        for method in ("POST", "PUT"):
            application.received.clear()
            assert caller.send(method, "/x", (), body).status == 200
            assert the_one(application).body == (b"".join(body) if isinstance(body, list) else body)
    application.received.clear()
    for key, status in ((acme.service_key(Role.READ_RUN), 403), (None, 401)):
        with gateway.caller(key, acme.id) as caller:
            assert caller.send("POST", "/x", (), body).status == status
    assert application.received == []


def test_a_body_that_waits_to_be_asked_for_arrives_whole_or_not_at_all(
    gateway: Gateway, application: Application, acme: Team
) -> None:
    body = b"0123456789" * 10_000
    with gateway.caller(acme.service_key(Role.READ_WRITE), acme.id) as caller:
        told, answer = caller.send_when_told_to("/x", body)
    assert (told, answer.status) == (True, 200)
    assert the_one(application).body == body
    application.received.clear()
    for key, status in ((acme.service_key(Role.READ_RUN), 403), (None, 401)):
        with gateway.caller(key, acme.id) as caller:
            assert caller.send_when_told_to("/x", body)[1].status == status
    assert application.received == []


def test_after_a_refused_body_the_open_connection_says_nothing_false(
    gateway: Gateway, application: Application, acme: Team
) -> None:
    """A body that was refused must not be taken for the next request."""
    smuggled = b"GET /admin/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with gateway.caller(acme.service_key(Role.READ_RUN), acme.id) as caller:
        for body in (smuggled, [smuggled]):
            assert caller.send("POST", "/x", (), body).status == 403
            try:
                assert caller.get("/x").status == 200
            except (OSError, NotConnected):
                caller.reconnect()  # it may hang up instead
    assert "smuggled" not in repr(application.received)


def test_a_websocket_opens_with_a_good_key_and_with_no_other(gateway: Gateway, application: Application, acme: Team) -> None:
    for key, status in ((acme.service_key(Role.READ_RUN), 403), (None, 401)):
        with gateway.caller(key, acme.id) as caller:
            assert caller.get("/admin/socket", WEBSOCKET).status == status
    assert application.received == []
    key = acme.service_key(Role.ADMIN)
    with gateway.caller(key, acme.id) as caller:
        assert caller.get("/admin/socket", WEBSOCKET).status == 101
        caller.socket.sendall(b"hello")
        assert caller.socket.recv(100) == b"hello"
    received = the_one(application)
    assert identity(received)["KeyportalRole"] == ["ADMIN"]
    assert key[16:] not in repr(received)


def test_a_key_is_noted_as_used_from_the_client_s_own_address(gateway: Gateway, acme: Team) -> None:
    row, key = acme.kept_user_key(Role.READ_ONLY)
    claimed = [("X-Forwarded-For", "192.0.2.6"), ("User-Agent", "curl/8.5")]
    with gateway.caller(key, acme.id, address="127.0.0.7") as caller:
        for _ in range(50):
            assert caller.get("/x", claimed).status == 200
            row.refresh_from_db()
            if row.last_used_at:
                break
            time.sleep(0.1)  # it is noted after the answer, and given up where the database is busy
    assert (row.last_used_address, row.last_used_client) == ("127.0.0.7", "curl")
