"""Chromium under Playwright, or a loud reason why these tests are skipped.

Where REQUIRE_BROWSER=1 is set, a missing browser is a failure: nobody then mistakes a skip for a pass.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

REQUIRED = os.environ.get("REQUIRE_BROWSER") == "1"

try:
    from axe_playwright_python.base import AxeResults
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Playwright, expect, sync_playwright
except ImportError:
    if REQUIRED:
        raise
    pytest.skip(
        "BROWSER TESTS SKIPPED: Playwright is not installed. Run: pip install -r tests/requirements.txt",
        allow_module_level=True,
    )

__all__ = [
    "Axe",
    "AxeResults",
    "Browser",
    "BrowserContext",
    "Error",
    "Locator",
    "Page",
    "Playwright",
    "chromium",
    "expect",
    "launched",
]

# People's Chrome keeps pages for the back button although they say `no-store`; the bare Chromium asks to be told.
KEEP_PAGES = "CacheControlNoStoreEnterBackForwardCache:level/restore-unless-http-only-cookie-change"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def chromium() -> str:
    """Where Chromium is. Skips the test that asks when it is nowhere, or fails it where a browser is required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no Chromium found (looked for {', '.join(NAMES)}). On Debian: apt install chromium"
        if REQUIRED:
            pytest.fail(f"REQUIRE_BROWSER=1, but {reason}", pytrace=False)
        pytest.skip(f"BROWSER TESTS SKIPPED: {reason}")
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser that keeps pages for the back button, as people's browsers do and Playwright's own start does not."""
    path = chromium()
    expect.set_options(timeout=15_000)  # a slow machine is no fault of the pages
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-background-networking", f"--enable-features={KEEP_PAGES}"],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()
