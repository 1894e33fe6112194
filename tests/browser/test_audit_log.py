"""An admin looks something up in the audit log, and takes it as a file; without script."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import steps
from tests.browser.driver import Page, expect

pytestmark = pytest.mark.browser


def test_an_admin_filters_the_log_and_takes_what_it_finds(open_as: Callable[..., Page], tmp_path: Path) -> None:
    page = open_as("adam", java_script_enabled=False)
    page.goto(steps.USER_KEYS)
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("heading", name="Audit log", level=1)).to_be_visible()
    page.get_by_label("Who").select_option(label="Olivia Owens <olivia@example.com>")
    page.get_by_label("What").select_option(label="Member removed")
    page.get_by_role("button", name="Filter").click()
    row = page.get_by_role("row").filter(has_text="Eve Ellis")
    expect(row).to_contain_text("Member removed")
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    path = tmp_path / download.value.suggested_filename
    assert path.name.startswith("audit-log-acme-ltd-")
    download.value.save_as(path)
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig", newline="")))
    assert [(one["what"], one["target"]) for one in rows] == [("Member removed", "Eve Ellis <eve@example.com>")]
    page.get_by_role("link", name="Clear").first.click()
    expect(page.locator("tbody tr").first).to_contain_text("Audit log exported")
