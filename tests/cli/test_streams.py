"""The output of commands: in every encoding, to a closed pipe, to a full disk, to nothing.

If only the encoding matters, they are forked from a process whose Python was started in that encoding.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from aico.cli.screen import columns_of
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.e2e.server_forker import ServerForker, server_forker
from tests.e2e.server_process import HANG_S, ROOT, environment, ledger_path
from tests.quick_variants import first_is_quick, first_row_is_quick

ODD = "é-日本"
"""No id that a Western or an old terminal can show."""
UTF_8 = {"PYTHONUTF8": "1"}
NARROW = {
    "locale C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252:strict"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
}
"""The ways to tell Python that the terminal shows little. In the first one arguments cannot be read as UTF-8 either."""
EXPORTS = {
    "csv": ("--format", "csv"),
    "excel": ("--dialect", "excel-fr"),
    "json": ("--format", "json"),
    "ndjson": ("--format", "ndjson"),
}
FULL = Path("/dev/full")
"""A disk without room. Source: full(4)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a user whose database holds an odd id below an odd folder."""
    folder = tmp_path_factory.mktemp("streams")
    LedgerFile(ledger_path(folder)).write(entry(ODD, model="modèle-日本"), entry("plain"))
    assert run(folder, UTF_8, "import").returncode == 0
    return folder


def variables(folder: Path, encoding: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that keeps everything in ``folder``, and prints in ``encoding``."""
    inherited = {
        name: value for name, value in environment(folder).items() if not name.startswith(("PYTHON", "LC_", "LANG"))
    }
    return {**inherited, "AICO_DATABASE_PATH": str(folder / f"données-{ODD}" / "observer.db"), **encoding}


def run(
    folder: Path, encoding: Mapping[str, str], *arguments: str | bytes, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end and return the bytes that it wrote."""
    return subprocess.run(
        [sys.executable, "-m", "aico", *arguments],
        cwd=ROOT,
        env=variables(folder, encoding),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=HANG_S,
        check=False,
    )


class Speakers:
    """A process for each encoding that is asked for, whose Python was started in it, and which forks ``aico``."""

    def __init__(self, folder: Path, said: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._said = said
        self._stack = stack
        self._started: dict[frozenset[tuple[str, str]], ServerForker] = {}

    def run(self, encoding: Mapping[str, str], *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
        """Run one command to its end and return the bytes that it wrote."""
        own, key = variables(self._folder, encoding), frozenset(encoding.items())
        if key not in self._started:
            self._started[key] = self._stack.enter_context(server_forker(own))
        out, errors = self._said / "out", self._said / "err"
        for path in (out, errors):
            path.write_bytes(b"")
        code = self._started[key].begin(own, out, *arguments, errors=errors).wait()
        return subprocess.CompletedProcess(["aico", *arguments], code, out.read_bytes(), errors.read_bytes())


@pytest.fixture(scope="module")
def speakers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speakers]:
    """Yield processes that print in every encoding."""
    with ExitStack() as stack:
        yield Speakers(folder, tmp_path_factory.mktemp("said"), stack)


@pytest.fixture
def full() -> Iterator[int]:
    """Return a descriptor of a disk without room."""
    descriptor = os.open(FULL, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(scope="module")
def exported(speakers: Speakers) -> Mapping[tuple[str, ...], bytes]:
    """Return what each export writes to a terminal of UTF-8, by its options."""
    return {options: speakers.run(UTF_8, "export", *options).stdout for options in EXPORTS.values()}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", first_is_quick(*NARROW.values()), ids=NARROW)
@pytest.mark.parametrize("options", first_is_quick(*EXPORTS.values()), ids=EXPORTS)
def test_export_is_the_same_bytes_in_every_encoding(
    speakers: Speakers,
    tmp_path: Path,
    exported: Mapping[tuple[str, ...], bytes],
    encoding: Mapping[str, str],
    options: tuple[str, ...],
) -> None:
    """UTF-8 to standard output and to a file, whatever the terminal shows and the locale says."""
    expected = exported[options]
    assert ODD in expected.decode("utf-8")
    ended = speakers.run(encoding, "export", *options)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, expected, b"")
    target = tmp_path / f"{ODD}.out"
    ended = speakers.run(encoding, "export", *options, "--output", os.fsencode(target))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert target.read_bytes() == expected


@pytest.mark.slow
@pytest.mark.parametrize("encoding", first_is_quick(*NARROW.values()), ids=NARROW)
@pytest.mark.parametrize("words", [("export", "--q"), ("forget",)], ids=" ".join)
def test_argument_finds_what_is_stored_in_every_encoding(
    speakers: Speakers, encoding: Mapping[str, str], words: tuple[str, ...]
) -> None:
    """Bytes that the locale cannot read are UTF-8: the id that a user has copied is the one that is meant."""
    ended = speakers.run(encoding, *words, ODD.encode())
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"plain" not in ended.stdout
    assert len(ended.stdout.splitlines()) > 1


@pytest.mark.slow
@pytest.mark.parametrize("encoding", first_is_quick(*NARROW.values()), ids=NARROW)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    first_row_is_quick(
        (("forget", "plain", ODD), 0, rb"\u65e5\u672c"),
        (("forget", f"no-{ODD}"), 1, rb"Not stored: no-"),
        (("import",), 0, b"Imported 0 tasks"),
        (("import", "--json"), 0, b'"imported_count": 0'),
        ((), 0, b"Not watching: numbers as of"),
        (("month",), 0, b"AI Cost Observer"),
        (("status", "--short"), 3, b"not watching since"),
        (("status",), 1, b"is not running"),
        (("status", "--json"), 1, b'{"running": false'),
        (("doctor",), None, rb"\u65e5\u672c/observer.db"),
        (("doctor", "--json"), None, b'"subject": "database"'),
        (("config", "show"), 0, b"database_path"),
        (("db", "check"), 0, b"OK    pages"),
        (("service", "uninstall", "--purge", "--dry-run"), 0, b"observer.db"),
    ),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_the_terminal_cannot_show_is_escaped(
    speakers: Speakers, encoding: Mapping[str, str], words: tuple[str, ...], code: int | None, said: bytes
) -> None:
    """No command ends in a traceback, and none breaks off in the middle of what it says."""
    ended = speakers.run(encoding, *(word.encode() for word in words))
    assert ended.stderr == b""
    assert ended.returncode == code or (code is None and ended.returncode in {0, 1})
    if encoding is NARROW["locale C"]:
        # A path, unlike an id, is the bytes that it is.
        said = said.replace(rb"\u65e5\u672c/", rb"\udce6\udc97\udca5\udce6\udc9c\udcac/")
    assert said in ended.stdout
    assert ended.stdout.endswith(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", first_is_quick(NARROW["locale C"], NARROW["latin-1"]), ids=["locale C", "latin-1"])
@pytest.mark.parametrize(
    ("words", "code"),
    first_row_is_quick(
        (("db", "backup", f"/no/such/{ODD}.db"), 1),
        (("db", "restore", f"/no/such/{ODD}.db"), 1),
        (("export", "--output", f"/no/such/{ODD}.csv"), 1),
        (("export", "--database-path", f"/no/such/{ODD}.db"), 1),
        (("serve", "--host", ODD), 2),
        (("serve", "--ledger-path", f"/{ODD}"), 2),
        (("export", "--from", ODD), 2),
        (("export", "--format", ODD), 2),
        (("report", "--model", ODD), 2),
        (("report", "--by", ODD), 2),
        ((ODD,), 2),
        (("status", ODD), 2),
        ((f"--{ODD}",), 2),
    ),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_error_is_told_in_every_encoding(
    speakers: Speakers, encoding: Mapping[str, str], words: tuple[str, ...], code: int
) -> None:
    """A wrong name or word is repeated as far as the terminal can show it, with the exit code that it always has."""
    ended = speakers.run(encoding, *(word.encode() for word in words))
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert b"Traceback" not in ended.stderr
    assert re.search(rb"^aico( export| forget| report)?: ", ended.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "code"),
    first_row_is_quick(
        ((b"\xff",), 2),
        ((b"export", b"--q", b"\xff"), 2),
        ((b"export", b"--model", b"a\xc3"), 2),
        ((b"forget", b"\xff"), 2),
        ((b"forget", b"--before", b"\xff"), 2),
        ((b"export", b"--output", b"/no/\xff/x.csv"), 1),
        ((b"export", b"--database-path", b"/no/\xff.db"), 1),
        ((b"db", b"backup", b"/no/\xff.db"), 1),
        ((b"db", b"restore", b"/no/\xff.db"), 1),
        ((b"serve", b"--host", b"\xff"), 2),
        ((b"serve", b"--ledger-path", b"/\xff/taskHistory.json"), 2),
    ),
)
def test_argument_that_is_no_text_is_an_error(speakers: Speakers, words: tuple[bytes, ...], code: int) -> None:
    """Bytes that are no UTF-8 name no task and no model; a path of them is a path like any other."""
    ended = speakers.run(UTF_8, *words)
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert b"Traceback" not in ended.stderr
    assert re.search(rb"^aico( export| forget)?: ", ended.stderr, re.MULTILINE)


@pytest.mark.slow
def test_paths_that_are_no_text_are_written(folder: Path, tmp_path: Path) -> None:
    """A file system takes any bytes, so a database, a backup and an export can be called by them."""
    database, backup, target = (os.fsencode(tmp_path) + b"/\xff." + end for end in (b"db", b"backup", b"csv"))
    for words in (
        (b"import", b"--database-path", database),
        (b"db", b"backup", b"--database-path", database, backup),
        (b"db", b"restore", b"--database-path", database, backup),
        (b"db", b"check", b"--database-path", database),
        (b"export", b"--database-path", database, b"--output", target),
    ):
        ended = run(folder, UTF_8, *words)
        assert (ended.returncode, ended.stderr) == (0, b"")
    assert ODD.encode() in Path(os.fsdecode(target)).read_bytes()


PRINTING = [
    ("export",),
    (),
    ("report", "--csv"),
    ("forget", "plain"),
    ("status",),
    ("config", "show"),
    ("--help",),
    ("--version",),
    ("import",),
]


@pytest.mark.slow
@pytest.mark.parametrize("words", first_is_quick(*PRINTING, ("doctor",), ("db", "check"), ("serve",)), ids=" ".join)
@pytest.mark.parametrize("buffering", first_is_quick({}, {"PYTHONUNBUFFERED": "1"}), ids=["buffered", "unbuffered"])
def test_full_disk_is_told(folder: Path, full: int, words: tuple[str, ...], buffering: Mapping[str, str]) -> None:
    """A failed write is no success: exit 1 and a sentence, no trace, nothing of the interpreter's own."""
    ended = run(folder, {**UTF_8, **buffering}, *words, stdout=full)
    assert ended.returncode == 1
    said = [line for line in ended.stderr.decode().splitlines() if not line.startswith("{")]
    assert said[0] == "aico: standard output cannot be written: No space left on device. [output_failed]"
    assert len(said) == 2


@pytest.mark.slow
@pytest.mark.parametrize("buffering", first_is_quick({}, {"PYTHONUNBUFFERED": "1"}), ids=["buffered", "unbuffered"])
def test_part_of_an_export_is_no_success(tmp_path: Path, buffering: Mapping[str, str]) -> None:
    """A write that takes the first part and no more gives exit 1 and a sentence, like one that takes nothing."""
    LedgerFile(ledger_path(tmp_path)).write(*(entry(f"task-{number}") for number in range(2_000)))
    assert run(tmp_path, UTF_8, "import").returncode == 0
    read, write = os.pipe()
    os.set_blocking(write, False)
    ended = run(tmp_path, {**UTF_8, **buffering}, "export", stdout=write)
    os.close(write)
    assert os.read(read, 8) == b"source,s"
    os.close(read)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"aico: standard output cannot be written: ")


@pytest.mark.slow
@pytest.mark.parametrize("words", first_is_quick(*PRINTING), ids=" ".join)
def test_closed_pipe_ends_quietly(folder: Path, words: tuple[str, ...]) -> None:
    """The reader that has seen enough, such as ``head``, is told nothing."""
    read, write = os.pipe()
    os.close(read)
    ended = run(folder, UTF_8, *words, stdout=write)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.slow
@pytest.mark.parametrize("words", first_is_quick(*PRINTING), ids=" ".join)
def test_closed_output_is_told(folder: Path, words: tuple[str, ...]) -> None:
    """``>&-`` leaves nothing to write to, and no file that is opened may take its place."""
    ended = shell(folder, f'exec "$0" -m aico {" ".join(words)} >&- <&-')
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"aico: standard output cannot be written: Bad file descriptor. [output_failed]\n")


@pytest.mark.slow
@pytest.mark.parametrize("end", first_is_quick("2>&-", f"2>{FULL}", ">&- 2>&- <&-"))
def test_nobody_to_tell_is_no_other_error(folder: Path, end: str) -> None:
    """If standard error takes nothing, the exit code alone tells the failure, and the database stays whole."""
    assert shell(folder, f'exec "$0" -m aico db backup /no/such/file.db {end}').returncode == 1
    assert shell(folder, f'exec "$0" -m aico nothing {end}').returncode == 2
    assert run(folder, UTF_8, "db", "check").returncode == 0


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``command`` in a shell, whose ``$0`` is Python."""
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        cwd=ROOT,
        env=variables(folder, UTF_8),
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "encoding"),
    first_row_is_quick(("serve", NARROW["cp1252"]), ("serve", NARROW["locale C"]), ("demo", NARROW["ascii"])),
)
def test_service_greets_and_logs_in_every_encoding(folder: Path, encoding: Mapping[str, str], command: str) -> None:
    """Its box is drawn with what the terminal shows, its log stays JSON, and it ends as it always does."""
    with subprocess.Popen(
        [sys.executable, "-m", "aico", command],
        cwd=ROOT,
        env=variables(folder, encoding),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        box = [process.stdout.readline()]
        while box[-1] and not (box[-1].startswith(b"+") and len(box) > 1):
            box.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=HANG_S)
    assert process.returncode == 0
    assert box[0].startswith(b"+- AI Cost Observer")
    assert any(line.startswith(b"| Dashboard") for line in box)
    assert [line for line in log.splitlines() if "message" not in json.loads(line)] == []


def in_terminal(folder: Path, wishes: Mapping[str, str], *words: str) -> tuple[int, bytes]:
    """Run one command in a terminal of 78 columns; return its exit code and what a person sees."""
    person, program = pty.openpty()
    said = b""
    try:
        termios.tcsetwinsize(program, (24, 78))
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(run, folder, {**UTF_8, "TERM": "xterm-256color", **wishes}, *words, stdout=program)
            while not running.done() or select.select([person], [], [], 0)[0]:
                if select.select([person], [], [], 0.05)[0]:
                    said += os.read(person, 1 << 16)
        return running.result().returncode, said
    finally:
        os.close(person)
        os.close(program)


@pytest.mark.parametrize("words", [("sources",), ("doctor",)])
def test_terminal_wraps_no_line(folder: Path, words: tuple[str, ...]) -> None:
    """A text that is too long goes on below its beginning, but for one long path; a pipe gets a line each."""
    _code, said = in_terminal(folder, {}, *words)
    lines = said.decode().splitlines()
    piped = run(folder, UTF_8, *words).stdout.decode().splitlines()
    assert [line for line in lines if columns_of(line) > 78 and re.search(r" \S+ \S", line.strip())] == []
    assert len(lines) > len(piped)
    moving = re.compile(r"lastwritten.*?(ago|now)|\d+")  # times and ports differ from run to run
    assert moving.sub("", "".join(said.decode().split())) == moving.sub("", "".join("".join(piped).split()))


@pytest.mark.parametrize(
    ("wishes", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_colours_are_for_a_terminal_that_wants_them(
    folder: Path, wishes: Mapping[str, str], *, is_coloured: bool
) -> None:
    """``NO_COLOR`` and a dumb terminal take them off; a pipe has none in the first place."""
    code, said = in_terminal(folder, wishes, "month")
    assert (code, b"AI Cost Observer" in said, b"\x1b[" in said) == (0, True, is_coloured)
    assert b"\x1b[" not in run(folder, {**UTF_8, "TERM": "xterm-256color"}, "month").stdout
