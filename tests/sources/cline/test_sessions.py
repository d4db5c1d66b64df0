"""Each shape of a session's row becomes a reading in our meaning, and nothing else of the store is ever looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aico.core.usage import MeterReading, Rejection, RejectionCode, SessionState, Trigger
from aico.features.files.cells import RowJudge
from aico.features.files.feed import Reading
from aico.features.files.sqlite_process import Row, ask_database
from aico.features.files.sqlite_question import NOT_FINITE, TEXT_MAX, Cell
from aico.features.sources.cline import sessions
from aico.features.sources.cline.sessions import NUMBERS, QUERY, RECONCILER, Totals, cursor_after, judge_rows
from aico.features.sources.source import Surroundings
from bench.fake_session_store import FIRST_MS, SECRET, Json, SessionStore, core_metadata, editor_metadata, iso, usage
from tests.files.databases import LIMITS, MAX_BYTES

HOUR_MS = 3_600_000
PRIVATE = {"prompt", "title", "messages_path", "transcript_path", "hook_path", "cwd", "workspace_root", "systemPrompt"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store lies."""
    return tmp_path.resolve() / "cline" / "data" / "db" / "sessions.db"


@pytest.fixture
def store(path: Path) -> Iterator[SessionStore]:
    """Open the store as Cline does."""
    store = SessionStore(path)
    yield store
    store.close()


async def read(path: Path) -> Reading:
    """Read the whole store."""
    return await QUERY.open(str(path), LIMITS).read(Trigger.STARTUP)


def readings_in(reading: Reading) -> dict[str, MeterReading]:
    """Return the readings by session."""
    return {record.session: record for record in reading.records if isinstance(record, MeterReading)}


async def rows_in(path: Path, since: str = "") -> list[Row]:
    """Return the rows of the statement."""
    return await ask_database(QUERY.ask(str(path), since, MAX_BYTES))


def numbers(metadata: Json) -> list[Cell]:
    """Return the numbers as the statement hands them on."""
    found: list[Cell] = []
    for path in NUMBERS:
        value: object = metadata
        for name in path.split(".")[1:]:
            value = value.get(name) if isinstance(value, dict) else None
        found.append(value if isinstance(value, int | float | str) else None)
    return found


def row(metadata: Json | None = None, /, **facts: Cell) -> Row:
    """Return a row of the statement's."""
    first: dict[str, Cell] = {
        "session_id": "1",
        "updated_at": iso(FIRST_MS + HOUR_MS),
        "started_at": iso(FIRST_MS),
        "status": "completed",
        "exit_code": 0,
        "has_ended": 1,
        "model": "m",
        "model_id": None,
        "parent": None,
        "was_cleaned_up": 0,
        "forked_from": None,
    }
    return [*(first | facts).values(), *numbers(editor_metadata(1, 2, 0.5) if metadata is None else metadata)]


def judged(metadata: Json | None = None, /, **facts: Cell) -> MeterReading:
    """Return what a row says."""
    (record,) = judge_rows([row(metadata, **facts)]).records
    assert isinstance(record, MeterReading)
    return record


def totals(metadata: Json) -> Totals:
    """Return what the numbers come to."""
    return sessions.read_totals(numbers(metadata), RowJudge(0))


def test_input_of_the_core_is_told_without_what_the_cache_read_and_wrote() -> None:
    """The core's input includes the cache; the kinds are disjoint here."""
    metadata = core_metadata(usage(1_000, 50, 0.25, read=600, written=150))
    assert totals(metadata) == Totals(250, 50, 600, 150, 0.25)


def test_input_is_never_below_zero() -> None:
    """A few providers report the input without the cache; then it is taken off twice, and nothing is left."""
    assert totals(core_metadata(usage(100, 5, 0.1, read=600))) == Totals(0, 5, 600, 0, 0.1)


def test_numbers_with_agents_go_before_those_without() -> None:
    """The usage of a session's team mates is the session's."""
    metadata = core_metadata(usage(100, 5, 0.1), usage(400, 25, 0.7, read=100))
    assert totals(metadata) == Totals(300, 25, 100, 0, 0.7)


def test_cost_of_agents_alone_is_taken_where_nothing_else_says_it() -> None:
    """Older rows have the agents' cost, but not their tokens."""
    metadata: Json = {"usage": usage(100, 5, 0.1), "aggregatedAgentsCost": 0.7, "totalCost": 0.1}
    assert totals(metadata) == Totals(100, 5, 0, 0, 0.7)


def test_numbers_of_the_editor_are_those_of_the_ledger() -> None:
    """The extension keeps input, cache reads and cache writes apart already."""
    metadata = editor_metadata(250, 50, 0.25, cacheReads=600, cacheWrites=150, modelId="x")
    assert totals(metadata) == Totals(250, 50, 600, 150, 0.25)


def test_core_is_taken_when_its_turn_has_ended() -> None:
    """At the end of a turn both have counted the same answers; the core also knows the agents."""
    core = core_metadata(usage(1_000, 50, 0.25, read=600), usage(2_000, 80, 0.5, read=600))
    assert totals({**editor_metadata(400, 50, 9.9), **core}) == Totals(1_400, 80, 600, 0, 0.5)


def test_editor_is_taken_while_it_runs_ahead() -> None:
    """During a turn the extension has already counted answers that the core adds at its end."""
    core = core_metadata(usage(1_000, 50, 0.25, read=600))
    ahead = editor_metadata(700, 90, 0.4, cacheReads=700)
    assert totals({**core, **ahead}) == Totals(700, 90, 700, 0, 0.4)


def test_running_ahead_never_takes_anything_away() -> None:
    """The extension does not know what agents cost: what the core already said stays."""
    core = core_metadata(usage(1_000, 50, 0.25), usage(3_000, 60, 0.9, read=500))
    assert totals({**core, **editor_metadata(700, 90, 0.4)}) == Totals(2_500, 90, 500, 0, 0.9)


def test_session_becomes_a_reading() -> None:
    """Its kinds of tokens, its cost, its last change and its state."""
    metadata = core_metadata(usage(1_000, 50, 0.25, read=600, written=150))
    assert judged(metadata, parent="p") == MeterReading(
        session="1",
        ts=FIRST_MS + HOUR_MS,
        model="m",
        input=250,
        cache_read=600,
        cache_write_5m=150,
        cache_write_1h=None,
        output=50,
        reasoning=None,
        cost_usd=0.25,
        state=SessionState.DONE,
        parent="p",
        started_ts=FIRST_MS,
    )


@pytest.mark.parametrize(
    ("facts", "start"),
    [
        ({"session_id": f"{FIRST_MS + 9}_x"}, FIRST_MS),
        ({"session_id": f"{FIRST_MS - 9}"}, FIRST_MS - 9),
        ({"session_id": f"{FIRST_MS - 9}_x", "started_at": "then"}, FIRST_MS - 9),
        ({"session_id": f"{FIRST_MS}0", "started_at": None}, None),
    ],
)
def test_start_is_that_of_the_row_or_of_the_id(facts: dict[str, Cell], start: int | None) -> None:
    """A task that was resumed from the ledger keeps its id, and so its start; a start that is no time costs nothing."""
    reading = judged(**facts)
    assert (reading.started_ts, reading.unknown) == (start, ())


@pytest.mark.parametrize("metadata", [{}, {"title": "x", "legacyTask": True}, {"usage": {}}, {"usage": None}])
def test_session_without_numbers_is_told_all_the_same(metadata: Json) -> None:
    """Before its first turn has ended, or when it was cut: nothing is known of what it spent, which is not 0."""
    reading = judged(metadata, status="running")
    assert reading.is_silent
    assert (reading.state, reading.unknown) == (SessionState.RUNNING, ())


def test_zeros_of_a_session_that_failed_at_once_are_zeros() -> None:
    """It has called nobody."""
    reading = judged(core_metadata(usage(0, 0, 0)), status="failed", exit_code=1)
    assert reading[3:10] == (0, 0, 0, None, 0, None, 0.0)
    assert (reading.is_silent, reading.state) == (False, SessionState.FAILED)


def test_model_that_answers_now_goes_before_that_of_the_beginning() -> None:
    """The row keeps its first model when a resumed session switches."""
    assert judged(model="first", model_id=" now ").model == "now"
    assert judged(model="first", model_id="").model == "first"
    assert judged(model="", model_id=None).model is None


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"status": "running", "has_ended": 0, "exit_code": None}, SessionState.RUNNING),
        ({"status": "pending", "has_ended": 0, "exit_code": None}, SessionState.RUNNING),
        ({"status": "idle", "has_ended": 0, "exit_code": None}, SessionState.DONE),
        ({"status": "completed"}, SessionState.DONE),
        ({"status": "cancelled"}, SessionState.INTERRUPTED),
        ({"status": "failed", "exit_code": 1}, SessionState.FAILED),
        ({"status": "failed", "exit_code": 1, "was_cleaned_up": 1}, SessionState.INTERRUPTED),
        ({"status": "new word"}, SessionState.DONE),
        ({"status": "new word", "exit_code": 2}, SessionState.FAILED),
        ({"status": "new word", "exit_code": None}, SessionState.UNKNOWN),
        ({"status": 0, "has_ended": 0}, SessionState.UNKNOWN),
    ],
)
def test_state_is_that_of_the_row(facts: dict[str, Cell], state: SessionState) -> None:
    """A word that is new to us leaves the end and the exit code."""
    assert judged(**facts).state is state


def test_last_activity_of_a_session_that_was_cleaned_up_is_its_start() -> None:
    """The clean-up, maybe days later, wrote its own time as the end and as the last change."""
    assert judged(was_cleaned_up=1, status="failed").ts == FIRST_MS
    assert judged(was_cleaned_up=1, started_at=None).ts == FIRST_MS + HOUR_MS
    assert judged(updated_at=None).ts == FIRST_MS
    assert judged(updated_at=None, started_at=None).ts is None


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("", RejectionCode.EMPTY),
        (None, RejectionCode.EMPTY),
        (0, RejectionCode.WRONG_TYPE),
        ("x" * 129, RejectionCode.TOO_LONG),
        ("a\0", RejectionCode.CONTROL_CHARACTER),
    ],
)
def test_row_without_a_usable_id_is_refused(cell: Cell, code: RejectionCode) -> None:
    """By place, code and field; it costs no good row."""
    found = judge_rows([row(), row(session_id=cell), row(session_id="2")])
    assert [record.session for record in found.records if isinstance(record, MeterReading)] == ["2", "1"]
    assert found.rejections == (Rejection(1, code, "session_id"),)


@pytest.mark.parametrize(
    ("facts", "code", "field"),
    [
        ({"model": "x" * 201}, RejectionCode.TOO_LONG, "model"),
        ({"model_id": 0}, RejectionCode.WRONG_TYPE, "modelId"),
        ({"parent": "x" * 129}, RejectionCode.TOO_LONG, "parent_session_id"),
        ({"updated_at": "yesterday"}, RejectionCode.NOT_A_TIME, "updated_at"),
        ({"updated_at": "2026-01-01T00:00:00"}, RejectionCode.NOT_A_TIME, "updated_at"),
        ({"updated_at": "1960-01-01T00:00:00Z"}, RejectionCode.NEGATIVE, "updated_at"),
    ],
)
def test_fact_that_cannot_be_used_is_unknown(facts: dict[str, Cell], code: RejectionCode, field: str) -> None:
    """The numbers of the row are taken."""
    found = judge_rows([row(**facts)])
    (reading,) = found.records
    assert isinstance(reading, MeterReading)
    assert (reading.input, reading.output, reading.cost_usd) == (1, 2, 0.5)
    assert reading.unknown == (field,)
    assert found.partials == (Rejection(0, code, field),)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("text", RejectionCode.WRONG_TYPE),
        ("object", RejectionCode.WRONG_TYPE),
        (NOT_FINITE, RejectionCode.NOT_FINITE),
        (-1, RejectionCode.NEGATIVE),
        (10**12 + 1, RejectionCode.TOO_LARGE),
        (1.5, RejectionCode.NOT_AN_INTEGER),
    ],
)
def test_number_that_cannot_be_used_is_unknown(cell: Cell, code: RejectionCode) -> None:
    """Counts obey the ledger's bounds, wherever they come from; their neighbours are taken."""
    found = judge_rows([row({"aggregateUsage": {**usage(1_000, 50, 0.25, read=600), "outputTokens": cell}})])
    (reading,) = found.records
    assert isinstance(reading, MeterReading)
    assert (reading.input, reading.output, reading.cache_read, reading.cost_usd) == (400, None, 600, 0.25)
    assert found.partials == (Rejection(0, code, "aggregateUsage.outputTokens"),)


def test_input_is_unknown_while_what_the_cache_read_cannot_be_used() -> None:
    """It would hold the cached part, too."""
    reading = judged({"aggregateUsage": {**usage(1_000, 50, 0.25), "cacheReadTokens": "text"}})
    assert (reading.input, reading.cache_read, reading.output) == (None, None, 50)
    assert reading.unknown == ("aggregateUsage.cacheReadTokens",)


def test_whole_number_with_a_point_is_a_count() -> None:
    """JSON does not tell 5.0 from 5."""
    assert judged(editor_metadata(5, 2, 0.5) | {"tokensIn": 5.0}).input == 5


@pytest.mark.parametrize(
    ("rows", "cursor"),
    [
        ([], None),
        ([["1", iso(FIRST_MS)]], "2026-02-25T06:12:20"),
        ([["1", "2999-01-01T00:00:00.000Z"]], "2026-02-25T07:12:20"),
        ([["1", "tomorrow"]], ""),
        ([["1", "0001-01-01T00:00:00.000Z"]], ""),
        ([["1", None]], ""),
    ],
)
def test_cursor_lies_behind_the_newest_change_and_never_ahead_of_now(rows: list[Row], cursor: str | None) -> None:
    """A row from the future, or one without a time, cannot hide what comes next."""
    assert cursor_after(rows, FIRST_MS + HOUR_MS) == cursor


def test_statement_names_no_private_column_and_never_all_of_them() -> None:
    """A column of conversations or folders is neither in the statement nor among those that the authoriser allows."""
    assert set(re.findall(r"\w+", QUERY.statement)).isdisjoint(PRIVATE)
    assert "*" not in QUERY.statement
    assert PRIVATE.isdisjoint(sessions.COLUMNS)


async def test_answer_holds_the_numbers_of_each_shape(store: SessionStore, path: Path) -> None:
    """A row of the core's, one of the editor's, and one without; agents are in their session's numbers."""
    store.put("editor", editor_metadata(1, 2, 0.5, modelId="x"), updated_ms=FIRST_MS + 2)
    store.put("core", core_metadata(usage(9, 2, 0.25), usage(10, 4, 0.75, read=5, written=2)), updated_ms=FIRST_MS + 1)
    store.put("silent", None, updated_ms=FIRST_MS)
    store.put("agent", core_metadata(usage(500, 50, 0.5)), is_subagent=True)
    reading = await read(path)
    found = readings_in(reading)
    assert list(found) == ["editor", "core", "silent"]
    assert found["editor"][2:10] == ("x", 1, 0, 0, None, 2, None, 0.5)
    assert found["core"][2:10] == ("z-ai/glm-5", 3, 5, 2, None, 4, None, 0.75)
    assert found["silent"].is_silent
    assert reading.counts.partial_count == 0
    assert SECRET not in repr(await rows_in(path))


async def test_answer_knows_a_clean_up_by_its_name(store: SessionStore, path: Path) -> None:
    """The name is compared inside the database; no other text of the metadata leaves it."""
    for number, source in enumerate((RECONCILER, SECRET, 7, None)):
        store.put(f"s{number}", {**core_metadata(usage(1, 1, 1)), "terminal_marker_source": source})
    assert [row[9] for row in await rows_in(path)] == [1, 0, 0, 0]


async def test_fork_names_the_session_that_it_began_with_and_comes_behind_it(store: SessionStore, path: Path) -> None:
    """As the real command line writes it: the other session's metadata, its numbers among them, and ``fork``."""
    fork = {"forkedAt": iso(FIRST_MS), "source": "cli"}
    own = core_metadata(usage(1000, 10, 0.5, read=100))
    store.put("parent", own, updated_ms=FIRST_MS)
    store.put("b", {**own, "fork": {"forkedFromSessionId": "parent", **fork}}, updated_ms=FIRST_MS + 1)
    store.put("c", {**own, "fork": {"forkedFromSessionId": "b", **fork}}, updated_ms=FIRST_MS + 2)
    store.put("d", {**own, "fork": {"forkedFromSessionId": 7, **fork}}, updated_ms=FIRST_MS + 3)
    store.put("e", {**own, "fork": SECRET}, updated_ms=FIRST_MS + 4)
    reading = await read(path)
    found = readings_in(reading)
    assert list(found) == ["e", "d", "parent", "b", "c"]
    assert [each.forked_from for each in found.values()] == [None, None, None, "parent", "b"]
    assert SECRET not in repr(await rows_in(path))


async def test_answer_names_the_type_of_what_is_no_number(store: SessionStore, path: Path) -> None:
    """Text, objects and truth in a number's place are told by kind; their words stay behind."""
    store.put("1", {"tokensIn": SECRET, "tokensOut": {SECRET: 1}, "totalCost": None})
    store.put("2", f'{{"tokensIn": true, "tokensOut": 1e999, "usage": "{SECRET}"}}')
    rows = await rows_in(path)
    assert SECRET not in repr(rows)
    assert [row[-5:-3] for row in rows] == [["text", "object"], ["true", NOT_FINITE]]
    reading = await read(path)
    assert (reading.counts.partial_count, len(reading.counts.partials)) == (2, 4)


@pytest.mark.parametrize("metadata", ["", "{", "[]", "7", '"text"', f"{{{SECRET}"])
async def test_metadata_that_is_none_costs_its_own_numbers_only(store: SessionStore, path: Path, metadata: str) -> None:
    """Broken JSON says nothing, and its neighbour all."""
    store.put("bad", metadata)
    store.connection.execute("UPDATE sessions SET metadata_json = CAST(x'fffe' AS BLOB) WHERE prompt IS NULL")
    store.put("good", core_metadata(usage(100, 5, 0.5)))
    found = readings_in(await read(path))
    assert found["bad"].is_silent
    assert found["good"].output == 5


async def test_text_that_is_too_long_or_not_utf8_costs_its_own_field(store: SessionStore, path: Path) -> None:
    """A long text is cut so that this shows; SQLite's own message about the other would quote it."""
    store.put("long", None, model="x" * 5_000)
    store.put("odd", None)
    store.connection.execute("UPDATE sessions SET model = CAST(x'ff41' AS TEXT) WHERE session_id = 'odd'")
    rows = {str(row[0]): row for row in await rows_in(path)}
    assert rows["long"][6] == "x" * TEXT_MAX
    assert rows["odd"][6] == "\0"
    found = readings_in(await read(path))
    assert found["long"].unknown == found["odd"].unknown == ("model",)


async def test_notification_reads_what_changed_and_a_rescan_what_a_clock_has_hidden(
    store: SessionStore, path: Path
) -> None:
    """The cursor lies a minute behind the newest change."""
    store.put("1", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS)
    feed = QUERY.open(str(path), LIMITS)
    feed.complete(await feed.read(Trigger.STARTUP))
    store.put("2", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS - 30_000)
    store.put("3", editor_metadata(1, 1, 0.5), updated_ms=FIRST_MS - HOUR_MS)
    reading = await feed.read(Trigger.WATCH)
    feed.complete(reading)
    assert list(readings_in(reading)) == ["2"]
    assert list(readings_in(await feed.read(Trigger.RESCAN))) == ["3"]


async def test_new_columns_change_nothing(store: SessionStore, path: Path) -> None:
    """A later version may add what it likes."""
    store.connection.execute("ALTER TABLE sessions ADD COLUMN anything TEXT")
    store.put("1", json.dumps(core_metadata(usage(1, 1, 1))))
    assert len((await read(path)).records) == 1


@pytest.mark.parametrize(
    ("environment", "path", "chosen_by"),
    [
        ({}, "/home/u/.cline/data/db/sessions.db", "default"),
        ({"CLINE_DIR": "/c/"}, "/c/data/db/sessions.db", "CLINE_DIR"),
        ({"CLINE_DIR": "/c", "CLINE_DATA_DIR": "/d"}, "/d/db/sessions.db", "CLINE_DATA_DIR"),
        ({"CLINE_DATA_DIR": "/d", "CLINE_DB_DATA_DIR": " /e "}, "/e/sessions.db", "CLINE_DB_DATA_DIR"),
    ],
)
def test_place_is_where_cline_keeps_its_databases(environment: dict[str, str], path: str, chosen_by: str) -> None:
    """By Cline's own variables; the operator's paths replace it."""
    found = sessions.SESSIONS.places(Surroundings(Path("/home/u"), environment))
    assert found == ((path, chosen_by),)
    named = Surroundings(Path("/home/u"), environment, {"sessions": ("/x/sessions.db",)})
    assert sessions.SESSIONS.places(named) == (("/x/sessions.db", "sessions_path"),)
    assert not sessions.SESSIONS.is_on_by_default
