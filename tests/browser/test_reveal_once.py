"""A key is shown once: repeated forms, double clicks and the back button bring neither a second key nor a second look."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.driver import Error, Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser

ALREADY_SHOWN = "This key was already shown. If you didn’t copy it, delete it and create another."


def test_a_reload_of_the_reveal_is_409_and_its_button_deletes_the_key(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    key = steps.create_key(page, "Reloaded")
    answer = page.reload()
    assert answer is not None
    assert answer.status == 409
    assert key not in page.content()
    main = page.get_by_role("main")
    expect(main).to_contain_text(ALREADY_SHOWN)
    expect(main.get_by_role("button")).to_have_count(1)
    main.get_by_role("button", name="Delete it and create another").click()

    expect(page).to_have_url(re.compile(f"{steps.USER_KEYS}/new$"))
    expect(page.get_by_role("dialog", name="Create API key")).to_be_visible()
    page.goto(f"{steps.USER_KEYS}?q=Reloaded")
    expect(steps.row(page, "Reloaded")).to_have_count(1)
    expect(steps.row(page, "Reloaded")).to_contain_text("Deleted")


def test_going_back_and_sending_the_form_again_shows_no_key(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    key = steps.create_key(page, "Went back")
    page.get_by_role("link", name="I have saved it, go to my keys").click()
    expect(page.get_by_role("heading", name="User API keys")).to_be_visible()
    # Chromium keeps no copy and asks whether to send the form again; the reload says yes.
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        page.go_back()
    page.wait_for_timeout(500)  # the browser's own page says no more about when it is ready
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.reload()
    assert answer.value.status == 409
    expect(page.get_by_role("main")).to_contain_text(ALREADY_SHOWN)
    assert key not in page.content()


def test_two_quick_clicks_make_one_key_and_show_it(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as("olivia")
    dialog = steps.open_create_dialog(page)
    dialog.get_by_label("Name").fill("Clicked twice")
    box = dialog.get_by_role("button", name="Create API key").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    with server.slow_to_write():
        page.mouse.click(x, y)
        page.wait_for_timeout(190)
        page.mouse.click(x, y)
        page.wait_for_timeout(100)
    assert steps.shown_key(page).startswith("cu_")
    page.goto(f"{steps.USER_KEYS}?q=Clicked")
    expect(steps.row(page, "Clicked twice")).to_have_count(1)


def test_without_script_the_same_form_sent_twice_is_201_then_409(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia", java_script_enabled=False)
    page.goto(f"{steps.USER_KEYS}/new")
    form = {
        "csrfmiddlewaretoken": page.locator("dialog [name=csrfmiddlewaretoken]").input_value(),
        "nonce": page.locator("dialog [name=nonce]").input_value(),
        "name": "Sent twice",
        "expires": "30",
    }
    first, second = (page.request.post(f"{steps.USER_KEYS}/new", form=form) for _ in range(2))
    assert (first.status, second.status) == (201, 409)
    (key,) = re.findall(r"cu_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", first.text())
    assert key not in second.text()
    assert "already shown" in second.text()


def test_a_double_click_selects_exactly_the_key(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    key = steps.create_key(page, "Selected")
    assert re.fullmatch(r"cu_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", key)
    page.locator("#secret").dblclick()
    assert page.evaluate("getSelection().toString()") == key


def test_leaving_the_page_empties_the_field_and_coming_back_says_so(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    key = steps.create_key(page, "Left")
    gone = page.locator("[data-secret-gone]")
    expect(gone).to_be_hidden()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert page.locator("#secret").text_content() == ""
    assert key not in page.content()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(gone).to_be_visible()
    expect(gone).to_contain_text("This key was already shown.")
    expect(page.locator("#secret")).to_be_hidden()


def test_a_list_that_comes_back_from_the_browser_s_memory_makes_a_second_key(open_as: Callable[..., Page]) -> None:
    """Chromium keeps the list with the nonce that was used: without a new one the next key would be a 409."""
    page = open_as("olivia")
    steps.open_create_dialog(page)
    page.keyboard.press("Escape")
    nonce = page.locator("#create [name=nonce]")
    old = nonce.input_value()
    page.evaluate("window.kept = true")
    page.get_by_role("link", name="Create API key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Before going back")
    page.get_by_role("dialog").get_by_role("button", name="Create API key").click()
    steps.shown_key(page)
    page.evaluate("history.back()")
    expect(page).to_have_url(re.compile(f"{steps.USER_KEYS}$"))
    assert page.evaluate("window.kept"), "Chromium loaded the list anew: this test proves nothing"
    expect(nonce).not_to_have_value(old)
    assert re.fullmatch(r"[0-9A-Za-z]{22,64}", nonce.input_value())

    if not page.get_by_role("dialog").is_visible():
        page.get_by_role("link", name="Create API key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("After going back")
    page.get_by_role("dialog").get_by_role("button", name="Create API key").click()
    steps.shown_key(page)


def test_a_page_shown_again_has_a_new_nonce_each_time(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    page.goto(steps.USER_KEYS)
    nonces = [page.locator("#create [name=nonce]").input_value()]
    for _ in range(3):
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        nonces.append(page.locator("#create [name=nonce]").input_value())
    assert len(set(nonces)) == 4
