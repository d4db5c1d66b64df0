"""Reads usage from the lines of a session of Kimi CLI. Pure: no I/O, no clock, no logging.

A step begins with ``StepBegin``; its answer is a ``StatusUpdate`` with the usage. A fork copies whole lines, with their
times, and says so nowhere: the oldest file has the best claim. An agent's own file is also repeated, event by event, in
the file of its session, at slightly other times; such a repetition counts only while the agent's file is not known.

Source: the lines of Kimi CLI 1.50.0. Its ``input_other`` is the prompt less its cached tokens, unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

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
from aico.features.files.named import agent_named, session_named
from aico.features.files.raw_fields import (
    NOTHING,
    UNUSABLE,
    Count,
    cell_of,
    identity_of,
    is_there,
    read_tokens,
    says,
)

VERSION = 1
NEEDLES = (
    b'"StatusUpdate"',
    b'"StepBegin"',
    b'"StepInterrupted"',
    b'"TurnBegin"',
    b'"TurnEnd"',
    b'"CompactionBegin"',
)
COMPACTION, UNRECORDED = "compaction", "unrecorded"
_STEP_ENDS = (b'"StepInterrupted"', b'"TurnBegin"', b'"TurnEnd"')
_BARE = bytes(8)
"""The second half of the key of a record that only repeats or announces another one."""
_REPEATED = 1 << 56
"""The claim of a repetition; below it that of a file, the older the better."""


class _Line(msgspec.Struct):
    timestamp: Raw = NOTHING
    message: Raw = NOTHING


class _Message(msgspec.Struct):
    type: Raw = NOTHING
    payload: Raw = NOTHING


class _Payload(msgspec.Struct):
    token_usage: Raw = NOTHING
    message_id: Raw = NOTHING
    agent_id: Raw = NOTHING
    event: Raw = NOTHING


class _Usage(msgspec.Struct):
    input_other: Raw = NOTHING
    output: Raw = NOTHING
    input_cache_read: Raw = NOTHING
    input_cache_creation: Raw = NOTHING


class _State(msgspec.Struct):
    """The state that is needed to go on."""

    age: int
    """Since when the file is known, epoch milliseconds."""
    step: tuple[str, int] | None = None
    """The step that has no answer yet: the first half of its key, and its beginning."""


_LINE = msgspec.json.Decoder(_Line)
_MESSAGE = msgspec.json.Decoder(_Message)
_PAYLOAD = msgspec.json.Decoder(_Payload)
_USAGE = msgspec.json.Decoder(_Usage)


class WireParser:
    """Reads one file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, file: LineFile, state: PlainState) -> None:
        known = None if state is None else msgspec.convert(state, _State)
        self._state = known or _State(min(file.first_seen_ms, file.written_ms))
        *_, first, second, name, _ = ("", "", "", *file.parts)
        self._agent = agent_named(name) if second == "subagents" else None
        self._root = session_named(first if self._agent else name)
        self._session = f"{self._root}/{self._agent}" if self._agent else self._root
        self._parent = self._root if self._agent else None

    @property
    def state(self) -> PlainState:
        """The age of the file, and the step that has no answer yet."""
        state: PlainState = msgspec.to_builtins(self._state)
        return state

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        try:
            fields = _LINE.decode(line)
            message = _MESSAGE.decode(fields.message)
            payload = _PAYLOAD.decode(message.payload) if is_there(message.payload) else _Payload()
        except UNUSABLE:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        judge = RowJudge(index)
        at = judge.read_moment_ms(cell_of(fields.timestamp), "timestamp")
        if at is None:
            return [judge.partials[0] if judge.partials else Rejection(index, RejectionCode.MISSING, "timestamp")]
        moment = bytes(fields.timestamp)
        if says(message.type, b'"SubagentEvent"'):
            return list(self._read_repeated(payload, at, judge, index))
        if says(message.type, b'"StatusUpdate"'):
            return list(self._read_answer(payload, moment, at, judge))
        return list(self._read_other(message.type, moment, at))

    def _read_answer(self, payload: _Payload, moment: bytes, at: int, judge: RowJudge) -> Iterator[Record | Rejection]:
        """Read the end of a step; an update of the status that tells of no answer says nothing."""
        identity = identity_of(payload.message_id)
        if identity is None and not is_there(payload.token_usage):
            return
        step, self._state.step = self._state.step, None
        tokens = _tokens_of(payload.token_usage, judge)
        low = digest(moment, identity, *tokens[:5])[:8]
        if self._agent:
            half = _half_of(self._agent, identity, tokens)
            low = digest(moment)[:8]
        else:
            half = bytes.fromhex(step[0]) if step else digest("status", moment)[:8]
        yield self._event(half + low, at, tokens, judge, former_key=half + _BARE)
        yield from judge.partials

    def _read_repeated(self, payload: _Payload, at: int, judge: RowJudge, index: int) -> Iterator[Record | Rejection]:
        """Read what an agent's own file says, too."""
        try:
            message = _MESSAGE.decode(payload.event)
            status = _PAYLOAD.decode(message.payload) if says(message.type, b'"StatusUpdate"') else _Payload()
        except UNUSABLE:
            yield Rejection(index, RejectionCode.NOT_AN_OBJECT, "event")
            return
        identity, name = identity_of(status.message_id), judge.find_identifier(cell_of(payload.agent_id), "agent_id")
        if identity is None and not is_there(status.token_usage):
            return
        agent = agent_named(name or "")
        tokens = _tokens_of(status.token_usage, judge)
        event = self._event(_half_of(agent, identity, tokens) + _BARE, at, tokens, judge)
        claim = _REPEATED | self._state.age
        yield event._replace(session=f"{self._root}/{agent}", parent=self._root, claim=claim, is_bare=True)
        yield from judge.partials

    def _read_other(self, kind: Raw, moment: bytes, at: int) -> Iterator[Record]:
        """Read the beginning of a step, a turn or a compaction, or the end of one."""
        if says(kind, b'"CompactionBegin"'):
            yield GapReading(self._session, None, COMPACTION, 1, at=at)
        elif says(kind, b'"StepBegin"'):
            yield from self._lose_step()
            half = digest("step", self._agent, moment)[:8]
            self._state.step = half.hex(), at
            if not self._agent:
                # An agent's answer has another key, under which its session repeats it.
                yield self._step(RequestState.OPEN, half, at)
        elif any(says(kind, word) for word in _STEP_ENDS):
            yield from self._lose_step()
            if says(kind, b'"TurnBegin"') and not self._agent:
                yield PromptSeen(digest("prompt", moment), self._session, at, "", claim=self._state.age)

    def _lose_step(self) -> Iterator[Record]:
        """Say of the step before that it has no answer: the tool goes on without."""
        step, self._state.step = self._state.step, None
        if step is not None:
            yield self._step(RequestState.UNMEASURED, bytes.fromhex(step[0]), step[1])

    def _step(self, state: RequestState, half: bytes, at: int) -> UsageEvent:
        claim = self._state.age
        return UsageEvent(
            half + _BARE,
            self._session,
            at,
            None,
            Tokens(),
            state=state,
            parent=self._parent,
            claim=claim,
            is_bare=True,
        )

    def _event(
        self, key: bytes, at: int, tokens: Tokens, judge: RowJudge, former_key: bytes | None = None
    ) -> UsageEvent:
        is_empty = not any(tokens)
        return UsageEvent(
            key,
            self._session,
            at,
            None,
            Tokens() if is_empty else tokens,
            state=RequestState.UNMEASURED if is_empty else RequestState.FINAL,
            parent=self._parent,
            unknown=judge.unknown,
            former_key=former_key,
            claim=self._state.age,
        )


def _tokens_of(raw: Raw, judge: RowJudge) -> Tokens:
    """Return the numbers of a usage; ``judge`` keeps which of them cannot be used. A negative input is unknown."""
    if not is_there(raw):
        return Tokens()
    try:
        usage = _USAGE.decode(raw)
    except UNUSABLE:
        judge.read_count("", "token_usage")
        return Tokens()
    return read_tokens(
        Count(usage.input_other, "input_other"),
        Count(usage.input_cache_read, "input_cache_read"),
        Count(usage.input_cache_creation, "input_cache_creation"),
        Count(usage.output, "output"),
        judge,
    )


def _half_of(agent: str, identity: bytes | None, tokens: Tokens) -> bytes:
    return digest("agent", agent, identity, *tokens[:5])[:8]


FORMAT = LineFormat(version=VERSION, needles=NEEDLES, open=WireParser)
