"""Renaming and rotating in the browser, with and without script: both keys work, then the old one is ended."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.calls import curl, curl_line
from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser

SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])


@SCRIPT
def test_a_key_is_rotated_moved_and_the_old_one_ended(open_as: Callable[..., Page], server: Server, script: bool) -> None:
    page = open_as("adam", anew=not script, java_script_enabled=script)
    name = f"Turned {'with' if script else 'without'} script"
    line = curl_line(server)
    old = steps.create_key(page, name, steps.service_keys(server.account_id), role="Read & Run")
    page.goto(f"{steps.service_keys(server.account_id)}/{steps.public_id(old)}")

    new = steps.rotate_key(page, "7 days")
    assert new != old
    expect(page.get_by_role("main")).to_contain_text("The old key works until")
    assert [curl(line, key) for key in (old, new)] == [200, 200]
    page.get_by_role("link", name="Its page").click()
    expect(page.get_by_role("heading", name="Rotation")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(re.compile("still uses the old secret|has not been used since"))

    page.goto(f"{steps.service_keys(server.account_id)}?q={name}")
    rows = steps.row(page, name)
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Replaces sv_")
    expect(rows.nth(0)).to_contain_text("Read & Run")
    expect(rows.nth(1)).to_contain_text("Replaced, ends in 7 days")
    rows.nth(1).get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("main").get_by_role("link", name="Rotate", exact=True)).to_have_count(0)
    steps.wait_until_used(page, page.get_by_role("region", name="Facts"))
    page.get_by_role("link", name="Delete", exact=True).click()
    steps.confirm_deletion(page, name)
    assert [curl(line, key) for key in (old, new)] == [401, 200]


@SCRIPT
def test_a_quiet_old_key_is_ended_by_the_button_beside_it(open_as: Callable[..., Page], server: Server, script: bool) -> None:
    page = open_as("wendy", java_script_enabled=script)
    name = f"Quiet {'with' if script else 'without'} script"
    old = steps.create_key(page, name)
    page.goto(f"{steps.USER_KEYS}/{steps.public_id(old)}")
    new = steps.rotate_key(page)
    for key in (new, old):
        page.goto(f"{steps.USER_KEYS}/{steps.public_id(key)}")
        expect(page.get_by_role("main")).to_contain_text("The old secret has not been used since you rotated.")
        expect(page.get_by_role("main")).to_contain_text("The new key has not been used")
    page.get_by_role("link", name="End the old key now").click()
    steps.confirm_deletion(page, name)
    account = server.account_id
    assert [curl(curl_line(server, account), key) for key in (old, new)] == [401, 200]


@SCRIPT
def test_a_key_is_renamed(open_as: Callable[..., Page], script: bool) -> None:
    page = open_as("wendy", java_script_enabled=script)
    key = steps.create_key(page, "Misspelt")
    page.goto(f"{steps.USER_KEYS}/{steps.public_id(key)}")
    page.get_by_role("link", name="Rename", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_have_value("Misspelt")
    dialog.get_by_label("Name").fill("")
    dialog.get_by_role("button", name="Rename key").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description(re.compile("Give it a name."))
    dialog.get_by_label("Name").fill("Spelt right")
    dialog.get_by_role("button", name="Rename key").click()
    expect(page.get_by_role("status").filter(has_text="The key is now called “Spelt right”.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Spelt right")


def test_a_dialog_of_the_key_s_page_gives_the_focus_back_and_is_reached_by_keyboard(open_as: Callable[..., Page]) -> None:
    page = open_as("wendy")
    key = steps.create_key(page, "By keyboard")
    page.goto(f"{steps.USER_KEYS}/{steps.public_id(key)}")
    for act in ("Rename", "Rotate"):
        opener = page.get_by_role("main").get_by_role("link", name=act, exact=True)
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        first = dialog.get_by_label("Name") if act == "Rename" else dialog.get_by_role("radio", name="24 hours")
        expect(first).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("dialog").get_by_role("radio", name="7 days")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Copy your new key")).to_be_focused()


def test_the_address_of_a_dialog_goes_back_to_the_key_s_page_when_it_is_left(open_as: Callable[..., Page]) -> None:
    page = open_as("wendy")
    key = steps.create_key(page, "Left again")
    address = f"{steps.USER_KEYS}/{steps.public_id(key)}"
    page.goto(f"{address}/rotate")
    page.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(re.compile(f"{address}$"))
    expect(page).to_have_title("Left again · KeyPortal")
    expect(page.get_by_role("main").get_by_role("link", name="Rotate", exact=True)).to_be_focused()


def test_a_rotation_sent_again_is_409_and_leads_to_another_rotation(open_as: Callable[..., Page]) -> None:
    page = open_as("wendy")
    key = steps.create_key(page, "Sent again")
    page.goto(f"{steps.USER_KEYS}/{steps.public_id(key)}")
    new = steps.rotate_key(page)
    answer = page.reload()
    assert answer is not None
    assert answer.status == 409
    assert new not in page.content()
    page.get_by_role("link", name="Rotate it").click()
    page.get_by_role("dialog").get_by_role("radio", name="Not at all").check()
    page.get_by_role("dialog").get_by_role("button", name="Rotate key").click()
    assert steps.shown_key(page) not in (key, new)
