"""The repair: what strict decoders refuse as a whole becomes strict JSON in place, and nothing else changes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.features.ledger.repair import DEPTH_MAX, mend_surrogates, repair
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
    is_altered = mend_surrogates(buffer)
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
    assert not mend_surrogates(buffer)
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
    assert repair(buffer)
    assert buffer == after.encode()


@pytest.mark.parametrize(
    "text",
    ["", "[]", '["NaN", "[[{"]', '{"a":[{"b":"]"}]}', "]]}}", "nan", '"NaN', '"\\', "[" * 1000, "]" * 1000, "\0[]"],
)
def test_bytes_that_repair_cannot_help_stay_as_they_are(text: str) -> None:
    """Sound JSON and hopeless bytes are left alone."""
    buffer = bytearray(text, "utf-8")
    assert not repair(buffer)
    assert buffer == text.encode()


@pytest.mark.parametrize("inside", ["[]", "{}", '"]",[NaN,{"x":1}],"["'])
def test_container_at_the_greatest_depth_is_emptied(inside: str) -> None:
    """What lies deeper than the limit turns into blanks; what stands before and after it stays."""
    before, after = '["a",' * DEPTH_MAX, ',"b"]' * DEPTH_MAX
    data = before[: -len('"a",')] + inside + after[len(',"b"') :]
    buffer = bytearray(data, "utf-8")
    assert repair(buffer)
    assert buffer == data.replace(inside, " " * len(inside)).encode()
    json.loads(buffer)


def test_container_at_the_greatest_depth_keeps_flat_values() -> None:
    """A container that holds no container is not too deep."""
    buffer = bytearray(b"[" * DEPTH_MAX + b'1,"x"' + b"]" * DEPTH_MAX)
    assert not repair(buffer)
