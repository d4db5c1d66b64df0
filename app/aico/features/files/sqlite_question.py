"""A question to a foreign database: its statement, all that it may touch, and how a cell of the answer looks. No I/O.

Conversation text lies beside the wanted cells, in the same rows and in the same JSON. It is never selected; should a
statement ever be wrong, the authoriser still denies every other column, table and function. Standard library only.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Cell: TypeAlias = "str | int | float | None"

NOT_FINITE = "infinite"
"""Stands for a number without bounds, as the names of JSON's types stand for values that are no numbers."""
NOT_UTF8 = "\0"
"""Stands for a text that is not UTF-8: every judge refuses it, and no word of it is told."""
TEXT_MAX = 201
"""Characters of a text that are handed on: one more than any may have, so that a longer one is seen to be longer."""
DOCUMENT_BYTES_MAX = 16 << 20
"""A longer document is not looked into: its row is refused, and costs no other one."""
FUNCTIONS = ("json_type", "json_extract", "json_valid", "jsonb", "octet_length", "substr", "coalesce", "typeof")
"""The functions that the expressions below call."""


class Question(NamedTuple):
    """The question to the child; it travels as a JSON array."""

    path: str
    statement: str
    """One query."""
    values: list[Cell]
    """The values that are bound to its places."""
    tables: dict[str, list[str]]
    """The columns that may be read, by table. Each must be there."""
    views: list[str]
    """Names that the statement gives to queries inside it."""
    functions: list[str]
    """The functions that may be called."""
    max_bytes: int
    """A longer answer is refused."""
    is_recursive: bool = False
    """True if a query inside the statement may call itself."""


def json_of(column: str) -> str:
    """Return the SQL of a column that holds JSON; NULL when it holds none.

    Long documents are better parsed once for each row than once for each path: SQLite does that if the query inside
    the statement that calls this ends in ``LIMIT -1`` and the statement has a WHERE of its own, because it then must
    not merge the two.
    """
    return f"CASE WHEN octet_length({column}) <= {DOCUMENT_BYTES_MAX} AND json_valid({column}) THEN jsonb({column}) END"


def number_in(document: str, path: str) -> str:
    """Return the SQL of a number; else of the name of its JSON type, a word of SQLite's; NULL when it is not there."""
    kind = f"json_type({document}, '{path}')"
    return f"CASE WHEN {kind} IN ('integer', 'real') THEN json_extract({document}, '{path}') ELSE {kind} END"


def text_in(document: str, path: str) -> str:
    """Return the SQL of the beginning of a text in JSON; NULL when there is none, 0 when it is something else."""
    kind = f"coalesce(json_type({document}, '{path}'), 'null')"
    return _text(f"json_extract({document}, '{path}')", kind)


def text_of(column: str) -> str:
    """Return the SQL of the beginning of a column's text; NULL when there is none, 0 when it is something else."""
    return _text(column, f"typeof({column})")


def _text(expression: str, kind: str) -> str:
    # As bytes: text that is not UTF-8 must not stop the reading, nor be quoted by an error.
    beginning = f"CAST(substr({expression}, 1, {TEXT_MAX}) AS BLOB)"
    return f"CASE {kind} WHEN 'text' THEN {beginning} WHEN 'null' THEN NULL ELSE 0 END"
