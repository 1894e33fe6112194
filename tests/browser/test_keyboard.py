"""All of it without a mouse: where Tab goes, what Enter does, and where the focus is afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.driver import Locator, Page, expect

pytestmark = pytest.mark.browser


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until `target` has the focus; a hundred presses go round any page of ours."""
    for _ in range(100):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {target}; the focus is on {steps.focused(page)}")


def test_the_first_stop_is_a_link_past_the_menus(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    page.goto(steps.USER_KEYS)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Create API key")).to_be_focused()


def test_a_key_is_made_without_a_mouse(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    page.goto(steps.USER_KEYS)
    tab_to(page, page.get_by_role("link", name="Create API key"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Create API key")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Typed")
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("radio", name="90 days")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_role("radio", name="30 days")).to_be_checked()
    expect(dialog.locator("[data-when='30']")).to_be_visible()
    last_day = dialog.locator("[data-when='30']").inner_text()
    expect(dialog.locator("[data-when='90']")).to_be_hidden()
    page.keyboard.press("Enter")

    heading = page.get_by_role("heading", name="Copy your new key")
    expect(heading).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#secret")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_focused()
    tab_to(page, page.get_by_role("link", name="I have saved it, go to my keys"))
    page.keyboard.press("Enter")
    day, month, year = re.findall(r"\w+", last_day)[2:5]
    expect(steps.row(page, "Typed")).to_contain_text(f"{day} {month[:3]} {year}")


def test_a_day_of_one_s_own_is_asked_for_where_it_is_chosen(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    dialog = steps.open_create_dialog(page)
    expect(dialog.get_by_label("Last day")).to_be_hidden()
    dialog.get_by_role("radio", name="90 days").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("radio", name="Custom")).to_be_checked()
    page.keyboard.press("Tab")
    expect(dialog.get_by_label("Last day")).to_be_focused()


@pytest.mark.parametrize("leave", ["Escape", "Cancel"])
def test_a_dialog_that_is_left_gives_the_focus_back_to_its_opener(open_as: Callable[..., Page], leave: str) -> None:
    page = open_as("olivia")
    page.goto(steps.USER_KEYS)
    opener = page.get_by_role("link", name="Create API key")
    tab_to(page, opener)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    if leave == "Cancel":
        tab_to(page, dialog.get_by_role("link", name="Cancel"))
        page.keyboard.press("Enter")
    else:
        page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_dialog_of_its_own_address_closes_to_its_list_and_opener(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    page.goto(f"{steps.USER_KEYS}/new")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).to_have_url(re.compile(f"{steps.USER_KEYS}$"))
    expect(page).to_have_title("User API keys · KeyPortal")
    expect(page.get_by_role("link", name="Create API key")).to_be_focused()


def test_tab_stays_inside_an_open_dialog(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    steps.open_create_dialog(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")


def test_the_first_bad_field_has_the_focus(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    dialog = steps.open_create_dialog(page)
    dialog.get_by_role("radio", name="Custom").check()
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Name")).to_be_focused()
    expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_label("Name")).to_have_accessible_description(re.compile("Give it a name."))
    page.keyboard.type("Only the day is missing")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Last day")).to_be_focused()
    expect(dialog.get_by_label("Name")).to_have_value("Only the day is missing")
    expect(dialog.get_by_role("radio", name="Custom")).to_be_checked()


def test_a_key_in_use_is_deleted_by_typing_its_name(open_as: Callable[..., Page]) -> None:
    page = open_as("wendy")
    page.goto(steps.USER_KEYS)
    bin_ = steps.row(page, "Laptop CLI").get_by_role("link", name="Delete Laptop CLI")
    tab_to(page, bin_)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("alertdialog", name="Delete “Laptop CLI”?")
    field, button = dialog.get_by_label("Type Laptop CLI to confirm"), dialog.get_by_role("button", name="Delete key")
    expect(field).to_be_focused()
    expect(button).to_be_disabled()
    page.keyboard.type("laptop cli")
    expect(button).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile(f"{steps.USER_KEYS}$"))
    expect(bin_).to_be_focused()

    page.keyboard.press("Enter")
    expect(field).to_be_focused()
    page.keyboard.type("Laptop CLI")
    expect(button).to_be_enabled()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="“Laptop CLI” was deleted.")).to_be_visible()
    expect(steps.row(page, "Laptop CLI")).to_contain_text("Deleted")


def test_keeping_a_key_is_where_the_focus_starts_when_nothing_is_to_be_typed(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    page.goto(f"{steps.USER_KEYS}?q=Scratch")
    tab_to(page, steps.row(page, "Scratch").get_by_role("link", name="Delete Scratch"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("alertdialog", name="Delete “Scratch”?")
    expect(dialog.get_by_role("link", name="Keep key")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()


def test_menus_open_with_enter_and_close_with_escape(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    page.goto(steps.USER_KEYS)
    summary = page.locator("summary").filter(has_text="Menu of")
    tab_to(page, summary)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".menu").get_by_role("link", name="User settings")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()
