"""Names that people give: composed, visible, not pretending, at most 100 characters."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from keyportal.names import clean_name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("  Laptop CLI \n", "Laptop CLI"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("x" * 100, "x" * 100),
        ("מפתח", "מפתח"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("=SUM(A1)", "=SUM(A1)"),
        ("<script>", "<script>"),
    ],
)
def test_what_is_kept(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "a\x00b",
        "a\nb",
        "a\x1b[31m",
        "\u202eevil",
        "a\u2066b",
        "\ud800",
        "\u200b\u200b",
        "x" * 101,
        "\uffff",
        "a\u2028b",
    ],
)
def test_what_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        clean_name(name)


@given(st.text(max_size=200))
def test_any_text_is_kept_or_refused_and_what_is_kept_stays_kept(text: str) -> None:
    try:
        name = clean_name(text)
    except ValidationError:
        return
    assert clean_name(name) == name
    assert 1 <= len(name) <= 100
