"""The format of a key: what parses, what never does, and a Secret that does not let go of its text.

The vectors are fixed points: a change that moves them kills every key in use.
"""

from __future__ import annotations

import copy
import json
import pickle
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apikeys import secret
from apikeys.models import ApiKey
from apikeys.secret import Kind, Secret, checksum
from keyportal.exceptions import InvalidCredential
from tests import factories
from tests.statements import statements

ME = "/v1/accounts/me"
ZEROS = "sv_000000000000_" + 43 * "0" + "2vhQCY"
LETTERS = "cu_0123456789AB_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ" + "1TiB3x"
SCANNER = re.compile(r"(?<![0-9A-Za-z_])(?:cu|sv)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}(?![0-9A-Za-z_])")

BASE62 = string.digits + string.ascii_letters
bodies = st.text(BASE62, min_size=55, max_size=55)


def key_of(body: str, prefix: str = "cu") -> str:
    text = f"{prefix}_{body[:12]}_{body[12:]}"
    return text + checksum(text)


def is_key(text: str) -> bool:
    try:
        Secret.parse(text)
    except InvalidCredential:
        return False
    return True


# A busy machine is no failure.
patiently = hypothesis_settings(deadline=None)
keys = st.builds(key_of, bodies, st.sampled_from(["cu", "sv"]))


@pytest.mark.parametrize(("text", "kind", "public_id"), [(ZEROS, Kind.SERVICE, ZEROS[:15]), (LETTERS, Kind.USER, LETTERS[:15])])
def test_the_vectors_parse(text: str, kind: Kind, public_id: str) -> None:
    parsed = Secret.parse(text)
    assert (parsed.kind, parsed.public_id, parsed.last_four) == (kind, public_id, text[-4:])
    assert parsed.reveal() == text
    assert len(text) == 65


@pytest.mark.parametrize("kind", Kind)
def test_a_generated_key_parses_and_a_scanner_finds_it(kind: Kind) -> None:
    made = [Secret.generate(kind).reveal() for _ in range(200)]
    assert len(set(made)) == 200
    for text in made:
        assert Secret.parse(text).kind is kind
        assert SCANNER.findall(f'key = "{text}"') == [text]


@patiently
@given(keys)
def test_every_key_with_its_checksum_parses_to_itself(text: str) -> None:
    assert Secret.parse(text).reveal() == text


@patiently
@given(st.one_of(st.text(), st.from_regex(r"(cu|sv)_[0-9A-Za-z_]{0,70}", fullmatch=True), st.text(BASE62 + "_", min_size=60)))
def test_any_text_is_a_key_or_an_invalid_credential(text: str) -> None:
    assert is_key(text) == (SCANNER.fullmatch(text) is not None and checksum(text[:-6]) == text[-6:])


@patiently
@given(st.one_of(st.none(), st.text(), st.text().map("Bearer {}".format)))
def test_any_header_is_a_key_or_an_invalid_credential(header: str | None) -> None:
    with pytest.raises(InvalidCredential, match=r"^Bad Token$"):
        Secret.from_header(header)


@patiently
@given(keys, st.integers(0, 64), st.characters())
def test_a_changed_character_is_refused(text: str, place: int, char: str) -> None:
    if text[place] != char:
        assert not is_key(text[:place] + char + text[place + 1 :])


@patiently
@given(keys, st.integers(0, 63))
def test_two_swapped_neighbours_are_refused(text: str, place: int) -> None:
    if text[place] != text[place + 1]:
        assert not is_key(text[:place] + text[place + 1] + text[place] + text[place + 2 :])


@patiently
@given(keys, st.integers(0, 64), st.text(min_size=1, max_size=3))
def test_a_shorter_and_a_longer_text_are_refused(text: str, length: int, more: str) -> None:
    assert not is_key(text[:length])
    assert not is_key(text[length:] if length else "")
    assert not is_key(text + more)
    assert not is_key(more + text)
    assert not is_key(text[:length] + more + text[length:])


@pytest.mark.parametrize("text", [ZEROS, LETTERS])
def test_every_single_change_of_a_vector_is_refused(text: str) -> None:
    for place in range(len(text)):
        for char in BASE62 + "_- ":
            if char != text[place]:
                assert not is_key(text[:place] + char + text[place + 1 :]), (place, char)


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert not is_key(ZEROS.replace("0", "٠", 1))
    assert not is_key(ZEROS.replace("0", "０"))


# Prefixes


@pytest.fixture
def prefixes(settings: Any) -> Iterator[Callable[[list[str], list[str]], None]]:
    def set_them(user: list[str], service: list[str]) -> None:
        settings.USER_KEY_PREFIXES, settings.SERVICE_KEY_PREFIXES = user, service
        secret._kinds.cache_clear()

    yield set_them
    secret._kinds.cache_clear()


def test_the_first_prefix_makes_new_keys_and_all_of_them_parse(prefixes: Callable[[list[str], list[str]], None]) -> None:
    prefixes(["acme", "cu"], ["acmesvc", "sv", "old"])
    assert Secret.generate(Kind.USER).reveal().startswith("acme_")
    assert Secret.generate(Kind.SERVICE).reveal().startswith("acmesvc_")
    kinds = {"acme": Kind.USER, "cu": Kind.USER, "acmesvc": Kind.SERVICE, "sv": Kind.SERVICE, "old": Kind.SERVICE}
    for prefix, kind in kinds.items():
        parsed = Secret.parse(key_of("0" * 55, prefix))
        assert (parsed.kind, parsed.public_id) == (kind, f"{prefix}_{'0' * 12}")
    assert not is_key(key_of("0" * 55, "sk"))


def test_a_key_made_before_the_prefix_changed_still_opens(
    cast: factories.Cast, call_api: Callable[..., Any], prefixes: Callable[[list[str], list[str]], None]
) -> None:
    old = factories.user_key(cast.rob)[1]
    prefixes(["acme", "cu"], ["sv"])
    new = factories.user_key(cast.rob)[1]
    assert (old[:3], new[:5]) == ("cu_", "acme_")
    for key in (old, new):
        assert call_api(ME, key, cast.acme).status_code == 200


# The one place that holds the text


def test_a_secret_masks_itself_wherever_it_is_printed() -> None:
    key = Secret.parse(LETTERS)
    holders = [str(key), repr(key), format(key), f"{key}", f"{key!r}", f"{key:>90}", f"{[key]}", "%s" % key]  # noqa: UP031
    assert all(LETTERS[16:] not in text and LETTERS[:15] in text for text in holders)
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_never_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Secret.parse(LETTERS), protocol)


@pytest.mark.parametrize("act", [copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_never_copied_nor_written_as_json(act: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        act(Secret.parse(LETTERS))


def test_a_secret_opens_once() -> None:
    key = Secret.parse(LETTERS)
    assert key.reveal() == LETTERS
    with pytest.raises(RuntimeError):
        key.reveal()


def test_a_hash_is_argon2id_with_the_parameters_of_the_settings_and_matches_its_own_key_alone() -> None:
    key, other = Secret.generate(Kind.USER), Secret.generate(Kind.USER)
    first, second = key.hash(), key.hash()
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second
    assert key.matches(first)
    assert key.matches(second)
    assert not other.matches(first)
    for broken in ("", "x", "$argon2id$", first[:-1], first.replace("argon2id", "argon2i")):
        assert not key.matches(broken)


# The door


def malformed_headers(good: str) -> dict[str, str]:
    return {
        "nothing": "",
        "a scheme alone": "Bearer",
        "a scheme and a space": "Bearer ",
        "two headers, which a server joins": f"Bearer {good}, Bearer {good}",
        "two keys": f"Bearer {good},{good}",
        "two words": f"Bearer {good} {good}",
        "a comma behind it": f"Bearer {good},",
        "another scheme": f"Basic {good}",
        "the old scheme": f"Token {good}",
        "no scheme": good,
        "a longer scheme": f"BearerX {good}",
        "a tab for the space": f"Bearer\t{good}",
        "a space in front": f" Bearer {good}",
        "a colon": f"Bearer: {good}",
        "quotes": f'Bearer "{good}"',
        "a NUL": f"Bearer {good}\x00",
        "a no-break space": f"Bearer\u00a0{good}",
        "no ASCII": "Bearer sv_ключ",
        "a Latin-1 letter": f"Bearer {good[:-1]}é",
        "100 kB": "Bearer " + "sv_" + "A" * 100_000,
        "100 kB of the scheme": "Bearer" * 17_000,
        "100 kB of spaces": "Bearer " + " " * 100_000,
    }


@pytest.mark.parametrize("what", malformed_headers(ZEROS))
def test_a_header_that_is_not_one_key_is_refused_without_a_query(cast: factories.Cast, client: Client, what: str) -> None:
    good = factories.service_key(cast.acme)[1]
    with statements() as queries:
        response = client.get(ME, headers={"Authorization": malformed_headers(good)[what]})
    assert (response.status_code, len(queries)) == (401, 0)
    assert response.json()["message"] == "Bad Token"


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer  {}", "Bearer {}  "])
def test_the_scheme_is_read_in_any_case_and_spaces_around_the_key_are_nothing(
    cast: factories.Cast, client: Client, header: str
) -> None:
    key = factories.service_key(cast.acme)[1]
    assert client.get(ME, headers={"Authorization": header.format(key)}).status_code == 200


def test_a_key_in_query_cookie_form_or_another_header_is_no_key(cast: factories.Cast, client: Client) -> None:
    row, key = factories.service_key(cast.acme)
    client.cookies["Authorization"] = client.cookies["api_key"] = f"Bearer {key}"
    for name in ("Authorization", "access_token", "token", "api_key", "key"):
        assert client.get(ME, query_params={name: key}).status_code == 401
        assert client.get(ME, query_params={name: f"Bearer {key}"}).status_code == 401
        assert client.generic("GET", ME, f"{name}={key}", "application/x-www-form-urlencoded").status_code == 401
    for name in ("X-API-Key", "X-Authorization", "Proxy-Authorization", "X-Forwarded-Authorization", "Api-Key"):
        assert client.get(ME, headers={name: f"Bearer {key}"}).status_code == 401
    row.refresh_from_db()
    assert row.last_used_at is None


@pytest.mark.django_db
@hypothesis_settings(deadline=None, max_examples=50)
@given(text=st.one_of(keys.map(lambda key: key[:-1]), keys.map(lambda key: key + "0"), st.text(BASE62 + "_ ,=", max_size=80)))
def test_what_fails_the_checksum_never_reaches_the_database(text: str) -> None:
    with statements() as queries:
        assert Client().get(ME, headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert len(queries) == 0


def test_a_public_id_alone_or_under_the_other_prefix_opens_nothing(cast: factories.Cast, call_api: Callable[..., Any]) -> None:
    key = factories.service_key(cast.acme)[1]
    other = "cu" + key[2:-6]
    for text in (key[:15], key[:16], other + checksum(other), key.swapcase(), key.lower()):
        assert call_api(ME, text, cast.acme).status_code == 401
    assert ApiKey.objects.get().last_used_at is None
