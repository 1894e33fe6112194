"""Logs and debug pages are scrubbed by value."""

from __future__ import annotations

import logging

import pytest

from apikeys.secret import Kind, Secret
from keyportal.redaction import ScrubbingFormatter, scrub


@pytest.fixture(params=list(Kind))
def plaintext(request: pytest.FixtureRequest) -> str:
    return Secret.generate(request.param).reveal()


def test_a_key_is_cut_down_to_its_public_id(plaintext: str) -> None:
    assert (
        scrub(f"Bearer {plaintext}, again {plaintext}")
        == f"Bearer {plaintext[:15]}_[scrubbed], again {plaintext[:15]}_[scrubbed]"
    )


@pytest.mark.parametrize("length", [32, 40, 64])
def test_a_cut_off_key_is_scrubbed_too(plaintext: str, length: int) -> None:
    assert scrub(plaintext[:length]) == f"{plaintext[:15]}_[scrubbed]"


def test_a_mistyped_key_is_scrubbed_too(plaintext: str) -> None:
    assert plaintext[20:40] not in scrub(plaintext[:-1] + "0")


def test_argon2_strings_are_scrubbed(plaintext: str) -> None:
    stored = Secret.generate(Kind.USER).hash()
    assert scrub(f"hash={stored} next") == "hash=[scrubbed] next"
    assert scrub("argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA") == "argon2[scrubbed]"


def test_other_text_stays_as_it_is() -> None:
    text = "cu_short sv_0123456789AB my_variable_name_that_is_rather_long_indeed $argo"
    assert scrub(text) == text


def test_the_formatter_scrubs_message_arguments_and_traceback(plaintext: str) -> None:
    try:
        raise ValueError(plaintext)
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "refused %s", (plaintext,), (ValueError, error, error.__traceback__)
        )
    printed = ScrubbingFormatter().format(record)
    assert "ValueError" in printed
    assert plaintext[16:] not in printed
