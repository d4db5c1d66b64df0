"""The usage that a tool billed beyond its records, from the totals that it states. Pure: no I/O, no clock, no logging.

A tool that writes down, at the end of a run, what the session has used so far by model, states a total. The usage that
the session and the agents that it started recorded up to then is a part of it; the rest was billed and stands nowhere
else. A copy of a session begins with the total of its origin. If a total cannot be compared, the rest is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from aico.core.units import Tokens

_NOTHING = Tokens(0, 0, 0, 0, 0, 0)


class BilledTotal(NamedTuple):
    """The usage on one model that a tool says it billed a session for, up to a moment; see GapReading."""

    session: str
    kind: str
    at: int
    model: str
    tokens: Tokens
    heir_of: str | None
    heir_since: int | None
    recorded_count: int | None


class RecordedPart(NamedTuple):
    """The records of a session and its agents before the first request after its last total."""

    tokens: Mapping[str, Tokens]
    """By model."""
    own_count: int
    """How many of the requests are the session's own, its agents' not included."""


def find_unrecorded(
    totals: Sequence[BilledTotal], recorded: Mapping[tuple[str, str], RecordedPart]
) -> dict[str, Tokens]:
    """Return by kind what was billed and not recorded, as far as it is known. ``recorded`` is by session and kind."""
    by_session: dict[tuple[str, str], list[list[BilledTotal]]] = {}
    listed = sorted(totals, key=attrgetter("session", "kind", "at"))
    for (session, kind, _at), group in groupby(listed, key=attrgetter("session", "kind", "at")):
        by_session.setdefault((session, kind), []).append(list(group))
    found: dict[str, Tokens] = {}
    for (session, kind), moments in by_session.items():
        part = recorded.get((session, kind), RecordedPart({}, 0))
        base = _find_base(moments[-1][0], part, by_session)
        if base is None:
            continue
        for tokens in _rests(moments[-1], base, part):
            found[kind] = _plus(found.get(kind, _NOTHING), tokens)
    return found


def _find_base(
    total: BilledTotal, part: RecordedPart, by_session: Mapping[tuple[str, str], list[list[BilledTotal]]]
) -> Mapping[str, Tokens] | None:
    """Return with what the totals of a session began, by model; None if that is not known."""
    if total.recorded_count is not None and part.own_count < total.recorded_count:
        return None
    if total.heir_of is None:
        return {}
    earlier = [
        moment
        for moment in by_session.get((total.heir_of, total.kind), [])
        if total.heir_since is None or moment[0].at <= total.heir_since
    ]
    return {each.model: each.tokens for each in earlier[-1]} if earlier else None


def _rests(totals: Iterable[BilledTotal], base: Mapping[str, Tokens], part: RecordedPart) -> Iterable[Tokens]:
    billed = {total.model: total.tokens for total in totals}
    if any(any(tokens[:5]) and model not in billed for model, tokens in (*part.tokens.items(), *base.items())):
        # The names are not the same ones, or a run is missing.
        return
    for model, tokens in billed.items():
        rest = _minus(_minus(tokens, base.get(model, _NOTHING)), part.tokens.get(model, _NOTHING))
        known = rest and _sensible(rest)
        if known:
            yield known


def _sensible(rest: Sequence[int]) -> Tokens | None:
    """Return ``rest``, or None if it is below zero: then the total lacks something that was recorded."""
    sent, read, short, long, got, thought = rest
    if min(short, long) < 0:
        # A split that one of the two sides does not tell.
        short, long = short + long, 0
    if min(sent, read, short, got) < 0:
        return None
    return Tokens(sent, read, short, long, got, min(max(thought, 0), got))


def _minus(one: Sequence[int | None], other: Sequence[int | None]) -> tuple[int, ...]:
    return tuple((a or 0) - (b or 0) for a, b in zip(one, other, strict=True))


def _plus(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(*((a or 0) + (b or 0) for a, b in zip(one, other, strict=True)))
