"""No way of writing a path makes a gateway ask for less than the application will take it for."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

import pytest

from keyportal.policy import Role
from tests.clients.team import Team
from tests.gateways.application import Application
from tests.gateways.recipes import Gateway

SPELLED = """
/admin /admin/ /admin/x /admin? /admin?x /admin/?x=/../y /admin/.. /admin/../x /admin/../admin/x /x/../admin/y
/./admin/x //admin/x /admin//x /x//../admin //x/../admin/y ///admin /admin/./x /admin/. /x/. /x/.. /. /%61dmin/x
/%61%64min /admin%2fx /admin%2Fx /x%2f..%2fadmin /x/%2e%2e/admin/y /%2e/admin /%2e%2e/admin /admin/%2e%2e/x
/admin/%2E%2E/x /admin/.%2e/x /x/%2e%2e%2fadmin /x%2F%2E%2E%2Fadmin /%2fadmin/x /x/..%2fadmin /%252e%252e/admin
/x/%252e%252e/admin /x%252f..%252fadmin /admin%252fx /%2561dmin /admin%5cx /x%5c..%5cadmin /admin\\x \\admin /x\\..\\admin
/x\\..\\admin/y /\\admin /\\..\\admin /admin;x/y /admin;/x /x/..;/admin/y /admin%3bx /admin%3fx /x%3f/../admin /admin%23x
/admin%00 /admin%00/x /x%00/../admin /admin%0a /admin%20 /admin%09/x /%20admin /admin%ff /admin%c0%af..%c0%afx
/gateway/verify /gateway/verify/admin /gateway/verify/read/x /_keyportal/read /_keyportal/admin /_keyportal/by-method
/x?/admin /x?level=admin /x?/../../verify/read /x#/admin /?.. /x?%2e%2e%2fadmin /run/../x /run/%2e%2e/admin/y
/admin/../run/x http://127.0.0.1/admin/x http://127.0.0.1/x/../admin http://127.0.0.1//admin http://127.0.0.1/x?/admin
"""
PATHS = SPELLED.split()


def readings(target: str) -> set[str]:
    """What applications may take the path for: decoded or not, cleaned or not, `\\` a slash or not, ended by a NUL or not."""
    path = target.removeprefix("http://127.0.0.1").partition("?")[0].partition("#")[0]
    found = {path, unquote(path, "latin-1")}
    found |= {text.replace("\\", "/") for text in found}
    found |= {text.partition("\0")[0] for text in found}
    return found | {posixpath.normpath("/" + text.lstrip("/")) for text in found}


def is_under(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


@pytest.mark.parametrize(("role", "closed"), [(Role.READ_ONLY, ("/admin", "/run")), (Role.READ_RUN, ("/admin",))])
def test_no_spelling_of_a_path_gets_a_weak_key_where_it_may_not_go(
    gateway: Gateway, application: Application, acme: Team, role: Role, closed: tuple[str, ...]
) -> None:
    key, wrong = acme.service_key(role), []
    for path in PATHS:
        application.received.clear()
        with gateway.caller(key, acme.id) as caller:
            status = caller.get(path).status
        for received in application.received:
            taken_for = {reading for reading in readings(received.target) for place in closed if is_under(reading, place)}
            if taken_for:
                wrong.append(f"{path} reached the application as {received.target}: {taken_for}")
        if bool(application.received) != (status == 200):
            wrong.append(f"{path} got {status}, and {len(application.received)} requests reached the application")
    assert wrong == []


def test_no_path_lets_anybody_pass_without_a_key(gateway: Gateway, application: Application, acme: Team) -> None:
    for path in PATHS:
        for method in ("GET", "POST", "OPTIONS"):
            with gateway.caller(None, acme.id) as caller:
                status = caller.send(method, path).status
            assert status >= 300, (method, path)
    with gateway.caller(None, acme.id) as caller:
        caller.send("OPTIONS", "*")  # the gateway may answer this itself
    assert application.received == []


def test_ordinary_paths_reach_the_application_as_they_are(gateway: Gateway, application: Application, acme: Team) -> None:
    ordinary = [
        "/",
        "/x",
        "/x/",
        "/x/y.z",
        "/.well-known/x",
        "/x/...",
        "/x/a%20b",
        "/x/%C3%A9",
        "/administrators-are-elsewhere",
    ]
    with gateway.caller(acme.service_key(Role.ADMIN), acme.id) as caller:
        assert [caller.get(path).status for path in ordinary] == [200] * len(ordinary)
    assert [received.target for received in application.received] == ordinary


def test_the_gateway_s_own_question_is_no_address_of_the_client_s(
    gateway: Gateway, application: Application, acme: Team
) -> None:
    """There the client is answered by the application, or by nobody; asking for a level changes none."""
    with gateway.caller(acme.service_key(Role.READ_ONLY), acme.id) as caller:
        for path in ("/gateway/verify/admin", "/gateway/verify/write"):
            assert (caller.get(path).status, caller.send("POST", path).status) == (200, 403)
    assert [received.target for received in application.received] == ["/gateway/verify/admin", "/gateway/verify/write"]
