"""Each documented shape of a session's numbers becomes totals in the ledger's meaning."""

from __future__ import annotations

import json
from contextlib import closing
from sqlite3 import connect

import pytest

from aico.core.domain import Rejection, RejectionCode, TaskUsage
from aico.features.sessions.shapes import Totals, judge_session, read_totals
from aico.features.sessions.statement import NOT_FINITE, NUMBERS, Cell
from bench.fake_session_store import FIRST_MS, Json, core_metadata, editor_metadata, iso, usage


def numbers(metadata: Json) -> list[Cell]:
    """Return the numbers as the statement hands them on."""
    with closing(connect(":memory:")) as connection:
        text = json.dumps(metadata)
        return [connection.execute("SELECT json_extract(?, ?)", (text, path)).fetchone()[0] for path in NUMBERS]


def row(metadata: Json | None = None, **texts: Cell) -> list[Cell]:
    """Return a row of the statement's."""
    first: dict[str, Cell] = {"session_id": "1", "updated_at": iso(FIRST_MS), "model": "m", "modelId": None}
    return [*(first | texts).values(), *numbers(editor_metadata(1, 2, 0.5) if metadata is None else metadata)]


def code_of(judged: TaskUsage | Rejection | None) -> tuple[RejectionCode, str | None]:
    """Return why a row was refused."""
    assert isinstance(judged, Rejection)
    return judged.code, judged.field


def test_input_of_the_core_is_told_without_what_the_cache_read_and_wrote() -> None:
    """The core's input includes the cache, the ledger's does not."""
    metadata = core_metadata(usage(1_000, 50, 0.25, read=600, written=150))
    assert read_totals(numbers(metadata)) == Totals(250, 50, 0.25)


def test_input_is_never_below_zero() -> None:
    """A few providers report the input without the cache; then it is taken off twice, and nothing is left."""
    assert read_totals(numbers(core_metadata(usage(100, 5, 0.1, read=600)))) == Totals(0, 5, 0.1)


def test_numbers_with_agents_go_before_those_without() -> None:
    """What a session's agents spent is the session's."""
    metadata = core_metadata(usage(100, 5, 0.1), usage(400, 25, 0.7, read=100))
    assert read_totals(numbers(metadata)) == Totals(300, 25, 0.7)


def test_cost_of_agents_alone_is_taken_where_nothing_else_says_it() -> None:
    """Older rows have the agents' cost, but not their tokens."""
    metadata = {"usage": usage(100, 5, 0.1), "aggregatedAgentsCost": 0.7, "totalCost": 0.1}
    assert read_totals(numbers(metadata)) == Totals(100, 5, 0.7)


def test_numbers_of_the_editor_are_those_of_the_ledger() -> None:
    """The extension keeps input, cache reads and cache writes apart already."""
    metadata = editor_metadata(250, 50, 0.25, cacheReads=600, cacheWrites=150, modelId="x")
    assert read_totals(numbers(metadata)) == Totals(250, 50, 0.25)


def test_core_is_taken_when_its_turn_has_ended() -> None:
    """At the end of a turn both have counted the same answers; the core also knows the agents."""
    core = core_metadata(usage(1_000, 50, 0.25, read=600), usage(2_000, 80, 0.5, read=600))
    assert read_totals(numbers({**editor_metadata(400, 50, 9.9), **core})) == Totals(1_400, 80, 0.5)


def test_editor_is_taken_while_it_runs_ahead() -> None:
    """During a turn the extension has already counted answers that the core adds at its end."""
    core = core_metadata(usage(1_000, 50, 0.25, read=600))
    assert read_totals(numbers({**core, **editor_metadata(700, 90, 0.4)})) == Totals(700, 90, 0.4)


def test_running_ahead_never_takes_anything_away() -> None:
    """The extension does not know what agents cost: what the core already said stays."""
    core = core_metadata(usage(1_000, 50, 0.25), usage(3_000, 60, 0.9))
    assert read_totals(numbers({**core, **editor_metadata(700, 90, 0.4)})) == Totals(3_000, 90, 0.9)


@pytest.mark.parametrize("metadata", [{}, {"title": "x", "legacyTask": True}, {"usage": {}}, {"usage": None}])
def test_session_without_numbers_says_nothing(metadata: Json) -> None:
    """Before its first turn has ended a session says nothing: a resumed task must not lose what it had."""
    assert judge_session(row(metadata), 0) is None


def test_session_becomes_a_task() -> None:
    """Id, last change and model stand in columns; the model of the column goes before that of the metadata."""
    assert judge_session(row(), 0) == TaskUsage("1", FIRST_MS, "m", 1, 2, 0.5)
    assert judge_session(row(model="", modelId=" x "), 0) == TaskUsage("1", FIRST_MS, "x", 1, 2, 0.5)
    assert judge_session(row(model=None, modelId=""), 0) == TaskUsage("1", FIRST_MS, None, 1, 2, 0.5)


@pytest.mark.parametrize(
    ("texts", "code", "field"),
    [
        ({"session_id": ""}, RejectionCode.EMPTY, "session_id"),
        ({"session_id": 0}, RejectionCode.WRONG_TYPE, "session_id"),
        ({"session_id": "x" * 129}, RejectionCode.TOO_LONG, "session_id"),
        ({"session_id": "a\0"}, RejectionCode.CONTROL_CHARACTER, "session_id"),
        ({"model": "x" * 201}, RejectionCode.TOO_LONG, "model"),
        ({"model": "", "modelId": 0}, RejectionCode.WRONG_TYPE, "modelId"),
        ({"updated_at": "yesterday"}, RejectionCode.NOT_A_TIME, "updated_at"),
        ({"updated_at": "2026-01-01T00:00:00"}, RejectionCode.NOT_A_TIME, "updated_at"),
        ({"updated_at": "1960-01-01T00:00:00Z"}, RejectionCode.NEGATIVE, "updated_at"),
        ({"updated_at": None}, RejectionCode.NOT_A_TIME, "updated_at"),
    ],
)
def test_session_is_refused_by_code_and_field(texts: dict[str, Cell], code: RejectionCode, field: str) -> None:
    """A bad row is counted with its place, and costs no good one."""
    assert code_of(judge_session(row(None, **texts), 7)) == (code, field)


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
def test_number_is_refused_by_code(cell: Cell, code: RejectionCode) -> None:
    """Counts obey the ledger's bounds, wherever they come from."""
    cells = row()
    cells[-3] = cell
    assert code_of(judge_session(cells, 0)) == (code, "tokensIn")


def test_whole_number_with_a_point_is_a_count() -> None:
    """JSON does not tell 5.0 from 5."""
    cells = row()
    cells[-3] = 5.0
    assert judge_session(cells, 0) == TaskUsage("1", FIRST_MS, "m", 5, 2, 0.5)
