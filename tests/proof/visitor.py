"""Somebody at a browser without script: cookies are kept, forms are sent with the token that their page has."""

from __future__ import annotations

import http.client
import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django.contrib.auth.hashers import Argon2PasswordHasher

from accounts.models import User
from tests.browser.server import Server
from tests.factories import PASSWORD


def may_sign_in(user: User) -> User:
    """With PASSWORD at a server, which does not take the cheap passwords of the tests."""
    user.password = Argon2PasswordHasher().encode(PASSWORD, "salt" * 4)
    user.save(update_fields=["password"])
    return user


class Visitor:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._cookies: SimpleCookie = SimpleCookie()

    def get(self, path: str) -> tuple[int, str]:
        """Status and page. Redirects are not followed."""
        return self._ask("GET", path)

    def sign_in(self, user: User) -> None:
        assert self.post("/accounts/login/", login=may_sign_in(user).email, password=PASSWORD) == 302

    def post(self, path: str, **fields: str) -> int:
        """The status with which the form of the page at `path` is answered."""
        return self._submit(path, fields)[0]

    def submit(self, path: str, **fields: str) -> str:
        """The page with which that form is answered."""
        return self._submit(path, fields)[1]

    def at(self, server: Server) -> Visitor:
        """The same browser at another server, which has the same name for it."""
        there = Visitor(server)
        there._cookies = self._cookies
        return there

    def _submit(self, path: str, fields: dict[str, str]) -> tuple[int, str]:
        status, page = self.get(path)
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, f"{status}: no form at {path}"
        return self._ask("POST", path, urlencode({"csrfmiddlewaretoken": token[1], **fields}))

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())}
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": self._server.url}
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            page = answer.read().decode()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            self._cookies.load(cookie)
        return answer.status, page
