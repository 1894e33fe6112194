"""The bodies of requests: read only when an operation asks for one, within a limit, and as strict JSON."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from ninja.errors import HttpError
from ninja.parser import Parser

from keyportal.errors import is_api

KIB = 1024
MOST_BYTES = 256 * KIB
MOST_BYTES_OF_VARIABLES = 1024 * KIB
DEEPEST = 100
_CHUNK = 64 * KIB
# What is left of a body when it is answered is taken off the line, so much of it and for so many seconds at most.
MOST_LEFT_BYTES = 32 * 1024 * KIB
MOST_LEFT_SECONDS = 5.0


class BodyRefused(HttpError):
    """A body that is not read, or not understood; its status is 400, 413 or 415."""


class Body:
    """What takes the place of the request's stream: `read` gives the whole body, unpacked, or raises BodyRefused."""

    def __init__(self, request: HttpRequest, most: int) -> None:
        self._encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        self._socket = request.META.get("gunicorn.socket")
        self._length = request.META.pop("CONTENT_LENGTH", "") or ""
        # A chunked body has no length, and Django would take it for empty; the server ends its stream by itself.
        chunked = not self._length and request.META.get("wsgi.input_terminated")
        self._stream = request.META["wsgi.input"] if chunked else request._stream  # type: ignore[attr-defined]
        self._most = most

    def read(self, size: int = -1) -> bytes:
        if self._encoding not in {"identity", "gzip"}:
            raise BodyRefused(415, "Send the body as it is, or packed with gzip.")
        announced = int(self._length) if self._length.isdecimal() else 0
        if announced > self._most:
            raise self._too_large()
        unpack = zlib.decompressobj(wbits=31) if self._encoding == "gzip" else None
        packed, parts, left = 0, [], self._most
        while chunk := self._next():
            packed += len(chunk)
            try:
                part = unpack.decompress(chunk, left + 1) if unpack else chunk
            except zlib.error:
                raise BodyRefused(400, "The body is not gzip, as its header says.") from None
            parts.append(part)
            left -= len(part)
            if left < 0 or packed > self._most:
                raise self._too_large()
        if packed < announced:
            raise self._broken_off()
        if unpack and packed and (unpack.unused_data or not unpack.eof):
            raise BodyRefused(400, "The body is not one whole gzip stream.")
        return b"".join(parts)

    def _next(self) -> bytes:
        try:
            chunk: bytes = self._stream.read(_CHUNK)
        except Exception:  # the client is gone, or its chunks are none: servers have exceptions of their own for that
            raise self._broken_off() from None
        return chunk

    def seekable(self) -> bool:
        """Django measures a stream that can be sought, and cuts any other off at the size of a form."""
        return True

    def seek(self, *place: int) -> int:
        """Nothing is known of the size before `read`, which has limits of its own."""
        return 0

    def take_the_rest(self) -> None:
        """Read what nobody has read, and forget it.

        Most clients look for an answer when they have sent everything. A server that answers and closes before that
        resets their connection, and they see a broken pipe in place of the answer. Where there is no socket to put a
        time limit on, as in tests, nothing is read.
        """
        if self._socket is None:
            return
        usual, ends, left = self._socket.gettimeout(), time.monotonic() + MOST_LEFT_SECONDS, MOST_LEFT_BYTES
        # The client may stall, be gone, or send no chunk: then the server closes.
        with contextlib.suppress(Exception):
            while left > 0 and (seconds := ends - time.monotonic()) > 0:
                self._socket.settimeout(seconds)
                taken = self._stream.read(KIB)
                if not taken:
                    break
                left -= len(taken)
        with contextlib.suppress(OSError):
            self._socket.settimeout(usual)

    def close(self) -> None:
        """Django closes what it has read; the server's own stream is not ours to close."""

    def _broken_off(self) -> BodyRefused:
        return BodyRefused(400, "The body broke off before its end.")

    def _too_large(self) -> BodyRefused:
        return BodyRefused(413, f"The body is larger than {self._most // KIB} KiB.")


def api_bodies(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: under the API's roots, bodies have a limit of their own and may be packed or without a length."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if is_api(request.path):
            variables = request.path.startswith("/v1/variables")
            body = Body(request, MOST_BYTES_OF_VARIABLES if variables else MOST_BYTES)
            request._stream = body  # type: ignore[assignment]
            response = get_response(request)
            body.take_the_rest()
            return response
        return get_response(request)

    return middleware


class StrictParser(Parser):
    """JSON as RFC 8259 has it, in UTF-8; and lists in queries as `tag=a&tag=b` or `tag[]=a&tag[]=b`."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise BodyRefused(415, "Send JSON, with Content-Type: application/json.")
        if (request.content_params or {}).get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise BodyRefused(415, "Send JSON in UTF-8, which needs no charset.")
        return parse(request.body)

    def parse_querydict(self, data: MultiValueDict, list_fields: list[str], request: HttpRequest) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, values in data.lists():
            bare = name.removesuffix("[]")
            if bare in list_fields:
                result.setdefault(bare, []).extend(values)
            else:
                result[name] = values[-1]
        return result


def parse(body: bytes) -> Any:
    """The value of a JSON text. Raises BodyRefused for all that other readers may take otherwise."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_not_a_number, parse_float=_number)
    except RecursionError:
        raise BodyRefused(400, "The body is nested too deeply.") from None
    except ValueError:  # bad UTF-8, bad JSON, an integer of thousands of digits
        raise BodyRefused(400, "The body is not valid JSON in UTF-8.") from None
    _look_through(value, DEEPEST)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise BodyRefused(400, "The body names a field twice.")
    return names


def _not_a_number(name: str) -> Any:
    raise BodyRefused(400, f"{name} is no number in JSON.")


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BodyRefused(400, "The body holds a number beyond what a double can hold.")
    return number


def _look_through(value: Any, depth: int) -> None:
    """Refuse what no text field can hold: NUL and halves of surrogate pairs; and what is nested out of reason."""
    if depth == 0:
        raise BodyRefused(400, "The body is nested too deeply.")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise BodyRefused(400, "The body holds a character that is none: NUL, or half of a surrogate pair.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _look_through(name, depth - 1)
            _look_through(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _look_through(inner, depth - 1)
