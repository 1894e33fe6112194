"""The key itself: its format, its making, its hash, and the one act that shows it.

    cu_<public id: 12 base62>_<secret: 43 base62><checksum: 6 base62>      user key
    sv_<public id: 12 base62>_<secret: 43 base62><checksum: 6 base62>      service key

43 characters of 62 are 256 random bits. The checksum is the CRC-32 of everything before it, so that typing errors
and garbage are refused without a look at the database, and scanners have no false hits.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import secrets
import string
import zlib
from collections.abc import Callable
from typing import Final, NoReturn

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerificationError
from argon2.low_level import ARGON2_VERSION, verify_secret
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keyportal.exceptions import InvalidCredential
from keyportal.tally import DIGEST_SIZE

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
PUBLIC_LENGTH: Final = 12
SECRET_LENGTH: Final = 43
CHECKSUM_LENGTH: Final = 6
_TAIL_LENGTH: Final = SECRET_LENGTH + CHECKSUM_LENGTH

MALFORMED: Final = "Bad Token"


class Kind(enum.StrEnum):
    USER = "user"
    SERVICE = "service"

    @property
    def prefixes(self) -> list[str]:
        """What keys of this kind may begin with. The first makes new ones; all of them parse."""
        return list(settings.USER_KEY_PREFIXES if self is Kind.USER else settings.SERVICE_KEY_PREFIXES)


def checksum(text: str) -> str:
    """CRC-32 of ASCII `text` in base 62, padded with "0" to six characters."""
    number = zlib.crc32(text.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits


class Secret:
    """The plaintext of one key, alive only between making and showing, or between header and check.

    It masks itself wherever it could leak by accident (str, repr, format, f-strings, debug pages), refuses to be
    pickled or copied, and opens once, by `reveal()`.
    """

    __slots__ = ("__text", "kind", "public_id")

    def __init__(self, text: str, kind: Kind) -> None:
        self.__text = text
        self.kind = kind
        self.public_id = text[: -_TAIL_LENGTH - 1]

    @classmethod
    def generate(cls, kind: Kind, choose: Callable[[str], str] = secrets.choice) -> Secret:
        """A new key of `kind`, from the system's randomness."""
        body = "".join(choose(ALPHABET) for _ in range(PUBLIC_LENGTH + SECRET_LENGTH))
        body = f"{kind.prefixes[0]}_{body[:PUBLIC_LENGTH]}_{body[PUBLIC_LENGTH:]}"
        return cls(body + checksum(body), kind)

    @classmethod
    @sensitive_variables()
    def parse(cls, text: str) -> Secret:
        """The key that `text` is, by length, ASCII, parts, alphabet and checksum; InvalidCredential otherwise."""
        prefix, _, rest = text.partition("_")
        kind = _kinds().get(prefix)
        if kind is None or len(rest) != PUBLIC_LENGTH + 1 + _TAIL_LENGTH or rest[PUBLIC_LENGTH] != "_":
            raise InvalidCredential(MALFORMED)
        body = rest[:PUBLIC_LENGTH] + rest[PUBLIC_LENGTH + 1 :]
        if not (body.isascii() and body.isalnum()):  # which is the alphabet
            raise InvalidCredential(MALFORMED)
        if checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
            raise InvalidCredential(MALFORMED)
        return cls(text, kind)

    @classmethod
    @sensitive_variables()
    def from_header(cls, header: str | None) -> Secret:
        """The key in an Authorization header; InvalidCredential for anything but one key after "Bearer"."""
        scheme, _, credential = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidCredential(MALFORMED)
        return cls.parse(credential.strip(" "))

    @property
    def last_four(self) -> str:
        return self.__text[-4:]

    def digest(self, key: bytes) -> bytes:
        """20 bytes that tell this key from all others, for counting it: of no use without `key`, and no proof of anything.

        256 random bits can't be found by trying, from this digest as little as from the Argon2 hash.
        """
        return hashlib.blake2b(self.__text.encode(), key=key, digest_size=DIGEST_SIZE).digest()

    def hash(self) -> str:
        """The PHC string to keep: Argon2id over the whole key, salted, with the parameters of the settings."""
        return _hasher().hash(self.__text)

    def matches(self, secret_hash: str) -> bool:
        """Whether `secret_hash` was made from this key, under whatever parameters it names."""
        try:
            return verify_secret(secret_hash.encode(), self.__text.encode(), Type.ID)
        except VerificationError:
            return False

    def reveal(self) -> str:
        """The plaintext, once. A second call raises RuntimeError."""
        text, self.__text = self.__text, ""
        if not text:
            raise RuntimeError("This secret was revealed already.")
        return text

    def __repr__(self) -> str:
        return f"<Secret {self.public_id}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A Secret is never pickled or copied.")


def needs_rehash(secret_hash: str) -> bool:
    """Whether the settings ask for other parameters than `secret_hash` was made with. Asked at each use: it parses nothing."""
    return not secret_hash.startswith(_parameters())


@functools.cache
def dummy_hash() -> str:
    """A hash that no key matches, so that an unknown public ID costs as much time as a wrong secret."""
    return _hasher().hash("no key has this text")


@functools.cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(
        time_cost=settings.KEY_HASH_TIME,
        memory_cost=settings.KEY_HASH_MEMORY_KIB,
        parallelism=settings.KEY_HASH_PARALLELISM,
        type=Type.ID,
    )


@functools.cache
def _parameters() -> str:
    """What the hashes begin with that the settings ask for."""
    cost = f"m={settings.KEY_HASH_MEMORY_KIB},t={settings.KEY_HASH_TIME},p={settings.KEY_HASH_PARALLELISM}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}$"


@functools.cache
def _kinds() -> dict[str, Kind]:
    return {prefix: kind for kind in Kind for prefix in kind.prefixes}
