"""The child reads without a trace, lets nothing out but the answer, and ends within its limits."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.features.files import sqlite_process
from aico.features.files.opening import Refused
from aico.features.files.sqlite_process import ask_database, find_packages
from tests.emulator.fake_sqlite_writer import SqliteWriter
from tests.faults.canary_ledger import MARK
from tests.files.databases import NAME, make_table, put, question
from tests.files.folder_traits import traits_of
from tests.files.folder_witness import READING, Deed, witnessing

IMPORTING = "import sys; sys.path += sys.argv[1:]; from aico.features.files import sqlite_child;"


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


def fill(path: Path) -> None:
    """Make a database of a few rows and close it, so that the log goes away."""
    with SqliteWriter(path) as writer:
        make_table(writer)
        for number in range(5):
            put(writer, f"s{number}", number)


def run_child(code: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``code`` as the child is run."""
    command = [sys.executable, "-I", "-S", "-B", "-c", code, *find_packages()]
    return subprocess.run(command, env={}, input=text, capture_output=True, check=False, text=True)


async def test_reading_leaves_no_trace_where_nobody_writes(path: Path) -> None:
    """Names, sizes, all times, inodes and contents are as before; nothing else is opened."""
    fill(path)
    (path.parent / "transcript.json").write_text(MARK)
    traits_of(path.parent)
    before = traits_of(path.parent)
    with witnessing(path.parent) as witness:
        rows = await ask_database(question(path))
        deeds = witness.deeds()
    assert len(rows) == 5
    assert deeds <= {Deed(kind, NAME) for kind in READING}
    assert Deed("open", NAME) in deeds
    assert traits_of(path.parent) == before


async def test_reading_leaves_no_trace_beside_a_living_writer(writer: SqliteWriter, path: Path) -> None:
    """With the database held open by a second process the same is true of database, log and index."""
    put(writer, "a", 1)
    traits_of(path.parent)
    before = traits_of(path.parent)
    with witnessing(path.parent) as witness:
        rows = await ask_database(question(path))
        deeds = witness.deeds()
    assert set(before) == {".", NAME, f"{NAME}-wal", f"{NAME}-shm"}
    assert len(rows) == 1
    assert deeds <= {Deed(kind, name) for kind in READING for name in (NAME, f"{NAME}-wal")}
    assert traits_of(path.parent) == before


@pytest.mark.slow
async def test_reading_never_keeps_the_writer_out(writer: SqliteWriter, path: Path) -> None:
    """It takes no lock: beside it the tool writes, checks its log in and takes it away, without ever waiting."""
    writer.execute("CREATE TABLE pair (side TEXT PRIMARY KEY, number INTEGER, padding TEXT)")
    put(writer, "a", 1)
    writer.start_pairs()
    for _ in range(5):
        try:
            await ask_database(question(path))
        except Refused as refused:
            if refused.code != "busy":
                raise
    [[committed, failed]] = writer.stop_pairs()
    assert failed == 0
    assert committed


def test_child_lets_nothing_out_but_the_answer(writer: SqliteWriter, path: Path) -> None:
    """Output, errors, exit: the words in prompts are in none of them."""
    put(writer, "a", 7)
    ended = run_child(sqlite_process._CODE, json.dumps(question(path)))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"rows": [[1, "a", 7]]}
    assert MARK.encode() in path.with_name(f"{NAME}-wal").read_bytes()


@pytest.mark.parametrize("place", [0, 100, 4_096])
def test_child_lets_nothing_out_of_a_damaged_database(path: Path, place: int) -> None:
    """Neither a message of SQLite's nor a trace gets out."""
    fill(path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(MARK.encode() * 90)
    ended = run_child(sqlite_process._CODE, json.dumps(question(path)))
    assert ended.returncode == 0
    assert MARK not in ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["code"] == "format"


def test_child_lets_nothing_out_when_it_has_a_bug(path: Path) -> None:
    """A trace could show what was being read: the kind of the error is all that is told."""
    fill(path)
    broken = IMPORTING + f"sqlite_child._sayable = lambda cell: {{}}[{MARK!r}]; sqlite_child.main()"
    ended = run_child(broken, json.dumps(question(path)))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"code": "unreadable", "reason": "KeyError"}


def test_child_can_write_no_file(tmp_path: Path) -> None:
    """By its own limit: even a bug could leave nothing behind."""
    target = tmp_path / "written"
    code = f"sqlite_child._limit(); import os; os.write(os.open({str(target)!r}, os.O_CREAT | os.O_WRONLY), b'x')"
    assert "OSError" in run_child(IMPORTING + code).stderr
    assert target.stat().st_size == 0


def test_child_leaves_no_dump_and_takes_bounded_memory() -> None:
    """No core file, none handed to a collecting program, nothing to attach to, and no answer that fills the machine."""
    code = (
        "sqlite_child._limit(); import ctypes, resource; is_linux = sys.platform == 'linux';"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if is_linux else 0;"
        "bounded = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY or not is_linux;"
        "print(dumpable, resource.getrlimit(resource.RLIMIT_CORE)[0], bounded)"
    )
    assert run_child(IMPORTING + code).stdout.split() == ["0", "0", "True"]


def test_child_imports_the_standard_library_and_apsw_only() -> None:
    """It starts quickly, and has nothing in it that could send anything."""
    code = "import json; print(json.dumps([n for n in sys.modules if n.split('.')[0] not in sys.stdlib_module_names]))"
    names = set(json.loads(run_child(IMPORTING + code).stdout))
    assert {name for name in names if not name.startswith(("aico", "__main__"))} == {"apsw"}
    assert "sqlite3" not in json.loads(
        run_child(IMPORTING + "import json; print(json.dumps(list(sys.modules)))").stdout
    )
    assert "socket" not in names


def test_service_never_loads_apsw() -> None:
    """It only looks where it lies: foreign databases are the child's."""
    code = (
        "import sys; from aico.features.files import sqlite, sqlite_process as p;"
        "p.find_packages(); print('apsw' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ended.stdout == "False\n"


@pytest.mark.slow
async def test_reading_takes_in_more_rows_than_are_sorted_in_a_page_cache(writer: SqliteWriter, path: Path) -> None:
    """SQLite would sort them in a file, which the child may not write."""
    writer.execute("BEGIN")
    writer.execute_many("INSERT INTO usage (session, number) VALUES (?, ?)", [("x" * 200, n) for n in range(30_000)])
    writer.execute("COMMIT")
    statement = "SELECT id, session, number FROM usage WHERE id > ? ORDER BY session, number DESC"
    rows = await ask_database(question(path, statement))
    assert [row[2] for row in rows[:2]] == [29_999, 29_998]


async def test_environment_of_the_child_is_empty(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child does not get the service's environment, nor does its command line say a path."""
    seen = tmp_path / "seen"
    code = f"import os, sys; open({str(seen)!r}, 'w').write(repr((dict(os.environ), sys.argv)))"
    monkeypatch.setattr(sqlite_process, "_CODE", code)
    monkeypatch.setenv("AICO_TOKEN", "a secret of ours")
    with pytest.raises(Refused, match="ended early"):
        await ask_database(question(path))
    assert "a secret" not in seen.read_text()
    assert "HOME" not in seen.read_text()
    assert NAME not in seen.read_text()


async def test_child_that_takes_too_long_is_killed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on the time that the service waits; nothing of the child outlives it."""
    monkeypatch.setattr(sqlite_process, "TIME_LIMIT_S", 0.2)
    monkeypatch.setattr(sqlite_process, "_CODE", "import signal; signal.pause()")
    children: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def noted(*words: str, **options: object) -> asyncio.subprocess.Process:
        children.append(await start(*words, **options))  # type: ignore[arg-type] # what the caller has given
        return children[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    with pytest.raises(Refused, match="took too long"):
        await ask_database(question(path))
    assert [child.returncode for child in children] == [-signal.SIGKILL]


async def test_child_that_says_too_much_is_killed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on what the service keeps."""
    monkeypatch.setattr(sqlite_process, "_CODE", "while True: print('x' * 1000)")
    with pytest.raises(Refused, match="too_large"):
        await ask_database(question(path, max_bytes=1_000))


async def test_child_is_ended_that_has_said_more_than_was_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full pipe, from which nobody reads any more, holds nothing up."""

    async def read_nothing(process: asyncio.subprocess.Process, _question: bytes, _max_bytes: int) -> bytes:
        assert process.stdout is not None
        while not process.stdout._paused:  # type: ignore[attr-defined]  # noqa: ASYNC110  # no event says so
            await asyncio.sleep(0)
        raise Refused("too_large", "1")

    monkeypatch.setattr(sqlite_process, "_CODE", "while True: print('x' * 1000)")
    monkeypatch.setattr(sqlite_process, "_converse", read_nothing)
    with pytest.raises(Refused, match="too_large"):
        await asyncio.wait_for(ask_database(question(path)), 30)


@pytest.mark.parametrize("code", ["", "print('{')", "print('[]')", "print('{\"rows\": 7}')", "import nothing"])
async def test_child_that_answers_nonsense_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The service goes on after any output of the child."""
    monkeypatch.setattr(sqlite_process, "_CODE", code)
    with pytest.raises(Refused, match="unreadable"):
        await ask_database(question(path))


async def test_child_that_cannot_be_started_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system has no more processes."""
    monkeypatch.setattr(sys, "executable", "/nothing/here")
    with pytest.raises(Refused, match="did not start"):
        await ask_database(question(path))
