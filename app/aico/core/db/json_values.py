"""Values as SQLite unfolds them: JSON arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable


def json_of(values: Iterable[object]) -> str:
    """Return ``values`` for ``json_each``."""
    return json.dumps(list(values), separators=(",", ":"))
