"""JSON as Cline writes it after a deletion: on many lines. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aico.features.demo.js_json import stringify


def stringify_pretty(value: object) -> bytes:
    """Return ``JSON.stringify(value, null, 2)`` in UTF-8, for the same values as ``stringify``."""
    return _text(value, "\n").encode()


def _text(value: object, line_break: str) -> str:
    """Return the JSON text of any value; ``line_break`` ends with the indentation of this level."""
    deeper = line_break + "  "
    if value and isinstance(value, Mapping):
        members = [f"{stringify(key).decode()}: {_text(item, deeper)}" for key, item in value.items()]
        return f"{{{deeper}{f',{deeper}'.join(members)}{line_break}}}"
    if value and isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{deeper}{f',{deeper}'.join(_text(item, deeper) for item in value)}{line_break}]"
    return stringify(value).decode()
