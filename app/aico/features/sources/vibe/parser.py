"""Reads usage from the files of a session of Mistral Vibe. Pure: no I/O, no clock, no logging.

``CURRENT`` names a generation, whose ``projection-state.json`` holds the running total of the session. Journals, which
hold single calls, are deleted with the generations that follow. A fork and an agent are sessions with a total of their
own.

Source: Mistral Vibe 3.0.3. Its input contains cached tokens; tokens written into a cache are in no total.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from aico.core.usage import MeterReading, Rejection, RejectionCode, SessionState, Tokens
from aico.features.files.cells import RowJudge
from aico.features.files.memory import FileBytes
from aico.features.files.named import session_named
from aico.features.files.parsed import Parsed, Unparsable
from aico.features.files.pointers import PointerFormat
from aico.features.files.raw_fields import NOTHING, UNUSABLE, cell_of, is_there, read_count, says

VERSION = 1
UNRECORDED = "unrecorded"
_GENERATION = re.compile(r"[0-9]{1,20}")


class _Current(msgspec.Struct):
    generation: str


class _Usage(msgspec.Struct):
    input: Raw = msgspec.field(name="inputTokens", default=NOTHING)
    output: Raw = msgspec.field(name="outputTokens", default=NOTHING)
    cached: Raw = msgspec.field(name="cachedInputTokens", default=NOTHING)


class _Session(msgspec.Struct):
    id: Raw = NOTHING
    parent: Raw = msgspec.field(name="parentSessionId", default=NOTHING)
    created: Raw = msgspec.field(name="createdAt", default=NOTHING)
    updated: Raw = msgspec.field(name="updatedAt", default=NOTHING)
    usage: Raw = msgspec.field(name="tokenUsage", default=NOTHING)


class _Turn(msgspec.Struct):
    status: Raw = NOTHING


class _Snapshot(msgspec.Struct):
    session: _Session
    turn: Raw = msgspec.field(name="latestTurn", default=NOTHING)


class _Projection(msgspec.Struct):
    snapshot: _Snapshot


class _Config(msgspec.Struct):
    model: Raw = msgspec.field(name="model_name", default=NOTHING)
    active: Raw = msgspec.field(name="active_model", default=NOTHING)


class _Meta(msgspec.Struct):
    config: Raw = NOTHING
    import_provenance: Raw = NOTHING


_CURRENT = msgspec.json.Decoder(_Current)
_PROJECTION = msgspec.json.Decoder(_Projection)
_USAGE = msgspec.json.Decoder(_Usage)
_TURN = msgspec.json.Decoder(_Turn)
_META = msgspec.json.Decoder(_Meta)
_CONFIG = msgspec.json.Decoder(_Config)
_STATES = {
    b'"in_progress"': SessionState.RUNNING,
    b'"completed"': SessionState.DONE,
    b'"interrupted"': SessionState.INTERRUPTED,
    b'"failed"': SessionState.FAILED,
}


def follow(pointer: FileBytes) -> tuple[str, ...]:
    """Return the files that count now. Raises Unparsable."""
    try:
        generation = _CURRENT.decode(pointer).generation
    except UNUSABLE:
        generation = ""
    if not _GENERATION.fullmatch(generation):
        raise Unparsable("it names no generation")
    return f"generations/{generation}/projection-state.json", "meta.json"


def parse(files: Sequence[FileBytes | None]) -> Parsed:
    """Return the session's total. Raises Unparsable."""
    projection, meta = files
    if projection is None:
        raise Unparsable("the generation that it names is not there")
    try:
        snapshot = _PROJECTION.decode(projection).snapshot
    except UNUSABLE:
        raise Unparsable("the generation that it names holds no session") from None
    judge = RowJudge(0)
    name = judge.find_identifier(cell_of(snapshot.session.id), "id")
    ts = judge.read_moment_ms(cell_of(snapshot.session.updated), "updatedAt")
    if name is None:
        return Parsed((), (Rejection(0, RejectionCode.MISSING, "id"),))
    if not is_there(snapshot.session.usage):
        return Parsed((), skipped_count=1)
    model, is_fork = _read_meta(meta, judge)
    parent = None if is_fork else judge.find_identifier(cell_of(snapshot.session.parent), "parentSessionId")
    reading = MeterReading(
        session_named(name),
        ts,
        model,
        *_numbers_of(snapshot.session.usage, judge),
        cost_usd=None,
        state=_state_of(snapshot.turn),
        parent=parent and session_named(parent),
        unknown=judge.unknown,
        started_ts=RowJudge(0).read_moment_ms(cell_of(snapshot.session.created), "createdAt"),
    )
    return Parsed((reading,), (), tuple(judge.partials), 1 if judge.partials else 0)


def _numbers_of(raw: Raw, judge: RowJudge) -> Tokens:
    """Return the tokens by kind; where what was cached cannot be used, or is more than all input, that is unknown."""
    try:
        usage = _USAGE.decode(raw)
    except UNUSABLE:
        judge.read_count("", "tokenUsage")
        return Tokens()
    sent = read_count(usage.input, "inputTokens", judge)
    cached = read_count(usage.cached, "cachedInputTokens", judge)
    fresh = None if sent is None or cached is None else sent - cached
    if fresh is not None and fresh < 0:
        fresh = judge.read_count(fresh, "inputTokens")
    return Tokens(fresh, cached, output=read_count(usage.output, "outputTokens", judge))


def _read_meta(meta: FileBytes | None, judge: RowJudge) -> tuple[str | None, bool]:
    """Return the model, and whether the session began as a copy of another one."""
    if meta is None:
        return None, False
    try:
        fields = _META.decode(meta)
        config = _CONFIG.decode(fields.config) if is_there(fields.config) else _Config()
    except UNUSABLE:
        judge.read_count("", "meta.json")
        return None, False
    model = config.model if is_there(config.model) else config.active
    return judge.read_model(cell_of(model), "model_name"), is_there(fields.import_provenance)


def _state_of(turn: Raw) -> SessionState:
    try:
        status = _TURN.decode(turn).status if is_there(turn) else NOTHING
    except UNUSABLE:
        return SessionState.UNKNOWN
    return next((state for word, state in _STATES.items() if says(status, word)), SessionState.UNKNOWN)


FORMAT = PointerFormat(version=VERSION, follow=follow, parse=parse)
