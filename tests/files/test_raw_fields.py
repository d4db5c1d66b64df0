"""Fields of a line as they stand: what quick ways say of them is what the thorough ones do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from aico.features.files.cells import RowJudge
from aico.features.files.raw_fields import NOTHING, identity_of, is_there, read_moment, says

MOMENTS = st.from_regex(r"(19[5-9]\d|20\d\d|99\d\d)-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d:[0-6]\d\.\d{3}Z", fullmatch=True)
ODD_MOMENTS = (
    "2026-11-28T14:31:49.432Z",
    "2026-11-28T24:00:00.000Z",
    "2026-11-28T23:59:60.000Z",
    "2026-11-28T14:60:00.000Z",
    "2026-02-29T00:00:00.000Z",
    "2024-02-29T00:00:00.001Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "0000-01-01T00:00:00.000Z",
    "2026-11-28T14:31:49.432z",
    "2026-11-28T14:31:49+01:00",
    "2026-11-28T14:31:49,432Z",
    "2026-11-28T14:31:4_.432Z",
    "2026-11-28T14:31: 9.432Z",
    "2026-11-28T14:31:49.4320",
    "20261-1-28T14:31:49.432Z",
    "2026-11-28T14:31:49.43\u0663Z",
    "",
)


@given(MOMENTS)
def test_moments_are_those_of_the_library(text: str) -> None:
    """In the spelling that is read by its places, also where it names none."""
    quick, thorough = RowJudge(0), RowJudge(0)
    raw = Raw(json.dumps(text).encode())
    assert read_moment(raw, quick) == thorough.read_iso_moment_ms(text, "timestamp")
    assert quick.partials == thorough.partials


@pytest.mark.parametrize("text", ODD_MOMENTS)
def test_odd_moments_are_those_of_the_library(text: str) -> None:
    """Another spelling is read as ever."""
    quick, thorough = RowJudge(0), RowJudge(0)
    raw = Raw(json.dumps(text, ensure_ascii=False).encode())
    assert read_moment(raw, quick) == thorough.read_iso_moment_ms(text, "timestamp")
    assert quick.partials == thorough.partials


@pytest.mark.parametrize(
    ("raw", "there", "identity"),
    [
        (NOTHING, False, None),
        (Raw(b"null"), False, None),
        (Raw(b"0"), True, None),
        (Raw(b'""'), True, None),
        (Raw(b'"a"'), True, b'"a"'),
        (Raw(b'["a"]'), True, None),
    ],
)
def test_field_is_there_unless_it_is_null(raw: Raw, *, there: bool, identity: bytes | None) -> None:
    """Only a text that is not empty names something."""
    assert is_there(raw) is there
    assert identity_of(raw) == identity


def test_field_says_a_word_and_no_longer_one() -> None:
    """Nor a shorter one, nor nothing."""
    assert says(Raw(b'"user"'), b'"user"')
    assert not any(says(raw, b'"user"') for raw in (NOTHING, Raw(b'"users"'), Raw(b'"use"'), Raw(b'"user')))
