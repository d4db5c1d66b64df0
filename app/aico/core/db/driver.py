"""The values that SQLite's driver takes."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

Value: TypeAlias = str | int | float | None


# The driver looks for an adapter of every value that is no number or text, also of None; where there is none it makes
# an error, and drops it: a microsecond for each. This one gives None back. It holds for the whole process, and changes
# nothing but that.
sqlite3.register_adapter(type(None), {None: None}.get)
