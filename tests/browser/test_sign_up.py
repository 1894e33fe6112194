"""From nobody to a person with an account, out again, and back with a new password, by the mailed links."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser

PASSWORD = "a first long password"
NEW_PASSWORD = "another and longer password"


def test_a_newcomer_signs_up_signs_out_and_resets_the_password(open_as: Callable[..., Page], server: Server) -> None:
    page, address = open_as(None), "nina@example.com"
    page.goto("/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Your name").fill("Nina New")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create an account").click()
    expect(page).to_have_url(re.compile("/confirm-email/"))

    page.goto(server.link_mailed_to(address, "/accounts/confirm-email/"))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="User API keys")).to_be_visible()

    # The first account is named after the address.
    page.get_by_role("list", name="Account settings").get_by_role("link", name="General").click()
    expect(page.locator(".page-head")).to_contain_text("nina")
    expect(page.locator("dl.lines")).to_contain_text("Owner")

    sign_out(page)
    page.get_by_role("link", name="Forgot it?").click()
    page.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Send me the link").click()
    expect(page).to_have_url(re.compile("/password/reset/done/"))
    page.goto(server.link_mailed_to(address, "/accounts/password/reset/key/"))
    page.locator("input[type=password]").first.fill(NEW_PASSWORD)
    again = page.locator("input[type=password]").nth(1)
    if again.count():
        again.fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page).to_have_url(re.compile("/password/reset/key/done/|/login/|/api-keys"))

    page.goto("/accounts/login/")
    steps.fill_sign_in(page, address, PASSWORD)
    expect(page.get_by_role("alert")).to_be_visible()
    steps.fill_sign_in(page, address, NEW_PASSWORD)
    expect(page.get_by_role("heading", name="User API keys")).to_be_visible()


def test_nobody_is_let_in_before_the_address_is_confirmed(open_as: Callable[..., Page], server: Server) -> None:
    page, address = open_as(None), "early@example.com"
    sign_up(page, address)
    page.goto(steps.USER_KEYS)
    expect(page).to_have_url(re.compile("/accounts/login/"))
    steps.fill_sign_in(page, address, PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("or the address is not confirmed yet")

    elsewhere = open_as(None)
    elsewhere.goto(server.link_mailed_to(address, "/accounts/confirm-email/"))
    elsewhere.get_by_role("button", name="Confirm").click()
    # Confirmed in another browser, the link alone lets nobody in.
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    steps.fill_sign_in(elsewhere, address, PASSWORD)
    expect(elsewhere.get_by_role("heading", name="User API keys")).to_be_visible()


def test_a_link_to_reset_works_once(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as(None)
    ask_for_reset(page, "rhea@example.com")
    link = server.link_mailed_to("rhea@example.com", "/accounts/password/reset/key/")
    page.goto(link)
    for field in page.locator("input[type=password]").all():
        field.fill(server.password)
    page.get_by_role("button", name="Change password").click()
    expect(page).not_to_have_url(re.compile("set-password"))
    later = open_as(None)
    later.goto(link)
    expect(later.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_a_wrong_password_and_an_unknown_address_read_the_same(open_as: Callable[..., Page]) -> None:
    page, errors = open_as(None), []
    for address in ("olivia@example.com", "nobody-knows@example.com"):
        page.goto("/accounts/login/")
        steps.fill_sign_in(page, address, "not the password of anybody")
        expect(page).to_have_url(re.compile("/accounts/login/"))
        errors.append(page.get_by_role("alert").inner_text())
    assert errors[0] == errors[1] != ""


def test_reset_answers_a_made_up_address_as_it_does_a_known_one(open_as: Callable[..., Page]) -> None:
    page, answers = open_as(None), []
    for address in ("adam@example.com", "made-up@example.com"):
        ask_for_reset(page, address)
        answers.append((page.url, page.locator("main").inner_text()))
    assert answers[0] == answers[1]


def test_sign_up_with_a_known_address_reads_like_any_other(open_as: Callable[..., Page]) -> None:
    answers = []
    for address in ("adam@example.com", "unheard-of@example.com"):
        page = open_as(None)
        sign_up(page, address)
        answers.append((page.url, page.locator("main").inner_text().replace(address, "…")))
    assert answers[0] == answers[1]


def sign_up(page: Page, address: str) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create an account").click()
    expect(page).to_have_url(re.compile("/confirm-email/"))


def sign_out(page: Page) -> None:
    page.locator("summary").filter(has_text="Menu of").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.goto("/settings/user/api-keys")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def ask_for_reset(page: Page, address: str) -> None:
    page.goto("/accounts/password/reset/")
    page.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Send me the link").click()
    expect(page).to_have_url(re.compile("/password/reset/done/"))
