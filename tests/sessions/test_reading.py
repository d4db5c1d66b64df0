"""The child reads without a trace, lets no conversation out, and ends within its limits."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.domain import RejectionCode
from aico.core.errors import SessionsFormat, SessionsNotFound, SessionsUnreadable
from aico.features.sessions import reading
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.importer import judge_rows
from aico.features.sessions.reading import read_sessions
from bench.fake_session_store import FIRST_MS, SECRET, SessionStore, core_metadata, editor_metadata, iso, usage
from tests.emulator.fake_session_process import SessionProcess
from tests.sessions.folder_traits import traits_of
from tests.sessions.folder_witness import READING, Deed, witnessing
from tests.sessions.store_imports import MAX_BYTES, opened

CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from aico.features.sessions.child import main; main(sys.argv[2:])"


def guard_of(path: Path) -> SessionsGuard:
    """Return the guard of the store at ``path``."""
    return SessionsGuard(str(path), MAX_BYTES)


def fill(path: Path) -> None:
    """Make a store of a few sessions and close it, so that the log goes away."""
    with opened(path) as store:
        for number in range(5):
            store.put(f"s{number}", core_metadata(usage(100, 5, 0.5)), updated_ms=FIRST_MS + number)
    # Its other data, which are none of our business.
    transcripts = path.parent.parent / "sessions" / "s0"
    transcripts.mkdir(parents=True)
    (transcripts / "s0.messages.json").write_text(SECRET)


async def test_reading_leaves_no_trace_where_nobody_writes(path: Path) -> None:
    """Names, sizes, all times, inodes and contents below Cline's folder are as before; nothing else is opened."""
    fill(path)
    data = path.parent.parent
    traits_of(data)
    before = traits_of(data)
    with witnessing(data, path.parent, data / "sessions", data / "sessions" / "s0") as witness:
        rows = await read_sessions(guard_of(path), "")
        deeds = witness.deeds()
    assert len(rows) == 5
    assert deeds <= {Deed(kind, "sessions.db") for kind in READING}
    assert Deed("open", "sessions.db") in deeds
    assert traits_of(data) == before


async def test_number_without_bounds_costs_its_own_session_only(path: Path) -> None:
    """JSON allows 1e999, and no answer could hold what SQLite makes of it: that session is refused, the others come."""
    fill(path)
    with opened(path) as store:
        store.put("endless", {"tokensIn": 1, "totalCost": 0.125})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sessions SET metadata_json = replace(metadata_json, '0.125', '-1e999')")
    reading = judge_rows(await read_sessions(guard_of(path), ""))
    assert len(reading.sessions) == 5
    assert [(each.code, each.field) for each in reading.rejections] == [(RejectionCode.NOT_FINITE, "totalCost")]


async def test_reading_leaves_no_trace_beside_a_living_writer(path: Path) -> None:
    """With the store held open by a second process the same is true of database, log and index."""
    with SessionProcess(path) as process:
        process.put("1", editor_metadata(1, 2, 0.5))
        traits_of(path.parent)
        before = traits_of(path.parent)
        with witnessing(path.parent) as witness:
            rows = await read_sessions(guard_of(path), "")
            deeds = witness.deeds()
        assert set(before) == {".", "sessions.db", "sessions.db-wal", "sessions.db-shm"}
        assert len(rows) == 1
        assert deeds <= {Deed(kind, name) for kind in READING for name in ("sessions.db", "sessions.db-wal")}
        assert traits_of(path.parent) == before


async def test_reading_never_keeps_the_writer_waiting(store: SessionStore, path: Path) -> None:
    """It takes no lock: beside it Cline can even check its log in and take it away."""
    store.connection.execute("PRAGMA busy_timeout = 0")
    task = asyncio.create_task(read_sessions(guard_of(path), ""))
    for number in range(50):
        store.put(str(number), editor_metadata(number, 1, 0.1))
        busy, _pages, _moved = store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})


def test_child_lets_no_conversation_out(store: SessionStore, path: Path, tmp_path: Path) -> None:
    """Output, errors, exit, files: the words in prompts, titles and folders are in none of them."""
    store.put("1", core_metadata(usage(100, 5, 0.5)))
    store.put("2", f"{{{SECRET}")
    empty = tmp_path / "work"
    empty.mkdir()
    command = [sys.executable, "-I", "-S", "-B", "-c", CHILD, str(reading._ROOT), str(path), str(MAX_BYTES), ""]
    ended = subprocess.run(command, cwd=empty, env={}, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert SECRET.encode() not in ended.stdout
    assert [row[0] for row in json.loads(ended.stdout)["rows"]] == ["1", "2"]
    assert list(empty.iterdir()) == []
    assert SECRET.encode() in path.with_name("sessions.db-wal").read_bytes()


@pytest.mark.parametrize("damage", [b"\xff" * 9_000, SECRET.encode() * 500, b""])
def test_child_lets_no_conversation_out_of_a_damaged_store(path: Path, damage: bytes) -> None:
    """Neither a message of SQLite's nor a trace gets out."""
    fill(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(damage or SECRET.encode())
        if not damage:
            file.truncate(0)
    command = [sys.executable, "-I", "-S", "-B", "-c", CHILD, str(reading._ROOT), str(path), str(MAX_BYTES), ""]
    ended = subprocess.run(command, env={}, capture_output=True, check=False)
    assert SECRET.encode() not in ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["code"] == "format"


def test_child_can_write_no_file(path: Path) -> None:
    """By its own limit: even a bug could leave nothing behind."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from aico.features.sessions import child; child._limit(1);"
        "import os; os.write(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY), b'x')"
    )
    target = path.parents[3] / "written"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code, str(reading._ROOT), str(target)],
        capture_output=True,
        check=False,
    )
    assert b"OSError" in ended.stderr
    assert target.stat().st_size == 0


def test_child_leaves_no_dump_and_takes_bounded_memory(path: Path) -> None:
    """No core file, none handed to a collecting program, nothing to attach to, and no store that fills the machine."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from aico.features.sessions import child; child._limit(1 << 20);"
        "import ctypes, resource; is_linux = sys.platform == 'linux';"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if is_linux else 0;"
        "bounded = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY or not is_linux;"
        "print(dumpable, resource.getrlimit(resource.RLIMIT_CORE)[0], bounded)"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", code, str(reading._ROOT)]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.split() == ["0", "0", "True"]


async def test_reading_takes_in_more_sessions_than_are_sorted_in_a_page_cache(path: Path) -> None:
    """SQLite would sort them in a file, which the child may not write."""
    with opened(path) as store:
        store.connection.execute("BEGIN")
        for number in range(15_000):
            store.put(str(number), core_metadata(usage(100, 5, 0.5)))
        store.connection.execute("COMMIT")
    rows = await read_sessions(guard_of(path), "")
    assert len(rows) == 15_000


def test_child_imports_the_standard_library_only() -> None:
    """It starts quickly, and has nothing in it that could send anything."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import aico.features.sessions.child;"
        "print([n for n in sys.modules if n.partition('.')[0] not in sys.stdlib_module_names])"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", code, str(reading._ROOT)]
    names = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert all(name.startswith(("aico", "__main__")) for name in json.loads(names.replace("'", '"')))
    assert "socket" not in names


async def test_environment_of_the_child_is_empty(
    store: SessionStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the service was started with is none of the child's business."""
    seen = tmp_path / "seen"
    monkeypatch.setattr(reading, "_CODE", f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))")
    monkeypatch.setenv("AICO_TOKEN", "a secret of ours")
    with pytest.raises(SessionsUnreadable, match="ended early"):
        await read_sessions(guard_of(path), "")
    assert "a secret" not in seen.read_text()
    assert "HOME" not in seen.read_text()


async def test_child_that_takes_too_long_is_killed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on the time that the service waits; nothing of the child outlives it."""
    monkeypatch.setattr(reading, "TIME_LIMIT_S", 0.2)
    monkeypatch.setattr(reading, "_CODE", "import signal; signal.pause()")
    waited_for: list[asyncio.subprocess.Process] = []
    wait = asyncio.subprocess.Process.wait

    async def noted(process: asyncio.subprocess.Process) -> int:
        waited_for.append(process)
        return await wait(process)

    monkeypatch.setattr(asyncio.subprocess.Process, "wait", noted)
    with pytest.raises(SessionsUnreadable, match="took too long"):
        await read_sessions(guard_of(path), "")
    (child,) = waited_for
    assert child.returncode == -signal.SIGKILL


async def test_child_that_says_too_much_is_killed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on what the service keeps."""
    monkeypatch.setattr(reading, "OUTPUT_MAX_BYTES", 1_000)
    monkeypatch.setattr(reading, "_CODE", "while True: print('x' * 1000)")
    with pytest.raises(SessionsUnreadable, match="more than it may"):
        await read_sessions(guard_of(path), "")


@pytest.mark.parametrize("code", ["", "print('{')", "print('[]')", "print('{\"rows\": 7}')", "import nothing"])
async def test_child_that_answers_nonsense_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Whatever it prints, the service goes on."""
    monkeypatch.setattr(reading, "_CODE", code)
    with pytest.raises(SessionsUnreadable):
        await read_sessions(guard_of(path), "")


async def test_child_that_cannot_be_started_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system has no more processes."""
    monkeypatch.setattr(sys, "executable", "/nothing/here")
    with pytest.raises(SessionsUnreadable, match="did not start"):
        await read_sessions(guard_of(path), "")


async def test_errors_of_the_child_are_those_of_the_store(path: Path) -> None:
    """What it refuses reaches the service as the error that a look would have raised, or as one of the format."""
    with pytest.raises(SessionsNotFound):
        await read_sessions(guard_of(path), "")
    with opened(path) as store:
        store.connection.execute("ALTER TABLE sessions RENAME COLUMN updated_at TO changed_at")
        with pytest.raises(SessionsFormat, match="its table sessions has no updated_at") as caught:
            await read_sessions(guard_of(path), "")
        assert caught.value.missing == ("updated_at",)
        store.connection.execute("ALTER TABLE sessions RENAME TO tasks")
        with pytest.raises(SessionsFormat, match="it has no table sessions") as caught:
            await read_sessions(guard_of(path), "")
        assert caught.value.missing == ("sessions",)


async def test_reading_begins_at_the_moment_that_is_asked_for(store: SessionStore, path: Path) -> None:
    """The cursor is a bound on the last change, included."""
    for number in range(3):
        store.put(str(number), None, updated_ms=FIRST_MS + number)
    assert [row[0] for row in await read_sessions(guard_of(path), iso(FIRST_MS + 1))] == ["1", "2"]
