"""The one question asks for named columns and numbers; nothing else can be asked."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from aico.features.sessions.opening import Refused
from aico.features.sessions.statement import (
    COLUMNS,
    NOT_FINITE,
    NUMBERS,
    STATEMENT,
    TABLE,
    TEXT_MAX,
    Cell,
    ask,
    authorize,
)
from bench.fake_session_store import COLUMNS as ALL_COLUMNS
from bench.fake_session_store import FIRST_MS, SECRET, core_metadata, iso, usage

PRIVATE = ("prompt", "title", "messages_path", "transcript_path", "hook_path", "cwd", "workspace_root")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """Make a store in memory, with the table as Cline makes it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE sessions ({ALL_COLUMNS})")
        yield connection


def put(connection: sqlite3.Connection, session_id: object, metadata: object, **columns: object) -> None:
    """Insert a row."""
    row: dict[str, object] = dict.fromkeys(
        ("source", "status", "provider", "cwd", "workspace_root", "prompt", "hook_path", "messages_path"), SECRET
    )
    row |= dict.fromkeys(("pid", "interactive", "enable_tools", "enable_spawn", "enable_teams"), 1)
    row |= {"session_id": session_id, "started_at": "", "model": "m", "updated_at": iso(FIRST_MS)}
    row |= {"metadata_json": metadata, **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO sessions ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own


def rows(connection: sqlite3.Connection, since: str = "") -> list[tuple[Cell, ...]]:
    """Return the answer."""
    return list(ask(connection.serialize(), since))


def test_statement_names_no_private_column_and_never_all_of_them() -> None:
    """What holds conversations or folders is not in the text of the statement."""
    words = set(re.findall(r"\w+", STATEMENT))
    assert words.isdisjoint(PRIVATE)
    assert "*" not in STATEMENT
    assert set(PRIVATE).isdisjoint(COLUMNS)


def test_statement_lets_the_metadata_out_through_functions_only() -> None:
    """The JSON beside the numbers holds the title: it is only ever handed to functions of JSON."""
    answer = STATEMENT.partition("SELECT CASE typeof(session_id)")[2]
    assert len(re.findall(r"\bmetadata\b", answer)) == len(re.findall(r"json_(?:type|extract)\(metadata, '\$", answer))
    assert "metadata_json" not in answer


def test_numbers_are_paths_of_numbers() -> None:
    """The title and its like are no path that is looked up."""
    assert all(re.fullmatch(r"\$\.(?:[a-zA-Z]+\.)?(?:\w*[tT]okens\w*|\w*Cost)", path) for path in NUMBERS)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"^\s+(\w+) ", ALL_COLUMNS, re.MULTILINE)) - set(COLUMNS)))
def test_authorizer_denies_every_other_column(connection: sqlite3.Connection, name: str) -> None:
    """Were the statement ever changed, SQLite itself would refuse."""
    connection.set_authorizer(authorize)
    with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
        connection.execute(f"SELECT {name} FROM sessions")  # noqa: S608 - a column of the table


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM sessions",
        "SELECT rowid FROM sessions",
        "SELECT name FROM sqlite_master",
        "SELECT hex(session_id) FROM sessions",
        "SELECT group_concat(session_id) FROM sessions",
        "SELECT load_extension('x')",
        "DELETE FROM sessions",
        "ATTACH '/tmp/x' AS x",
        "PRAGMA table_info(sessions)",
        "CREATE TABLE x (a)",
        "VACUUM INTO '/tmp/x'",
    ],
)
def test_authorizer_denies_everything_but_the_question(connection: sqlite3.Connection, statement: str) -> None:
    """Other tables, functions, writes and files are out of reach."""
    connection.set_authorizer(authorize)
    with pytest.raises(sqlite3.DatabaseError):
        connection.execute(statement).fetchall()


def test_answer_holds_numbers_and_model_of_each_shape(connection: sqlite3.Connection) -> None:
    """A row of the core's and one of the editor's; what neither has is None."""
    put(connection, "1", '{"tokensIn": 1, "tokensOut": 2, "totalCost": 0.5, "modelId": "x", "title": "t"}', model="")
    core = core_metadata(usage(9, 2, 0.25, read=3, written=1), usage(10, 4, 0.75, read=5, written=2))
    put(connection, "2", __import__("json").dumps(core), updated_at=iso(FIRST_MS + 1))
    editor, whole = rows(connection)
    assert editor == ("1", iso(FIRST_MS), "", "x", *[None] * 11, 1, 2, 0.5)
    assert whole[:4] == ("2", iso(FIRST_MS + 1), "m", None)
    assert whole[4:] == (10, 4, 5, 2, 0.75, 9, 2, 3, 1, 0.25, 0.75, None, None, 0.25)


def test_answer_names_the_type_of_what_is_no_number(connection: sqlite3.Connection) -> None:
    """Text, objects and truth in a number's place are told by kind; null is as if it were not there."""
    put(connection, "1", f'{{"tokensIn": "{SECRET}", "tokensOut": {{"{SECRET}": 1}}, "totalCost": null}}')
    put(connection, "2", '{"tokensIn": true, "tokensOut": 1e999, "usage": 7}', updated_at=iso(FIRST_MS + 1))
    first, second = rows(connection)
    assert first[-3:] == ("text", "object", "null")
    assert second[-3:] == ("true", NOT_FINITE, None)


@pytest.mark.parametrize("metadata", [None, "", "{", "[]", "7", '"text"', f"{{{SECRET}", b"\xff\xfe"])
def test_answer_of_metadata_that_is_none_holds_no_numbers(connection: sqlite3.Connection, metadata: object) -> None:
    """Broken JSON costs its own numbers only."""
    put(connection, "1", metadata)
    assert rows(connection)[0][4:] == (None,) * len(NUMBERS)


def test_answer_cuts_long_texts_and_marks_what_is_no_text(connection: sqlite3.Connection) -> None:
    """A text longer than any may be is handed on just so long that this shows."""
    put(connection, "x" * 5_000, None, model=b"\x00")
    put(connection, "2", '{"modelId": 7}', updated_at=iso(FIRST_MS + 1))
    connection.execute("INSERT INTO sessions SELECT * FROM sessions WHERE 0")
    first, second = rows(connection)
    assert first[0] == "x" * TEXT_MAX
    assert first[2] == 0
    assert second[3] == 0


def test_answer_never_quotes_text_that_is_not_utf8(connection: sqlite3.Connection) -> None:
    """SQLite's own message would hold the text."""
    put(connection, "1", None)
    connection.execute("UPDATE sessions SET model = CAST(x'ff41' AS TEXT)")
    assert rows(connection)[0][2] == "\0"


def test_answer_leaves_out_subagents_and_what_is_older(connection: sqlite3.Connection) -> None:
    """A subagent's numbers are in those of the session that started it; the moment asked for is included."""
    for number in range(3):
        put(connection, f"root {number}", None, updated_at=iso(FIRST_MS + number))
        put(connection, f"agent {number}", None, is_subagent=1)
    assert [row[0] for row in rows(connection)] == ["root 0", "root 1", "root 2"]
    assert [row[0] for row in rows(connection, iso(FIRST_MS + 1))] == ["root 1", "root 2"]


def test_another_version_is_refused_by_what_is_missing(connection: sqlite3.Connection) -> None:
    """The reason names our columns, and none that is new to us."""
    connection.execute("ALTER TABLE sessions RENAME COLUMN metadata_json TO canary_new_name")
    connection.execute("ALTER TABLE sessions DROP COLUMN is_subagent")
    with pytest.raises(Refused) as refused:
        rows(connection)
    assert (refused.value.code, refused.value.reason) == (
        "format",
        f"its table {TABLE} has no is_subagent, metadata_json",
    )


@pytest.mark.parametrize("statement", ["DROP TABLE sessions", "ALTER TABLE sessions RENAME TO tasks"])
def test_store_without_the_table_is_refused(connection: sqlite3.Connection, statement: str) -> None:
    """No table is a state of its own, not an empty list."""
    connection.execute(statement)
    with pytest.raises(Refused, match="it has no table sessions"):
        rows(connection)


def test_view_in_the_place_of_the_table_is_refused(connection: sqlite3.Connection) -> None:
    """A view could compute what it likes."""
    connection.execute("ALTER TABLE sessions RENAME TO tasks")
    connection.execute("CREATE VIEW sessions AS SELECT *, prompt AS title FROM tasks")
    with pytest.raises(Refused, match="it has no table sessions"):
        rows(connection)


@pytest.mark.parametrize("image", [b"no database", b"SQLite format 3\0" + b"\xff" * 5_000, b""])
def test_damaged_store_is_refused_without_a_word_of_it(image: bytes) -> None:
    """What SQLite cannot read is told by its code."""
    with pytest.raises(Refused) as refused:
        list(ask(image, ""))
    assert refused.value.code == "format"


def test_new_columns_change_nothing(connection: sqlite3.Connection) -> None:
    """A later version may add what it likes."""
    connection.execute("ALTER TABLE sessions ADD COLUMN anything TEXT")
    put(connection, "1", None)
    assert len(rows(connection)) == 1
