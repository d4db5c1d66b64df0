"""Reads usage from the telemetry that Gemini CLI writes into a file. Pure: no I/O, no clock, no logging.

The file holds all billed requests, also those that no session file holds: routing, compression, summaries, searches,
checks for loops. It is indented JSON, one record after another, with a field on each line; one record of three kinds
stands for each answer, ``gemini_cli.api_response``. A session file and the telemetry give one answer no common name:
one that both tell of is known by its session, its numbers and the moment.

Source: Gemini CLI 0.61.0, ``packages/core/src/telemetry`` (``file-exporters.ts``, ``types.ts``).
"""

from __future__ import annotations

from msgspec import Raw

from aico.core.usage import Record, Rejection, UsageEvent, digest
from aico.features.files.cells import RowJudge
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.raw_fields import NOTHING, cell_of, is_there, read_count, read_moment, says
from aico.features.sources.gemini_cli.fields import NEAR_MS, SESSION, Counts, measure, refusal
from aico.features.sources.gemini_cli.indented import field_of, keep, needles_of, restore

VERSION = 1
BEGINNING, END = "attributes", "_body"
"""The fields of a record, two blanks deep, before and behind those that are read."""
RECORD, FIELD = 2, 4
COUNTS = (
    "input_token_count",
    "output_token_count",
    "cached_content_token_count",
    "thoughts_token_count",
    "tool_token_count",
    "total_token_count",
)
FIELDS = ("event.name", "event.timestamp", "session.id", "prompt_id", "model", "role", *COUNTS)
_ANSWER = b'"gemini_cli.api_response"'
_IN_SESSIONS = {None, "main", "subagent"}
"""The roles of answers that session files hold, too; older versions do not state one."""


class TelemetryParser:
    """Reads one telemetry file; see :class:`aico.features.files.line_format.LineParser`."""

    def __init__(self, _file: LineFile, state: PlainState) -> None:
        known = state if isinstance(state, dict) else {}
        self._fields = restore({key: each for key, each in known.items() if isinstance(each, str)})

    @property
    def state(self) -> PlainState:
        """Names, times and numbers of the record that is read."""
        return keep(self._fields)

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says; a rejection beside a record names a field that could not be used."""
        depth, name, raw = field_of(line)
        if depth == RECORD and name == BEGINNING:
            self._fields = {}
        elif depth == FIELD and name in FIELDS:
            self._fields[name] = raw
        elif depth == RECORD and name == END:
            fields, self._fields = self._fields, {}
            if says(fields.get("event.name", NOTHING), _ANSWER):
                return _read_answer(fields, index)
        return []


def _read_answer(fields: dict[str, Raw], index: int) -> list[Record | Rejection]:
    judge = RowJudge(index)
    ts = read_moment(fields.get("event.timestamp", NOTHING), judge)
    root = judge.find_identifier(cell_of(fields.get("session.id", NOTHING)), "session.id")
    if ts is None or root is None:
        return [refusal(judge, index, "timestamp" if ts is None else "session.id")]
    # Of an agent's answer the prompt names the session that its file has.
    prompt = cell_of(fields.get("prompt_id", NOTHING))
    named = prompt.partition("#")[0] if isinstance(prompt, str) else ""
    session = named if SESSION.fullmatch(named) else root
    model = judge.read_model(cell_of(fields.get("model", NOTHING)), "model")
    counts = Counts(*(read_count(fields.get(name, NOTHING), name, judge) for name in COUNTS))
    tokens, state = measure(counts, judge)
    role = cell_of(fields.get("role", NOTHING)) if is_there(fields.get("role", NOTHING)) else None
    event = UsageEvent(
        digest("telemetry", session, ts, model, *counts),
        session,
        ts,
        model,
        tokens,
        state=state,
        parent=root if session != root else None,
        unknown=judge.unknown,
        near_ms=NEAR_MS if role in _IN_SESSIONS else None,
    )
    return [event, *judge.partials]


FORMAT = LineFormat(VERSION, needles_of(BEGINNING, END, *FIELDS), TelemetryParser)
