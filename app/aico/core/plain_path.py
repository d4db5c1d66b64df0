"""The rules for the text of an allowlisted path. Nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path


def check_plain_path(text: str, names: Collection[str] = ()) -> str:
    """Return ``text`` when it can be the path of a file with one of ``names`` (any); raise ValueError with the reason.

    Absolute, already in its only spelling (no ``.``, ``..``, ``//`` or trailing slash), without control characters.
    """
    if not text.startswith("/"):
        reason = "must be an absolute path"
        if text.startswith("~/") and text.isprintable():
            reason += f": ~ is replaced by a shell alone; write {os.path.expanduser(text)}"  # noqa: PTH111  # never raises
    elif not all(character.isprintable() or _is_blank(character) for character in text):
        reason = "must not hold control characters"
    elif any(part in {"", ".", ".."} for part in text[1:].split("/")):
        reason = "must be written without '.', '..', '//' and without a trailing slash"
    elif names and text.rpartition("/")[2] not in names:
        reason = f"must name a file called exactly {' or '.join(names)}"
    else:
        return text
    raise ValueError(reason)


def _is_blank(character: str) -> bool:
    import unicodedata  # noqa: PLC0415  # a table that few paths need

    return unicodedata.category(character) == "Zs"


def printable_path(path: str) -> str:
    """Return ``path`` as a text that can be written and sent: bytes that are no UTF-8 stand as their numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def absolute_path(value: object) -> Path:
    """Return the absolute path that a text or path names; raise ValueError with the reason where it names none."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise ValueError("must be a path")  # what pydantic turns into its own error
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise ValueError("begins with the home directory of nobody") from None
