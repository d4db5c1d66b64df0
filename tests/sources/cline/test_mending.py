"""The mending: what strict decoders refuse as a whole becomes strict JSON in place, and nothing else changes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.features.sources.cline.mending import mend_surrogates, quote_words
from tests.hypothesis_profiles import examples

PIECES = (
    *("\\ud83d", "\\uD83D", "\\uDBFF", "\\ude80", "\\uDe80", "\\udfff", "\\ud83d\\ude80"),
    *("\\\\", '\\"', "\\n", "\\u0041", "\\ue000", "\\ud7ff", "ud83d", "a", "é", "🚀"),
)
LONE = re.compile("[\ud800-\udfff]")


@settings(max_examples=examples(2))
@given(strings=st.lists(st.lists(st.sampled_from(PIECES)).map("".join), min_size=1, max_size=3))
def test_lone_surrogates_become_the_replacement_character(strings: list[str]) -> None:
    """Python's decoder, which lets lone surrogates pass, sees the same text with each of them replaced."""
    data = json.dumps([0]).replace("0", ",".join(f'"{string}"' for string in strings))
    before: list[str] = json.loads(data)
    buffer = bytearray(data, "utf-8")
    is_altered = mend_surrogates(memoryview(buffer))
    assert json.loads(buffer.decode()) == [LONE.sub("\ufffd", text) for text in before]
    assert is_altered == any(map(LONE.search, before))
    assert len(buffer) == len(data.encode())


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud83d\\ude80"',
        '"\\uD83D\\uDE80\\uD83D\\uDE80"',
        '"\\\\ud83d"',
        '"\\\\\\\\ude80"',
        '"\\u0041"',
        '"\\ufffd"',
        '"ud83d"',
        '""',
        "",
    ],
)
def test_text_without_lone_surrogates_stays_as_it_is(text: str) -> None:
    """Pairs and escaped backslashes are good JSON."""
    buffer = bytearray(text, "utf-8")
    assert not mend_surrogates(memoryview(buffer))
    assert buffer == text.encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[NaN]", '["\x7f"]'),
        ("[Infinity,-Infinity]", '["\x7f\x7f\x7f\x7f\x7f\x7f","\x7f\x7f\x7f\x7f\x7f\x7f\x7f"]'),
        ('{"NaN":NaN,"x":"Infinity"}', '{"NaN":"\x7f","x":"Infinity"}'),
        ('["\\"NaN",NaN]', '["\\"NaN","\x7f"]'),
        ('["\\\\",NaN]', '["\\\\","\x7f"]'),
    ],
)
def test_bare_words_are_quoted_outside_of_strings(before: str, after: str) -> None:
    """Words of no JSON become texts of their length; the same words inside of texts stay."""
    buffer = bytearray(before, "utf-8")
    assert quote_words(memoryview(buffer))
    assert buffer == after.encode()


@pytest.mark.parametrize(
    "text",
    ["", "[]", '["NaN", "Infinity"]', '{"NaN":["-Infinity"]}', "nan", '"NaN', '"\\', '["\\"NaN"', "[" * 1000, "\0[]"],
)
def test_bytes_without_bare_words_stay_as_they_are(text: str) -> None:
    """Sound JSON and hopeless bytes are left alone."""
    buffer = bytearray(text, "utf-8")
    assert not quote_words(memoryview(buffer))
    assert buffer == text.encode()
