"""``aico statusline``: one line for a coding tool that names its session, and never anything else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aico.cli import EXIT_OK, main
from aico.core.db.terms_writer import store_budgets, store_plans
from aico.core.db.upkeep.forgetting import forget
from aico.core.terms import Budget, BudgetPeriod, Plan
from aico.core.units import NANO
from aico.core.usage import PlanReading, PlanWindow
from tests.calm_zone import calm_zone
from tests.cli.test_spending import fill, spent
from tests.core.repository_on_file import NOW_MS, copy_of_template, open_store
from tests.e2e.server_process import HANG_S, ROOT

ZONE = ZoneInfo(calm_zone())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database with a session, the agent that it started, and the use of others, all of this minute."""
    folder = tmp_path.resolve() / "data"
    folder.mkdir(mode=0o700)
    path = copy_of_template(folder)
    now = datetime.now(ZONE)
    used = [spent(0, now, 0.5), spent(1, now, 0.32)._replace(parent="s0"), spent(2, now - timedelta(days=400), 9)]
    fill(path, [("claude-code", used), ("codex", [spent(4, now, 3)])])
    return path


def set_terms(path: Path, budgets: Sequence[Budget], plans: Sequence[Plan] = ()) -> None:
    """Store budgets and plans."""

    async def put() -> None:
        async with open_store(path) as store:
            await store_budgets(store.database, NOW_MS, put_=budgets)
            await store_plans(store.database, NOW_MS, put_=plans)

    asyncio.run(put())


def run(database: Path, *words: str, said: bytes = b"", **variables: str) -> str:
    """Return the line that the command prints; it always ends with 0 and complains of nothing."""
    ended = subprocess.run(
        [sys.executable, "-m", "aico", "statusline", *words],
        cwd=ROOT,
        env={**os.environ, "AICO_DATABASE_PATH": str(database), "TZ": ZONE.key, "PYTHONUTF8": "1", **variables},
        input=said,
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    [line] = ended.stdout.decode().splitlines()
    return line


@pytest.mark.parametrize(("share", "style"), [(7_900, ""), (8_000, "33"), (10_000, "1;31")])
def test_only_a_limit_has_a_colour_and_only_if_asked(database: Path, share: int, style: str) -> None:
    """From 80 % on it is yellow, and red when it is reached; it takes no columns."""
    now = datetime.now(ZONE)
    week = PlanWindow("secondary", share, 10_080, int(now.timestamp() + 3_600) * 1000)
    fill(database, [("codex", [PlanReading("codex", NOW_MS, (week,))])])
    text = f"Codex week {share // 100} %"
    painted = f"\x1b[{style}m{text}\x1b[0m" if style else text
    plain = run(database)
    assert plain.endswith(f" · {text}")
    assert run(database, "--color", "--width", str(len(plain))) == plain.removesuffix(text) + painted
    assert run(database, "--color", "--format", "{limit}!") == f"{painted}!"


def test_session_counts_with_its_agents_and_its_transcript_stays_shut(database: Path, tmp_path: Path) -> None:
    """The id alone is taken from the tool's JSON: a pipe in the transcript's place would hold up a reader."""
    transcript = tmp_path / "transcript.jsonl"
    os.mkfifo(transcript)
    told = {"session_id": "s0", "transcript_path": str(transcript), "cost": {"total_cost_usd": 99}}
    line = run(database, said=json.dumps(told).encode(), AICO_BUDGET_MONTHLY_USD="125")
    month = f"{datetime.now(ZONE):%b}"
    assert line == f"$0.82 here · $3.82 today · $3.82/125 {month}"
    # Said without options, it does not wait for their parser.
    assert run(database, "--width", "60", said=json.dumps(told).encode(), AICO_BUDGET_MONTHLY_USD="125") == line
    assert run(database, "--width", "25", said=json.dumps(told).encode()) == "$0.82 here · $3.82 today"
    assert run(database, "--format", "{today} | {session}", said=json.dumps(told).encode()) == (
        "$3.82 today | $0.82 here"
    )


@pytest.mark.parametrize(
    ("dollars", "told"),
    [
        (2, "budget a day 191 % · Codex week 79 %"),
        (4.5, "budget a day 85 % · Codex week 79 %"),
        (4.775, "budget a day 80 % · Codex week 79 %"),
        (5, "Codex week 79 %"),
    ],
)
def test_budget_is_a_limit_too(database: Path, dollars: float, told: str) -> None:
    """The one that is nearest to its end; beside a window where it is close to that. The month's stands with it."""
    now = datetime.now(ZONE)
    week = PlanWindow("secondary", 7_900, 10_080, int(now.timestamp() + 3_600) * 1000)
    fill(database, [("codex", [PlanReading("codex", NOW_MS, (week,))])])
    day = Budget("day", BudgetPeriod.DAY, round(dollars * NANO))
    set_terms(
        database, [day, Budget("m", BudgetPeriod.MONTH, 100 * NANO), Budget("k", BudgetPeriod.DAY, 9 * NANO, "codex")]
    )
    assert run(database, "--format", "{limit}") == told
    first, style = told.split(" · ", maxsplit=1)[0], "1;31" if dollars < 3 else "33"
    painted = told if dollars == 5 else told.replace(first, f"\x1b[{style}m{first}\x1b[0m")
    assert run(database, "--color", "--format", "{limit}") == painted
    rest = "$3.82 today" if dollars < 3 else f"$3.82 today · $3.82/100 {now:%b}"
    assert run(database, "--width", "40").startswith(f"{rest} · {first}" if dollars < 3 else rest)


def test_forgotten_session_is_called_so(database: Path) -> None:
    """Its tool may go on in it: that is not counted, and no $0.00."""
    forget(database, "claude-code", ["s0"], NOW_MS)
    assert run(database, said=b'{"session_id": "s0"}').startswith("forgotten here · $3.00 today")
    assert run(database, said=b'{"session_id": "new"}').startswith("$0.00 here · $3.00 today")


@pytest.mark.parametrize("words", [(), ("--width", "40"), ("--debug",)])
def test_bug_is_one_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """A tool shows the printed line; the error is told on standard error if it is asked for."""

    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("an injected bug")

    monkeypatch.setattr("aico.cli.statusline.look", fail)
    assert main(("statusline", *words)) == EXIT_OK
    said = capsys.readouterr()
    assert said.out == "aico off: a fault, told by aico statusline --debug\n"
    assert ("ZeroDivisionError: an injected bug" in said.err) is ("--debug" in words)
    assert bool(said.err) is ("--debug" in words)


def test_wrong_options_are_one_line_and_no_failure(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is a line break in the text that the user wants, and a reason that is asked for."""
    for words in (("--widht", "5"), ("--width", "x"), ("--format",)):
        assert main(("statusline", *words)) == EXIT_OK
        assert capsys.readouterr().out == "aico off: wrong options, see aico statusline --help\n"
    monkeypatch.setenv("AICO_DATABASE_PATH", str(database))
    monkeypatch.setenv("TZ", ZONE.key)
    assert main(("statusline", "--format", "{today}\n!")) == EXIT_OK
    assert capsys.readouterr().out == "$3.82 today !\n"
    monkeypatch.setenv("AICO_DATABASE_PATH", str(database.with_name("none.db")))
    assert main(("statusline", "--debug")) == EXIT_OK
    said = capsys.readouterr()
    assert (said.out, "[storage_absent]" in said.err) == ("aico off\n", True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]", b'{"session_id": 7}', b'{"session_id": ""}', b"[" * 200_000, b'{"session_id":"\xff"}']
)
def test_odd_input_is_no_session(database: Path, said: bytes) -> None:
    """A tool that says something else, or nothing, gets the line without a session."""
    assert run(database, said=said).startswith("$3.82 today · ")


@pytest.mark.slow
def test_nothing_is_waited_for(database: Path) -> None:
    """A tool that keeps its end of standard input open and says nothing is no reason to wait."""
    read, write = os.pipe()
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "aico", "statusline"],
            cwd=ROOT,
            env={**os.environ, "AICO_DATABASE_PATH": str(database)},
            stdin=read,
            capture_output=True,
            timeout=HANG_S,
            check=False,
        )
    finally:
        os.close(read)
        os.close(write)
    assert ended.returncode == 0
    assert b" today" in ended.stdout


@pytest.mark.slow
def test_line_tells_what_it_lacks(database: Path) -> None:
    """A star says that something is missing; without a database, or with a wrong word, the line says so itself."""
    fill(database, [("kilo", [spent(7, datetime.now(ZONE), None)])])
    assert "$3.82* today" in run(database)
    assert run(database.with_name("none.db")) == "aico off"
    assert run(database, AICO_BUDGET_MONTHLY_USD="no number") == "aico off"
    assert run(database, "--format", "{cost}") == "aico: {cost} is none of {session}, {today}, {month}, {limit}"
