"""What people do on the pages, as short verbs. They go by names and labels, as people do."""

from __future__ import annotations

import re

from tests.browser.driver import Locator, Page, expect

USER_KEYS = "/settings/user/api-keys"


def service_keys(account_id: str) -> str:
    return f"/settings/accounts/{account_id}/api-keys"


def sign_in(page: Page, person: str, password: str) -> None:
    """`person` is an address, or the name of one of the demo's people."""
    page.goto("/accounts/login/")
    fill_sign_in(page, person if "@" in person else f"{person}@example.com", password)
    expect(page).not_to_have_url(re.compile("/login/"))


def fill_sign_in(page: Page, address: str, password: str) -> None:
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def open_create_dialog(page: Page, list_url: str = USER_KEYS) -> Locator:
    page.goto(list_url)
    page.locator("main").get_by_role("link", name=re.compile("^Create (service )?API key$")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def create_key(page: Page, name: str, list_url: str = USER_KEYS, role: str | None = None) -> str:
    """Make a key by the dialog of its list, stay on the page that shows it, and return it."""
    dialog = open_create_dialog(page, list_url)
    dialog.get_by_label("Name").fill(name)
    if role:
        dialog.get_by_role("radio", name=role).check()
    dialog.get_by_role("button", name=re.compile("^Create ")).click()
    return shown_key(page)


def shown_key(page: Page) -> str:
    expect(page.get_by_role("heading", name="Copy your new key")).to_be_visible()
    return page.locator("#secret").inner_text()


def row(page: Page, name: str) -> Locator:
    """The row of the key called `name` in a list."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def delete_key(page: Page, name: str, list_url: str = USER_KEYS) -> None:
    """Delete by the bin in the list, typing the name where the dialog asks for it."""
    page.goto(f"{list_url}?q={name}")
    row(page, name).get_by_role("link", name=f"Delete {name}").click()
    confirm_deletion(page, name)


def confirm_deletion(page: Page, name: str) -> None:
    dialog = page.get_by_role("alertdialog")
    field = dialog.get_by_label(f"Type {name} to confirm")
    expect(dialog).to_be_visible()
    if field.count():
        field.fill(name)
    dialog.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("status").filter(has_text="was deleted")).to_be_visible()


def wait_until_used(page: Page, place: Locator) -> None:
    """Load the page until `place` no longer says that a key was never used: the use is written a second after it."""
    for _ in range(50):
        if "Never used" not in place.inner_text():
            return
        page.wait_for_timeout(200)
        page.reload()
    raise AssertionError("The use of the key is not written.")


def rotate_key(page: Page, overlap: str = "24 hours") -> str:
    """Rotate the key whose page is open, stay on the page that shows its successor, and return that."""
    page.get_by_role("main").get_by_role("link", name="Rotate", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name=overlap).check()
    dialog.get_by_role("button", name="Rotate key").click()
    return shown_key(page)


def public_id(key: str) -> str:
    return key.rpartition("_")[0]


def focused(page: Page) -> str:
    """What has the focus: its role's element, name and text, to be read in a failure."""
    found: str = page.evaluate(
        "() => { const e = document.activeElement; return [e.tagName, e.id || e.name || '', e.innerText?.trim() || '']"
        ".join(' ').trim(); }"
    )
    return found
