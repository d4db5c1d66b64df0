"""The database's bytes are those that SQLite itself would see, whatever state its files are in."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from aico.features.sessions.image import lay_over, read_image
from aico.features.sessions.opening import Refused, StoreDirectory
from tests.emulator.fake_session_process import SessionProcess
from tests.quick_variants import first_is_quick
from tests.sessions.store_imports import MAX_BYTES

PAGE_SIZES = (512, 4096, 65536)


@contextmanager
def writing(path: Path, page_size: int = 4096) -> Iterator[sqlite3.Connection]:
    """Open a database as a writer does that keeps a log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)")
        yield connection


def image_of(path: Path) -> bytearray:
    """Return the image of the files at ``path``."""
    directory = StoreDirectory(str(path), MAX_BYTES)
    try:
        return read_image(directory)
    finally:
        directory.close()


def dump(image: bytes | bytearray) -> list[str]:
    """Return everything in the database of ``image``, which must be sound."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(bytes(image))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(connection.iterdump())


def logged(path: Path) -> tuple[bytearray, bytes]:
    """Return the bytes of the database and of its log."""
    return bytearray(path.read_bytes()), path.with_name(path.name + "-wal").read_bytes()


@pytest.mark.parametrize("page_size", first_is_quick(*PAGE_SIZES))
def test_image_is_what_sqlite_sees_through_a_history_of_writes_and_checkpoints(path: Path, page_size: int) -> None:
    """After each of many changes, in every page size, the image says what a reader of SQLite's says."""
    rng = random.Random(page_size)  # noqa: S311 - a history, not a secret
    with writing(path, page_size) as connection:
        for step in range(60):
            deed = rng.choice(("insert", "insert", "update", "delete", "checkpoint", "restart", "truncate", "vacuum"))
            if deed == "insert":
                rows = [("x" * rng.randrange(5_000),) for _ in range(rng.randrange(1, 12))]
                connection.execute("BEGIN")
                connection.executemany("INSERT INTO t (text) VALUES (?)", rows)
                connection.execute("COMMIT")
            elif deed == "update":
                connection.execute("UPDATE t SET text = ? WHERE id % 3 = ?", (f"changed {step}", rng.randrange(3)))
            elif deed == "delete":
                connection.execute("DELETE FROM t WHERE id % 5 = ?", (rng.randrange(5),))
            elif deed == "vacuum":
                connection.execute("VACUUM")
            else:
                mode = "PASSIVE" if deed == "checkpoint" else deed.upper()
                connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            assert dump(image_of(path)) == list(connection.iterdump())
    assert len(dump(image_of(path))) > 3


def test_image_leaves_out_what_is_not_committed(path: Path) -> None:
    """A transaction under way, already in the log because the cache was full, is no part of the image."""
    with writing(path) as connection:
        connection.execute("INSERT INTO t (text) VALUES ('committed')")
        expected = list(connection.iterdump())
        size = logged(path)[1]
        connection.execute("PRAGMA cache_size = 5")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 4_000,)] * 200)
        assert len(logged(path)[1]) > len(size) + 100_000
        assert dump(image_of(path)) == expected
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("cut", [1, 23, 24, 100, 4_119, 4_121, 9_000])
def test_image_ends_at_the_last_whole_transaction_of_a_torn_log(path: Path, cut: int) -> None:
    """A log that a crash cut off holds all that was committed before the cut."""
    with writing(path) as connection:
        connection.execute("INSERT INTO t (text) VALUES ('first')")
        database, log = logged(path)
        expected = list(connection.iterdump())
        connection.execute("INSERT INTO t (text) VALUES (?)", ("x" * 9_000,))
        whole = logged(path)[1]
    lay_over(database, whole[: max(len(log), len(whole) - cut)], MAX_BYTES)
    assert dump(database) == expected


def test_image_takes_no_frame_whose_checksum_is_wrong(path: Path) -> None:
    """A flipped bit ends the log there, as it does for SQLite."""
    with writing(path) as connection:
        connection.execute("INSERT INTO t (text) VALUES ('first')")
        database, log = logged(path)
        expected = list(connection.iterdump())
        connection.execute("INSERT INTO t (text) VALUES ('second')")
        broken = bytearray(logged(path)[1])
    broken[len(log) + 24 + 2_000] ^= 1
    lay_over(database, bytes(broken), MAX_BYTES)
    assert dump(database) == expected


@pytest.mark.parametrize("log", [b"", b"\0" * 32, b"\0" * 9_000, b"7\x7f\x06\x82" + b"\xff" * 5_000])
def test_image_without_a_log_that_is_one_is_the_database(path: Path, log: bytes) -> None:
    """What is no log adds nothing."""
    with writing(path) as connection:
        expected = list(connection.iterdump())
    image = bytearray(path.read_bytes())
    lay_over(image, log, MAX_BYTES)
    assert dump(image) == expected


def test_image_is_never_longer_than_may_be_read(path: Path) -> None:
    """A log of one page may claim that the database has any length; it is refused before that memory is taken."""
    with writing(path) as connection:
        connection.execute("INSERT INTO t (text) VALUES ('some')")
        database, log = logged(path)
    size = len(database) + len(log)
    with pytest.raises(Refused) as refused:
        lay_over(database, log, 4_096)
    assert refused.value.code == "too_large"
    assert len(database) < size


def test_image_of_a_log_that_a_crash_left_behind_holds_all_of_it(path: Path, tmp_path: Path) -> None:
    """Database and log alone, without the index, are enough; and nothing is made beside them."""
    with writing(path) as connection:
        connection.execute("INSERT INTO t (text) VALUES ('only in the log')")
        expected = list(connection.iterdump())
        copy = tmp_path / "crashed" / path.name
        copy.parent.mkdir()
        for end in ("", "-wal"):
            shutil.copy(path.with_name(path.name + end), copy.with_name(copy.name + end))
    assert dump(image_of(copy)) == expected
    assert {file.name for file in copy.parent.iterdir()} == {"sessions.db", "sessions.db-wal"}


def test_image_waits_while_a_transaction_may_have_to_be_taken_back(path: Path) -> None:
    """A rollback journal says that the database may hold half a transaction: nothing is read."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 3_000,)] * 50)
        with pytest.raises(Refused) as refused:
            image_of(path)
        assert refused.value.code == "busy"
        connection.execute("ROLLBACK")
        assert len(dump(image_of(path))) == 3


def test_image_never_mixes_two_moments_while_a_writer_and_its_checkpoints_run(path: Path) -> None:
    """Pairs that are committed together are equal in every image, while a second process writes at full speed."""
    seen = set()
    with SessionProcess(path) as process:
        process.fill(2)
        process.start_filling(600)
        for _ in range(60):
            try:
                image = image_of(path)
            except Refused:  # busy: it never stood still
                continue
            with closing(sqlite3.connect(":memory:")) as connection:
                connection.deserialize(bytes(image))
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                pair = [m for (m,) in connection.execute("SELECT metadata_json FROM sessions ORDER BY session_id")]
            assert len(pair) == 2
            assert pair[0] == pair[1]
            seen.add(pair[0])
        process.await_done()
        assert len(dump(image_of(path))) > 3
    assert seen
