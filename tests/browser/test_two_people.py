"""Two people at two browsers: one invites, promotes and removes; the other joins, gets rights, and loses them at once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser import steps
from tests.browser.calls import curl, curl_line
from tests.browser.driver import Locator, Page, expect
from tests.browser.pages import LONG_PASSWORD, unseen
from tests.browser.server import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"]),
]

OpenAs = Callable[..., Page]


def test_a_newcomer_is_invited_promoted_and_removed(open_as: OpenAs, server: Server, script: bool) -> None:
    olivia = open_as("olivia", anew=True, java_script_enabled=script)
    nina, address = open_as(None, java_script_enabled=script), unseen()
    invite(olivia, server, address, "Read Only")

    nina.goto(server.link_mailed_to(address, "/invitations/"))
    expect(nina.get_by_role("heading", name="Join Acme Ltd")).to_be_visible()
    expect(nina.get_by_role("main")).to_contain_text(f"Olivia Owens invites {address} as Read Only.")
    nina.get_by_role("link", name="Create an account").click()
    nina.get_by_label("Your name").fill("Nina New")
    nina.get_by_label("Email").fill(address)
    nina.get_by_label("Password").fill(LONG_PASSWORD)
    nina.get_by_role("button", name="Create an account").click()
    expect(nina.get_by_role("banner")).to_contain_text("Acme Ltd")

    members(nina, server)
    expect(member_row(nina, address)).to_contain_text("Read Only")
    expect(settings_menu(nina).get_by_role("link", name="Service API keys")).to_have_count(0)
    key = steps.create_key(nina, "Mine")
    line = curl_line(server, server.account_id)
    assert curl(line, key) == 200

    # Somebody else may sit at Olivia's desk by now: giving away rights asks who it is.
    age_sign_in(olivia, server)
    members(olivia, server)
    member_row(olivia, address).get_by_role("combobox").select_option("Admin")
    member_row(olivia, address).get_by_role("button", name="Save").click()
    expect(olivia.get_by_role("heading", name="Is it still you?")).to_be_visible()
    nina.reload()
    expect(settings_menu(nina).get_by_role("link", name="Service API keys")).to_have_count(0)
    olivia.get_by_label("Password").fill(server.password)
    olivia.get_by_role("button", name="Confirm").click()
    expect(olivia.get_by_role("status").filter(has_text="Nina New is Admin now.")).to_be_visible()

    members(nina, server)
    settings_menu(nina).get_by_role("link", name="Service API keys").click()
    expect(nina.get_by_role("heading", name="Service API keys")).to_be_visible()
    expect(steps.row(nina, "Terraform Cloud")).to_have_count(1)

    remove(olivia, server, address, "Nina New", stopping=1)
    assert curl(line, key) == 403
    assert status_after(nina, lambda: settings_menu(nina).get_by_role("link", name="Members").click()) == 404
    expect(nina.get_by_role("heading", name="Page not found")).to_be_visible()
    nina.get_by_role("link", name="Go to KeyPortal").click()
    expect(nina.get_by_role("heading", name="You are in no account")).to_be_visible()


def test_somebody_who_has_a_user_accepts(open_as: OpenAs, server: Server, script: bool) -> None:
    olivia = open_as("olivia", anew=True, java_script_enabled=script)
    eve, address = open_as(None, java_script_enabled=script), "eve@example.com"
    invite(olivia, server, address, "Read & Write")

    eve.goto(server.link_mailed_to(address, "/invitations/"))
    eve.get_by_role("link", name="Sign in").click()
    steps.fill_sign_in(eve, address, server.password)
    expect(eve.get_by_role("heading", name="Join Acme Ltd")).to_be_visible()
    eve.get_by_role("button", name="Accept invitation").click()
    expect(eve.get_by_role("status").filter(has_text="Welcome to Acme Ltd. You are Read & Write there.")).to_be_visible()
    expect(eve.get_by_role("banner")).to_contain_text("Acme Ltd")

    key = steps.create_key(eve, f"Both accounts {'with' if script else 'without'} script")
    eve.goto("/settings/account/general")
    here = curl_line(server, server.account_id)
    assert curl(here, key) == 200
    members(eve, server)
    remove(olivia, server, address, "Eve Ellis")
    assert curl(here, key) == 403
    assert status_after(eve, eve.reload) == 404
    # Her own account and its keys are as before.
    eve.get_by_role("link", name="Go to KeyPortal").click()
    expect(eve.get_by_role("banner")).to_contain_text("Globex")
    eve.goto("/settings/account/general")
    (globex_id,) = re.findall(r"[0-9a-f-]{36}", eve.url)
    assert curl(curl_line(server, globex_id), key) == 200


def members(page: Page, server: Server) -> None:
    page.goto(f"/settings/accounts/{server.account_id}/members")
    expect(page.get_by_role("heading", name="Members")).to_be_visible()


def settings_menu(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Settings")


def member_row(page: Page, address: str) -> Locator:
    return page.get_by_role("row").filter(has_text=address)


def invite(page: Page, server: Server, address: str, role: str) -> None:
    members(page, server)
    page.get_by_role("link", name="Invite people").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Email addresses").fill(address)
    dialog.get_by_role("radio", name=role).check()
    dialog.get_by_role("button", name="Send invitations").click()
    expect(page.get_by_role("status").filter(has_text=f"{address} is invited as {role}.")).to_be_visible()


def remove(page: Page, server: Server, address: str, name: str, stopping: int | None = None) -> None:
    members(page, server)
    member_row(page, address).get_by_role("link", name=f"Remove {name}").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text(re.compile(rf"{stopping or '[0-9]+'} of {name}’s keys stops? working in Acme Ltd"))
    dialog.get_by_role("button", name="Remove member").click()
    expect(page.get_by_role("status").filter(has_text=f"{name} was removed from Acme Ltd.")).to_be_visible()


def status_after(page: Page, act: Callable[[], object]) -> int:
    """The status of the page that the act leads to."""
    with page.expect_navigation() as navigation:
        act()
    return int(navigation.value.status)


def age_sign_in(page: Page, server: Server) -> None:
    """A day has passed since this browser's person signed in."""
    (session,) = (cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "keyportal_session")
    server.manage(
        "shell",
        "-c",
        f"from django.contrib.sessions.backends.db import SessionStore; session = SessionStore({session!r}); "
        "[record.update(at=record['at'] - 86400) for record in session['account_authentication_methods']]; session.save()",
    )
