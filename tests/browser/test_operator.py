"""Oscar on a bad day: he signs in as everybody does, selects keys, says why, and they are dead."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.calls import curl, curl_line
from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser

REASON = "Leaked in a public repository"


def test_the_admin_is_entered_by_our_own_sign_in(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as(None)
    page.goto("/admin/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    steps.fill_sign_in(page, "oscar@example.com", server.password)
    expect(page).to_have_url(re.compile("/admin/$"))
    expect(page.get_by_role("rowheader", name="API keys")).to_be_visible()


def test_a_member_who_is_no_operator_finds_no_admin(open_as: Callable[..., Page]) -> None:
    page = open_as("olivia")
    for path in ("/admin/", "/admin/apikeys/apikey/"):
        page.goto(path)
        expect(page).not_to_have_title(re.compile("KeyPortal operators"))
        assert "admin/apikeys" not in page.locator("body").inner_html()


def test_selected_keys_are_counted_then_revoked_with_a_reason(open_as: Callable[..., Page], server: Server) -> None:
    olivia, oscar = open_as("olivia"), open_as("oscar")
    user_key = steps.create_key(olivia, "Leaked user key")
    service_key = steps.create_key(olivia, "Leaked service key", steps.service_keys(server.account_id))
    spared = steps.create_key(olivia, "Spared service key", steps.service_keys(server.account_id))
    user_line, service_line = curl_line(server, server.account_id), curl_line(server)
    assert curl(user_line, user_key) == curl(service_line, service_key) == 200
    for page, name in ((steps.USER_KEYS, "Leaked user key"), (steps.service_keys(server.account_id), "Leaked service key")):
        olivia.goto(page)
        steps.wait_until_used(olivia, steps.row(olivia, name))

    oscar.goto("/admin/apikeys/apikey/?q=Leaked")
    for name in ("Leaked user key", "Leaked service key"):
        oscar.get_by_role("row").filter(has_text=name).get_by_role("checkbox").check()
    oscar.locator("select[name=action]").select_option(label="Revoke selected API keys…")
    oscar.get_by_role("button", name=re.compile("Go|Run")).click()
    content = oscar.locator("#content")
    expect(content).to_contain_text("2 keys will stop working at once and for good: 2 usable now, of 1 user and 1 account.")
    expect(content).to_contain_text("Used in the last day: 2")
    assert curl(user_line, user_key) == 200  # nothing yet

    field = oscar.get_by_label("Reason")
    expect(field).to_have_attribute("required", "")
    oscar.get_by_role("button", name="Revoke 2 keys").click()
    expect(content).to_contain_text("will stop working")  # without a reason the page stays
    field.evaluate("field => field.removeAttribute('required')")  # and the server asks for one too
    oscar.get_by_role("button", name="Revoke 2 keys").click()
    expect(oscar.locator(".errorlist")).to_contain_text("required")
    assert curl(user_line, user_key) == curl(service_line, service_key) == 200

    oscar.get_by_label("Reason").fill(REASON)
    oscar.get_by_role("button", name="Revoke 2 keys").click()
    expect(oscar.locator(".messagelist")).to_contain_text("Revoked 2 keys.")
    assert curl(user_line, user_key) == curl(service_line, service_key) == 401
    assert curl(service_line, spared) == 200

    # The owner sees who did it and why.
    olivia.goto(f"{steps.USER_KEYS}/{steps.public_id(user_key)}")
    expect(olivia.get_by_role("main")).to_contain_text(re.compile("Deleted .* by Oscar"))
    expect(olivia.get_by_role("main")).to_contain_text(REASON)


@pytest.mark.parametrize("path", ["", "apikeys/apikey/", "apikeys/apikey/1/change/", "accounts/user/", "accounts/auditevent/"])
def test_the_admin_s_pages_keep_to_the_content_security_policy(open_as: Callable[..., Page], path: str) -> None:
    page = open_as("oscar")
    answer = page.goto(f"/admin/{path}")
    assert answer is not None
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
