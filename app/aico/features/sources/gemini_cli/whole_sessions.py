"""Reads usage from session files of older versions: one document, indented, written anew with each message. Pure.

Each of its lines holds one field, so it is read line by line as the newer files are, and messages have the same ids.
A message's tokens and model may come in any order; each completes the other.

Source: Gemini CLI before 0.40; no recorded home holds such a file.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from aico.core.usage import Record, Rejection
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, PlainState
from aico.features.files.raw_fields import NOTHING, cell_of, identity_of, read_count, read_moment, says
from aico.features.sources.gemini_cli.fields import Counts, answer, refusal
from aico.features.sources.gemini_cli.indented import field_of, keep, needles_of, restore

NEEDLES = needles_of("sessionId", "id", "timestamp", "type", "tokens", *Counts._fields, "model")
_SESSION, _MESSAGE, _TOKENS = 2, 6, 8
"""Depths, in blanks, of the session's own fields, of those of a message, and of its tokens."""
_FIELDS: Final = {_MESSAGE: {"id", "timestamp", "type", "model"}, _TOKENS: set(Counts._fields)}


class WholeSessionParser:
    """Reads one session file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, _file: LineFile, state: PlainState) -> None:
        known = {key: each for key, each in state.items() if isinstance(each, str)} if isinstance(state, dict) else {}
        self._session = known.pop("session", None)
        self._is_in_tokens = known.pop("in", "") == "tokens"
        self._fields = restore(known)

    @property
    def state(self) -> PlainState:
        """The session's id, and the id, time, model and numbers of the message that is read."""
        return {"session": self._session, "in": "tokens" if self._is_in_tokens else "", **keep(self._fields)}

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        depth, name, raw = field_of(line)
        judge = RowJudge(index)
        if depth == _SESSION and name == "sessionId":
            self._session = judge.find_identifier(cell_of(raw), name)
            return list(judge.partials)
        if depth == _MESSAGE:
            self._is_in_tokens = name == "tokens" and bytes(raw) == b"{"
            if name == "id":
                self._fields = {}
        if name not in _FIELDS.get(depth, ()) or (depth == _TOKENS and not self._is_in_tokens):
            return []
        self._fields[name] = raw
        is_complete = name == "model" or name == Counts._fields[-1]
        return self._read_answer(judge, index) if is_complete and says(self._get("type"), b'"gemini"') else []

    def _read_answer(self, judge: RowJudge, index: int) -> list[Record | Rejection]:
        identity, ts = identity_of(self._get("id")), read_moment(self._get("timestamp"), judge)
        if identity is None or ts is None or self._session is None:
            return [refusal(judge, index, "id" if identity is None else "timestamp" if ts is None else "sessionId")]
        model = judge.read_model(cell_of(self._get("model")), "model")
        counts = None
        if Counts._fields[-1] in self._fields:
            counts = Counts(*(read_count(self._get(name), name, judge) for name in Counts._fields))
        return [answer(self._session, None, identity, ts, model, counts, judge), *judge.partials]

    def _get(self, name: str) -> Raw:
        return self._fields.get(name, NOTHING)
