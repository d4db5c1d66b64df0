"""From running totals to what was spent: growth above the highest totals that a meter ever had. Pure.

Source: totals of Cline's sessions rise, fall when a checkpoint is restored or a file rebuilt, come from two windows by
turns, and vanish. Spent is spent: a fall books nothing, and the way back up to the mark books nothing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from aico.core.money import nano_usd
from aico.core.usage import MeterReading

Amounts: TypeAlias = tuple[int | None, ...]
"""Tokens by kind, then nano-dollars: seven numbers, None where a number is unknown."""


class Meter(NamedTuple):
    """The stored state of a session's running total in one origin."""

    last: Amounts
    """The tool's present numbers, each the last good one."""
    high: Amounts
    """The highest that each number ever was."""
    unknown: tuple[str, ...] = ()
    """Names of fields that could not be used: by the last reading of :attr:`stated_by`, or a later one that grew."""
    is_joint: bool = False
    """True if several origins or places read this meter: then a lower number of one of them is no fall."""
    stated_by: int = 0
    """The origin whose word counts: the meter's own, or another one as long as that one has said nothing."""

    @property
    def has_fallen(self) -> bool:
        """True if the tool shows less now than it once did."""
        return any(
            now is not None and high is not None and now < high for now, high in zip(self.last, self.high, strict=True)
        )

    @property
    def is_silent(self) -> bool:
        """True if no number was ever stated."""
        return all(number is None for number in self.high)


def is_unpriced(meters: Iterable[Meter]) -> bool:
    """Return whether a session with these ``meters`` has tokens, and no cost above 0 was ever stated for it."""
    has_tokens = False
    for meter in meters:
        if meter.high[6]:
            return False
        has_tokens = has_tokens or any(meter.high[:5])
    return has_tokens


def is_unmeasured(meters: Iterable[Meter]) -> bool:
    """Return whether no number of tokens was ever stated for a session with these ``meters``."""
    return all(number is None for meter in meters for number in meter.high[:6])


def amounts_of(reading: MeterReading) -> Amounts:
    """Return the numbers of ``reading``, its cost in nano-dollars."""
    cost = reading.cost_usd
    return (*reading.tokens, None if cost is None else nano_usd(cost))


def advance(
    known: Meter | None,
    reading: MeterReading,
    booked: Sequence[int] | None = None,
    *,
    is_joint: bool = False,
    origin: int = 0,
) -> tuple[Meter, Amounts]:
    """Return the meter after ``reading``, and the growth that is to be booked.

    ``known`` is None for the first reading of this meter. ``booked`` is then what the session has booked through other
    meters, in the order of :data:`Amounts`: the first reading books what exceeds it. A number of the growth is None
    where the meter never had one. ``origin`` is what is read; ``is_joint`` says that the meter is another origin's.
    Any exception is a bug.
    """
    now = amounts_of(reading)
    if known is None:
        if booked is None:
            return Meter(now, now, reading.unknown, is_joint, origin), now
        growth = tuple(
            None if number is None else max(0, number - had) for number, had in zip(now, booked, strict=True)
        )
        return Meter(now, now, reading.unknown, is_joint, origin), growth
    # One origin's word at a time: else two that read the same totals would take back what the other said, for ever.
    stated_by = known.stated_by if is_joint else origin
    is_joint = is_joint or known.is_joint
    high = tuple(map(_higher, known.high, now))
    growth = tuple(
        None if number is None else number - (had or 0) for number, had in zip(high, known.high, strict=True)
    )
    # Growth is booked without the fields that this reading lacks, even if another origin's word counts otherwise.
    unknown = reading.unknown if stated_by == origin or any(growth) else known.unknown
    last = (
        high
        if is_joint
        else tuple(had if number is None else number for had, number in zip(known.last, now, strict=True))
    )
    return Meter(last, high, unknown, is_joint, stated_by), growth


def _higher(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
