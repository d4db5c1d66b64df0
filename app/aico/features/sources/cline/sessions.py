"""Cline's session store: one row for each session, with its running total as of the last turn that has ended.

The total of a session includes its team mates, whose rows are therefore left out, as are those of agents that
``spawn_agent`` started: they never carried a number, and a row cannot tell whether its session's total includes it.
Pure but for the origin at the end: no I/O, no clock, no logging.

Source: cline/cline, ``sdk/packages/core/src/runtime/host/local-runtime-host.ts`` (``usage``, ``aggregateUsage`` and
``aggregatedAgentsCost``, written when a turn ends), ``session/models`` (``SESSION_STATUSES``),
``apps/vscode/src/sdk/sdk-task-history.ts`` (``tokensIn`` and its neighbours, written with each answer) and
``message-translator.ts`` (``normalizeUsageEvent``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

from aico.core.errors import (
    OriginName,
    SessionsBusy,
    SessionsFormat,
    SessionsNotFound,
    SessionsPathRefused,
    SessionsTooLarge,
    SessionsUnreadable,
    SourceErrors,
)
from aico.core.usage import MeterReading, Rejection, SessionState
from aico.features.files.cells import RowJudge, RowRefused
from aico.features.files.sqlite import Judged, SqliteQuery
from aico.features.files.sqlite_process import Row
from aico.features.files.sqlite_question import Cell, json_of, number_in, text_in, text_of
from aico.features.sources.cline.databases import list_database_places
from aico.features.sources.cline.fields import start_of
from aico.features.sources.source import Origin, Place, Surroundings

Number = TypeVar("Number", int, float)

NAME = "sessions.db"
TABLE = "sessions"
COLUMNS = (
    *("session_id", "updated_at", "started_at", "ended_at", "status", "exit_code"),
    *("model", "parent_session_id", "is_subagent", "metadata_json"),
)
"""Only these are ever looked into; of the last one, the numbers, the model and the mark below."""
USAGE_FIELDS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "totalCost")
"""The fields of ``usage`` and ``aggregateUsage``. ``inputTokens`` includes reads from and writes to the cache."""
EDITOR_FIELDS = ("tokensIn", "tokensOut", "cacheReads", "cacheWrites", "totalCost")
"""The VS Code extension keeps these beside them, in the ledger's meaning: its input is without the cache."""
NUMBERS = (
    *(f"$.aggregateUsage.{name}" for name in USAGE_FIELDS),
    *(f"$.usage.{name}" for name in USAGE_FIELDS),
    "$.aggregatedAgentsCost",
    *(f"$.{name}" for name in EDITOR_FIELDS),
)
RECONCILER = "stale_session_reconciler"
"""Cline's clean-up of sessions whose process went away says in ``terminal_marker_source`` that it wrote the row."""
OVERLAP = timedelta(seconds=60)
"""How far behind the newest change a reading begins: equal times, and clocks that were set back a little."""
EVERYTHING = ""

_FACTS = (
    text_of("session_id"),
    text_of("updated_at"),
    text_of("started_at"),
    text_of("status"),
    "CASE typeof(exit_code) WHEN 'integer' THEN exit_code END",
    "ended_at IS NOT NULL",
    text_of("model"),
    text_in("metadata", "$.modelId"),
    text_of("parent_session_id"),
    f"coalesce(json_extract(metadata, '$.terminal_marker_source') = '{RECONCILER}', 0)",
    text_in("metadata", "$.fork.forkedFromSessionId"),
)
STATEMENT = f"""
    WITH session AS (
        SELECT session_id, updated_at, started_at, ended_at, status, exit_code, model, parent_session_id, is_subagent,
            {json_of("metadata_json")} AS metadata
        FROM {TABLE} WHERE updated_at >= ? LIMIT -1
    )
    SELECT {", ".join(_FACTS)}, {", ".join(number_in("metadata", path) for path in NUMBERS)}
    FROM session WHERE coalesce(is_subagent, 0) = 0 ORDER BY updated_at, session_id
"""  # noqa: S608  # constants of this module; the one value is bound
"""Per session, the oldest change first: :class:`_Facts`, then the numbers."""

_STATES = {
    "running": SessionState.RUNNING,
    "pending": SessionState.RUNNING,
    "idle": SessionState.DONE,
    "completed": SessionState.DONE,
    "cancelled": SessionState.INTERRUPTED,
    "failed": SessionState.FAILED,
}


class _Facts(NamedTuple):
    """The cells of a row before its numbers."""

    session_id: Cell
    updated_at: Cell
    started_at: Cell
    status: Cell
    exit_code: Cell
    has_ended: Cell
    model: Cell
    model_id: Cell
    parent: Cell
    was_cleaned_up: Cell
    forked_from: Cell


class Totals(NamedTuple):
    """A session's totals as one of the shapes states them; None is unknown. Input is without the cache."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cost_usd: float | None = None

    @property
    def is_silent(self) -> bool:
        """True if no number is stated."""
        return all(number is None for number in self)


def judge_rows(rows: Sequence[Row]) -> Judged:
    """Return the readings of rows of ``STATEMENT``. Any exception is a bug."""
    readings: list[MeterReading] = []
    rejections: list[Rejection] = []
    partials: list[Rejection] = []
    for index, row in enumerate(rows):
        judge = RowJudge(index)
        try:
            readings.append(_judge_row(row, judge))
        except RowRefused as refused:
            rejections.append(refused.rejection)
        else:
            partials += judge.partials
    readings.reverse()
    return Judged(_parents_first(readings), rejections=tuple(rejections), partials=tuple(partials))


def _parents_first(readings: list[MeterReading]) -> list[MeterReading]:
    """Return ``readings`` in their order, but each fork behind the session that it was forked from."""
    if not any(reading.forked_from for reading in readings):
        return readings
    waiting = {reading.session: reading for reading in readings}
    ordered: list[MeterReading] = []
    for reading in readings:
        line: list[MeterReading] = []
        ahead = waiting.pop(reading.session, None)
        while ahead is not None:
            line.append(ahead)
            ahead = waiting.pop(ahead.forked_from, None) if ahead.forked_from else None
        ordered += reversed(line)
    return ordered


def _judge_row(row: Row, judge: RowJudge) -> MeterReading:
    """Return the running total of a session; without a number before its first turn has ended. Raises RowRefused."""
    facts = _Facts(*row[: len(_FACTS)])
    session = judge.read_identifier(facts.session_id, "session_id")
    totals = read_totals(row[len(_FACTS) :], judge)
    # The row keeps the model of the beginning; the extension says which one answers now.
    model = judge.read_model(facts.model_id, "modelId") or judge.read_model(facts.model, "model")
    return MeterReading(
        session=session,
        ts=_read_last_activity(facts, judge),
        model=model,
        input=totals.input,
        cache_read=totals.cache_read,
        cache_write_5m=totals.cache_write,
        cache_write_1h=None,
        output=totals.output,
        reasoning=None,
        cost_usd=totals.cost_usd,
        state=_read_state(facts),
        parent=judge.find_identifier(facts.parent, "parent_session_id"),
        unknown=judge.unknown,
        forked_from=judge.find_identifier(facts.forked_from, "fork.forkedFromSessionId"),
        started_ts=_find_start(facts, session),
    )


def _find_start(facts: _Facts, session: str) -> int | None:
    """Return when the session was started: one that was resumed from the ledger says it in its id."""
    stated = RowJudge(0).read_iso_moment_ms(facts.started_at, "started_at")  # nothing else hangs on it: no partial
    return min((start for start in (stated, start_of(session)) if start is not None), default=None)


def _read_last_activity(facts: _Facts, judge: RowJudge) -> int | None:
    """Return when the session was last active.

    Its clean-up may come days later, and it writes its own time as the end and as the last change: then all that is
    left of the session's own times is its start.
    """
    own = ("started_at", facts.started_at), ("updated_at", facts.updated_at)
    for name, cell in own if facts.was_cleaned_up else reversed(own):
        moment_ms = judge.read_iso_moment_ms(cell, name)
        if moment_ms is not None:
            return moment_ms
    return None


def _read_state(facts: _Facts) -> SessionState:
    if facts.status == "failed" and facts.was_cleaned_up:
        return SessionState.INTERRUPTED  # its process went away: nothing else failed
    known = _STATES.get(facts.status) if isinstance(facts.status, str) else None
    if known is not None:
        return known
    if not facts.has_ended or not isinstance(facts.exit_code, int):
        return SessionState.UNKNOWN
    return SessionState.FAILED if facts.exit_code else SessionState.DONE


def read_totals(numbers: Sequence[Cell], judge: RowJudge) -> Totals:
    """Return the totals of ``numbers``, which are in the order of the statement.

    Totals with the agents of a session go before those without. During a turn the editor's own counts run ahead of
    the core's, which are written at its end; those that are further on, by their output, are taken, but take nothing
    away.
    """
    width = len(USAGE_FIELDS)
    with_agents = read_usage(numbers[:width], "aggregateUsage", judge)
    core = read_usage(numbers[width : 2 * width], "usage", judge) if with_agents.is_silent else with_agents
    agents_cost = judge.read_cost(numbers[2 * width], "aggregatedAgentsCost")
    if not core.is_silent:
        core = core._replace(cost_usd=greater(core.cost_usd, agents_cost))
    editor = _read_editor(numbers[2 * width + 1 :], judge)
    if editor.is_silent or (not core.is_silent and (editor.output or 0) <= (core.output or 0)):
        return core
    return Totals(
        greater(core.input, editor.input),
        editor.output,
        greater(core.cache_read, editor.cache_read),
        greater(core.cache_write, editor.cache_write),
        greater(core.cost_usd, editor.cost_usd),
    )


def read_usage(cells: Sequence[Cell], name: str, judge: RowJudge) -> Totals:
    """Read the cells of ``USAGE_FIELDS``. Cache reads and writes are taken off the input, but not below 0.

    A few providers report an input without the cache. While a cache number is there that cannot be used, the input
    without it cannot be told either.
    """
    known = len(judge.partials)
    fields = [f"{name}.{field}" for field in USAGE_FIELDS]
    read = judge.read_count(cells[2], fields[2])
    written = judge.read_count(cells[3], fields[3])
    is_cache_told = len(judge.partials) == known
    gross = judge.read_count(cells[0], fields[0])
    net = None if gross is None or not is_cache_told else max(0, gross - (read or 0) - (written or 0))
    return Totals(net, judge.read_count(cells[1], fields[1]), read, written, judge.read_cost(cells[4], fields[4]))


def _read_editor(cells: Sequence[Cell], judge: RowJudge) -> Totals:
    """Read the cells of ``EDITOR_FIELDS``. The core writes ``totalCost`` too: by itself it is no count of the editor's.

    Reasons against it are kept all the same: then the cost of the whole row is in doubt.
    """
    tokens_in, tokens_out, read, written = map(judge.read_count, cells[:4], EDITOR_FIELDS[:4])
    return Totals(tokens_in, tokens_out, read, written, judge.read_cost(cells[4], EDITOR_FIELDS[4]))


def greater(first: Number | None, second: Number | None) -> Number | None:
    """Return the greater number; None is smaller than any."""
    return second if first is None else first if second is None else max(first, second)


def cursor_after(rows: Sequence[Row], now_ms: int) -> Cell:
    """Return the time of the newest row, at most now, less the overlap, as the store writes it; None without rows."""
    if not rows:
        return None
    try:
        newest = datetime.fromisoformat(str(rows[-1][1])).astimezone(UTC)
        moment = min(newest, datetime.fromtimestamp(now_ms / 1000, UTC)) - OVERLAP
    except (ValueError, OverflowError):
        return EVERYTHING
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


QUERY = SqliteQuery(
    errors=SourceErrors(
        OriginName("cline", "sessions", "session store"),
        path_refused=SessionsPathRefused,
        not_found=SessionsNotFound,
        too_large=SessionsTooLarge,
        format=SessionsFormat,
        unstable=SessionsBusy,
        unreadable=SessionsUnreadable,
    ),
    name=NAME,
    statement=STATEMENT,
    tables={TABLE: COLUMNS},
    views=("session",),
    judge=judge_rows,
    cursor_after=cursor_after,
    first=EVERYTHING,
)


def list_places(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return where the session store is looked for."""
    return list_database_places(surroundings, "sessions", NAME, "sessions_path")


SESSIONS = Origin(
    id="sessions",
    title="session store",
    places=list_places,
    open=QUERY.open,
    meter="sessions",
    privacy="the prompts, titles and system prompts in the same rows",
)
