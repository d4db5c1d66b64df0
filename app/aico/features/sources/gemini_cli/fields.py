"""The meaning of the numbers of an answer of Gemini CLI, in each place in which it writes them. Pure.

Its prompt holds tokens from the cache; its output does not hold thoughts, which are billed as output. Tokens that tools
put into the prompt stand beside it if the total says so. Nothing is written into a cache at a price.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from msgspec import Raw

from aico.core.usage import COUNT_MAX, Rejection, RejectionCode, RequestState, Tokens, UsageEvent, digest
from aico.features.files.cells import RowJudge
from aico.features.files.raw_fields import NOTHING, UNUSABLE, read_count

NEAR_MS = 5_000
"""A session file and the telemetry tell of one answer within some ten milliseconds; under load, within seconds."""
SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Counts(NamedTuple):
    """The numbers as Gemini CLI writes them; None is unknown."""

    input: int | None
    output: int | None
    cached: int | None
    thoughts: int | None
    tool: int | None
    total: int | None


class _Tokens(msgspec.Struct):
    input: Raw = NOTHING
    output: Raw = NOTHING
    cached: Raw = NOTHING
    thoughts: Raw = NOTHING
    tool: Raw = NOTHING
    total: Raw = NOTHING


_TOKENS = msgspec.json.Decoder(_Tokens)


def decode_counts(raw: Raw, judge: RowJudge) -> Counts:
    """Return the numbers of a message's ``tokens``; ``judge`` keeps which of them cannot be used."""
    try:
        tokens = _TOKENS.decode(raw)
    except UNUSABLE:
        judge.read_count("", "tokens")
        return Counts(*(None,) * 6)
    return Counts(*(read_count(getattr(tokens, name), name, judge) for name in Counts._fields))


def measure(counts: Counts, judge: RowJudge) -> tuple[Tokens, RequestState]:
    """Return the tokens as they are billed, and how much is known: zeros in all places were not measured."""
    sent, got, cached, thoughts, tool, total = counts
    if not any(counts[:5]):
        return Tokens(), RequestState.UNMEASURED
    if sent is not None and tool and total == sent + (got or 0) + (thoughts or 0) + tool:
        sent += tool
    unknown = {name.partition("_")[0] for name in judge.unknown}
    fresh = None if sent is None or "cached" in unknown else sent - (cached or 0)
    if fresh is not None and fresh < 0:
        # The provider left the cache out of the prompt, or states nonsense: the fresh input is not known.
        judge.read_count(fresh, "input")
        fresh = None
    output = None if got is None or "thoughts" in unknown else min(got + (thoughts or 0), COUNT_MAX)
    return Tokens(fresh, cached, 0, 0, output, None if output is None else thoughts), RequestState.FINAL


def answer(
    session: str,
    parent: str | None,
    identity: bytes,
    ts: int,
    model: str | None,
    counts: Counts | None,
    judge: RowJudge,
) -> UsageEvent:
    """Return the record of an answer that a session file holds; without ``counts`` it was not measured."""
    tokens, state = Tokens(), RequestState.UNMEASURED
    if counts is not None:
        tokens, state = measure(counts, judge)
    return UsageEvent(
        digest(session, identity),
        session,
        ts,
        model,
        tokens,
        state=state,
        parent=parent,
        unknown=judge.unknown,
        near_ms=NEAR_MS,
    )


def refusal(judge: RowJudge, index: int, field: str) -> Rejection:
    """Return why an answer is refused as a whole: the reason that is known, else that ``field`` is missing."""
    known = [each for each in judge.partials if each.field == field]
    return known[0] if known else Rejection(index, RejectionCode.MISSING, field)
