"""The fields of Codex's lines that tell of usage; nothing else of a line is ever decoded. Pure.

Source: the lines of Codex 0.20 to 0.171.0.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw

from aico.core.usage import COUNT_MAX, TS_MAX, PlanReading, PlanWindow, Tokens, make_tokens
from aico.features.files.cells import RowJudge
from aico.features.files.raw_fields import NOTHING, UNUSABLE, cell_of, decode_part, is_there, read_count, read_number

Version: TypeAlias = tuple[int, int]
NO_COUNTS: Version = (0, 34)
"""Before this one no version writes numbers."""
RECORDS: Version = (0, 153)
"""From here on each response has a record of its own."""
_VERSION = re.compile(rb'"(\d{1,6})\.(\d{1,6})\.[^"]*"')
_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ID_LENGTH = 36
_PERCENT_MAX = 1_000_000
_WORD = re.compile(r"[a-z0-9_-]{1,32}")
_known_ids: dict[bytes, str] = {}
"""The last ids, by their JSON: each stands on many lines. Nothing that is no id is kept."""
_IDS_KEPT_MAX = 256


class Payload(msgspec.Struct, gc=False):
    """The payload of a line, as raw fields."""

    type: Raw = NOTHING
    info: Raw = NOTHING
    rate_limits: Raw = NOTHING
    id: Raw = NOTHING
    role: Raw = NOTHING
    timestamp: Raw = NOTHING
    thread_id: Raw = NOTHING
    turn_id: Raw = NOTHING
    root_turn_id: Raw = NOTHING
    """Of the context of a turn, since 0.153."""
    session_id: Raw = NOTHING
    """The thread at the root of all that it started."""
    response_id: Raw = NOTHING
    usage: Raw = NOTHING
    forked_from_id: Raw = NOTHING
    history_base: Raw = NOTHING
    parent_thread_id: Raw = NOTHING
    source: Raw = NOTHING
    cli_version: Raw = NOTHING
    model: Raw = NOTHING
    service_tier: Raw = NOTHING
    thread_settings: Raw = NOTHING
    item: Raw = NOTHING


class _Fields(msgspec.Struct, gc=False):
    timestamp: Raw = NOTHING
    type: Raw = NOTHING
    id: Raw = NOTHING
    """Of the first line up to 0.31: the thread."""
    role: Raw = NOTHING
    record_type: Raw = NOTHING


class Line(_Fields, gc=False):
    """A line of a rollout, as raw fields: views of the reader's memory."""

    payload: Payload | None = None


class OddLine(_Fields, gc=False):
    """A line with a payload of which nobody knows what it is."""

    payload: Raw = NOTHING


class Item(msgspec.Struct):
    """A completed item."""

    type: Raw = NOTHING
    id: Raw = NOTHING


class Settings(msgspec.Struct):
    """The settings of a thread, which stay so."""

    service_tier: Raw = NOTHING


class _OddInfo(msgspec.Struct):
    """Totals with a field of an unknown form."""

    total_token_usage: Raw = NOTHING
    last_token_usage: Raw = NOTHING


class _Thread(msgspec.Struct):
    thread_id: Raw = NOTHING


class _Spawn(msgspec.Struct):
    parent_thread_id: Raw = NOTHING


class _Subagent(msgspec.Struct):
    thread_spawn: Raw = NOTHING


class _Origin(msgspec.Struct):
    subagent: Raw = NOTHING


class _Window(msgspec.Struct, gc=False):
    used_percent: int | float | None = None
    window_minutes: int | float | None = None
    resets_at: int | float | None = None
    resets_in_seconds: int | float | None = None


class _Limits(msgspec.Struct, gc=False):
    limit_id: Raw = NOTHING
    primary: _Window | None = None
    secondary: _Window | None = None


class _OddLimits(msgspec.Struct):
    """Limits with a field of which nobody knows what it is."""

    limit_id: Raw = NOTHING
    primary: Raw = NOTHING
    secondary: Raw = NOTHING


class _OddWindow(msgspec.Struct):
    used_percent: Raw = NOTHING
    window_minutes: Raw = NOTHING
    resets_at: Raw = NOTHING
    resets_in_seconds: Raw = NOTHING


_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _Usage(msgspec.Struct, gc=False):
    input_tokens: _Count | None = None
    cached_input_tokens: _Count | None = None
    cache_write_input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    reasoning_output_tokens: _Count | None = None


class _OddUsage(msgspec.Struct):
    """A usage with a field of which nobody knows what it is."""

    input_tokens: Raw = NOTHING
    cached_input_tokens: Raw = NOTHING
    cache_write_input_tokens: Raw = NOTHING
    output_tokens: Raw = NOTHING
    reasoning_output_tokens: Raw = NOTHING


class Vector(NamedTuple):
    """Tokens as Codex counts them: input holds the cache, output the reasoning. A count that is not there is 0."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def plus(self, other: Vector) -> Vector:
        """Return the sum of both."""
        a, b, c, d, e = self
        v, w, x, y, z = other
        return Vector(a + v, b + w, c + x, d + y, e + z)

    def less(self, other: Vector) -> Vector:
        """Return by how much this is more than ``other``; a number may be below 0."""
        a, b, c, d, e = self
        v, w, x, y, z = other
        return Vector(a - v, b - w, c - x, d - y, e - z)

    def minus(self, other: Vector) -> Vector:
        """Return what this has beyond ``other``, nowhere below 0."""
        rest = self.less(other)
        return rest if min(rest) >= 0 else Vector(*(max(number, 0) for number in rest))

    def tokens(self, judge: RowJudge) -> Tokens:
        """Return them by kinds that are disjoint; a field that ``judge`` gave up, or that contradicts, is unknown."""
        if not judge.partials:
            sent = self.input - self.cached - self.cache_write
            reasoning = self.reasoning if self.reasoning <= self.output else None
            return make_tokens((sent if sent >= 0 else None, self.cached, self.cache_write, 0, self.output, reasoning))
        unknown = set(judge.unknown)
        sent = self.input - self.cached - self.cache_write
        is_known = sent >= 0 and not unknown & {"input_tokens", "cached_input_tokens", "cache_write_input_tokens"}
        return Tokens(
            input=sent if is_known else None,
            cache_read=None if "cached_input_tokens" in unknown else self.cached,
            cache_write_5m=None if "cache_write_input_tokens" in unknown else self.cache_write,
            cache_write_1h=None if "cache_write_input_tokens" in unknown else 0,
            output=None if "output_tokens" in unknown else self.output,
            reasoning=None
            if unknown & {"reasoning_output_tokens", "output_tokens"} or self.reasoning > self.output
            else self.reasoning,
        )


class _Info(msgspec.Struct, gc=False):
    total_token_usage: _Usage | None = None
    last_token_usage: _Usage | None = None


class Info(NamedTuple):
    """The totals of a thread, and its last usage; None where there is none."""

    total: Vector | None
    last: Vector | None


_LINE = msgspec.json.Decoder(Line)
_ODD_LINE = msgspec.json.Decoder(OddLine)
_USAGE = msgspec.json.Decoder(_Usage)
_INFO = msgspec.json.Decoder(_Info)
_LIMITS = msgspec.json.Decoder(_Limits)


def decode_line(line: memoryview) -> Line | OddLine | None:
    """Return the fields of a line; None if it is no JSON object."""
    try:
        return _LINE.decode(line)
    except UNUSABLE:
        pass
    try:
        return _ODD_LINE.decode(line)
    except UNUSABLE:
        return None


def decode_info(raw: Raw, judge: RowJudge) -> Info:
    """Return the totals of a thread; ``judge`` keeps which of their numbers cannot be used."""
    try:
        info = _INFO.decode(raw)
    except UNUSABLE:
        odd = decode_part(raw, _OddInfo)
        if odd is None:
            return Info(None, None)
        return Info(decode_usage(odd.total_token_usage, judge), decode_usage(odd.last_token_usage, judge))
    total, last = info.total_token_usage, info.last_token_usage
    return Info(_counted(total, judge), _counted(last, judge))


def decode_usage(raw: Raw, judge: RowJudge) -> Vector | None:
    """Return the numbers of a usage, ``judge`` keeps which of them cannot be used; None where there is none at all."""
    if not is_there(raw):
        return None
    try:
        usage = _USAGE.decode(raw)
    except UNUSABLE:
        odd = decode_part(raw, _OddUsage)
        if odd is None:
            judge.read_count("", "usage")
            return None
        names = _OddUsage.__struct_fields__
        return Vector(
            *(read_count(field, name, judge) or 0 for name, field in zip(names, _fields_of(odd), strict=True))
        )
    return _counted(usage, judge)


def _counted(usage: _Usage | None, judge: RowJudge) -> Vector | None:
    if usage is None:
        return None
    sent, output = usage.input_tokens, usage.output_tokens
    if sent is None:
        judge.read_count("", "input_tokens")
    if output is None:
        judge.read_count("", "output_tokens")
    cached, written, reasoning = (
        usage.cached_input_tokens,
        usage.cache_write_input_tokens,
        usage.reasoning_output_tokens,
    )
    return Vector(sent or 0, cached or 0, written or 0, output or 0, reasoning or 0)


def _fields_of(odd: _OddUsage) -> tuple[Raw, ...]:
    return (
        odd.input_tokens,
        odd.cached_input_tokens,
        odd.cache_write_input_tokens,
        odd.output_tokens,
        odd.reasoning_output_tokens,
    )


def decode_plan(raw: Raw, ts: int) -> PlanReading | None:
    """Return the limits of the plan as they were at ``ts``; None where there are none that can be used."""
    limits = _limits_of(raw)
    if limits is None:
        return None
    windows = [
        window
        for name, limit in (("primary", limits.primary), ("secondary", limits.secondary))
        if limit is not None and (window := _window_of(name, limit, ts)) is not None
    ]
    if not windows:
        return None
    cell = cell_of(limits.limit_id)
    name = cell if isinstance(cell, str) and _WORD.fullmatch(cell) else ""
    return PlanReading(name, ts, tuple(windows))


def _limits_of(raw: Raw) -> _Limits | None:
    if not is_there(raw):
        return None
    try:
        return _LIMITS.decode(raw)
    except UNUSABLE:
        odd = decode_part(raw, _OddLimits)
    return None if odd is None else _Limits(odd.limit_id, _plain_window(odd.primary), _plain_window(odd.secondary))


def _plain_window(raw: Raw) -> _Window | None:
    odd = decode_part(raw, _OddWindow)
    if odd is None:
        return None
    cells = map(read_number, (odd.used_percent, odd.window_minutes, odd.resets_at, odd.resets_in_seconds))
    return _Window(*(cell if isinstance(cell, int | float) else None for cell in cells))


def _window_of(name: str, window: _Window, ts: int) -> PlanWindow | None:
    used, minutes, resets = window.used_percent, window.window_minutes, window.resets_at
    if used is None or not 0 <= used <= _PERCENT_MAX:
        return None
    if minutes is not None:
        minutes = int(minutes) if 0 <= minutes <= TS_MAX else None
    if resets is not None and 0 <= resets <= TS_MAX:
        resets *= 1_000
    else:
        rest = window.resets_in_seconds
        resets = ts + rest * 1_000 if rest is not None and 0 <= rest <= TS_MAX else None
    return PlanWindow(name, round(used * 100), minutes, None if resets is None or resets > TS_MAX else int(resets))


def id_of(raw: Raw) -> str | None:
    """Return the id of a thread or turn; None for anything else, which may say what somebody works on."""
    data = bytes(raw) if len(raw) == ID_LENGTH + len('""') else b""
    known = _known_ids.get(data)
    if known is not None:
        return known
    cell = cell_of(raw)
    if not isinstance(cell, str) or not ID.fullmatch(cell):
        return None
    if len(_known_ids) >= _IDS_KEPT_MAX:
        _known_ids.clear()
    if data:
        _known_ids[data] = cell.lower()
    return cell.lower()


def base_of(payload: Payload) -> str | None:
    """Return the thread that a thread was forked from; None if it begins anew."""
    base = decode_part(payload.history_base, _Thread)
    return id_of(payload.forked_from_id) or (None if base is None else id_of(base.thread_id))


def root_of(payload: Payload, thread: str) -> str | None:
    """Return the thread at whose root ``thread`` was started; None if somebody started it by hand."""
    root = id_of(payload.session_id)
    if root is not None:
        return root if root != thread else None
    return parent_of(payload)


def parent_of(payload: Payload) -> str | None:
    """Return the thread that started a thread; None if none did."""
    if (parent := id_of(payload.parent_thread_id)) is not None:
        return parent
    origin = decode_part(payload.source, _Origin)
    agent = None if origin is None else decode_part(origin.subagent, _Subagent)
    spawn = None if agent is None else decode_part(agent.thread_spawn, _Spawn)
    return None if spawn is None else id_of(spawn.parent_thread_id)


def is_agent(payload: Payload) -> bool:
    """Return whether a thread belongs to an agent, a review or a guardian: nobody types its prompts."""
    origin = decode_part(payload.source, _Origin)
    return origin is not None and is_there(origin.subagent)


@lru_cache(maxsize=256)
def born_of(identity: str) -> int | None:
    """Return when an id of version 7 was made, epoch milliseconds; None for another one."""
    found = _UUID7.fullmatch(identity)
    return None if found is None else int(found[1] + found[2], 16)


def version_of(raw: Raw) -> Version | None:
    """Return the version of Codex as numbers; None where there is none."""
    found = _VERSION.fullmatch(bytes(memoryview(raw)[:40]))
    return None if found is None else (int(found[1]), int(found[2]))


def context_of(raw: Raw) -> str:
    """Return the words of a service tier that is not the ordinary one."""
    cell = cell_of(raw)
    word = cell if isinstance(cell, str) and _WORD.fullmatch(cell) else ""
    return "" if word in {"default", "auto", "standard"} else word
