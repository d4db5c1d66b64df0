"""Lines of indented JSON, of which each holds one field. Pure.

A text of JSON holds no newline, and no quotation mark without a backslash: so a line that begins with blanks and a
name in quotation marks is a field at the depth of its blanks, and never a part of what somebody said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Raw

from aico.features.files.line_format import PlainState
from aico.features.files.raw_fields import NOTHING

_FIELD_BYTES_MAX = 2_000
_PLAIN = re.compile(rb'"[A-Za-z0-9][A-Za-z0-9:.+_/@#-]{0,127}"|[0-9]{1,20}|null')
"""A value that may be kept in a checkpoint: a number, a moment, an id, a name of a model."""
_OTHER = b"false"
_FIELD = re.compile(rb'( *)"([A-Za-z_.]{1,40})": ?(.*?),?\r?')


def needles_of(*names: str) -> tuple[bytes, ...]:
    """Return what lines with the fields ``names`` hold."""
    return tuple(b'"%b": ' % name.encode() for name in names)


def field_of(line: memoryview) -> tuple[int, str, Raw]:
    """Return the depth in blanks, the name and the value of a line's field; no name where it is none.

    A value that goes on on further lines is what stands on this one: ``{`` or ``[``. One too long to be of use is none.
    """
    if len(line) > _FIELD_BYTES_MAX:
        return 0, "", NOTHING
    found = _FIELD.fullmatch(line)
    if found is None:
        return 0, "", NOTHING
    blanks, name, value = found.groups()
    return len(blanks), name.decode(), Raw(value)


def keep(fields: Mapping[str, Raw]) -> dict[str, PlainState]:
    """Return ``fields`` for a checkpoint; one that may be text of any kind is kept as one that cannot be used."""
    values = ((name, bytes(raw)) for name, raw in fields.items())
    return {name: (value if _PLAIN.fullmatch(value) else _OTHER).decode() for name, value in values}


def restore(kept: Mapping[str, str]) -> dict[str, Raw]:
    """Return the fields that a checkpoint kept."""
    return {name: Raw(value.encode()) for name, value in kept.items()}
