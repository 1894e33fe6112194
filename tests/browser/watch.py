"""What no page may ever do: break the content security policy, throw, fetch from elsewhere, or miss a file."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.browser.driver import BrowserContext


class Watch:
    """Listens to all pages of a context and keeps what is wrong in `complaints`."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.complaints: list[str] = []
        self._host = urlsplit(url).netloc
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.complaints.append(f"error in a page: {error.error}"))
        context.on("request", lambda request: self._asked(request.url))
        context.on("response", lambda response: self._answered(response.url, response.status))

    def _said(self, kind: str, text: str) -> None:
        # A page that answers 400, 403, 404 or 409 is noted by Chromium as a resource that failed to load.
        if kind == "error" and not text.startswith("Failed to load resource: the server responded with a status of 4"):
            self.complaints.append(f"console: {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != self._host:
            self.complaints.append(f"request to elsewhere: {url[:200]}")

    def _answered(self, url: str, status: int) -> None:
        if status >= 500 or (status >= 400 and urlsplit(url).path.startswith(("/static/", "/favicon"))):
            self.complaints.append(f"{status}: {url}")
