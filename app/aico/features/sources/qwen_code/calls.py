"""Reads usage from Qwen Code's usage ledger and its session files. Pure: no I/O, no clock, no logging.

The ledger has a line for each call, utility calls included, and no text beside it; it is written as long as usage
statistics are on. Session files tell of the same calls in both settings, as ``ui_telemetry`` beside conversation. No
name of a call is in both: its key is its session, its moment and its numbers. The moments are the same to a few
milliseconds: most often, not always, to the last one. A fork copies a session under a new id and marks each line; a
copy counts only as long as the call itself is nowhere known.

Source: Qwen Code 0.24.4, ``tokenUsageService.ts``, ``chatRecordingService.ts`` and ``sessionService.ts``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import Raw

from aico.core.usage import PromptSeen, Record, Rejection, RejectionCode, RequestState, Tokens, UsageEvent, digest
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.raw_fields import (
    NOTHING,
    UNUSABLE,
    cell_of,
    identity_of,
    is_there,
    read_count,
    read_moment,
    says,
)

VERSION = 1
NEAR_MS = 1_000
"""The ledger and a session file tell of one call within some milliseconds."""
_OWN, _COPY = 0, 1
"""Claims: of the session that made a call, and of the one that a copy was made from."""
_COPIES = digest("copies")[:8]
_WAITING_MAX = 16


class _Line(msgspec.Struct):
    """A line of the ledger or of a session file, as raw fields."""

    type: Raw = NOTHING
    subtype: Raw = NOTHING
    uuid: Raw = NOTHING
    timestamp: Raw = NOTHING
    session_id: Raw = msgspec.field(name="sessionId", default=NOTHING)
    provenance: Raw = NOTHING
    forked_from: Raw = msgspec.field(name="forkedFrom", default=NOTHING)
    payload: Raw = msgspec.field(name="systemPayload", default=NOTHING)
    model: Raw = NOTHING
    input_tokens: Raw = msgspec.field(name="inputTokens", default=NOTHING)
    output_tokens: Raw = msgspec.field(name="outputTokens", default=NOTHING)
    cached_tokens: Raw = msgspec.field(name="cachedTokens", default=NOTHING)
    thoughts_tokens: Raw = msgspec.field(name="thoughtsTokens", default=NOTHING)
    total_tokens: Raw = msgspec.field(name="totalTokens", default=NOTHING)
    duration: Raw = msgspec.field(name="apiDurationMs", default=NOTHING)


class _Origin(msgspec.Struct):
    session_id: Raw = msgspec.field(name="sessionId", default=NOTHING)


class _Event(msgspec.Struct):
    """A call as a session file tells of it. The text of the answer stands beside the numbers, and is no field here."""

    name: Raw = msgspec.field(name="event.name", default=NOTHING)
    timestamp: Raw = msgspec.field(name="event.timestamp", default=NOTHING)
    model: Raw = NOTHING
    input: Raw = msgspec.field(name="input_token_count", default=NOTHING)
    output: Raw = msgspec.field(name="output_token_count", default=NOTHING)
    cached: Raw = msgspec.field(name="cached_content_token_count", default=NOTHING)
    thoughts: Raw = msgspec.field(name="thoughts_token_count", default=NOTHING)
    total: Raw = msgspec.field(name="total_token_count", default=NOTHING)
    duration: Raw = msgspec.field(name="duration_ms", default=NOTHING)


class _Payload(msgspec.Struct):
    event: Raw = msgspec.field(name="uiEvent", default=NOTHING)


class Counts(NamedTuple):
    """The numbers as Qwen Code writes them; None is unknown."""

    input: int | None
    output: int | None
    cached: int | None
    thoughts: int | None
    total: int | None


class _Call(NamedTuple):
    """A call, as far as a line tells of it."""

    session: str | None
    ts: int | None
    model: Raw
    counts: Counts
    duration: Raw
    is_copy: bool


_LINE = msgspec.json.Decoder(_Line)
_ORIGIN = msgspec.json.Decoder(_Origin)
_PAYLOAD = msgspec.json.Decoder(_Payload)
_EVENT = msgspec.json.Decoder(_Event)


class LedgerParser:
    """Reads one month of the ledger; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, _file: LineFile, _state: PlainState) -> None:
        """Know nothing of other lines."""

    @property
    def state(self) -> PlainState:
        """Nothing: each line stands by itself."""
        return None

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        try:
            fields = _LINE.decode(line)
        except UNUSABLE:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        judge = RowJudge(index)
        counts = Counts(
            read_count(fields.input_tokens, "inputTokens", judge),
            read_count(fields.output_tokens, "outputTokens", judge),
            read_count(fields.cached_tokens, "cachedTokens", judge),
            read_count(fields.thoughts_tokens, "thoughtsTokens", judge),
            read_count(fields.total_tokens, "totalTokens", judge),
        )
        session = judge.find_identifier(cell_of(fields.session_id), "sessionId")
        ts = read_moment(fields.timestamp, judge)
        call = _Call(session, ts, fields.model, counts, fields.duration, is_copy=False)
        return list(_tell(call, judge, index))


class SessionParser:
    """Reads one session file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, _file: LineFile, state: PlainState) -> None:
        self._waiting: list[tuple[str, str, int, int]] = []
        """Prompts, by key, session, time and claim: they are told with the model that answers them."""
        for each in state if isinstance(state, list) else []:
            if isinstance(each, list):
                key, session, ts, claim = each
                self._waiting.append((str(key), str(session), _number(ts), _number(claim)))

    @property
    def state(self) -> PlainState:
        """Digests of prompts, and the ids of their sessions."""
        return [list(prompt) for prompt in self._waiting]

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        try:
            fields = _LINE.decode(line)
        except UNUSABLE:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        if says(fields.type, b'"user"'):
            return list(self._read_prompt(fields, RowJudge(index)))
        if says(fields.type, b'"system"') and says(fields.subtype, b'"ui_telemetry"'):
            return list(self._read_call(fields, RowJudge(index), index))
        return []

    def _read_call(self, line: _Line, judge: RowJudge, index: int) -> Iterator[Record | Rejection]:
        try:
            event = _EVENT.decode(_PAYLOAD.decode(line.payload).event)
        except UNUSABLE:
            yield Rejection(index, RejectionCode.NOT_AN_OBJECT, "systemPayload")
            return
        if not says(event.name, b'"qwen-code.api_response"'):
            return
        counts = Counts(
            read_count(event.input, "input_token_count", judge),
            read_count(event.output, "output_token_count", judge),
            read_count(event.cached, "cached_content_token_count", judge),
            read_count(event.thoughts, "thoughts_token_count", judge),
            read_count(event.total, "total_token_count", judge),
        )
        session, is_copy = _owner_of(line, judge)
        ts = read_moment(event.timestamp if is_there(event.timestamp) else line.timestamp, judge)
        for each in _tell(_Call(session, ts, event.model, counts, event.duration, is_copy), judge, index):
            if isinstance(each, UsageEvent):
                yield from self._flush(each.model or "")
            yield each

    def _read_prompt(self, line: _Line, judge: RowJudge) -> Iterator[Record]:
        """Read a line of the user's, of which only is known that the user wrote it."""
        identity, ts = identity_of(line.uuid), read_moment(line.timestamp, judge)
        session, is_copy = _owner_of(line, judge)
        is_typed = not is_there(line.provenance) or says(line.provenance, b'"real_user"')
        if not is_typed or identity is None or ts is None or session is None:
            return
        self._waiting.append((digest("prompt", identity).hex(), session, ts, _COPY if is_copy else _OWN))
        if len(self._waiting) > _WAITING_MAX:
            yield from self._flush("")

    def _flush(self, model: str) -> Iterator[Record]:
        waiting, self._waiting = self._waiting, []
        for key, session, ts, claim in waiting:
            yield PromptSeen(bytes.fromhex(key), session, ts, model, claim=claim)


def _owner_of(line: _Line, judge: RowJudge) -> tuple[str | None, bool]:
    """Return the session that a line is of, as far as it says, and whether the line is a copy."""
    if is_there(line.forked_from):
        try:
            raw = _ORIGIN.decode(line.forked_from).session_id
        except UNUSABLE:
            raw = NOTHING
        return judge.find_identifier(cell_of(raw if is_there(raw) else line.session_id), "forkedFrom"), True
    return judge.find_identifier(cell_of(line.session_id), "sessionId"), False


def _tell(call: _Call, judge: RowJudge, index: int) -> Iterator[Record | Rejection]:
    """Return the record of a call, and of its fields those that cannot be used."""
    session, ts, counts = call.session, call.ts, call.counts
    if session is None or ts is None:
        field = "sessionId" if session is None else "timestamp"
        known = [each for each in judge.partials if each.field == field]
        yield known[0] if known else Rejection(index, RejectionCode.MISSING, field)
        return
    # The ledger takes a cache without a prompt for the prompt; a session file leaves it at 0.
    sent = counts.input or counts.cached
    lasted = bytes(memoryview(call.duration)[:20]).partition(b".")[0]
    half = digest(lasted, sent or 0, counts.output or 0, counts.cached or 0, counts.thoughts or 0)[:8]
    is_input_told = {"inputTokens", "input_token_count"}.isdisjoint(judge.unknown)
    tokens, state = _measure(counts._replace(input=sent if is_input_told else None), judge)
    name = judge.read_model(cell_of(call.model), "model")
    yield UsageEvent(
        half + (_COPIES if call.is_copy else digest(session, ts)[:8]),
        session,
        ts,
        name,
        tokens,
        state=state,
        unknown=judge.unknown,
        former_key=None if call.is_copy else half + _COPIES,
        claim=_COPY if call.is_copy else _OWN,
        is_bare=call.is_copy,
        near_ms=None if call.is_copy else NEAR_MS,
    )
    yield from judge.partials


def _measure(counts: Counts, judge: RowJudge) -> tuple[Tokens, RequestState]:
    """Return the tokens as they are billed, and how much is known: zeros in all places were not measured."""
    sent, got, cached, thoughts, total = counts
    if not any(counts[:4]):
        return Tokens(), RequestState.UNMEASURED
    is_cache_told = {"cachedTokens", "cached_content_token_count"}.isdisjoint(judge.unknown)
    fresh = sent - (cached or 0) if sent is not None and is_cache_told else None
    if fresh is not None and fresh < 0:
        judge.read_count(fresh, "input")
        fresh = None
    output, reasoning = got, thoughts
    if got is not None and thoughts:
        if total == (sent or 0) + got + thoughts:
            # Such a provider leaves the reasoning out of the output, but bills it.
            output = got + thoughts
        elif thoughts > got:
            reasoning = None
    return Tokens(fresh, cached, None, None, output, reasoning), RequestState.FINAL


def _number(state: PlainState) -> int:
    return state if isinstance(state, int) else 0


LEDGER = LineFormat(VERSION, (b'"inputTokens":', b'"outputTokens":'), LedgerParser)
SESSIONS = LineFormat(VERSION, (b'"subtype":"ui_telemetry"', b'"type":"user"'), SessionParser, states_folder=True)
