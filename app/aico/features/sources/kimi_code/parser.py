"""Reads usage from the lines of an agent of Kimi Code. Pure: no I/O, no clock, no logging.

Each request is announced (``llm.request``), with its model and the alias of it; its answer is a ``usage.record``, which
knows the alias only. A fork copies everything up to a line ``forked``, with times and all; of the copies, that in the
oldest file has the best claim. ``step.end`` and ``agent.message.appended`` repeat a usage and are passed by.

Source: the lines of Kimi Code 2.1.0. Its ``inputOther`` is the prompt less its cached tokens, unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from aico.core.usage import PromptSeen, Record, Rejection, RejectionCode, RequestState, Tokens, UsageEvent, digest
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
NEEDLES = (b'"usage.record"', b'"llm.request"', b'"turn.prompt"', b'"turn.ended"', b'"forked"')
MAIN = "main"
_BARE = bytes(8)
"""The second half of the key of a request that is announced."""
_ALIASES_MAX, _WAITING_MAX = 16, 16
"""Bounds of a state."""


class _Line(msgspec.Struct):
    type: Raw = NOTHING
    time: Raw = NOTHING
    agent_id: Raw = msgspec.field(name="agentId", default=NOTHING)
    kind: Raw = NOTHING
    model: Raw = NOTHING
    model_alias: Raw = msgspec.field(name="modelAlias", default=NOTHING)
    usage: Raw = NOTHING
    origin: Raw = NOTHING
    prompt_id: Raw = msgspec.field(name="promptId", default=NOTHING)


class _Origin(msgspec.Struct):
    kind: Raw = NOTHING


class _Usage(msgspec.Struct):
    input_other: Raw = msgspec.field(name="inputOther", default=NOTHING)
    output: Raw = NOTHING
    input_cache_read: Raw = msgspec.field(name="inputCacheRead", default=NOTHING)
    input_cache_creation: Raw = msgspec.field(name="inputCacheCreation", default=NOTHING)


class _Request(msgspec.Struct, array_like=True):
    """A request without an answer yet."""

    half: str
    at: int
    alias: str
    model: str | None
    is_of_turn: bool


class _State(msgspec.Struct):
    """The state that is needed to go on."""

    age: int
    """Since when the file is known, epoch milliseconds."""
    request: _Request | None = None
    models: dict[str, str] = {}
    """Model by alias, as they were asked for last."""
    waiting: list[tuple[str, int]] = []
    """Prompts whose model is not known yet: key and moment."""


_LINE = msgspec.json.Decoder(_Line)
_ORIGIN = msgspec.json.Decoder(_Origin)
_USAGE = msgspec.json.Decoder(_Usage)


class WireParser:
    """Reads one file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, file: LineFile, state: PlainState) -> None:
        known = None if state is None else msgspec.convert(state, _State)
        self._state = known or _State(min(file.first_seen_ms, file.written_ms))
        *_, name, _agents, agent, _ = ("", "", "", *file.parts)
        self._root = session_named(name)
        self._is_main = agent == MAIN
        self._session = self._root if self._is_main else f"{self._root}/{agent_named(agent)}"
        self._parent = None if self._is_main else self._root

    @property
    def state(self) -> PlainState:
        """The state that is needed to go on: numbers, digests and names of models."""
        state: PlainState = msgspec.to_builtins(self._state)
        return state

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        try:
            fields = _LINE.decode(line)
        except UNUSABLE:
            return [Rejection(index, RejectionCode.NOT_AN_OBJECT, None)]
        if says(fields.type, b'"forked"'):
            # A request without an answer before this line is the original's.
            self._state.request = None
            return []
        judge = RowJudge(index)
        at = judge.read_moment_ms(cell_of(fields.time), "time")
        if at is not None:
            return list(self._read(fields, at, judge))
        refusal = judge.partials[0] if judge.partials else Rejection(index, RejectionCode.MISSING, "time")
        return [refusal] if says(fields.type, b'"usage.record"') or says(fields.type, b'"llm.request"') else []

    def _read(self, line: _Line, at: int, judge: RowJudge) -> Iterator[Record | Rejection]:
        if says(line.type, b'"usage.record"'):
            yield from self._read_record(line, at, judge)
        elif says(line.type, b'"llm.request"'):
            yield from self._read_request(line, at, judge)
        elif says(line.type, b'"turn.prompt"'):
            self._note_prompt(line, at)
        elif says(line.type, b'"turn.ended"'):
            yield from self._end_turn()

    def _read_request(self, line: _Line, at: int, judge: RowJudge) -> Iterator[Record]:
        """Read a request that is sent: it is open until its record stands in the file."""
        yield from self._lose()
        alias = judge.read_model(cell_of(line.model_alias), "modelAlias") or ""
        model = judge.read_model(cell_of(line.model), "model")
        if model is not None:
            models = self._state.models
            models.pop(alias, None)
            models[alias] = model
            while len(models) > _ALIASES_MAX:
                del models[next(iter(models))]
        yield from self._flush(model)
        half = digest("request", bytes(line.time), identity_of(line.agent_id), alias)[:8]
        is_of_turn = not says(line.kind, b'"compaction"')
        self._state.request = request = _Request(half.hex(), at, alias, model, is_of_turn)
        yield self._bare(request, RequestState.OPEN)

    def _read_record(self, line: _Line, at: int, judge: RowJudge) -> Iterator[Record | Rejection]:
        """Read the answer to the request before it, if that was for the same alias."""
        alias = judge.read_model(cell_of(line.model), "model") or ""
        tokens = _tokens_of(line.usage, judge)
        identity = bytes(line.time), identity_of(line.agent_id), alias
        half = digest("record", *identity)[:8]
        request = self._state.request
        if request is not None and request.alias == alias:
            half, self._state.request = bytes.fromhex(request.half), None
        is_empty = not any(tokens)
        yield UsageEvent(
            half + digest(*identity, *tokens[:5])[:8],
            self._session,
            at,
            self._state.models.get(alias, alias) or None,
            Tokens() if is_empty else tokens,
            state=RequestState.UNMEASURED if is_empty else RequestState.FINAL,
            parent=self._parent,
            unknown=judge.unknown,
            former_key=half + _BARE,
            claim=self._state.age,
        )
        yield from judge.partials

    def _end_turn(self) -> Iterator[Record]:
        """Read the end of a turn: its requests have their answers by now, or none will come."""
        yield from self._flush(None)
        if self._state.request is not None and self._state.request.is_of_turn:
            yield from self._lose()

    def _lose(self) -> Iterator[Record]:
        request, self._state.request = self._state.request, None
        if request is not None:
            yield self._bare(request, RequestState.UNMEASURED)

    def _bare(self, request: _Request, state: RequestState) -> UsageEvent:
        """Return what is known of a request without a record; it counts only as long as there is none in any file."""
        return UsageEvent(
            bytes.fromhex(request.half) + _BARE,
            self._session,
            request.at,
            request.model,
            Tokens(),
            state=state,
            parent=self._parent,
            claim=self._state.age,
            is_bare=True,
        )

    def _note_prompt(self, line: _Line, at: int) -> None:
        """Note a prompt of the user. One without an id was copied from Kimi CLI, whose own files have it."""
        identity = identity_of(line.prompt_id)
        if identity is None or not self._is_main or not _is_of_user(line.origin):
            return
        self._state.waiting.append((digest("prompt", identity).hex(), at))
        del self._state.waiting[:-_WAITING_MAX]

    def _flush(self, model: str | None) -> Iterator[Record]:
        """Tell of the prompts that wait, with the model that answers them."""
        waiting, self._state.waiting = self._state.waiting, []
        for key, at in waiting:
            yield PromptSeen(bytes.fromhex(key), self._session, at, model or "", claim=self._state.age)


def _is_of_user(origin: Raw) -> bool:
    try:
        return says(_ORIGIN.decode(origin).kind, b'"user"')
    except UNUSABLE:
        return False


def _tokens_of(raw: Raw, judge: RowJudge) -> Tokens:
    """Return the numbers of a usage; ``judge`` keeps which of them cannot be used. A negative input is unknown."""
    if not is_there(raw):
        return Tokens()
    try:
        usage = _USAGE.decode(raw)
    except UNUSABLE:
        judge.read_count("", "usage")
        return Tokens()
    return read_tokens(
        Count(usage.input_other, "inputOther"),
        Count(usage.input_cache_read, "inputCacheRead"),
        Count(usage.input_cache_creation, "inputCacheCreation"),
        Count(usage.output, "output"),
        judge,
    )


FORMAT = LineFormat(version=VERSION, needles=NEEDLES, open=WireParser)
