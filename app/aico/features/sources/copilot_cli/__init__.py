"""Copilot CLI: the usage of each call to a model, in its session store.

A call is named by its session, time, model and counts, not by its number: a store can be built anew from the logs of
its sessions, which numbers its rows anew.
Pure but for the origin at the end: no I/O, no clock, no logging.

Source: Copilot CLI 1.0.102, ``assistant_usage_events``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aico.core.errors import OriginName, SourceErrors
from aico.core.usage import Rejection, RequestState, Tokens, UsageEvent, digest
from aico.features.files.cells import RowJudge, RowRefused
from aico.features.files.sqlite import Judged
from aico.features.files.sqlite_process import Row
from aico.features.files.sqlite_question import FUNCTIONS, Cell, text_of
from aico.features.files.sqlite_rows import SqliteRows
from aico.features.sources.source import GapKind, Origin, Place, Source, Surroundings

NAME = "session-store.db"
TABLE = "assistant_usage_events"
COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
"""Input includes what was read from and written to the cache, output includes reasoning. NULL: not measured."""
COLUMNS = ("session_id", "agent_id", "model", "created_at", *COUNTS)
_NUMBER = "CASE WHEN typeof({0}) IN ('integer', 'real', 'null') THEN {0} ELSE typeof({0}) END"


class _Cells(NamedTuple):
    """The cells of a row before its counts."""

    session: Cell
    agent: Cell
    model: Cell
    created: Cell


def judge_rows(rows: Sequence[Row]) -> Judged:
    """Return what rows of the statement say. Any exception is a bug."""
    events: list[UsageEvent] = []
    rejections: list[Rejection] = []
    partials: list[Rejection] = []
    for index, row in enumerate(rows):
        judge = RowJudge(index)
        try:
            events.append(_judge_row(row, judge))
        except RowRefused as refused:
            rejections.append(refused.rejection)
        else:
            partials += judge.partials
    return Judged(events, 0, tuple(rejections), tuple(partials))


def _judge_row(row: Row, judge: RowJudge) -> UsageEvent:
    """Return one call. Raises RowRefused."""
    cells = _Cells(*row[: len(_Cells._fields)])
    session = judge.read_identifier(cells.session, "session_id")
    ts = judge.read_moment(_with_zone(cells.created), "created_at", is_text=True)
    model = judge.read_model(cells.model, "model")
    agent = judge.find_identifier(cells.agent, "agent_id")
    gross, output, read, written, reasoning = counts = [
        judge.read_count(cell, name) for cell, name in zip(row[len(_Cells._fields) :], COUNTS, strict=True)
    ]
    is_cache_told = {"cache_read_tokens", "cache_write_tokens"}.isdisjoint(judge.unknown)
    net = gross - (read or 0) - (written or 0) if gross is not None and is_cache_told else None
    is_measured = any(counts)
    if net is not None and net < 0:
        # More came from the cache than was sent: what was sent anew is not known.
        net = judge.read_count(net, COUNTS[0])
    if reasoning and output is not None and reasoning > output:
        reasoning = None
    return UsageEvent(
        key=digest(session, ts, agent, model, *counts),
        session=session,
        ts=ts,
        model=model,
        tokens=Tokens(net, read, written, None, output, reasoning) if is_measured else Tokens(),
        state=_state_of(gross, output, is_measured=is_measured),
        unknown=judge.unknown,
    )


def _state_of(gross: int | None, output: int | None, *, is_measured: bool) -> RequestState:
    if not is_measured:
        return RequestState.UNMEASURED
    return RequestState.INTERRUPTED if gross and not output else RequestState.FINAL


def _with_zone(cell: Cell) -> Cell:
    """Return the time of a row; SQLite's own ``datetime('now')``, the column's default, is UTC and does not say so."""
    return f"{cell}Z" if isinstance(cell, str) and len(cell) == len("2026-11-28 14:40:53") else cell


STORE = SqliteRows(
    errors=SourceErrors(OriginName("copilot-cli", "store", "session store")),
    names=(NAME,),
    table=TABLE,
    mark="created_at",
    columns=(*(text_of(name) for name in COLUMNS[:4]), *(_NUMBER.format(name) for name in COUNTS)),
    tables={TABLE: ("id", *COLUMNS)},
    judge=judge_rows,
    # SQLite also asks whether the function in a column's default may be called, of statements that only read.
    functions=(*FUNCTIONS, "datetime"),
)


def choose_places(surroundings: Surroundings) -> tuple[Place, ...]:
    """Return the folders of session stores: those that the operator names, or that the tool's variable names."""
    if named := surroundings.configured.get("store") or surroundings.configured.get(""):
        return tuple(dict.fromkeys(Place(path.rstrip("/") or "/", "[sources.copilot-cli] roots") for path in named))
    if home := surroundings.environment.get("COPILOT_HOME", "").rstrip("/"):
        return (Place(home, "COPILOT_HOME"),)
    return (Place(f"{surroundings.home}/.copilot", "default"),)


SOURCE = Source(
    id="copilot-cli",
    title="Copilot CLI",
    origins=(
        Origin(
            id="store",
            title="session store",
            places=choose_places,
            open=STORE.open,
            privacy="the conversations in its other tables",
        ),
    ),
    gaps=(GapKind("broken", "billed and in no row: answers that broke off or were interrupted"),),
)
