"""What the text of an allowlisted path must look like. Pure: nothing is opened or looked up."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection


def check_plain_path(text: str, names: Collection[str] = ()) -> str:
    """Return ``text`` when it can be the path of a file with one of ``names`` (any); raise ValueError with the reason.

    Absolute, already in its only spelling (no ``.``, ``..``, ``//`` or trailing slash), without control characters.
    """
    if not text.startswith("/"):
        reason = "must be an absolute path"
    elif not all(character.isprintable() or unicodedata.category(character) == "Zs" for character in text):
        reason = "must not hold control characters"
    elif any(part in {"", ".", ".."} for part in text[1:].split("/")):
        reason = "must be written without '.', '..', '//' and without a trailing slash"
    elif names and text.rpartition("/")[2] not in names:
        reason = f"must name a file called exactly {' or '.join(names)}"
    else:
        return text
    raise ValueError(reason)


def printable_path(path: str) -> str:
    """Return ``path`` as a text that can be written and sent: bytes that are no UTF-8 stand as their numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
