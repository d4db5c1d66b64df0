"""A foreign database is read as SQLite itself sees it, whatever its writer does, and nothing else can be asked."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from aico.features.files import sqlite_child
from aico.features.files.opening import Refused
from aico.features.files.sqlite_question import NOT_FINITE, NOT_UTF8, Question
from tests.emulator.fake_sqlite_writer import PAIRS, Cell, SqliteWriter
from tests.faults.canary_ledger import MARK
from tests.files.databases import NAME, STATEMENT, make_table, put, rows_of

PAGE_SIZES = (512, 4096, 65536)
PAIR = {"pair": ["side", "number"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database lies."""
    return tmp_path.resolve() / "tool" / NAME


@pytest.fixture
def writer(path: Path) -> Iterator[SqliteWriter]:
    """Hold the database open in a second process, as its tool does."""
    with SqliteWriter(path) as writer:
        make_table(writer)
        yield writer


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all attempts at once."""
    monkeypatch.setattr(sqlite_child, "_FIRST_PAUSE_S", 0.001)


def code_of(path: Path, **more: object) -> tuple[str, str]:
    """Return why nothing is read."""
    with pytest.raises(Refused) as refused:
        rows_of(path, STATEMENT, -1, **more)
    return refused.value.code, refused.value.reason


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_rows_are_what_sqlite_sees_through_a_history_of_writes_and_checkpoints(path: Path, page_size: int) -> None:
    """After each of many changes, in every page size, the answer is that of the writer's own connection."""
    rng = random.Random(page_size)  # noqa: S311 - a history, not a secret
    with SqliteWriter(path) as writer:
        make_table(writer, page_size)
        for step in range(60):
            deed = rng.choice(("insert", "insert", "update", "delete", "checkpoint", "restart", "truncate", "vacuum"))
            if deed == "insert":
                rows = [(f"s{step}", step, "x" * rng.randrange(5_000)) for _ in range(rng.randrange(1, 12))]
                writer.execute("BEGIN")
                writer.execute_many("INSERT INTO usage (session, number, prompt) VALUES (?, ?, ?)", rows)
                writer.execute("COMMIT")
            elif deed == "update":
                writer.execute("UPDATE usage SET number = ? WHERE id % 3 = ?", -step, rng.randrange(3))
            elif deed == "delete":
                writer.execute("DELETE FROM usage WHERE id % 5 = ?", rng.randrange(5))
            elif deed == "vacuum":
                writer.execute("VACUUM")
            else:
                mode = "PASSIVE" if deed == "checkpoint" else deed.upper()
                writer.execute(f"PRAGMA wal_checkpoint({mode})")
            expected = writer.execute("SELECT id, session, number FROM usage ORDER BY id")
            assert rows_of(path) == expected
        assert expected


def test_rows_that_stand_in_the_log_alone_are_seen(writer: SqliteWriter, path: Path) -> None:
    """The database itself is one page long."""
    for number in range(50):
        put(writer, f"s{number}", number)
    assert path.stat().st_size == 4_096
    assert rows_of(path) == [[number + 1, f"s{number}", number] for number in range(50)]


def test_rows_of_a_log_that_a_crash_left_behind_are_seen(path: Path, tmp_path: Path) -> None:
    """Database and log alone, without the index, are enough; and nothing is made beside them."""
    with SqliteWriter(path) as writer:
        make_table(writer)
        put(writer, "a", 7)
        copy = tmp_path.resolve() / "crashed" / NAME
        copy.parent.mkdir()
        for end in ("", "-wal"):
            shutil.copy(path.with_name(path.name + end), copy.with_name(copy.name + end))
    assert rows_of(copy) == [[1, "a", 7]]
    assert {file.name for file in copy.parent.iterdir()} == {NAME, f"{NAME}-wal"}


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_rows_of_a_database_that_nobody_holds_open_are_seen(path: Path, mode: str) -> None:
    """There is no log then, whatever the database's own header says; and none is made."""
    with SqliteWriter(path) as writer:
        writer.execute(f"PRAGMA journal_mode = {mode}")
        writer.execute("CREATE TABLE usage (id INTEGER PRIMARY KEY, session TEXT, number INTEGER)")
        writer.execute("INSERT INTO usage VALUES (1, 'a', 7)")
    assert rows_of(path) == [[1, "a", 7]]
    assert [file.name for file in path.parent.iterdir()] == [NAME]


def test_rows_that_are_not_committed_are_not_seen(writer: SqliteWriter, path: Path) -> None:
    """A transaction under way, already in the log because the cache was full, is no part of the answer."""
    put(writer, "committed", 1)
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size
    writer.execute("PRAGMA cache_size = 5")
    writer.execute("BEGIN")
    writer.execute_many("INSERT INTO usage (prompt) VALUES (?)", [("x" * 4_000,)] * 200)
    assert log.stat().st_size > size + 100_000
    assert rows_of(path) == [[1, "committed", 1]]
    writer.execute("ROLLBACK")


@pytest.mark.parametrize("cut", [1, 23, 24, 100, 4_119, 4_121, 9_000])
def test_rows_end_at_the_last_whole_transaction_of_a_torn_log(path: Path, tmp_path: Path, cut: int) -> None:
    """A log that a crash cut off holds all that was committed before the cut."""
    copy = tmp_path.resolve() / "torn" / NAME
    copy.parent.mkdir()
    log = path.with_name(path.name + "-wal")
    with SqliteWriter(path) as writer:
        make_table(writer)
        put(writer, "first", 1)
        size = log.stat().st_size
        writer.execute("INSERT INTO usage (session, prompt) VALUES ('second', ?)", "x" * 9_000)
        shutil.copy(path, copy)
        whole = log.read_bytes()
    copy.with_name(copy.name + "-wal").write_bytes(whole[: max(size, len(whole) - cut)])
    assert rows_of(copy) == [[1, "first", 1]]


def test_rows_are_not_read_while_a_transaction_may_have_to_be_taken_back(path: Path) -> None:
    """A rollback journal says that the database may hold half a transaction: only its writer may take that back."""
    with SqliteWriter(path) as writer:
        writer.execute("CREATE TABLE usage (id INTEGER PRIMARY KEY, session TEXT, number INTEGER)")
        writer.execute("PRAGMA cache_size = 2")
        writer.execute("BEGIN")
        writer.execute_many("INSERT INTO usage (session) VALUES (?)", [("x" * 3_000,)] * 50)
        assert code_of(path) == ("busy", "")
        writer.execute("ROLLBACK")
        assert rows_of(path) == []
        writer.execute("BEGIN")
        writer.execute("INSERT INTO usage (session) VALUES ('a')")
        # A journal that is not on the disk yet: nothing of the transaction is in the database.
        assert path.with_name(f"{path.name}-journal").stat().st_size > 0
        assert rows_of(path) == []


def when_read_first(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> list[int]:
    """Do something after the first answer and before it is judged; return the list of the lengths of answers."""
    asked: list[int] = []
    ask = sqlite_child._ask

    def disturbed(files: sqlite_child._Files, question: Question) -> list[str]:
        rows = ask(files, question)
        asked.append(len(rows))
        if len(asked) == 1:
            deed()
        return rows

    monkeypatch.setattr(sqlite_child, "_ask", disturbed)
    return asked


def test_answer_counts_although_the_log_grew_meanwhile(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy writer delays nobody: what it adds comes next time."""
    put(writer, "a", 1)
    asked = when_read_first(monkeypatch, lambda: put(writer, "b", 2))
    assert rows_of(path) == [[1, "a", 1]]
    assert asked == [1]
    assert len(rows_of(path)) == 2


@pytest.mark.parametrize("mode", ["PASSIVE", "RESTART", "TRUNCATE"])
def test_answer_does_not_count_when_the_log_was_checked_in_meanwhile(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The pages of the database may then be newer than those in the log."""
    put(writer, "a", 1)

    def check_in() -> None:
        put(writer, "b", 2)
        writer.execute(f"PRAGMA wal_checkpoint({mode})")

    asked = when_read_first(monkeypatch, check_in)
    assert [row[1] for row in rows_of(path)] == ["a", "b"]
    assert asked == [1, 2]


def test_answer_does_not_count_when_the_log_began_anew_meanwhile(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database itself stays as it is: all had been checked in before."""
    put(writer, "a", 1)
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
    status = path.stat()
    asked = when_read_first(monkeypatch, lambda: put(writer, "b", 2))
    assert [row[1] for row in rows_of(path)] == ["a", "b"]
    assert asked == [1, 2]
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def test_answer_does_not_count_when_another_file_has_the_name(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that were read may be the old one's."""
    put(writer, "a", 1)
    asked = when_read_first(
        monkeypatch, lambda: (path.rename(path.with_suffix(".old")), shutil.copy(path.with_suffix(".old"), path))
    )
    assert [row[1] for row in rows_of(path)] == ["a"]
    assert asked == [1, 1]


def test_database_that_never_stands_still_is_busy(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After six attempts nothing is said, rather than something wrong; even if what was read looks damaged."""
    asked = 0

    def damaged(files: sqlite_child._Files, question: Question) -> list[str]:
        nonlocal asked
        asked += 1
        put(writer, "more", 1)
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        files.unregister()
        raise Refused("format", "it looks damaged")

    monkeypatch.setattr(sqlite_child, "_ask", damaged)
    assert code_of(path) == ("busy", "")
    assert 1 <= asked <= 6


@pytest.mark.parametrize(
    ("mtime_ns", "tick_ns", "may"),
    [
        (1_000_000_007, 1_000_000_008, False),
        (1_000_000_008, 1_000_000_008, True),
        (1_000_000_009, 1_000_000_008, True),
        (9 * 10**18 + 1, 1_000_000_008, False),
        (1_000_000_000, 2_000_000_008, True),
        (1_000_000_000, 3_000_000_008, False),
    ],
)
def test_time_that_a_later_change_might_carry_too_is_not_trusted(mtime_ns: int, tick_ns: int, may: bool) -> None:
    """Linux stamps with the last tick of its clock, some file systems with whole seconds; the future is another's."""
    assert sqlite_child._may_hide_a_change(mtime_ns, tick_ns) is may


def read_pairs(path: Path, count: int) -> list[Cell]:
    """Ask ``count`` times for two rows that belong together, and return the numbers of those answers that counted."""
    numbers: list[Cell] = []
    for _ in range(count):
        try:
            rows = rows_of(path, "SELECT side, number FROM pair WHERE ? ORDER BY side", 1, tables=PAIR)
        except Refused as refused:
            if refused.code != "busy":
                raise
            continue
        assert [side for side, _number in rows] == ["left", "right"]
        assert rows[0][1] == rows[1][1]
        numbers.append(rows[0][1])
    return numbers


@pytest.mark.slow
# The slow suite asks for 2,000 readings that counted.
@pytest.mark.parametrize("count", [100])
def test_answer_never_mixes_two_moments_beside_a_writer_at_full_speed(path: Path, count: int) -> None:
    """Rows that are committed together are equal in every answer, none goes back, and the writer is never kept out."""
    with SqliteWriter(path) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute(PAIRS)
        writer.execute_many("INSERT INTO pair VALUES (?, -1, '')", [("left",), ("right",)])
        writer.start_pairs()
        numbers: list[Cell] = []
        while len(numbers) < count or len(set(numbers)) < count // 10:
            numbers += read_pairs(path, 20)
        [[committed, failed]] = writer.stop_pairs()
    assert failed == 0
    assert isinstance(committed, int)
    assert committed > count // 10
    assert numbers == sorted(numbers, key=lambda number: number or 0)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT prompt FROM usage WHERE id > ?",
        "SELECT * FROM usage WHERE id > ?",
        "SELECT id FROM usage WHERE id > ? AND prompt LIKE 'a%'",
        "SELECT id FROM usage WHERE id > ? ORDER BY prompt",
        "SELECT rowid, name FROM other WHERE rowid > ?",
        "SELECT sql FROM sqlite_master WHERE rowid > ?",
        "SELECT name FROM pragma_table_info('usage') WHERE cid > ?",
        "SELECT upper(session) FROM usage WHERE id > ?",
        "SELECT count(*) FROM usage WHERE id > ?",
        "SELECT load_extension('x') WHERE 1 > ?",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i > ?",
        "INSERT INTO usage (id) VALUES (?)",
        "UPDATE usage SET number = ?",
        "DELETE FROM usage WHERE id > ?",
        "PRAGMA user_version",
        "ATTACH ? AS x",
        "BEGIN",
        "VACUUM",
        "no statement",
    ],
)
def test_nothing_else_can_be_asked(writer: SqliteWriter, path: Path, statement: str) -> None:
    """Other columns, tables, functions and deeds are denied, and nothing is told of what they would have said."""
    writer.execute("CREATE TABLE other (name TEXT)")
    put(writer, "a", 1)
    value = 0 if "?" in statement else None
    with pytest.raises(Refused) as refused:
        rows_of(path, statement, value)
    assert refused.value.code == "format"
    assert MARK not in refused.value.reason
    assert rows_of(path) == [[1, "a", 1]]


def test_files_of_the_database_can_be_neither_written_nor_made() -> None:
    """Even if SQLite wanted to."""
    files = sqlite_child._Files(0, None)
    file = sqlite_child._File(None)
    refusals: list[Callable[[], object]] = [
        lambda: file.xWrite(b"x", 0),
        lambda: file.xTruncate(0),
        lambda: file.xSync(0),
        lambda: files.xDelete("/database", True),  # as SQLite calls it
        lambda: files.xOpen("/database-journal", [0, 0]),
        lambda: files.xOpen(None, [0, 0]),
    ]
    for refusal in refusals:
        with pytest.raises((apsw.ReadOnlyError, apsw.CantOpenError)):
            refusal()
    files.unregister()


def test_other_version_is_refused_by_what_is_missing(writer: SqliteWriter, path: Path) -> None:
    """The reason names our tables and columns, and none that is new to us."""
    writer.execute("ALTER TABLE usage RENAME COLUMN number TO canary_new_name")
    assert code_of(path) == ("format", "its table usage has no number")
    writer.execute("ALTER TABLE usage RENAME TO canary_new_table")
    assert code_of(path) == ("format", "it has no table usage")
    assert code_of(path, tables={"canary_new_table": ["id", "session"]}) == (
        "format",
        "its database cannot be read (SQLError)",
    )


def test_view_in_the_place_of_the_table_is_refused(writer: SqliteWriter, path: Path) -> None:
    """A view could compute what it likes."""
    writer.execute("ALTER TABLE usage RENAME TO other")
    writer.execute("CREATE VIEW usage AS SELECT id, prompt AS session, number FROM other")
    assert code_of(path) == ("format", "it has no table usage")


def test_table_that_computes_a_column_of_a_prompt_is_denied(writer: SqliteWriter, path: Path) -> None:
    """Columns that a table's own expressions read are judged like those of the statement."""
    writer.execute("DROP TABLE usage")
    writer.execute("CREATE TABLE usage (id INTEGER PRIMARY KEY, prompt TEXT, number INTEGER, session AS (prompt))")
    writer.execute("INSERT INTO usage (prompt) VALUES (?)", MARK)
    assert code_of(path)[0] == "format"


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 5_000, MARK.encode() * 900, b""])
def test_file_that_is_no_database_is_refused_without_a_word_of_it(path: Path, content: bytes) -> None:
    """A file that SQLite cannot read is told by its code."""
    path.parent.mkdir()
    path.write_bytes(content)
    code, reason = code_of(path)
    assert code == "format"
    assert MARK not in reason


@pytest.mark.parametrize("page", [1, 2])
def test_database_with_damaged_pages_is_refused_without_a_word_of_it(path: Path, page: int) -> None:
    """In the first page behind the header, or in the table's own."""
    with SqliteWriter(path) as writer:
        make_table(writer)
        put(writer, "a", 1)
    with path.open("r+b") as file:
        file.seek((page - 1) * 4_096 + (100 if page == 1 else 0))
        file.write(MARK.encode() * 90)
    code, reason = code_of(path)
    assert code == "format"
    assert MARK not in reason


def test_database_that_is_not_there_is_not_found(path: Path) -> None:
    """Neither its folder nor the file."""
    assert code_of(path)[0] == "not_found"
    path.parent.mkdir()
    assert code_of(path)[0] == "not_found"


def test_answer_longer_than_may_be_is_refused(writer: SqliteWriter, path: Path) -> None:
    """The database may have any size; the answer is counted while it grows."""
    for number in range(20):
        put(writer, "session", number)
    assert code_of(path, max_bytes=100)[0] == "too_large"


def test_cells_that_json_cannot_say_are_named(writer: SqliteWriter, path: Path) -> None:
    """Numbers without bounds, and text that is not UTF-8."""
    writer.execute("INSERT INTO usage VALUES (1, CAST(x'ff41' AS TEXT), 1e999, '')")
    statement = "SELECT CAST(session AS BLOB), number FROM usage WHERE id > ?"
    assert rows_of(path, statement) == [[NOT_UTF8, NOT_FINITE]]
