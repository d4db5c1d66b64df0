"""Keys of 16 bytes as SQLite takes them in numbers: two signed integers. JSON arrays carry no blobs."""

from __future__ import annotations

import json
from collections.abc import Iterable

from aico.core.usage import digest


def split_key(key: bytes) -> tuple[int, int]:
    """Return ``key``, 16 bytes, as two signed integers."""
    return int.from_bytes(key[:8], "big", signed=True), int.from_bytes(key[8:], "big", signed=True)


def growth_key(session: str, slot: int, model: str) -> tuple[int, int]:
    """Return the key of what ``session`` grew by in ``slot`` on ``model``."""
    return split_key(digest(session, slot, model))


def json_of(values: Iterable[object]) -> str:
    """Return ``values`` for ``json_each``."""
    return json.dumps(list(values), separators=(",", ":"))
