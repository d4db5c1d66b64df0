"""The fields of Claude Code's lines that tell of usage; nothing else of a line is ever decoded. Pure.

A line is decoded in three steps, each of which may refuse it: all of it is held against JSON's grammar and cut into raw
fields; then the numbers of its usage are read; only then a text is made, of a model or a session. The conversation
and its folder stay in the reader's memory.

Source: the lines of 36 versions from 1.0.0 to 2.1.332.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw

from aico.core.usage import COUNT_MAX, REGION, Tokens, make_tokens
from aico.features.files.cells import RowJudge
from aico.features.files.raw_fields import NOTHING, UNUSABLE, cell_of, decode_part, is_there, read_count

Version: TypeAlias = tuple[int, int, int]
FULL_USAGE: Version = (2, 1, 97)
"""From here on each line of an answer has its final usage, and none is written before the answer has ended."""
STOP_DETAILS: Version = (2, 1, 200)
"""From here on a whole answer has details of its stop. An answer that broke off may state a reason, but no details."""
COST_STATE: Version = (2, 1, 277)
"""From here on a clean exit writes what the session was billed for."""

_VERSION = re.compile(rb'"(\d{1,6})\.(\d{1,6})\.(\d{1,6})[^"]*"')
_WORD = re.compile(r"[a-z0-9_-]{1,32}")
_AGENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ORDINARY = {"standard", "default", "auto"}
_ORDINARY_CONTEXTS = (NOTHING, *(Raw(f'"{word}"'.encode()) for word in sorted(_ORDINARY, reverse=True)))
_ANYWHERE = {"", "global", "not_available"}
"""What ``inference_geo`` states of a request that may be answered anywhere, or of a model that knows no region."""
_ANYWHERE_REGIONS = (NOTHING, *(Raw(f'"{word}"'.encode()) for word in sorted(_ANYWHERE, reverse=True)))


_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _Split(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: _Count | None = None
    ephemeral_1h_input_tokens: _Count | None = None


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: _Count | None = None


class PlainUsage(msgspec.Struct, gc=False):
    """A usage as every version writes it."""

    input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_creation: _Split | None = None
    output_tokens_details: _Details | None = None
    service_tier: Raw = NOTHING
    inference_geo: Raw = NOTHING
    speed: Raw = NOTHING

    @property
    def text_length(self) -> int:
        """How long those of its fields are that are views."""
        return len(self.service_tier) + len(self.inference_geo) + len(self.speed)

    def kept(self) -> PlainUsage:
        """Return this, as it may outlive its line: without a view of it."""
        if self.service_tier:
            self.service_tier = self.service_tier.copy()
        if self.inference_geo:
            self.inference_geo = self.inference_geo.copy()
        if self.speed:
            self.speed = self.speed.copy()
        return self


class _Answer(msgspec.Struct, gc=False):
    id: Raw = NOTHING
    model: Raw = NOTHING
    stop_reason: Raw = NOTHING
    stop_details: Raw = NOTHING
    """There, if only as null, where the answer came to its end: seen from 2.1.200 to 2.1.332, but not in 2.1.120."""


class Message(_Answer, gc=False):
    """An answer, as raw fields, and its usage."""

    usage: PlainUsage | None = None


class _OddFields(_Answer, gc=False):
    usage: Raw = NOTHING


class _OddMessage(Message, gc=False):
    """An answer with a usage of which nobody knows what it is; made of ``_OddFields``."""

    odd_usage: Raw = NOTHING


class _Fields(msgspec.Struct, gc=False):
    # In the order in which the tool writes them: the decoder looks for the next one first.
    is_sidechain: Raw = msgspec.field(name="isSidechain", default=NOTHING)
    agent_id: Raw = msgspec.field(name="agentId", default=NOTHING)
    is_meta: Raw = msgspec.field(name="isMeta", default=NOTHING)
    is_compact_summary: Raw = msgspec.field(name="isCompactSummary", default=NOTHING)
    cost_usd: Raw = msgspec.field(name="costUSD", default=NOTHING)
    duration_ms: Raw = msgspec.field(name="durationMs", default=NOTHING)
    request_ref: Raw = msgspec.field(name="requestRef", default=NOTHING)
    request_session_id: Raw = msgspec.field(name="requestSessionId", default=NOTHING)
    forked_from: Raw = msgspec.field(name="forkedFrom", default=NOTHING)
    type: Raw = NOTHING
    uuid: Raw = NOTHING
    id: Raw = NOTHING
    """Of an ``api-request``: what the lines of its answer call ``requestRef``."""
    timestamp: Raw = NOTHING
    tool_use_result: Raw = msgspec.field(name="toolUseResult", default=NOTHING)
    session_id: Raw = msgspec.field(name="sessionId", default=NOTHING)
    version: Raw = NOTHING
    params: Raw = NOTHING
    model_usage: Raw = msgspec.field(name="modelUsage", default=NOTHING)


class Line(_Fields, gc=False):
    """A line of a transcript, as raw fields: views of the reader's memory."""

    message: Message | None = None


class _OddLine(_Fields, gc=False):
    """A line with a message of an unknown form."""

    message: Raw = NOTHING


class Params(msgspec.Struct):
    """The parameters of a request."""

    model: Raw = NOTHING


class _OddUsage(msgspec.Struct):
    """A usage with a field of an unknown form."""

    input_tokens: Raw = NOTHING
    cache_creation_input_tokens: Raw = NOTHING
    cache_read_input_tokens: Raw = NOTHING
    output_tokens: Raw = NOTHING
    cache_creation: Raw = NOTHING
    output_tokens_details: Raw = NOTHING
    service_tier: Raw = NOTHING
    inference_geo: Raw = NOTHING
    speed: Raw = NOTHING


class _OddSplit(msgspec.Struct):
    ephemeral_5m_input_tokens: Raw = NOTHING
    ephemeral_1h_input_tokens: Raw = NOTHING


class _OddDetails(msgspec.Struct):
    thinking_tokens: Raw = NOTHING


class _Billed(msgspec.Struct):
    """The tokens that a session was billed for on one model, as raw fields."""

    input: Raw = msgspec.field(name="inputTokens", default=NOTHING)
    output: Raw = msgspec.field(name="outputTokens", default=NOTHING)
    thinking: Raw = msgspec.field(name="thinkingTokens", default=NOTHING)
    cache_read: Raw = msgspec.field(name="cacheReadInputTokens", default=NOTHING)
    cache_write: Raw = msgspec.field(name="cacheCreationInputTokens", default=NOTHING)
    cache_write_5m: Raw = msgspec.field(name="cacheCreationEphemeral5mInputTokens", default=NOTHING)
    cache_write_1h: Raw = msgspec.field(name="cacheCreationEphemeral1hInputTokens", default=NOTHING)


class Usage(NamedTuple):
    """The numbers of one answer."""

    tokens: Tokens
    cache_write: int | None
    """Of both lives."""
    context: str


_make_usage: Callable[[tuple[Tokens, int | None, str]], Usage] = partial(tuple.__new__, Usage)
_LINE = msgspec.json.Decoder(Line)
_ODD_LINE = msgspec.json.Decoder(_OddLine)
_PARAMS = msgspec.json.Decoder(Params)
_MESSAGE = msgspec.json.Decoder(Message)
_ODD_USAGE = msgspec.json.Decoder(_OddUsage)
_ODD_SPLIT = msgspec.json.Decoder(_OddSplit)
_ODD_DETAILS = msgspec.json.Decoder(_OddDetails)
_BILLED = msgspec.json.Decoder(dict[str, Raw])
_BILLED_MODEL = msgspec.json.Decoder(_Billed)


def decode_line(line: memoryview) -> Line | None:
    """Return the fields of a line; None if it is no JSON object."""
    try:
        return _LINE.decode(line)
    except UNUSABLE:
        pass
    try:
        odd = _ODD_LINE.decode(line)
    except UNUSABLE:
        return None
    fields = {name: getattr(odd, name) for name in _Fields.__struct_fields__}
    return Line(**fields, message=_decode_message(odd.message))


def _decode_message(raw: Raw) -> Message | None:
    """Return the fields of a message; None if it is no object."""
    if not is_there(raw):
        return None
    try:
        return _MESSAGE.decode(raw)
    except UNUSABLE:
        odd = decode_part(raw, _OddFields)
    if odd is None:
        return None
    return _OddMessage(odd.id, odd.model, odd.stop_reason, odd.stop_details, odd_usage=odd.usage)


def decode_usage(message: Message, judge: RowJudge) -> Usage | None:
    """Return the numbers of an answer; ``judge`` keeps which of them cannot be used. None where it states none."""
    usage = message.usage
    if usage is None:
        odd = message.odd_usage if isinstance(message, _OddMessage) else NOTHING
        return _decode_odd_usage(odd, judge) if is_there(odd) else None
    split, details = usage.cache_creation, usage.output_tokens_details
    short, long, thinking = None, None, None
    if split is not None:
        short, long = split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens
    if details is not None:
        thinking = details.thinking_tokens
    return _usage_of(
        usage.input_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        short,
        long,
        usage.output_tokens,
        thinking,
        _context_of(usage.service_tier, usage.speed, usage.inference_geo),
    )


def _decode_odd_usage(raw: Raw, judge: RowJudge) -> Usage:
    try:
        usage = _ODD_USAGE.decode(raw)
    except UNUSABLE:
        judge.read_count("", "usage")
        return Usage(Tokens(), None, "")
    split, details = _OddSplit(), _OddDetails()
    try:
        split = _ODD_SPLIT.decode(usage.cache_creation) if is_there(usage.cache_creation) else split
    except UNUSABLE:
        judge.read_count("", "cache_creation")
    try:
        details = _ODD_DETAILS.decode(usage.output_tokens_details) if is_there(usage.output_tokens_details) else details
    except UNUSABLE:
        judge.read_count("", "output_tokens_details")
    return _usage_of(
        read_count(usage.input_tokens, "input_tokens", judge),
        read_count(usage.cache_read_input_tokens, "cache_read_input_tokens", judge),
        read_count(usage.cache_creation_input_tokens, "cache_creation_input_tokens", judge),
        read_count(split.ephemeral_5m_input_tokens, "ephemeral_5m_input_tokens", judge),
        read_count(split.ephemeral_1h_input_tokens, "ephemeral_1h_input_tokens", judge),
        read_count(usage.output_tokens, "output_tokens", judge),
        read_count(details.thinking_tokens, "thinking_tokens", judge),
        _context_of(usage.service_tier, usage.speed, usage.inference_geo),
    )


def _usage_of(
    sent: int | None,
    cache_read: int | None,
    cache_write: int | None,
    short: int | None,
    long: int | None,
    output: int | None,
    thinking: int | None,
    context: str,
) -> Usage:
    short, long = _lives(cache_write, short, long)
    if thinking is not None and (output is None or thinking > output):
        thinking = None
    return _make_usage((make_tokens((sent, cache_read, short, long, output, thinking)), cache_write, context))


def _lives(total: int | None, short: int | None, long: int | None) -> tuple[int | None, int | None]:
    """Return cache writes by their life: split only where the parts add up, else all with the shorter one."""
    if total is None:
        return None, None
    short, long = short or 0, long or 0
    return (short, long) if short + long == total else (total, 0)


def decode_billed(raw: Raw, judge: RowJudge) -> dict[str, Tokens]:
    """Return what a session was billed for by model; nothing where a number of it cannot be used."""
    try:
        models = {name: _BILLED_MODEL.decode(numbers) for name, numbers in _BILLED.decode(raw).items()}
    except UNUSABLE:
        return {}
    billed = {}
    for name, numbers in models.items():
        model = judge.read_model(name, "modelUsage")
        total = read_count(numbers.cache_write, "cacheCreationInputTokens", judge)
        short = read_count(numbers.cache_write_5m, "cacheCreationEphemeral5mInputTokens", judge)
        long = read_count(numbers.cache_write_1h, "cacheCreationEphemeral1hInputTokens", judge)
        tokens = Tokens(
            read_count(numbers.input, "inputTokens", judge),
            read_count(numbers.cache_read, "cacheReadInputTokens", judge),
            *_lives(total, short, long),
            read_count(numbers.output, "outputTokens", judge),
            read_count(numbers.thinking, "thinkingTokens", judge),
        )
        if model is None or None in tokens[:5]:
            return {}
        billed[model] = tokens
    return billed


def decode_asked_model(raw: Raw, judge: RowJudge) -> str | None:
    """Return the model that a request asks for; None where it does not say."""
    if not is_there(raw):
        return None
    try:
        return judge.read_model(cell_of(_PARAMS.decode(raw).model), "model")
    except UNUSABLE:
        return None


def version_of(raw: Raw) -> Version | None:
    """Return the version of Claude Code that wrote a line, as numbers; None where it does not say."""
    return _version(bytes(memoryview(raw)[:40]))


@lru_cache(maxsize=256)
def _version(text: bytes) -> Version | None:
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def agent_of(raw: Raw) -> str | None:
    """Return the id of an agent; None where there is none, or no plain one."""
    cell = cell_of(raw)
    return cell if isinstance(cell, str) and _AGENT.fullmatch(cell) else None


def is_plain_name(text: str) -> bool:
    """Return whether ``text`` looks like an id."""
    return _AGENT.fullmatch(text) is not None


def _context_of(tier: Raw, speed: Raw, geo: Raw) -> str:
    if tier in _ORDINARY_CONTEXTS and speed in _ORDINARY_CONTEXTS and geo in _ANYWHERE_REGIONS:
        return ""
    words = [cell for cell in map(cell_of, (tier, speed)) if isinstance(cell, str) and _WORD.fullmatch(cell)]
    words = [word for word in words if word not in _ORDINARY]
    if is_there(geo) and (region := cell_of(geo)) not in _ANYWHERE:
        # Of a region that is no plain word it is kept that there is one: its price is not known.
        words.append(REGION + (region if isinstance(region, str) and _WORD.fullmatch(region) else "other"))
    return " ".join(words)
