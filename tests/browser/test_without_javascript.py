"""Everything but the copy button works with script switched off."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.calls import curl, curl_line
from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser


def test_a_key_is_made_used_and_deleted(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as("adam", anew=True, java_script_enabled=False)
    list_url = steps.service_keys(server.account_id)
    key = steps.create_key(page, "Scriptless", list_url, role="Read & Run")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_hidden()  # it could not work
    assert curl(curl_line(server), key) == 200  # used just now, so that deleting asks for the name
    page.get_by_role("link", name="I have saved it, go to my keys").click()

    steps.wait_until_used(page, steps.row(page, "Scriptless"))
    steps.row(page, "Scriptless").get_by_role("link", name="Delete Scriptless").click()
    dialog = page.get_by_role("alertdialog")
    field = dialog.get_by_label("Type Scriptless to confirm")
    field.fill("Something else")
    dialog.get_by_role("button", name="Delete key").click()
    expect(dialog).to_contain_text("That is not the key’s name.")
    assert curl(curl_line(server), key) == 200
    field.fill("Scriptless")
    dialog.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("status").filter(has_text="“Scriptless” was deleted.")).to_be_visible()
    assert curl(curl_line(server), key) == 401


def test_a_dialog_is_left_by_its_link(open_as: Callable[..., Page]) -> None:
    page = open_as("adam", java_script_enabled=False)
    steps.open_create_dialog(page)
    expect(page).to_have_url(re.compile(f"{steps.USER_KEYS}/new$"))
    page.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(re.compile(f"{steps.USER_KEYS}$"))
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_what_is_wrong_in_a_form_is_said_in_it(open_as: Callable[..., Page]) -> None:
    page = open_as("adam", java_script_enabled=False)
    dialog = steps.open_create_dialog(page)
    dialog.get_by_label("Name").fill("Kept")
    dialog.get_by_text("Custom…").click()
    dialog.get_by_label("Last day").fill("2020-01-01")
    dialog.get_by_role("button", name="Create API key").click()
    expect(dialog.get_by_label("Name")).to_have_value("Kept")
    expect(dialog.get_by_label("Last day")).to_have_accessible_description(re.compile("Choose a day from today on"))


def test_the_menus_open_switch_the_account_and_sign_out(open_as: Callable[..., Page]) -> None:
    page = open_as("wendy", anew=True, java_script_enabled=False)
    page.locator("summary").filter(has_text="Switch account").click()
    page.get_by_role("link", name="Globex").click()
    expect(page.locator(".page-head")).to_contain_text("Globex")
    page.locator("summary").filter(has_text="Menu of").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.goto(steps.USER_KEYS)
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_the_settings_menu_of_a_phone_opens(open_as: Callable[..., Page]) -> None:
    page = open_as("adam", java_script_enabled=False, viewport={"width": 390, "height": 844})
    page.goto(steps.USER_KEYS)
    page.get_by_role("button", name="Settings pages").click()
    page.get_by_role("link", name="Service API keys").click()
    expect(page.get_by_role("heading", name="Service API keys")).to_be_visible()
