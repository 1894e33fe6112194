"""The whole story of a newcomer: make keys, use them with curl, delete them, and see them refused at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from tests.browser import steps
from tests.browser.calls import Connection, curl, curl_line
from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser

KEPT_CONNECTIONS = 8


def test_the_copy_button_copies_exactly_the_key_and_says_so(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia", permissions=["clipboard-read", "clipboard-write"])
    key = steps.create_key(page, "Copied")
    live = page.locator("#live")
    expect(live).to_be_empty()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(live).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == key
    expect(live).to_be_empty()  # so that a second copy is announced as well


def test_a_user_key_works_until_it_is_deleted_and_not_once_more(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as("olivia")
    key = steps.create_key(page, "Newcomer CLI")
    line = page.locator("#curl").inner_text()
    assert curl(line, key) == 200
    service_list = steps.service_keys(server.account_id)
    service_key = steps.create_key(page, "Newcomer service", service_list, role="Read & Write")
    service_line = curl_line(server)
    assert curl(service_line, service_key) == 200

    with kept_open(server) as connections:
        assert [connection.status(key, server.account_id) for connection in connections] == [200] * KEPT_CONNECTIONS
        page.goto(steps.USER_KEYS)
        steps.wait_until_used(page, steps.row(page, "Newcomer CLI"))
        steps.delete_key(page, "Newcomer CLI")
        answers = [curl(line, key)]
        for _ in range(2):
            answers += [connection.status(key, server.account_id) for connection in connections]
        for _ in range(40 - len(answers)):
            with closing(Connection(server)) as fresh:
                answers.append(fresh.status(key, server.account_id))
        assert answers == [401] * 40
        assert [connection.status(service_key) for connection in connections] == [200] * KEPT_CONNECTIONS

        steps.delete_key(page, "Newcomer service", service_list)
        assert curl(service_line, service_key) == 401
        assert [connection.status(service_key) for connection in connections] == [401] * KEPT_CONNECTIONS


def test_the_line_under_a_new_service_key_works_as_it_stands(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as("olivia")
    key = steps.create_key(page, "Pasted", steps.service_keys(server.account_id))
    line = page.locator("#curl").inner_text()
    assert key not in line
    assert curl(line, key) == 200


@contextmanager
def kept_open(server: Server) -> Iterator[list[Connection]]:
    """Connections that stay with the worker that took them: eight reach both workers."""
    connections = [Connection(server) for _ in range(KEPT_CONNECTIONS)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()
