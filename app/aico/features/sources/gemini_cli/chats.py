"""Reads usage from the session files of Gemini CLI. Pure: no I/O, no clock, no logging.

An answer stands on a line of its own, once more when its tools have run, and in the whole history that a resumed
session writes into ``$set``; there it may stand bare, without tokens and model. Its key is its id with that of its
session, which every process states first. Answers that a rewound or shortened history leaves out were billed, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from aico.core.usage import PromptSeen, Record, Rejection, RejectionCode, digest
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, LineFormat, LineParser, PlainState
from aico.features.files.raw_fields import NOTHING, UNUSABLE, cell_of, identity_of, is_there, read_moment, says
from aico.features.sources.gemini_cli.fields import SESSION, answer, decode_counts, refusal
from aico.features.sources.gemini_cli.whole_sessions import NEEDLES as WHOLE_NEEDLES
from aico.features.sources.gemini_cli.whole_sessions import WholeSessionParser

VERSION = 1
NEEDLES = (b'"type":"gemini"', b'"type":"user"', b'"sessionId":')
_WAITING_MAX = 16
_PROMPT_ID_BYTES = len('""') + 36
"""Of a UUID. The tool's own messages to the model, such as the context of a session, have ids of another form."""


class Message(msgspec.Struct):
    """A message, as raw fields."""

    id: Raw = NOTHING
    timestamp: Raw = NOTHING
    type: Raw = NOTHING
    tokens: Raw = NOTHING
    model: Raw = NOTHING
    content: Raw = NOTHING


class _Line(Message):
    session_id: Raw = msgspec.field(name="sessionId", default=NOTHING)
    kind: Raw = NOTHING
    update: Raw = msgspec.field(name="$set", default=NOTHING)


class _Update(msgspec.Struct):
    session_id: Raw = msgspec.field(name="sessionId", default=NOTHING)
    messages: Raw = NOTHING


class _Part(msgspec.Struct):
    function_response: Raw = msgspec.field(name="functionResponse", default=NOTHING)


_LINE = msgspec.json.Decoder(_Line)
_UPDATE = msgspec.json.Decoder(_Update)
_MESSAGES = msgspec.json.Decoder(list[Raw])
_MESSAGE = msgspec.json.Decoder(Message)
_PARTS = msgspec.json.Decoder(list[_Part])


class SessionParser:
    """Reads one session file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, file: LineFile, state: PlainState) -> None:
        self._parent = parent_of(file.parts)
        stem = file.parts[-1].partition(".")[0] if file.parts else ""
        known = state if isinstance(state, dict) else {}
        session = known.get("session")
        self._session = session if isinstance(session, str) else stem if SESSION.fullmatch(stem) else None
        waiting = known.get("waiting")
        self._waiting: list[tuple[str, int]] = []
        """Prompts, by their keys and times: they are told with the model that answers them."""
        for each in waiting if isinstance(waiting, list) else []:
            key, ts = each if isinstance(each, list) else ("", 0)
            self._waiting.append((str(key), ts if isinstance(ts, int) else 0))

    @property
    def state(self) -> PlainState:
        """The state that is needed to go on: the session's id, and digests of prompts."""
        return {"session": self._session, "waiting": [list(prompt) for prompt in self._waiting]}

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        return list(self._parse(line, index))

    def _parse(self, line: memoryview, index: int) -> Iterator[Record | Rejection]:
        try:
            fields = _LINE.decode(line)
            update = _UPDATE.decode(fields.update) if is_there(fields.update) else _Update()
            messages = _MESSAGES.decode(update.messages) if is_there(update.messages) else []
        except UNUSABLE:
            yield Rejection(index, RejectionCode.NOT_AN_OBJECT, None)
            return
        judge = RowJudge(index)
        for raw in (fields.session_id, update.session_id):
            if is_there(raw) and (self._session is None or raw is fields.session_id):
                self._session = judge.find_identifier(cell_of(raw), "sessionId") or self._session
        if says(fields.type, b'"gemini"'):
            yield from self._read_answer(fields, judge, index, is_own=True)
        elif says(fields.type, b'"user"'):
            yield from self._read_prompt(fields, judge)
        else:
            yield from judge.partials
        for raw in messages:
            try:
                message = _MESSAGE.decode(raw)
            except UNUSABLE:
                yield Rejection(index, RejectionCode.NOT_AN_OBJECT, None)
                continue
            if says(message.type, b'"gemini"'):
                yield from self._read_answer(message, RowJudge(index), index, is_own=False)

    def _read_answer(
        self, message: Message, judge: RowJudge, index: int, *, is_own: bool
    ) -> Iterator[Record | Rejection]:
        if not (is_there(message.tokens) or is_there(message.model)):
            # A bare repetition, or what the tool puts into the model's mouth.
            return
        identity, ts = identity_of(message.id), read_moment(message.timestamp, judge)
        if identity is None or ts is None or self._session is None:
            yield refusal(judge, index, "id" if identity is None else "timestamp" if ts is None else "sessionId")
            return
        model = judge.read_model(cell_of(message.model), "model")
        counts = decode_counts(message.tokens, judge) if is_there(message.tokens) else None
        if is_own:
            yield from self._flush(model or "")
        yield answer(self._session, self._parent, identity, ts, model, counts, judge)
        yield from judge.partials

    def _read_prompt(self, message: Message, judge: RowJudge) -> Iterator[Record | Rejection]:
        """Read what the user says, of which only is known that it is no tool's answer."""
        identity, ts = identity_of(message.id), read_moment(message.timestamp, judge)
        if self._parent or self._session is None or identity is None or ts is None:
            return
        try:
            parts = _PARTS.decode(message.content) if bytes(memoryview(message.content)[:1]) == b"[" else []
        except UNUSABLE:
            return
        if len(identity) != _PROMPT_ID_BYTES or any(is_there(part.function_response) for part in parts):
            return
        self._waiting.append((digest("prompt", self._session, identity).hex(), ts))
        if len(self._waiting) > _WAITING_MAX:
            yield from self._flush("")

    def _flush(self, model: str) -> Iterator[Record]:
        waiting, self._waiting = self._waiting, []
        for key, ts in waiting:
            if self._session is not None:
                yield PromptSeen(bytes.fromhex(key), self._session, ts, model)


def parent_of(parts: tuple[str, ...]) -> str | None:
    """Return the session in whose folder an agent's file lies; None for any other file."""
    folder = parts[-2] if len(parts) > 1 else ""
    return folder if SESSION.fullmatch(folder) else None


def _open(file: LineFile, state: PlainState) -> LineParser:
    parser = WholeSessionParser if file.parts and file.parts[-1].endswith(".json") else SessionParser
    return parser(file, state)


FORMAT = LineFormat(VERSION, (*NEEDLES, *WHOLE_NEEDLES), _open)
