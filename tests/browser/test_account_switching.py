"""Wendy reads & writes in Acme Ltd and is an admin of Globex: each page says which account it is about."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser

SHORT_ADDRESS = "/settings/account/api-keys"


def test_the_bar_switches_the_account_and_its_rights(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as("wendy", anew=True)
    page.goto(f"/settings/accounts/{server.account_id}/general")
    nav = page.get_by_role("navigation", name="Settings")
    expect(page.get_by_role("banner")).to_contain_text("Acme Ltd")
    expect(nav.get_by_role("link", name="Service API keys")).to_have_count(0)

    switch_to(page, "Globex")
    expect(page.locator(".page-head")).to_contain_text("Globex")
    expect(page.locator("dl.lines")).to_contain_text("Admin")
    nav.get_by_role("link", name="Service API keys").click()
    expect(page.get_by_role("main")).to_contain_text("Keys of Globex itself")
    expect(steps.row(page, "Uptime dashboard")).to_have_count(1)
    globex_keys = page.url

    page.goto(SHORT_ADDRESS)
    expect(page).to_have_url(globex_keys)
    switch_to(page, "Acme Ltd")
    answer = page.goto(SHORT_ADDRESS)
    assert answer is not None
    assert answer.status == 403
    expect(page).to_have_url(re.compile(steps.service_keys(server.account_id)))


def test_the_forbidden_page_names_the_role_and_the_way_out(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as("wendy", anew=True)
    answer = page.goto(steps.service_keys(server.account_id))
    assert answer is not None
    assert answer.status == 403
    main = page.get_by_role("main")
    expect(main).to_contain_text("Only admins and owners can see service keys. Your role in Acme Ltd is Read & Write.")
    main.get_by_role("link").click()
    expect(page.get_by_role("heading", name="User API keys")).to_be_visible()


def test_two_tabs_in_two_accounts_never_mix(open_as: Callable[..., Page], server: Server) -> None:
    globex = open_as("wendy", anew=True)
    globex.goto(steps.USER_KEYS)
    switch_to(globex, "Globex")
    globex.get_by_role("navigation", name="Settings").get_by_role("link", name="Service API keys").click()
    globex.get_by_role("link", name="Create service API key").click()
    dialog = globex.get_by_role("dialog")
    expect(dialog).to_contain_text("It belongs to Globex")
    acme = globex.context.new_page()
    acme.goto(f"/settings/accounts/{server.account_id}/general")
    dialog.get_by_label("Name").fill("Of the first tab")
    dialog.get_by_role("button", name="Create service API key").click()
    steps.shown_key(globex)
    expect(globex.locator("dl.facts")).to_contain_text("Globex")
    expect(globex.locator("#curl")).not_to_contain_text(server.account_id)


def switch_to(page: Page, account: str) -> None:
    page.locator("summary").filter(has_text="Switch account").click()
    page.get_by_role("banner").get_by_role("link", name=account).click()
    expect(page.locator(".page-head")).to_contain_text(account)
