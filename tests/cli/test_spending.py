"""``aico`` and its reports: the numbers of the page, from a database that is only looked at."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, EXIT_USAGE, main, spending, spending_lines
from aico.cli.screen import columns_of
from aico.cli.terminal import tokens as tokens_text
from aico.core.db.terms_writer import store_budgets
from aico.core.db.upkeep.forgetting import forget
from aico.core.instance_lock import InstanceLock
from aico.core.pricing import Pricer
from aico.core.settings import Settings
from aico.core.terms import Budget, BudgetPeriod
from aico.core.units import NANO
from aico.core.usage import (
    AnyRecord,
    GapReading,
    PlanReading,
    PlanWindow,
    Record,
    RequestState,
    Tokens,
    UsageEvent,
    digest,
)
from aico.features.pricing.price_list import GenaiPriceList
from aico.features.sources.registry import SOURCES
from aico.features.sources.titles import TITLES, UNWRITTEN, UNWRITTEN_BY
from aico.main import create_app
from aico.services.glance_shapes import OverviewOut
from tests.core.repository_on_file import NOW_MS, copy_of_template, open_store, request, temporary_database, usage
from tests.e2e.server_process import HANG_S, ROOT
from tests.hypothesis_profiles import examples
from tests.quick_variants import first_is_quick
from tests.usage.test_queries import BATCHES

GOLDEN = Path(__file__).parent / "golden"
PARIS = ZoneInfo("Europe/Paris")
SATURDAY = datetime(2026, 11, 28, 16, 10, tzinfo=PARIS)
HEAVY = {"pydantic", "sqlalchemy", "sqlmodel", "fastapi", "starlette", "httpx", "asyncio", "hashlib"}


def at(moment: datetime) -> int:
    """Return a moment in epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def spent(
    number: int, moment: datetime, dollars: float | None, model: str = "m-1", tokens: int = 1_000_000
) -> UsageEvent:
    """Return a request that cost so much; None: nobody knows."""
    nano = None if dollars is None else round(dollars * 10**9)
    return UsageEvent(digest(number), f"s{number % 3}", at(moment), model, Tokens(tokens, 0, 0, 0, 0), nano)


def fill(path: Path, batches: Sequence[tuple[str, Sequence[AnyRecord]]], pricer: Pricer | None = None) -> None:
    """Store what each source says in the database at ``path``."""

    async def take_in() -> None:
        async with open_store(path, pricer) as store:
            for source, records in batches:
                await store.take_in_of(source, records, "ledger" if source == "cline" else "files")

    asyncio.run(take_in())


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty database, which is the user's; the clock stands at a Saturday in Paris."""
    folder = tmp_path.resolve() / "data"
    folder.mkdir(mode=0o700)
    path = copy_of_template(folder)
    monkeypatch.setenv("AICO_DATABASE_PATH", str(path))
    monkeypatch.setenv("TZ", "Europe/Paris")
    monkeypatch.setenv("COLUMNS", "78")
    monkeypatch.setattr(spending_lines, "command_name", lambda: "aico")
    set_clock(monkeypatch, SATURDAY)
    return path


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """Let it be ``now`` for the commands."""
    for module in ("spending", "short_status"):
        monkeypatch.setattr(f"aico.cli.{module}.now_ms", lambda: at(now))


def saturdays(weeks: int) -> list[UsageEvent]:
    """Return what was spent on the Saturdays before, half of it after the present time of day."""
    early = [spent(100 + n, SATURDAY - timedelta(days=7 * n, hours=2), 2.0 + n % 2) for n in range(1, weeks + 1)]
    return early + [spent(200 + n, SATURDAY - timedelta(days=7 * n, hours=-2), 50) for n in range(1, weeks + 1)]


def typical() -> list[tuple[str, Sequence[AnyRecord]]]:
    """Return nine weeks of three tools: one without a price, two that bill more than they write down."""
    days = [spent(n, SATURDAY - timedelta(days=n, hours=1), 1 + n % 3, "claude-sonnet-4-5-20250929") for n in range(25)]
    today = [spent(300, SATURDAY - timedelta(hours=3), 12.5, "claude-opus-4-5"), *saturdays(9), *days]
    codex = [spent(n, SATURDAY - timedelta(days=n, minutes=9), 0.4, f"gpt-{n % 4}") for n in range(12)]
    cut = spent(400, SATURDAY - timedelta(days=2), 0.001, "gpt-0")._replace(state=RequestState.INTERRUPTED)
    kilo = [spent(n, SATURDAY - timedelta(days=n), None, "free/model", 700_000) for n in range(2)]
    hidden = [
        GapReading("s1", None, "titles", 2, at=at(SATURDAY)),
        GapReading("s1", None, "search", 1, Tokens(42_000, 0, 0, 0, 100, 90), at=at(SATURDAY)),
    ]
    week = PlanWindow("secondary", 8_140, 10_080, at(SATURDAY + timedelta(days=1, hours=16, minutes=50)))
    plan = PlanReading("codex", NOW_MS, (week,))
    return [("claude-code", [*today, *hidden]), ("codex", [*codex, cut, plan]), ("kilo", kilo)]


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = EXIT_OK) -> str:
    """Run a command and return what it printed."""
    assert main(words) == code
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [("overview", ()), ("today", ("today",)), ("month", ("month",)), ("report", ("report", "--by", "source,model"))],
)
@pytest.mark.parametrize("width", first_is_quick(78, 60, 50))
def test_lines_are_the_golden_ones(
    database: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    words: tuple[str, ...],
    width: int,
) -> None:
    """The lines for a person change on purpose only; no line is wider than the terminal."""
    fill(database, typical())
    monkeypatch.setenv("COLUMNS", str(width))
    lines = said(capsys, *words)
    assert max(map(len, lines.splitlines())) <= width
    assert lines == (GOLDEN / f"{name}-{width}.txt").read_text(encoding="utf-8")


def test_exceeded_budget_of_a_day_is_told_beside_the_limit(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the overview, in today's and in the line for a prompt; one that was set for a tool names it."""
    fill(database, typical())
    budgets = [Budget("day", BudgetPeriod.DAY, 7 * NANO, "claude-code"), Budget("m", BudgetPeriod.MONTH, NANO)]
    monkeypatch.setenv("COLUMNS", "100")

    async def put() -> None:
        async with open_store(database) as store:
            await store_budgets(store.database, NOW_MS, put_=budgets)

    asyncio.run(put())
    for words in ([], ["today"]):
        lines = said(capsys, *words).splitlines()
        [at_] = [number for number, line in enumerate(lines) if line.startswith("  Limits ")]
        assert lines[at_].split("   ")[-1].strip() == "your budget a day for Claude Code 193 % of $7.00, over"
        assert lines[at_ + 1].strip() == "Codex week 81 % used, resets Mon 09:00"
    short = said(capsys, "status", "--short", "--width", "200", code=EXIT_DEGRADED)
    assert short.rstrip().endswith(", budget a day for Claude Code 193 %, Codex week 81 %")


def test_later_use_of_forgotten_sessions_is_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in no number, of whatever period; a report of another tool does not speak of it."""
    used = [("codex", [spent(1, SATURDAY, 1)]), ("claude-code", [spent(0, SATURDAY, 1)])]
    fill(database, used)
    forget(database, "codex", ["s1"], at(SATURDAY))
    assert "forgotten" not in said(capsys)
    fill(database, [("codex", [spent(4, SATURDAY + timedelta(minutes=1), 5)])])
    words = "- the usage that the tool added later to 1 forgotten session of Codex (1 request so far)"
    for command in (["report", "--all"], ["today"], ["month"], []):
        assert words in " ".join(said(capsys, *command).split())
    assert "forgotten" not in said(capsys, "report", "--source", "claude-code")


def family() -> list[tuple[str, Sequence[Record]]]:
    """Return sessions of two tools: one of last year, and one with two agents, of which one began another."""
    ids = [f"0e6f1c2{digit}-5a3b-4c8d-9f10-2b7c8d9e0f1a" for digit in "123456"]
    claude = [
        spent(number, SATURDAY - timedelta(hours=hours), dollars)._replace(session=ids[number], parent=parent)
        for number, (hours, dollars, parent) in enumerate(
            [(5, 12.5, None), (4, 3, ids[0]), (3, 1, ids[1]), (24 * 365, 2, None), (1, 0.5, "absent")]
        )
    ]
    again = claude[3]._replace(key=digest("again"), ts=at(SATURDAY))
    return [("claude-code", [*claude, again]), ("codex", [spent(9, SATURDAY, None)._replace(session=ids[5])])]


@pytest.mark.parametrize("width", first_is_quick(78, 60, 50))
def test_sessions_are_told_by_label_start_and_parent(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """An id tells a person nothing: its start and the user's own name do, and which session has started it."""
    fill(database, family())
    said(capsys, "label", "0e6f1c21", "Parser 日本 and more words than there is room for")
    monkeypatch.setenv("COLUMNS", str(width))
    lines = said(capsys, "report", "--by", "session")
    assert max(map(columns_of, lines.splitlines())) <= width
    assert lines == (GOLDEN / f"sessions-{width}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", first_is_quick(78, 60, 50))
@pytest.mark.parametrize(
    "by",
    ["source,day", "source,model,day", "session,day", "source,model,session,day", "project,session,model,source,day"],
)
def test_neither_day_nor_cost_is_cut(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by: str, width: int
) -> None:
    """Of many names the others are cut first, and no line is wider than the terminal."""
    fill(database, family())
    monkeypatch.setenv("COLUMNS", str(width))
    lines = said(capsys, "report", "--by", by, "--all").splitlines()
    assert max(map(columns_of, lines)) <= width
    rows = [line for line in lines if re.search(r" {2}(\$[0-9]+\.[0-9]{2}|unpriced)( |$)", line)]
    days = [line for line in rows if re.search(r"(^| )(2026-11-28|2025-11-28)( |$)", line)]
    assert len(days) == len(rows) - ("All" in rows[0]) > 1


def test_report_counts_no_requests_where_none_are_told(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tool that writes totals alone has made requests, and nobody knows how many: none is said, not 0."""
    fill(database, [("cline", [usage("a", at(SATURDAY))])])
    assert "110 tokens, 1 session\n" in said(capsys, "report")
    fill(database, [("codex", [spent(1, SATURDAY, 3)])])
    assert " tokens, 1 request, 2 sessions\n" in said(capsys, "report")


@pytest.mark.parametrize(
    "words", first_is_quick((), ("today",), ("status", "--short"), ("statusline",), ("report", "--json"))
)
def test_nothing_heavy_is_imported(database: Path, words: tuple[str, ...]) -> None:
    """A prompt does not wait for a library that checks values, speaks SQL or HTTP; its line not even for argparse."""
    fill(database, typical())
    heavy = HEAVY | ({"argparse"} if words == ("status", "--short") else set())
    program = (
        "import sys\nfrom aico.cli import main\n"
        f"main({words})\nsys.stderr.write(','.join(sorted({heavy} & set(sys.modules))))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--width", "44"),
        ("--width", "44", "--color"),
        ("--color",),
        ("--color", "--color", "--width", "9"),
        ("--width=44",),
        ("--width", " 44"),
        ("--width", "9", "--width", "44"),
        ("--col", "--wid", "44"),
    ],
)
def test_short_status_is_the_same_with_and_without_its_parser(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """However its options are said, one line comes of them; plain ones do not even wait for a parser."""
    fill(database, typical())
    line = said(capsys, "status", "--short", *words, code=EXIT_DEGRADED)
    monkeypatch.setattr("aico.cli._find_plain_short", lambda _words: None)
    assert said(capsys, "status", "--short", *words, code=EXIT_DEGRADED) == line


@pytest.mark.parametrize("words", [("--width",), ("--width", "x"), ("--json",), ("--width", "-1", "x"), ("also",)])
def test_short_status_with_wrong_words_is_wrong_usage(words: tuple[str, ...]) -> None:
    """Words that are not plainly right are left to the parser, which says what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(("status", "--short", *words))
    assert ended.value.code == EXIT_USAGE


async def ask(path: Path, folder: Path, questions: Sequence[str]) -> list[bytes]:
    """Return what the service on the database at ``path`` answers."""
    values = {"ledger_path": str(folder / "none" / "taskHistory.json"), "database_path": path, "tick_s": 60}
    app = create_app(Settings.model_validate(values))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8611") as client,
    ):
        answers = [await client.get(question) for question in questions]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    return [answer.content for answer in answers]


QUESTIONS = (
    ("report", "--from", "2025-03-01", "--to", "2026-03-20"),
    ("report", "--from", "2026-02-20", "--by", "source"),
    ("report", "--from", "2026-02-27", "--to", "2026-03-02", "--by", "day,source", "--source", "log-tool"),
    ("report", "--from", "2026-02-01", "--by", "session"),
    ("report", "--from", "2026-02-01", "--by", "project,model", "--source", "log-tool", "--source", "other-log"),
    ("today", "--from", "2026-03-01", "--to", "2026-03-01", "--by", "model"),
    ("month", "--from", "2026-02-20", "--model", "m"),
)


def question_of(words: Sequence[str]) -> str:
    """Return the address whose answer a command prints: days have become moments in Paris."""
    pairs = list(zip(words[1::2], words[2::2], strict=True))
    given_ = dict(pairs)
    now = datetime.fromtimestamp(NOW_MS / 1000, PARIS)
    last = datetime.fromisoformat(given_.get("--to", now.date().isoformat())).date() + timedelta(days=1)
    first = datetime.fromisoformat(given_["--from"])
    bucket = {"report": "auto", "today": "hour", "month": "day"}[words[0]]
    query = httpx.QueryParams(
        {
            "from": at(first.replace(tzinfo=PARIS)),
            "to": at(datetime.combine(last, datetime.min.time(), PARIS)),
            "tz": "Europe/Paris",
            "bucket": bucket,
            "by": given_.get("--by", "source,model"),
        }
    )
    for name, value in pairs:
        if name in {"--source", "--model"}:
            query = query.add(name[2:], value)
    return f"/api/summary?{query}"


def assert_same_text(printed: str, answer: bytes) -> None:
    """Hold that both are one object byte for byte, but for the exponent of a tiny number: ``1e-9`` or ``1e-09``."""
    assert printed.endswith("}\n")
    assert json.dumps(json.loads(printed)) == json.dumps(json.loads(answer))


def compare_with_the_service(folder: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hold that the commands print what the service answers, from the same numbers."""
    answers = asyncio.run(ask(path, folder, [question_of(words) for words in QUESTIONS]))
    for words, answer in zip(QUESTIONS, answers, strict=True):
        assert_same_text(said(capsys, *words, "--json"), answer)


NAMED = [
    ("log-tool", [request("1", "s", ts=NOW_MS, nano=123_456_789), request("2", "t", ts=NOW_MS - 10**8, model="M%")]),
    ("other-log", [request("1", "s", ts=NOW_MS - 5, model=None, nano=1)]),
]
"""The names that are asked for are there."""


def test_json_is_what_the_service_answers(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Numbers, keys and their order: a program may read either."""
    set_clock(monkeypatch, datetime.fromtimestamp(NOW_MS / 1000, PARIS))
    fill(database, NAMED)
    compare_with_the_service(tmp_path, database, capsys)


@pytest.mark.slow
@given(st.lists(BATCHES, max_size=5))
@settings(max_examples=examples(0.2))
def test_json_is_what_the_service_answers_of_any_data(batches: list[tuple[str, list[Record]]]) -> None:
    """For any records of several tools, page and terminal tell the same sums."""
    with pytest.MonkeyPatch.context() as patch, temporary_database() as path:
        patch.setenv("AICO_DATABASE_PATH", str(path))
        patch.setenv("TZ", "Europe/Paris")
        set_clock(patch, datetime.fromtimestamp(NOW_MS / 1000, PARIS))
        fill(path, [*NAMED, *batches])
        said_: list[str] = []
        patch.setattr(spending, "write_utf8", lambda pieces: said_.append("".join(pieces)))
        answers = asyncio.run(ask(path, path.parent, [question_of(words) for words in QUESTIONS]))
        for words, answer in zip(QUESTIONS, answers, strict=True):
            assert main([*words, "--json"]) == EXIT_OK
            assert_same_text(said_.pop(), answer)


def test_tool_that_writes_only_totals_is_left_out_of_no_count_in_silence(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number of requests that lacks those of a tool says so; a file has no number where there is none."""
    fill(database, [("cline", [usage("task", at(SATURDAY), total_cost=2.5)]), ("codex", [spent(1, SATURDAY, 1)])])
    remark = "- a number of requests of Cline: only totals are written, and those are counted"
    for words in (("report",), ("today", "--by", "model"), ("month",)):
        lines = said(capsys, *words)
        assert "1 request, 2 sessions" in lines
        assert remark in " ".join(lines.split())
    assert "a number of requests" not in said(capsys)  # which tells no such number
    assert "a number of requests" not in said(capsys, "report", "--source", "codex")
    rows = csv.DictReader(io.StringIO(said(capsys, "report", "--csv", "--by", "source")))
    assert {row["source"]: row["requests"] for row in rows} == {"cline": "", "codex": "1"}
    rows = csv.DictReader(io.StringIO(said(capsys, "export")))
    assert {row["source"]: row["requests"] for row in rows} == {"cline": "", "codex": "1"}


def test_csv_is_guarded_and_utf8(database: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A name that a spreadsheet would run is text; every group is there, with exact money."""
    fill(database, [("codex", [spent(1, SATURDAY, 1.000000001, "=1+1"), spent(2, SATURDAY, None, "日本")])])
    assert main(["report", "--csv"]) == EXIT_OK
    rows = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode("utf-8"))))
    assert [(row["model"], row["cost_usd"]) for row in rows] == [("'=1+1", "1.000000001"), ("日本", "")]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("report", "--by", "modle"), "did you mean model?"),
        (("report", "--source", "codx"), "known are cline, codex, "),
        (("report", "--model", "m-2"), "known are m-1; did you mean m-1?"),
        (("report", "--from", "2026-11-30", "--to", "2026-11-29"), "--from 2026-11-30 lies behind --to 2026-11-29"),
        (("report", "--by", "day", "--from", "2001-01-01"), "too many days"),
    ],
)
def test_word_that_names_nothing_is_wrong_usage(
    database: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    """The sums of a slip of the pen would be 0: exit 2, and what is known is named."""
    fill(database, [("codex", [spent(1, SATURDAY, 1)])])
    assert main(words) == EXIT_USAGE
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.startswith("aico report: ")
    assert hint in answer.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("tody",), "did you mean today?"),
        (("report", "--form", "2026-01-01"), "did you mean --from?"),
        (("status", "--shrot"), "did you mean --short?"),
        (("report", "--from", "2026-13-01"), "is no day such as 2026-03-01"),
        (("report", "--from", "20260301"), "is no day such as 2026-03-01"),
        (("report", "--json", "--csv"), "not allowed with"),
    ],
)
def test_mistyped_word_is_told_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    """Wrong usage is exit 2."""
    monkeypatch.setattr(sys, "argv", ["aico", *words])
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == EXIT_USAGE
    assert hint in capsys.readouterr().err


def test_known_source_without_usage_has_spent_nothing(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no slip of the pen, and the service answers likewise."""
    assert "$0.00" in said(capsys, "report", "--source", "claude-code")


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        ("Europe/Paris", datetime(2026, 3, 29, 12, tzinfo=PARIS), 23),
        ("Europe/Paris", datetime(2026, 10, 25, 12, tzinfo=PARIS), 25),
        ("America/New_York", datetime(2026, 11, 1, 12, tzinfo=ZoneInfo("America/New_York")), 25),
        ("CET-1CEST,M3.5.0,M10.5.0/3", datetime(2026, 10, 25, 12, tzinfo=PARIS), 25),
        ("UTC", datetime(2026, 10, 31, 23, 59, tzinfo=UTC), 24),
    ],
)
def test_day_is_the_local_one(
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    zone: str,
    moment: datetime,
    hours: int,
) -> None:
    """A day has as many hours as its zone gives it, and begins at its midnight, on the first of a month as well."""
    monkeypatch.setenv("TZ", zone)
    set_clock(monkeypatch, moment)
    midnight = moment.replace(hour=0, minute=0)
    before, inside = at(midnight) - 1, at(midnight)
    fill(database, [("codex", [request("1", ts=before, nano=10**9), request("2", ts=inside, nano=2 * 10**9)])])
    answer = json.loads(said(capsys, "today", "--json"))
    assert (answer["from"], answer["to"] - answer["from"]) == (inside, hours * 3_600_000)
    assert answer["totals"]["cost_usd"] == 2
    assert answer["tz"] == zone


def test_month_begins_at_its_first_midnight(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request a moment before belongs to the month before."""
    first = datetime(2026, 11, 1, tzinfo=PARIS)
    fill(database, [("codex", [request("1", ts=at(first) - 1, nano=10**9), request("2", ts=at(first), nano=10**9)])])
    answer = json.loads(said(capsys, "month", "--json"))
    assert (answer["from"], answer["totals"]["cost_usd"]) == (at(first), 1)


def test_day_before_there_is_a_usual_one_says_how_many_are_needed(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nineteen days are known: in nine there are four of the same name."""
    fill(database, [("codex", [spent(1, SATURDAY, 3), spent(2, SATURDAY - timedelta(days=19), 1)])])
    assert "No usual day yet, 9 more days needed" in said(capsys)


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (9, "260 % more than a usual Saturday by 16:10 ($2.50)"),
        (3.4, "About as on a usual Saturday by 16:10 ($2.50)"),
        (0.5, "80 % less than a usual Saturday by 16:10 ($2.50)"),
        (250, "100 times a usual Saturday by 16:10 ($2.50)"),
    ],
)
def test_today_is_compared_with_usual_days_up_to_this_hour(
    database: Path, capsys: pytest.CaptureFixture[str], today: float, words: str
) -> None:
    """Later costs of those days do not count."""
    fill(database, [("codex", [*saturdays(9), spent(1, SATURDAY - timedelta(hours=1), today)])])
    assert words in said(capsys)


def test_usual_day_without_a_cost_is_no_measure(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a dollar is not "about as" nothing."""
    fill(database, [("codex", [spent(1, SATURDAY - timedelta(days=40), 1), spent(2, SATURDAY, 0.55)])])
    assert "Usually no cost by 16:10 on a Saturday" in said(capsys)


def test_month_without_a_price_is_never_nothing(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens were spent, and nobody says what they cost."""
    fill(database, [("kilo", [spent(1, SATURDAY, None)])])
    lines = said(capsys)
    assert "Today     unpriced" in lines
    assert "$0.00" not in lines
    assert "* the cost of 1.0 M tokens: 1 model without a price (aico price list)" in lines


def test_what_the_tool_did_not_count_is_not_called_unpriced(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No price would help: as many rows are unpriced as the line below says models."""
    uncounted = spent(2, SATURDAY, None, "other")._replace(tokens=Tokens(), state=RequestState.UNMEASURED)
    fill(database, [("kilo", [spent(1, SATURDAY, None), uncounted])])
    lines = said(capsys).splitlines()
    by_model = lines[lines.index(next(line for line in lines if "By model" in line)) :]
    assert sum("unpriced" in line for line in by_model) == 1
    assert [line.split()[1:] for line in by_model if line.startswith("  other")] == [
        ["no", "count", "no", "count", "-", "-"]
    ]
    assert any("1 model without a price" in line for line in lines)


def test_hint_names_the_command_that_the_user_can_type(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is not on the PATH would not be found by its bare name."""
    monkeypatch.setattr(spending_lines, "command_name", lambda: ".venv/bin/aico")
    fill(database, [("codex", [spent(1, SATURDAY, 3), spent(2, SATURDAY, None)])])
    lines = said(capsys)
    for words in ("today", "month", "report --by session", "serve"):
        assert f".venv/bin/aico {words}" in lines
    assert "(.venv/bin/aico price list)" in " ".join(lines.split())


def test_today_without_usage_says_so_and_shows_no_month(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hours are asked for: the tables of the month would be another answer."""
    fill(database, [("codex", [spent(1, SATURDAY - timedelta(days=2), 3)])])
    lines = said(capsys, "today")
    assert "Nothing yet today; last call Thu " in lines
    assert "No hour of today has any usage. The days of this month: aico month" in lines
    assert "By source" not in lines
    assert "By source" in said(capsys)


def test_report_as_csv_tells_the_cost_at_own_prices(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Empty where none holds."""
    fill(database, [("codex", [spent(1, SATURDAY, 3)])])
    assert main(["price", "set", "free/*", "--input", "1", "--output", "1"]) == EXIT_OK
    fill(database, [("kilo", [spent(2, SATURDAY, None, "free/model", 1_000_000)])])
    assert main(["price", "set", "free/*", "--input", "2", "--output", "2"]) == EXIT_OK
    capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said(capsys, "report", "--csv", "--by", "source"))))
    assert {row["source"]: row["own_cost_usd"] for row in rows} == {"codex": "", "kilo": "2"}


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (9_876, "9,876"), (12_345, "12 K"), (99_499, "99 K"), (99_500, "99.5 K"), (410_490, "410.5 K"),
     (999_949, "999.9 K"), (999_950, "1.0 M"), (1_250_000_000, "1.2 B")],
)  # fmt: skip
def test_tokens_are_told_in_the_units_of_the_page(count: int, words: str) -> None:
    """One number has one rounding, in the terminal and on the page."""
    assert tokens_text(count) == words


def test_what_a_plan_pays_for_is_a_value_and_no_cost(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In brackets, with the plans below; never nothing, nor without a price for one record that could not be used."""
    opus = [spent(number, SATURDAY, None, "claude-opus-4-1") for number in (3, 6)]
    broken = opus[1]._replace(tokens=Tokens(None, 0, 0, 0, 5), unknown=("input_tokens",))
    fill(database, [("claude-code", [opus[0], broken]), ("codex", [spent(1, SATURDAY, 2)])], GenaiPriceList())
    assert "In brackets" not in said(capsys)
    assert said(capsys, "plan", "set", "claude-code", "--price", "99.50", "--renews", "15", "--currency", "EUR")
    lines = " ".join(said(capsys).split())
    assert "Today $2.00 + ($15.00)*" in lines
    assert "November $2.00 + ($15.00)*" in lines
    assert "($15.00)* ($15.00)* - 1.0 M" in lines
    assert "(In brackets): value at list prices of what a plan pays for, in no sum. Plans: Claude Code, " in lines
    assert "EUR 99.50" in lines
    assert "All ($15.00)*" in " ".join(said(capsys, "report", "--source", "claude-code").split())
    assert "Without a price" not in said(capsys, "price", "list")
    assert said(capsys, "plan", "remove", "claude-code") == "claude-code is no longer marked as paid by subscription.\n"
    assert "In brackets" not in said(capsys)


def test_model_without_a_price_is_listed_beside_records_of_it_that_could_be_used_in_part(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the tokens that any price would give a cost."""
    parts = [spent(number, SATURDAY, 5, "m-x")._replace(unknown=("ts",)) for number in (1, 2)]
    cut = spent(3, SATURDAY, None, "m-x")._replace(tokens=Tokens(None, 0, 0, 0, 9), unknown=("input_tokens",))
    fill(database, [("kilo", [*parts, cut, spent(4, SATURDAY, None, "m-x", 3_000_000)])])
    assert "m-x, 3.0 M tokens" in said(capsys, "price", "list")


def test_statusline_of_a_plan_tells_the_value_and_beside_a_budget_the_money_too(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage that a plan pays for is not free, and no part of a budget."""
    fill(database, [("claude-code", [spent(3, SATURDAY, None, "claude-opus-4-1")])], GenaiPriceList())
    assert said(capsys, "plan", "set", "claude-code", "--price", "100", "--renews", "15")
    short = ("status", "--short", "--width", "40")
    assert said(capsys, *short, code=EXIT_DEGRADED) == "($15.00) today, ($15.00) in November\n"
    monkeypatch.setenv("AICO_BUDGET_MONTHLY_USD", "20")
    assert said(capsys, *short, code=EXIT_DEGRADED) == "($15.00) today, ($15.00) in November\n"
    assert said(capsys, "status", "--short", "--width", "60", code=EXIT_DEGRADED) == (
        "($15.00) today, ($15.00) in November, budget $0.00 of $20.00\n"
    )
    monkeypatch.setattr("aico.cli.statusline.now_ms", lambda: at(SATURDAY))
    assert said(capsys, "statusline", "--format", "{today}, {month}") == (
        "($15.00) today, ($15.00) Nov, budget $0.00/20\n"
    )
    assert "November ($15.00) Budget $0.00 of $20.00; too few days" in " ".join(said(capsys).split())
    fill(database, [("codex", [spent(1, SATURDAY, 30)])])
    assert "November $30.00 + ($15.00) Budget $30.00 of $20.00, over; too" in " ".join(said(capsys).split())
    assert said(capsys, "statusline", "--format", "{today}, {month}") == (
        "$30.00 + ($15.00) today, $30.00 + ($15.00) Nov, budget $30.00/20\n"
    )


def test_report_of_everything_begins_with_the_first_day(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In local days, of every source; of nothing it is this month."""
    assert "Nov 01 to Nov 28 2026" in said(capsys, "report", "--all")
    new_year = datetime(2025, 1, 1, 0, 10, tzinfo=PARIS)
    fill(database, [("codex", [spent(1, SATURDAY, 5), spent(2, new_year, 7)])])
    lines = " ".join(said(capsys, "report", "--all").split())
    assert "Jan 01 2025 to Nov 28 2026 All time $12.00" in lines
    assert "Nov 01 to Nov 28 2026 All $5.00" in " ".join(said(capsys, "report").split())
    assert "Wed Jan 01 2025 All $7.00" in " ".join(said(capsys, "report", "--all", "--to", "2025-01-01").split())


def test_report_of_everything_is_not_said_to_be_of_the_month(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage that began within the month has days of its own, in the lines and in the answer."""
    fill(database, [("codex", [spent(1, SATURDAY, 5), spent(2, SATURDAY - timedelta(days=1), 7)])])
    assert "Nov 27 to Nov 28 2026 All time $12.00" in " ".join(said(capsys, "report", "--all").split())
    told = json.loads(said(capsys, "report", "--all", "--json"))
    assert told["from"] == at(datetime(2026, 11, 27, tzinfo=PARIS))


def test_report_over_new_year_names_both_years(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first day's year would be read as that of the last one."""
    fill(database, [("codex", [spent(1, SATURDAY, 5)])])
    assert "Dec 01 2025 to Nov 28 2026" in said(capsys, "report", "--from", "2025-12-01")


def test_budget_is_told_beside_the_month(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The share that is used, or by how much it is over."""
    monkeypatch.setenv("AICO_BUDGET_MONTHLY_USD", "20")
    fill(database, [("codex", [spent(1, SATURDAY, 5)])])
    assert "25 % of the $20.00 budget; too few days yet for a forecast" in said(capsys)
    fill(database, [("codex", [spent(2, SATURDAY, 16)])])
    assert "$1.00 over the $20.00 budget; too few days yet for a forecast" in said(capsys)


def test_short_status_says_what_is_missing_and_that_nobody_watches(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit 3; parts go from the right where there is no room."""
    fill(database, [("codex", [*saturdays(9), spent(1, SATURDAY - timedelta(hours=1), 9)])])
    line = said(capsys, "status", "--short", "--width", "200", code=EXIT_DEGRADED)
    assert line.startswith("$9.00 today (+260 %), $167.00 in November, not watching since ")
    assert said(capsys, "status", "--short", "--width", "44", code=EXIT_DEGRADED) == (
        "$9.00 today (+260 %), $167.00 in November\n"
    )
    fill(database, [("kilo", [spent(3, SATURDAY, None)])])
    line = said(capsys, "status", "--short", "--width", "10", code=EXIT_DEGRADED)
    assert line == "no price for 1 model; $9.00* today (+260 %)\n"


def test_standstill_is_told_with_the_time_at_which_the_service_ended(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that found nothing new has kept the numbers fresh all the same."""
    assert said(capsys, "status", "--short", code=EXIT_DEGRADED).endswith(", never watched\n")
    monkeypatch.setattr("aico.core.instance_lock.time.time_ns", lambda: at(SATURDAY - timedelta(hours=2)) * 10**6)
    InstanceLock(database).acquire("http://127.0.0.1:1").release()
    assert said(capsys, "status", "--short", code=EXIT_DEGRADED).endswith(", not watching since 14:10\n")
    for words in ((), ("today",), ("today", "--by", "model"), ("week",), ("month",), ("report",)):
        assert "Not watching: numbers as of 14:10. " in said(capsys, *words), words


def test_short_status_asks_the_service_whether_it_is_well(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is degraded, or does not answer, is told with exit 3."""
    lock = InstanceLock(database).acquire("http://127.0.0.1:1")
    try:
        assert "does not answer" in said(capsys, "status", "--short", code=EXIT_DEGRADED)
        for ready, code in ((True, EXIT_OK), (False, EXIT_DEGRADED)):
            monkeypatch.setattr("aico.proxy.readiness.is_ready", lambda _url, _token, ready=ready: ready)
            line = said(capsys, "status", "--short", code=code)
            assert ("degraded" in line) is not ready
        for words in ((), ("week",), ("report",), ("today", "--by", "model")):
            assert "Not watching" not in said(capsys, *words), words
    finally:
        lock.release()


def test_no_file_is_made_beside_the_database(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A look leaves nothing, and waits for nobody."""
    fill(database, typical())
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    for words in ((), ("today",), ("report", "--json")):
        said(capsys, *words)
    said(capsys, "status", "--short", code=EXIT_DEGRADED)
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


@pytest.mark.parametrize("encoding", first_is_quick("ascii", "latin-1"))
def test_terminal_without_blocks_gets_plain_characters(database: Path, encoding: str) -> None:
    """Bars are of ``#``; what cannot be shown is escaped, and nothing ends in a traceback."""
    fill(database, [("codex", [spent(1, SATURDAY, 1, "日本"), spent(2, datetime.now(UTC), 1, "日本")])])
    ended = subprocess.run(
        [sys.executable, "-m", "aico"],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        cwd=ROOT,
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (EXIT_OK, b"")
    assert b"##########" in ended.stdout
    assert b"------" in ended.stdout
    assert rb"\u65e5" in ended.stdout


def test_without_a_database_it_says_how_to_start(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, and the words that start the service."""
    database.unlink()
    assert main([]) == EXIT_FAILED
    assert "serve`" in capsys.readouterr().err


def test_titles_are_those_of_the_sources() -> None:
    """A terminal calls a tool what the page calls it."""
    assert {source.id: TITLES.get(source.id) for source in SOURCES} == {source.id: source.title for source in SOURCES}
    named = {
        (source.id, None if gap.origin is None else source.get_origin(gap.origin).meter_id)
        for source in SOURCES
        for gap in source.gaps
    }
    assert {source for source, origin in named if origin is None} == UNWRITTEN
    assert {(source, origin) for source, origin in named if origin is not None} == set(UNWRITTEN_BY.items())


def test_limit_and_budget_stand_in_the_short_line(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The window that is nearest to its end, else the open block; a budget that the page or a command has set."""

    def line(*words: str) -> str:
        return said(capsys, "status", "--short", "--width", "200", *words, code=EXIT_DEGRADED).rstrip("\n")

    fill(database, [("claude-code", [spent(1, SATURDAY, 5)])])
    assert line().endswith(", Claude Code 5 hours $5.00")
    fill(database, [("claude-code", [spent(2, SATURDAY, 5, "claude-opus-4-1")])], GenaiPriceList())
    assert line().endswith(", Claude Code 5 hours $15.00")
    assert said(capsys, "budget", "set", "all", "--amount", "125", "--period", "month")
    assert said(capsys, "plan", "set", "claude-code", "--price", "200", "--renews", "15", "--five-hours", "60")
    assert "$10.00 of $125.00" in line()
    assert line().endswith(", Claude Code 5 hours 25 %")
    week = PlanWindow("secondary", 8_190, 10_080, at(SATURDAY) + 3_600_000)
    fill(database, [("codex", [PlanReading("codex", NOW_MS, (week,))])])
    assert line().endswith(", Codex week 82 %")
    for words in ((), ("today",)):
        assert re.search(r"^  Limits +Codex week 82 % used, resets 17:10$", said(capsys, *words), re.MULTILINE)
    assert said(capsys, "status", "--short", "--width", "40", code=EXIT_DEGRADED) == "$10.00 today, $10.00 of $125.00\n"


def test_json_without_a_command_is_the_answer_of_the_service(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``GET /api/overview`` has it, before a command it means the same as behind it, and some have none."""
    fill(database, typical())
    told = OverviewOut.model_validate_json(said(capsys, "--json"))
    assert (told.today.day, told.month.first) == (SATURDAY.date(), SATURDAY.date().replace(day=1))
    assert told.month.totals.requests == json.loads(said(capsys, "month", "--json"))["totals"]["requests"]
    assert said(capsys, "--json", "today") == said(capsys, "today", "--json")
    with pytest.raises(SystemExit, match="2"):
        main(["--json", "serve"])
    assert "serve prints no JSON" in capsys.readouterr().err
