"""Reads usage from the lines of a session of pi. Pure: no I/O, no clock, no logging.

An answer is a line of type ``message`` with a usage and its cost. Since 0.81 summaries and results of tools have
usages, too; later versions have lines of type ``usage``, such as those that keep a cache warm. A fork copies lines with
their ids and times into a file whose first line is younger than they are: so a copy is told by its time, and the
original keeps its requests.

Source: the lines of pi 0.73.1 and 1.6.0 (``SessionManager``). Its input is uncached, its cache write is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from aico.core.money import nano_usd
from aico.core.usage import (
    GapReading,
    PromptSeen,
    Record,
    Rejection,
    RejectionCode,
    RequestState,
    Tokens,
    UsageEvent,
    digest,
)
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.named import session_named
from aico.features.files.raw_fields import (
    NOTHING,
    UNUSABLE,
    Count,
    cell_of,
    identity_of,
    is_there,
    read_count,
    read_moment,
    read_number,
    read_tokens,
    says,
)

VERSION = 2
NEEDLES = (
    b'"usage":',
    b'"role":"user"',
    b'"type":"session"',
    b'"type":"model_change"',
    b'"type":"compaction"',
    b'"type":"branch_summary"',
)
COMPACTION, UNRECORDED = "compaction", "unrecorded"
_SUMMARIES = (b'"compaction"', b'"branch_summary"')
_USAGE_LINE, _TOOL_RESULT = b'"usage"', b'"toolResult"'
_OWN, _COPY, _UNKNOWN = (rank << 56 for rank in (0, 1, 2))
"""Claims: of one rank the older file has the better one, but for what a session states to be its own."""


class _Line(msgspec.Struct):
    type: Raw = NOTHING
    id: Raw = NOTHING
    timestamp: Raw = NOTHING
    message: Raw = NOTHING
    model_id: Raw = msgspec.field(name="modelId", default=NOTHING)
    model: Raw = NOTHING
    usage: Raw = NOTHING
    from_hook: Raw = msgspec.field(name="fromHook", default=NOTHING)


class _Message(msgspec.Struct):
    role: Raw = NOTHING
    model: Raw = NOTHING
    usage: Raw = NOTHING
    stop_reason: Raw = msgspec.field(name="stopReason", default=NOTHING)
    timestamp: Raw = NOTHING
    response_id: Raw = msgspec.field(name="responseId", default=NOTHING)


class _Usage(msgspec.Struct):
    input: Raw = NOTHING
    output: Raw = NOTHING
    cache_read: Raw = msgspec.field(name="cacheRead", default=NOTHING)
    cache_write: Raw = msgspec.field(name="cacheWrite", default=NOTHING)
    cache_write_1h: Raw = msgspec.field(name="cacheWrite1h", default=NOTHING)
    reasoning: Raw = NOTHING
    cost: Raw = NOTHING


class _Cost(msgspec.Struct):
    total: Raw = NOTHING


class _State(msgspec.Struct):
    """The state that is needed to go on."""

    age: int
    """Since when the file is known, epoch milliseconds."""
    session: str
    begun: int | None = None
    """When the session began, epoch milliseconds: what is older was copied."""
    model: str | None = None


_LINE = msgspec.json.Decoder(_Line)
_MESSAGE = msgspec.json.Decoder(_Message)
_USAGE = msgspec.json.Decoder(_Usage)
_COST = msgspec.json.Decoder(_Cost)


class SessionParser:
    """Reads one file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, file: LineFile, state: PlainState) -> None:
        if state is not None:
            self._state = msgspec.convert(state, _State)
            return
        stem = file.parts[-1].removesuffix(".jsonl") if file.parts else ""
        age = min(file.first_seen_ms, file.written_ms)
        self._state = _State(age, session_named(stem.rpartition("_")[2]))

    @property
    def state(self) -> PlainState:
        """Numbers, the id of the session and the name of a model."""
        state: PlainState = msgspec.to_builtins(self._state)
        return state

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        try:
            fields = _LINE.decode(line)
            message = _MESSAGE.decode(fields.message) if says(fields.type, b'"message"') else _Message()
        except UNUSABLE:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        judge = RowJudge(index)
        at = read_moment(fields.timestamp, judge)
        if says(fields.type, b'"session"'):
            self._begin(fields, at)
            return []
        is_answer = says(message.role, b'"assistant"') and is_there(message.usage)
        beside = NOTHING if is_answer else _usage_beside(fields, message)
        if at is None:
            refusal = judge.partials[0] if judge.partials else Rejection(index, RejectionCode.MISSING, "timestamp")
            return [refusal] if is_answer or is_there(beside) else []
        if is_answer:
            return list(self._read_answer(fields, message, at, judge))
        if is_there(beside):
            return list(self._read_beside(fields, beside, at, judge))
        return list(self._read_other(fields, message, at, judge))

    def _begin(self, line: _Line, at: int | None) -> None:
        """Read the first line of a session."""
        name = cell_of(line.id)
        if isinstance(name, str) and name:
            self._state.session = session_named(name)
        self._state.begun = at

    def _read_answer(self, line: _Line, message: _Message, at: int, judge: RowJudge) -> Iterator[Record | Rejection]:
        self._state.model = model = judge.read_model(cell_of(message.model), "model") or self._state.model
        usage = _decode_usage(message.usage, judge)
        tokens, cost = _tokens_of(usage, judge), _cost_of(usage.cost, judge)
        is_empty = not any(tokens)
        is_cut = says(message.stop_reason, b'"aborted"') or says(message.stop_reason, b'"error"')
        state = RequestState.INTERRUPTED if is_cut else RequestState.FINAL
        # The moment of the message is older than files that give its line an id.
        moment = bytes(message.timestamp) or bytes(line.timestamp)
        yield UsageEvent(
            digest("message", moment, identity_of(message.response_id) or identity_of(line.id)),
            self._state.session,
            at,
            model,
            Tokens() if is_empty else tokens,
            recorded_nano=nano_usd(cost) if cost else None,
            state=RequestState.UNMEASURED if is_empty else state,
            unknown=judge.unknown,
            claim=self._claim(at),
        )
        yield from judge.partials

    def _read_beside(self, line: _Line, raw: Raw, at: int, judge: RowJudge) -> Iterator[Record | Rejection]:
        """Read a usage that is no answer's."""
        usage = _decode_usage(raw, judge)
        tokens, cost = _tokens_of(usage, judge), _cost_of(usage.cost, judge)
        is_empty, is_of_tool = not any(tokens), says(line.type, b'"message"')
        if not (is_empty and is_of_tool):
            # Nobody says which model a tool has asked, and a summary is made by that of the session.
            model = "" if is_of_tool else judge.read_model(cell_of(line.model), "model") or self._state.model
            yield UsageEvent(
                digest("beside", bytes(line.timestamp), identity_of(line.id)),
                self._state.session,
                at,
                model,
                Tokens() if is_empty else tokens,
                recorded_nano=nano_usd(cost) if cost else None,
                state=RequestState.UNMEASURED if is_empty else RequestState.FINAL,
                unknown=judge.unknown,
                claim=self._claim(at),
            )
        yield from judge.partials

    def _read_other(self, line: _Line, message: _Message, at: int, judge: RowJudge) -> Iterator[Record]:
        """Read a prompt, a change of the model, or an older summary, of which only is known that it was made."""
        session = self._state.session
        if says(message.role, b'"user"'):
            key = digest("prompt", bytes(message.timestamp) or bytes(line.timestamp), identity_of(line.id))
            yield PromptSeen(key, session, at, self._state.model or "", claim=self._claim(at))
        elif says(line.type, b'"model_change"'):
            self._state.model = judge.read_model(cell_of(line.model_id), "modelId") or self._state.model
        elif any(says(line.type, word) for word in _SUMMARIES) and not says(line.from_hook, b"true"):
            yield GapReading(session, None, COMPACTION, 1, at=at)

    def _claim(self, at: int) -> int:
        begun = self._state.begun
        if begun is None:
            return _UNKNOWN | self._state.age
        return _OWN if at >= begun else _COPY | self._state.age


def _usage_beside(line: _Line, message: _Message) -> Raw:
    """Return the usage of a line that is no answer: a summary, the result of a tool, or a line of usage alone."""
    if says(message.role, _TOOL_RESULT):
        return message.usage
    if says(line.type, _USAGE_LINE) or any(says(line.type, word) for word in _SUMMARIES):
        return line.usage
    return NOTHING


def _decode_usage(raw: Raw, judge: RowJudge) -> _Usage:
    try:
        return _USAGE.decode(raw)
    except UNUSABLE:
        judge.read_count("", "usage")
        return _Usage()


def _tokens_of(usage: _Usage, judge: RowJudge) -> Tokens:
    tokens = read_tokens(
        Count(usage.input, "input"),
        Count(usage.cache_read, "cacheRead"),
        Count(usage.cache_write, "cacheWrite"),
        Count(usage.output, "output"),
        judge,
    )
    hour = read_count(usage.cache_write_1h, "cacheWrite1h", judge) if is_there(usage.cache_write_1h) else 0
    if hour and tokens.cache_write_5m is not None:
        hour = min(hour, tokens.cache_write_5m)
        tokens = tokens._replace(cache_write_5m=tokens.cache_write_5m - hour, cache_write_1h=hour)
    if is_there(usage.reasoning):
        tokens = tokens._replace(reasoning=read_count(usage.reasoning, "reasoning", judge))
    return tokens


def _cost_of(raw: Raw, judge: RowJudge) -> float | None:
    """Return the cost in US dollars; 0 is what pi writes for a model without a known price."""
    if not is_there(raw):
        return None
    try:
        return judge.read_cost(read_number(_COST.decode(raw).total), "cost.total")
    except UNUSABLE:
        judge.read_cost("", "cost")
        return None


FORMAT = LineFormat(version=VERSION, needles=NEEDLES, open=SessionParser, states_folder=True)
