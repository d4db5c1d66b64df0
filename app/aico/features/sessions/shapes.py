"""From a row of the session store to a task's totals, in the ledger's meaning. Pure: no I/O, no clock, no logging.

Source: cline/cline, ``sdk/packages/core/src/runtime/host/local-runtime-host.ts`` (``usage``, ``aggregateUsage`` and
``aggregatedAgentsCost``, written when a turn ends), ``apps/vscode/src/sdk/sdk-task-history.ts`` (``tokensIn`` and its
neighbours, written with each answer) and ``message-translator.ts`` (``normalizeUsageEvent``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from aico.core.domain import Rejection, RejectionCode, TaskUsage
from aico.features.sessions.statement import NOT_FINITE
from aico.features.stores.bounds import COST_MAX, COUNT_MAX, ID_LENGTH_MAX, MODEL_LENGTH_MAX, TS_MAX

Cell: TypeAlias = "str | int | float | None"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = 4


class Totals(NamedTuple):
    """What one of the shapes says a session has spent."""

    tokens_in: int
    tokens_out: int
    total_cost: float


class _Refused(Exception):  # never leaves this module
    def __init__(self, code: RejectionCode, field: str) -> None:
        super().__init__(code, field)
        self.code = code
        self.field = field


def judge_session(row: Sequence[Cell], index: int) -> TaskUsage | Rejection | None:
    """Return what the row says, the first reason against it, or None for a session that states no usage (yet).

    ``row`` is one of :data:`aico.features.sessions.statement.STATEMENT`. A resumed task is a session before its first
    turn has ended: it says nothing then, and must not take its old totals away. Any exception is a bug.
    """
    try:
        totals = read_totals(row[_TEXTS:])
        if totals is None:
            return None
        task_id = _identifier(row[0])
        ts = _moment(row[1])
        model = _text(row[2], "model", MODEL_LENGTH_MAX).strip() or _text(row[3], "modelId", MODEL_LENGTH_MAX).strip()
    except _Refused as refused:
        return Rejection(index, refused.code, refused.field)
    return TaskUsage(task_id, ts, model or None, *totals)


def read_totals(numbers: Sequence[Cell]) -> Totals | None:
    """Return the totals that ``numbers``, in the order of the statement, come to; None when they say nothing.

    What includes the agents that a session started goes before what does not. During a turn the editor's own counts
    run ahead of the core's, which are written at its end; the one that is further on, by tokens out, is taken.
    """
    with_agents = _core(numbers[:5], "aggregateUsage")
    alone = _core(numbers[5:10], "usage")
    agents_cost = _cost(numbers[10], "aggregatedAgentsCost")
    core = with_agents or alone
    if core is not None and agents_cost is not None:
        core = core._replace(total_cost=max(core.total_cost, agents_cost))
    editor = _editor(numbers[11:])
    if core is None or editor is None:
        return core or editor
    if editor.tokens_out <= core.tokens_out:
        return core
    return Totals(max(core.tokens_in, editor.tokens_in), editor.tokens_out, max(core.total_cost, editor.total_cost))


def _core(cells: Sequence[Cell], name: str) -> Totals | None:
    """Read ``usage`` or ``aggregateUsage``: its input includes what was read from and written to the cache.

    The ledger's does not, so that is taken off. A few providers report without it; then nothing below 0 comes out.
    """
    fields = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")
    counts = [_count(cell, f"{name}.{field}") for cell, field in zip(cells, fields, strict=False)]
    cost = _cost(cells[4], f"{name}.totalCost")
    if all(value is None for value in (*counts, cost)):
        return None
    gross, out, read, written = (count or 0 for count in counts)
    return Totals(max(0, gross - read - written), out, cost or 0.0)


def _editor(cells: Sequence[Cell]) -> Totals | None:
    """Read the fields that the VS Code extension keeps: without the cache, as in the ledger."""
    tokens_in, tokens_out = _count(cells[0], "tokensIn"), _count(cells[1], "tokensOut")
    cost = _cost(cells[2], "totalCost")
    if tokens_in is None and tokens_out is None and cost is None:
        return None
    return Totals(tokens_in or 0, tokens_out or 0, cost or 0.0)


def _count(cell: Cell, field: str) -> int | None:
    number = _number(cell, field, COUNT_MAX)
    if number is not None and number != int(number):
        raise _Refused(RejectionCode.NOT_AN_INTEGER, field)
    return None if number is None else int(number)


def _cost(cell: Cell, field: str) -> float | None:
    number = _number(cell, field, COST_MAX)
    return None if number is None else float(number) + 0.0


def _number(cell: Cell, field: str, maximum: int) -> int | float | None:
    if cell is None or cell == "null":
        return None
    if cell == NOT_FINITE:
        raise _Refused(RejectionCode.NOT_FINITE, field)
    if isinstance(cell, str):
        raise _Refused(RejectionCode.WRONG_TYPE, field)
    if cell < 0:
        raise _Refused(RejectionCode.NEGATIVE, field)
    if cell > maximum:
        raise _Refused(RejectionCode.TOO_LARGE, field)
    return cell


def _text(cell: Cell, field: str, length_max: int) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str):
        raise _Refused(RejectionCode.WRONG_TYPE, field)
    if len(cell) > length_max:
        raise _Refused(RejectionCode.TOO_LONG, field)
    if not cell.isprintable() and any(unicodedata.category(character) == "Cc" for character in cell):
        raise _Refused(RejectionCode.CONTROL_CHARACTER, field)
    return cell


def _identifier(cell: Cell) -> str:
    text = _text(cell, "session_id", ID_LENGTH_MAX)
    if not text:
        raise _Refused(RejectionCode.EMPTY, "session_id")
    return text


def _moment(cell: Cell) -> int:
    """Return the epoch milliseconds of ``toISOString()``."""
    text = _text(cell, "updated_at", MODEL_LENGTH_MAX)
    try:
        moment = datetime.fromisoformat(text) if text.isascii() else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Refused(RejectionCode.NOT_A_TIME, "updated_at")
    ts = (moment - _EPOCH) // timedelta(milliseconds=1)
    if ts < 0:
        raise _Refused(RejectionCode.NEGATIVE, "updated_at")
    return min(ts, TS_MAX)
