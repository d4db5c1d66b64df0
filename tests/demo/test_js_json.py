"""The made-up ledger is serialised as JavaScript does it."""

from __future__ import annotations

import json

import pytest

from aico.features.demo.js_json import number_text, stringify
from tests.emulator.pretty_json import stringify_pretty


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (36.0, "36"),
        (-1.5, "-1.5"),
        (0.12345600000000001, "0.12345600000000001"),
        (1e-4, "0.0001"),
        (1.5e-5, "0.000015"),
        (1e-6, "0.000001"),
        (1.25e-7, "1.25e-7"),
        (5e-324, "5e-324"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1785782429653, "1785782429653"),
    ],
)
def test_number_text_prints_numbers_like_javascript(number: float, text: str) -> None:
    """The texts are Node's answers to ``JSON.stringify(number)``."""
    assert number_text(number) == text


def test_stringify_escapes_only_what_json_demands_and_lone_surrogates() -> None:
    """Accents, emoji and DEL stay as they are; control characters and half an emoji are escaped in lower case."""
    assert stringify('é🚀\x7f\u2028"\\/\n\x1b') == '"é🚀\x7f\u2028\\"\\\\/\\n\\u001b"'.encode()
    assert stringify("cut \ud83d") == b'"cut \\ud83d"'
    assert stringify("é \udc00") == "é \\udc00".join('""').encode()


def test_stringify_writes_one_line_without_spaces() -> None:
    """Compact form, every kind of value."""
    value = {"a": [1, 2.0, None], "b": True, "c": {}, "d": [], "e": False}
    assert stringify(value) == b'{"a":[1,2,null],"b":true,"c":{},"d":[],"e":false}'


def test_stringify_pretty_indents_by_two_spaces() -> None:
    """The form that Cline writes after a deletion: nested arrays break too, empty ones do not."""
    value = [{"id": "1", "range": [2, 59], "none": [], "x": {}}]
    assert stringify_pretty(value) == json.dumps(value, indent=2).encode()
    assert stringify_pretty([]) == b"[]"


def test_stringify_refuses_what_json_has_no_text_for() -> None:
    """A value that is no JSON is a mistake of the caller."""
    with pytest.raises(TypeError, match="set"):
        stringify({"a": {1}})
