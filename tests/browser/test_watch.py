"""The watch over every page of these tests: were it blind, they would prove nothing about policy and third parties."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.driver import Browser, Page
from tests.browser.server import Server
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser

ELSEWHERE = "http://elsewhere.invalid/"
OFFENCES: dict[str, tuple[str, str]] = {
    "inline script": ("document.body.append(Object.assign(document.createElement('script'), {text: '1'}))", "Content Security"),
    "inline style": ("document.body.setAttribute('style', 'color: red')", "Content Security"),
    "data image": (
        "document.body.append(Object.assign(new Image(), {src: 'data:image/gif;base64,R0lGOD'}))",
        "Content Security",
    ),
    "image from elsewhere": (f"document.body.append(Object.assign(new Image(), {{src: '{ELSEWHERE}'}}))", "elsewhere"),
    "navigation elsewhere": (f"location = '{ELSEWHERE}'", "request to elsewhere"),
    "thrown error": ("setTimeout(() => { throw new Error('broken') })", "broken"),
    "missing file": ("fetch('/static/missing.css')", "404"),
}


@pytest.mark.parametrize("offence", OFFENCES)
def test_it_notices(offence: str, browser: Browser, server: Server) -> None:
    script, words = OFFENCES[offence]
    context = browser.new_context(base_url=server.url)
    watch = Watch(context, server.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    assert watch.complaints == []
    page.evaluate(f"() => {{ {script} }}")
    wait_for(lambda: bool(watch.complaints), page)
    context.close()
    assert words in "\n".join(watch.complaints)


def wait_for(condition: Callable[[], bool], page: Page) -> None:
    for _ in range(30):
        if condition():
            return
        page.wait_for_timeout(100)
