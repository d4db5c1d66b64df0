"""The messages of OpenCode and of its relatives: one row for each answer of a model, written anew while it grows.

``opencode --fork`` copies messages under new ids, with their times: a message that is older than its session is a
copy. So what names an answer is what its copies share: its times, provider, model and tokens. While it has not ended,
its end and its tokens are not known yet, so its first half alone names it, and it counts only as long as no other
request with that half is known.
Pure: no I/O, no clock, no logging.

Source: sst/opencode 1.18.33 and Kilo CLI 7.7.7, ``message`` and ``session`` (``packages/opencode/src/session``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aico.core.errors import SourceErrors
from aico.core.money import nano_usd
from aico.core.usage import PromptSeen, Record, Rejection, RejectionCode, RequestState, Tokens, UsageEvent, digest
from aico.features.files.cells import RowJudge, RowRefused
from aico.features.files.sqlite import Judged
from aico.features.files.sqlite_process import Row
from aico.features.files.sqlite_question import Cell, json_of, number_in, text_in, text_of
from aico.features.files.sqlite_rows import SqliteRows

MESSAGES = ("id", "session_id", "time_updated", "data")
SESSIONS = ("id", "parent_id", "time_created")
"""All columns that are ever looked into; of ``data``, which holds no text of an answer, the fields below."""
COUNTS = ("tokens.input", "tokens.output", "tokens.reasoning", "tokens.cache.read", "tokens.cache.write")
"""Disjoint: input is without the cache, output without reasoning, which is billed as output."""
VERSION = 1
_COLUMNS = (
    text_in("document", "$.role"),
    text_of("found.session_id"),
    number_in("document", "$.time.created"),
    number_in("document", "$.time.completed"),
    text_in("document", "$.providerID"),
    text_in("document", "$.modelID"),
    "coalesce(json_type(document, '$.error'), 'null') <> 'null'",
    "CASE typeof(session.time_created) WHEN 'integer' THEN session.time_created END",
    text_of("session.parent_id"),
    number_in("document", "$.cost"),
    *(number_in("document", f"$.{name}") for name in COUNTS),
)
_MAKERS = {"anthropic", "google", "openai"}
"""Providers that sell what they make: the bare name of a model means them."""
_HALF = 8
_OPEN = bytes(_HALF)


class _Cells(NamedTuple):
    """The cells of a row before its counts."""

    role: Cell
    session: Cell
    created: Cell
    completed: Cell
    provider: Cell
    model: Cell
    is_error: Cell
    session_created: Cell
    parent: Cell
    cost: Cell


def judge_rows(rows: Sequence[Row]) -> Judged:
    """Return what rows of the statement say. Any exception is a bug."""
    records: list[Record] = []
    rejections: list[Rejection] = []
    partials: list[Rejection] = []
    skipped = 0
    for index, row in enumerate(rows):
        judge = RowJudge(index)
        try:
            record = _judge_row(row, judge)
        except RowRefused as refused:
            rejections.append(refused.rejection)
            continue
        if record is None:
            skipped += 1
        else:
            records.append(record)
            partials += judge.partials
    return Judged(records, skipped, tuple(rejections), tuple(partials))


def _judge_row(row: Row, judge: RowJudge) -> Record | None:
    """Return an answer, or a prompt of the user; None for what is neither. Raises RowRefused."""
    cells = _Cells(*row[: len(_Cells._fields)])
    if cells.role not in {"assistant", "user"}:
        if isinstance(cells.role, str):
            return None
        raise judge.refuse(RejectionCode.NOT_AN_OBJECT if cells.role is None else RejectionCode.WRONG_TYPE)
    session = judge.read_identifier(cells.session, "session_id")
    created = judge.read_moment(cells.created, "time.created")
    parent = judge.find_identifier(cells.parent, "parent_id")
    is_copy = isinstance(cells.session_created, int) and created < cells.session_created
    if cells.role == "user":
        # Agents are prompted by the program.
        return None if parent else PromptSeen(digest("prompt", created), session, created, claim=int(is_copy))
    provider = judge.read_model(cells.provider, "providerID")
    model = judge.read_model(cells.model, "modelID")
    tokens = _read_tokens(row[len(_Cells._fields) :], judge)
    completed = judge.read_moment_ms(cells.completed, "time.completed")
    half = digest(created, provider, model)[:_HALF]
    is_open = completed is None
    cost = judge.read_cost(cells.cost, "cost")
    is_measured = any(tokens)
    return UsageEvent(
        key=half + (_OPEN if is_open else digest(completed, *tokens)[:_HALF]),
        session=session,
        ts=created,
        model=name_model(provider, model),
        tokens=tokens if is_measured else Tokens(),
        recorded_nano=nano_usd(cost) if cost else None,  # 0: no price is known
        state=_state_of(tokens, is_open=is_open, is_error=bool(cells.is_error)),
        parent=parent,
        unknown=judge.unknown,
        former_key=None if is_open else half + _OPEN,
        claim=int(is_copy),
        is_bare=is_open,
    )


def _read_tokens(counts: Sequence[Cell], judge: RowJudge) -> Tokens:
    fresh, output, reasoning, read, write = map(judge.read_count, counts, COUNTS)
    is_told = COUNTS[2] not in judge.unknown
    return Tokens(
        input=fresh,
        cache_read=read,
        cache_write_5m=write,
        output=output + (reasoning or 0) if output is not None and is_told else None,
        reasoning=reasoning,
    )


def _state_of(tokens: Tokens, *, is_open: bool, is_error: bool) -> RequestState:
    """Return how much is known of an answer; no tokens at all were not measured, never free."""
    if not any(tokens):
        return RequestState.OPEN if is_open and not is_error else RequestState.UNMEASURED
    return RequestState.INTERRUPTED if is_error and not tokens.output else RequestState.FINAL


def name_model(provider: str | None, model: str | None) -> str | None:
    """Return the name of a model, behind that of its seller where that is not its maker."""
    if model is None or provider is None or provider in _MAKERS:
        return model
    return f"{provider}/{model}"


def make_rows(errors: SourceErrors, names: tuple[str, ...]) -> SqliteRows:
    """Return the reader of a tool that keeps its messages as OpenCode does, in databases of these names."""
    return SqliteRows(
        errors=errors,
        names=names,
        table="message",
        mark="id",
        updated="time_updated",
        document=json_of("message.data"),
        joins="LEFT JOIN session ON session.id = found.session_id",
        columns=_COLUMNS,
        tables={"message": MESSAGES, "session": SESSIONS},
        judge=judge_rows,
        version=VERSION,
    )
