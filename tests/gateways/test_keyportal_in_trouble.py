"""When KeyPortal cannot answer, nobody passes, whatever they send."""

from __future__ import annotations

from keyportal.policy import Role
from tests.apikeys.test_key_check import unknown_key
from tests.browser.server import Server
from tests.clients.team import Team
from tests.gateways.application import Application, Trouble, with_status
from tests.gateways.recipes import Gateway

ASKS = (("GET", "/x"), ("POST", "/run/x"), ("POST", "/x"), ("GET", "/admin/x"))
SOME_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def statuses(gateway: Gateway, asks: tuple[tuple[str, str], ...] = ASKS) -> set[int]:
    found = set()
    for method, path in asks:
        with gateway.caller(unknown_key(), SOME_ID) as caller:
            found.add(caller.send(method, path, [("KeyportalRole", "OWNER")], b"body" if method == "POST" else b"").status)
    return found


def test_its_503_lets_nobody_pass(troubled: Gateway, application: Application, trouble: Trouble) -> None:
    trouble.answer = with_status(503)
    trouble.asked.clear()
    assert statuses(troubled) == {troubled.seen("KeyPortal answers 503")}
    assert len(trouble.asked) >= len(ASKS)
    assert application.received == []


def test_no_strange_answer_lets_anybody_pass(troubled: Gateway, application: Application, trouble: Trouble) -> None:
    """As from a wrong address in the gateway's configuration."""
    for status in (301, 302, 400, 404, 429, 500):
        trouble.answer = with_status(status, "Location: /x")
        assert all(seen >= 300 for seen in statuses(troubled)), status
    trouble.answer = b"this is no HTTP\r\n\r\n"
    assert all(seen >= 300 for seen in statuses(troubled))
    assert application.received == []


def test_where_nobody_listens_nobody_passes(troubled: Gateway, application: Application, trouble: Trouble) -> None:
    trouble.stop()
    assert statuses(troubled) == {troubled.seen("KeyPortal does not run")}
    assert application.received == []


def test_silence_ends_in_a_refusal(troubled: Gateway, application: Application, trouble: Trouble) -> None:
    """After the time that the recipe gives; Traefik's own is half a minute, so it is asked once."""
    trouble.answer = b""
    assert statuses(troubled, ASKS[-1:]) == {troubled.seen("KeyPortal does not answer in time")}
    assert application.received == []


def test_keyportal_is_told_neither_cookies_nor_bodies(troubled: Gateway, trouble: Trouble) -> None:
    """They are none of its business, and may be larger than it takes."""
    trouble.asked.clear()
    with troubled.caller(unknown_key(), SOME_ID) as caller:
        caller.send("POST", "/x?query", [("Cookie", "session=of-the-application")], b"of the client")
    (question,) = trouble.asked
    assert SOME_ID.encode() in question
    assert b"of-the-application" not in question
    assert b"of the client" not in question
    assert b"query" not in question.splitlines()[0]


def test_connections_to_keyportal_are_used_again(troubled: Gateway, trouble: Trouble) -> None:
    opened = trouble.opened
    assert statuses(troubled, ASKS * 5) == {401}
    assert trouble.opened <= opened + 4  # one for each of a gateway's workers, and never one for each question


def test_an_answer_without_an_identity_leaves_the_client_s_claims_behind(
    troubled: Gateway, application: Application, trouble: Trouble
) -> None:
    """KeyPortal always tells it; a gateway must not take a client's word even so."""
    trouble.answer = with_status(200)
    assert statuses(troubled) == {200}
    assert [received.all("KeyportalRole") for received in application.received] in ([[]] * 4, [[""]] * 4)


def test_when_keyportal_is_back_everybody_passes_again(
    gateway: Gateway, application: Application, server: Server, acme: Team
) -> None:
    key = acme.service_key(Role.ADMIN)

    def ask(times: int) -> list[int]:
        with gateway.caller(key, acme.id) as caller:
            return [caller.get("/x").status for _ in range(times)]

    assert ask(1) == [200]
    server.stop()
    try:
        assert ask(1) == [gateway.seen("KeyPortal does not run")]
    finally:
        server.serve()
    assert ask(10) == [200] * 10
    assert len(application.received) == 11
