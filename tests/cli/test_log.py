"""The log: its format, what it says of an import, and what it does not say."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO

import pytest

from aico.cli.log import make_handler
from aico.core.settings import CLINE, Settings
from aico.core.usage import Trigger
from tests.api.application_on_port import Live, live
from tests.e2e.fake_cline_ledger import PRIVATE, LedgerFile, entry
from tests.e2e.server_process import HANG_S, ROOT, environment, ledger_path

BOX_END = "╰"


@contextmanager
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Yield the two ends of a terminal: what a person sees, and what a program writes to."""
    person, program = pty.openpty()
    with os.fdopen(program, "w", encoding="utf-8") as stream:
        try:
            yield person, stream
        finally:
            os.close(person)


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    """Return a ledger that does not exist yet."""
    return LedgerFile(ledger_path(tmp_path))


def settings_with(log_format: Literal["auto", "text", "json"]) -> Settings:
    """Return settings that write the log so."""
    return Settings(ledger_path="/cline/taskHistory.json", log_format=log_format)


def record() -> logging.LogRecord:
    """Return something to write."""
    return logging.LogRecord("aico.test", logging.INFO, __file__, 1, "%s imported", (3,), None)


def test_json_stays_json_where_a_terminal_shows_little() -> None:
    """A character that standard error cannot show is escaped by the rules of JSON, not by those of the stream."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1", errors="backslashreplace", write_through=True)
    text = "é-日本 \\udcff"
    make_handler(settings_with("json"), stream).emit(
        logging.LogRecord("aico.test", logging.INFO, __file__, 1, "%s", (text,), None)
    )
    assert json.loads(raw.getvalue())["message"] == text


@pytest.mark.parametrize(("log_format", "is_json"), [("auto", True), ("json", True), ("text", False)])
def test_log_to_a_file_or_a_pipe(log_format: Literal["auto", "text", "json"], *, is_json: bool) -> None:
    """Without a terminal the log is JSON, unless text is asked for."""
    stream = io.StringIO()
    make_handler(settings_with(log_format), stream).emit(record())
    if is_json:
        written = json.loads(stream.getvalue())
        assert (written["level"], written["logger"], written["message"]) == ("info", "aico.test", "3 imported")
    else:
        assert stream.getvalue().endswith(" INFO    3 imported\n")


@pytest.mark.parametrize(("log_format", "is_json"), [("auto", False), ("json", True), ("text", False)])
def test_log_to_a_terminal(log_format: Literal["auto", "text", "json"], *, is_json: bool) -> None:
    """On a terminal the log is text, unless JSON is asked for."""
    with terminal() as (person, stream):
        make_handler(settings_with(log_format), stream).emit(record())
        seen = os.read(person, 4_096).decode()
    assert seen.startswith("{") == is_json
    assert "3 imported" in seen


@pytest.mark.slow
def test_serve_on_a_terminal_shows_its_box_and_a_log_for_people(tmp_path: Path, ledger: LedgerFile) -> None:
    """A user that starts it by hand sees the address of the page, and lines to read."""
    ledger.write(entry("1"))
    with terminal() as (person, stream):
        command = [sys.executable, "-m", "aico", "serve"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        try:
            seen = read_until(person, [BOX_END, "1 imported (1 new)"])
        finally:
            process.terminate()
            process.wait(HANG_S)
    assert "http://127.0.0.1:" in seen
    assert '{"at"' not in seen


def read_until(person: int, wanted: list[str]) -> str:
    """Return what a terminal shows, as soon as it shows all that is ``wanted``."""
    seen, deadline = b"", time.monotonic() + HANG_S
    while not all(text in seen.decode(errors="replace") for text in wanted):
        ready, _, _ = select.select([person], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(person, 4_096)
    return seen.decode(errors="replace")


async def sweeps(served: Live, count: int) -> None:
    """Return after as many imports that change nothing."""
    counts = served.service.ingest.run_counts
    until = counts.get(CLINE, 0) + count
    async with asyncio.timeout(HANG_S):
        while counts.get(CLINE, 0) < until:
            await served.service.sources.read(Trigger.RESCAN)


async def test_import_that_changes_something_is_one_line_and_an_idle_sweep_none(
    ledger: LedgerFile, caplog: pytest.LogCaptureFixture
) -> None:
    """Counts and the cause are said once per change; sweeps without news are silent, and no line holds ledger text."""
    caplog.set_level(logging.INFO)
    ledger.write(entry("1"), entry("2"), {"id": "", "task": PRIVATE})
    async with live(ledger, rescan_interval_s=0.05) as served:
        await sweeps(served, 10)
        first = lines(caplog)
        ledger.write(entry("1", cost=9), entry("2"))
        await sweeps(served, 10)
        second = lines(caplog)
    assert [line.split(" in ")[0] for line in first] == ["cline: 2 imported (2 new), 0 unchanged, 1 refused"]
    assert [line.split(" in ")[0] for line in second[1:]] == ["cline: 1 imported (0 new), 1 unchanged"]
    assert PRIVATE not in caplog.text


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what imports have said so far."""
    return [record.getMessage() for record in caplog.records if record.name == "aico.services.ingest"]
