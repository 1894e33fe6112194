"""A server as people have it, a browser, and signed-in people."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # without Playwright the test files skip themselves, and this file must still load
    from tests.browser.driver import Browser, Page
    from tests.browser.server import Server

    OpenAs = Callable[..., Page]

DESK = {"width": 1280, "height": 900}


# Of the package, not the session: a running browser leaves an event loop in this thread, and Django's ORM refuses to
# work beside one. So it must be gone when the tests of other folders run.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    from tests.browser.driver import launched

    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for each worker of the test run; it asks for the browser first, so that a skip costs no server."""
    from tests.browser.server import Server

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    server = Server.start(tmp_path_factory.mktemp("server"), shared / "demo")
    yield server
    server.stop()


@pytest.fixture(scope="package")
def sessions() -> dict[str, Any]:
    """Each person's cookies. Sign-in is limited, so everybody signs in once."""
    return {}


@pytest.fixture
def open_as(browser: Browser, server: Server, sessions: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """`open_as("olivia")` is a page of a browser in which she is signed in; `open_as(None)` of one where nobody is.

    Keyword arguments go to the browser's context. When the test is over, whatever its pages did wrong fails it.
    """
    from tests.browser.steps import sign_in
    from tests.browser.watch import Watch

    @contextmanager
    def context(**options: Any) -> Iterator[Page]:
        made = browser.new_context(base_url=server.url, **{"viewport": DESK} | options)
        made.set_default_timeout(15_000)
        watch = Watch(made, server.url)
        yield made.new_page()
        made.close()
        assert not watch.complaints, "\n".join(watch.complaints)

    with ExitStack() as opened:

        def open_(person: str | None, *, anew: bool = False, **options: Any) -> Page:
            if person and not anew and person not in sessions:
                with context() as first:
                    sign_in(first, person, server.password)
                    sessions[person] = first.context.storage_state()
            if person and not anew:
                options["storage_state"] = sessions[person]
            page = opened.enter_context(context(**options))
            if person and anew:
                sign_in(page, person, server.password)
            return page

        yield open_
