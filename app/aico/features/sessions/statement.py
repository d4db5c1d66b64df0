"""The one question that is asked of the session store: named columns, and numbers out of one of them.

Conversation text lies beside what is asked for, in the same rows and in the same JSON. It is never selected; should
the statement ever be changed, the authoriser still denies every other column, table and function. Standard library
only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from math import isinf
from typing import TypeAlias

from aico.features.files.opening import Refused

TABLE = "sessions"
COLUMNS = ("session_id", "model", "updated_at", "is_subagent", "metadata_json")
"""All that is ever looked into; of the last one, the numbers and the model below."""
NUMBERS = (
    "$.aggregateUsage.inputTokens",
    "$.aggregateUsage.outputTokens",
    "$.aggregateUsage.cacheReadTokens",
    "$.aggregateUsage.cacheWriteTokens",
    "$.aggregateUsage.totalCost",
    "$.usage.inputTokens",
    "$.usage.outputTokens",
    "$.usage.cacheReadTokens",
    "$.usage.cacheWriteTokens",
    "$.usage.totalCost",
    "$.aggregatedAgentsCost",
    "$.tokensIn",
    "$.tokensOut",
    "$.totalCost",
)
NOT_FINITE = "infinite"
"""Stands for a number without bounds, as the names of JSON's types stand for what is no number."""
TEXT_MAX = 201
"""Characters of a text that are handed on: one more than any may have, so that a longer one is seen to be longer."""
_FUNCTIONS = {"json_type", "json_extract", "json_valid", "substr", "coalesce", "typeof"}
_LENGTH_MAX = 128 * 1024 * 1024

Cell: TypeAlias = "str | int | float | None"


def _number(path: str) -> str:
    """Return the SQL of a number; else of the name of its JSON type, a word of SQLite's; NULL when it is not there."""
    kind = f"json_type(metadata, '{path}')"
    return f"CASE WHEN {kind} IN ('integer', 'real') THEN json_extract(metadata, '{path}') ELSE {kind} END"


def _text(expression: str, kind: str) -> str:
    """Return the SQL of the beginning of a text; NULL when there is none, 0 when it is something else."""
    return f"CASE {kind} WHEN 'text' THEN substr({expression}, 1, {TEXT_MAX}) WHEN 'null' THEN NULL ELSE 0 END"


_MODEL = _text("json_extract(metadata, '$.modelId')", "coalesce(json_type(metadata, '$.modelId'), 'null')")
STATEMENT = f"""
    WITH root AS (
        SELECT session_id, model, updated_at,
            CASE WHEN json_valid(metadata_json) THEN metadata_json END AS metadata
        FROM {TABLE} WHERE coalesce(is_subagent, 0) = 0 AND updated_at >= ?
    )
    SELECT {_text("session_id", "typeof(session_id)")}, {_text("updated_at", "typeof(updated_at)")},
        {_text("model", "typeof(model)")}, {_MODEL},
        {", ".join(map(_number, NUMBERS))}
    FROM root ORDER BY updated_at, session_id
"""  # noqa: S608  # constants of this module; the one value is bound
"""Per session: id, last change, model of the row and of its metadata, then the numbers.

Sessions of subagents are left out: the numbers of the session that started them contain theirs.
"""


def ask(image: bytes | bytearray, since: str) -> Iterator[tuple[Cell, ...]]:
    """Yield the rows of ``STATEMENT`` for the sessions changed at ``since`` or later, oldest change first.

    Raises Refused when the image is no session store of a known version, naming what is missing.
    """
    if not image:
        raise Refused("format", "its database is empty")
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH_MAX)
        connection.text_factory = _decode
        try:
            connection.deserialize(bytes(image))
            connection.execute("PRAGMA trusted_schema=OFF")
            # This process may write no file, and sorting some ten thousand sessions would make one.
            connection.execute("PRAGMA temp_store=MEMORY")
            _check_schema(connection)
            connection.set_authorizer(authorize)
            for row in connection.execute(STATEMENT, (since,)):
                yield tuple(map(_sayable, row))
        except sqlite3.Error as error:
            # Not its words: they may quote what they stumbled over.
            reason = f"its database cannot be read ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
        else:
            return
        raise Refused("format", reason)
    finally:
        connection.close()


def _check_schema(connection: sqlite3.Connection) -> None:
    """Raise Refused when a column is missing. Names that are there but not known to us are not told."""
    kinds = [kind for (kind,) in connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (TABLE,))]
    if kinds != ["table"]:
        raise Refused("format", f"it has no table {TABLE}", (TABLE,))
    found = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (TABLE,))}
    if missing := tuple(name for name in COLUMNS if name not in found):
        raise Refused("format", f"its table {TABLE} has no {', '.join(missing)}", missing)


def authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Allow what ``STATEMENT`` needs, and nothing else."""
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and first == TABLE and second in COLUMNS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and first == "root":
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _sayable(cell: Cell) -> Cell:
    """Return what JSON can say of ``cell``: ``1e999`` is a number in JSON, and infinite in SQLite."""
    return NOT_FINITE if isinstance(cell, float) and isinf(cell) else cell


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\0"  # refused by whoever looks at it, and no word of it in any message
