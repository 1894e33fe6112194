"""A hunt for secrets: everything that the installation said, wrote or kept, searched for pieces of what it must not."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.views.debug import get_exception_reporter_class

from keyportal.redaction import ScrubbingFormatter

WINDOW = 16
TAIL = 49
_ARGON2 = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/$]+")
_PHC_HEAD = re.compile(r"^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$")


class _Console(logging.Handler):
    """Keeps what the console would have shown: the project's own formatter, at the most talkative level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(ScrubbingFormatter("{asctime} {levelname} {name} {message}", style="{"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@dataclass
class Hunt:
    """Collects while it is open (a context manager); `finds()` tells where a piece of a secret turned up."""

    plaintexts: list[str] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> Hunt:
        self._console = _Console()
        self._loggers = [
            logging.getLogger(name) for name in ("", "django", "django.request", "django.db.backends", "django.template")
        ]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.DEBUG)
        logging.getLogger().addHandler(self._console)
        got_request_exception.connect(self._report)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        got_request_exception.disconnect(self._report)
        logging.getLogger().removeHandler(self._console)
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)

    @property
    def log(self) -> str:
        return "\n".join(self._console.lines)

    def _report(self, request: HttpRequest | None = None, **kwargs: Any) -> None:
        """What a mail to the operators about a crash would carry, in both of its forms."""
        for is_email in (True, False):
            reporter = get_exception_reporter_class(request)(request, *sys.exc_info(), is_email=is_email)
            self.texts.append(("report, HTML", reporter.get_traceback_html()))
            self.texts.append(("report, text", reporter.get_traceback_text()))

    def heard(self, where: str, response: Any) -> Any:
        """Keep an answer, headers and body, and hand it on."""
        self.texts.append((f"headers of {where}", "\n".join(f"{k}: {v}" for k, v in response.items())))
        self.texts.append((f"cookies of {where}", response.cookies.output()))
        self.texts.append((f"body of {where}", response.content.decode(errors="replace")))
        return response

    def revealed(self, where: str, response: Any) -> str:
        """Take the key from the page that reveals it, of which all but the one showing is searched as well."""
        body = response.content.decode()
        (plaintext,) = set(re.findall(rf"\b(?:cu|sv)_[0-9A-Za-z]{{12}}_[0-9A-Za-z]{{{TAIL}}}\b", body))
        self.plaintexts.append(plaintext)
        self.heard(where, response)
        self.texts[-1] = (f"rest of {where}", body.replace(plaintext, "", 1))
        return plaintext

    def get(self, client: Client, path: str, **extra: Any) -> Any:
        return self.heard(f"GET {path}", client.get(path, **extra))

    def windows(self) -> dict[str, str]:
        """Each piece of 16 characters that may turn up nowhere, and what it is a piece of."""
        hidden = {plaintext[-TAIL:]: "a key" for plaintext in self.plaintexts}
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret_hash FROM apikeys_apikey")
            hidden |= {_PHC_HEAD.sub("", row[0]): "a hash" for row in cursor.fetchall()}
        return {text[i : i + WINDOW]: what for text, what in hidden.items() for i in range(len(text) - WINDOW + 1)}

    def finds(self) -> list[str]:
        windows = self.windows()
        assert len(windows) >= len(self.plaintexts) * (TAIL - WINDOW + 1) > 0
        found = []
        for where, text in [*self.texts, ("log", self.log), *_mails(), *_sessions(), *_cache(), *_tables()]:
            found += [f"{what} in {where}: {_around(text, piece)}" for piece, what in windows.items() if piece in text][:1]
            found += [f"a hash in {where}: {match.group()}" for match in _ARGON2.finditer(text)][:1]
        return found


def _around(text: str, piece: str) -> str:
    place = text.index(piece)
    return text[max(0, place - 80) : place + len(piece) + 20]


def _mails() -> Iterator[tuple[str, str]]:
    for message in mail.outbox:
        yield "mail", message.message().as_string()


def _sessions() -> Iterator[tuple[str, str]]:
    for session in Session.objects.all():
        yield "session", json.dumps(session.get_decoded(), default=str)


def _cache() -> Iterator[tuple[str, str]]:
    for name, value in getattr(cache, "_cache", {}).items():
        yield "cache", f"{name} {value!r}"


def _tables() -> Iterator[tuple[str, str]]:
    """Every column of every table, but the one that keeps the hashes."""
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    if (table, column) != ("apikeys_apikey", "secret_hash"):
                        yield f"{table}.{column}", value if isinstance(value, str) else repr(value)
