"""Every page and dialog, at a desk and on a phone, light and dark: no barrier, and nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.driver import Axe, AxeResults, Page
from tests.browser.pages import PLACES
from tests.browser.server import Server

pytestmark = pytest.mark.browser

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
NARROWEST = {"width": 320, "height": 640}
AXE = Axe()


@pytest.mark.parametrize("name", PLACES)
def test_axe_finds_no_barrier_and_nothing_scrolls_sideways(name: str, open_as: Callable[..., Page], server: Server) -> None:
    place = PLACES[name]
    page = open_as(place.person)
    place.open(page, server)
    page.evaluate(AXE.axe_script)
    found = []
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            settle(page)
            rules = {rule: {"enabled": False} for rule in place.left_out}
            results = AxeResults(page.evaluate("rules => axe.run({resultTypes: ['violations'], rules})", rules))
            if results.violations_count:
                found.append(f"{size['width']} px, {scheme}: {results.generate_report()}")
    page.set_viewport_size(NARROWEST)
    settle(page)
    width = page.evaluate("document.scrollingElement.scrollWidth")
    if width > NARROWEST["width"]:
        found.append(f"scrolls sideways: {width} px wide; {too_wide(page)}")
    cut_off = page.evaluate("[...document.querySelectorAll('dialog[open]')].some(d => d.scrollWidth > d.clientWidth)")
    if cut_off:
        found.append("its dialog scrolls sideways")
    assert not found, "\n\n".join(found)


def settle(page: Page) -> None:
    """Colours change over a moment: axe would measure one in between."""
    page.evaluate("document.getAnimations().forEach(animation => animation.finish())")


def too_wide(page: Page) -> str:
    """The innermost elements that stick out, to be read in a failure."""
    found: str = page.evaluate(
        """() => [...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.vh'))
            .slice(-3).map(e => e.outerHTML.slice(0, 120)).join('\\n')"""
    )
    return found
