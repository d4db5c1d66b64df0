"""JSON exactly as JavaScript's ``JSON.stringify`` writes it. No I/O, no clock, no logging.

Source: ECMA-262, ``JSON.stringify``, ``QuoteJSONString`` and ``Number::toString``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

_quote = json.JSONEncoder(ensure_ascii=False).encode
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_FIXED_BELOW = 1e21
_FIXED_FROM = 1e-6
_SAME_FROM = 1e-4
_SAME_BELOW = 1e16


def stringify(value: object) -> bytes:
    """Return ``JSON.stringify(value)`` in UTF-8: one line, no spaces.

    ``value`` consists of mappings with text keys, sequences, text, numbers, booleans and None; anything else raises
    ``TypeError``. Any other exception is a bug.
    """
    return _text(value).encode()


def number_text(number: float) -> str:
    """Return a finite number as JavaScript prints it: ``36`` for 36.0, ``0.00001`` for 1e-05, ``1e-7`` for 1e-07."""
    if isinstance(number, int):
        return str(number)
    size = abs(number)
    if _SAME_FROM <= size < _SAME_BELOW:
        return repr(number).removesuffix(".0")
    if size == 0:
        return "0"
    if _FIXED_FROM <= size < _FIXED_BELOW:
        return format(Decimal(repr(number)), "f")
    return repr(number).replace("e-0", "e-")


def quote(text: str) -> str:
    """Return ``text`` as a JSON string. Only a surrogate without its other half is escaped beyond what JSON demands."""
    quoted = _quote(text)
    if quoted.isascii():
        return quoted
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _text(value: object) -> str:
    """Return the JSON text of any value."""
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quote(key)}:{_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_text, value)) + "]"
    raise TypeError(type(value).__name__)
