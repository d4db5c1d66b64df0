"""The prices of one entry of the list in one context, from period to period. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from genai_prices.types import ModelInfo, StartDateConstraint, TimeOfDateConstraint

from aico.core.pricing import PriceRef
from aico.core.usage import Tokens
from aico.features.pricing.names import Entry
from aico.features.pricing.rates import Rates, cost_of, costs_of, multiply, rates_of

DAY_MS = 86_400_000
Constraint: TypeAlias = StartDateConstraint | TimeOfDateConstraint


class Tariff(NamedTuple):
    """The prices of one entry in one context. It holds nothing of the list, which is not kept."""

    ref: PriceRef
    days: Sequence[int]
    """From these moments on prices are others, in epoch milliseconds."""
    times: Sequence[int]
    """Likewise within each day, in milliseconds."""
    rates: Mapping[tuple[int, int], Rates | None]
    """By the number of days and of times that have passed; None where there are none."""

    def cost_of(self, ts: int, tokens: Tokens) -> int | None:
        """Return what a request of ``ts``, epoch milliseconds, costs in nano-dollars.

        None where the list has no price for that moment, or none for this context.
        """
        rates = self.rates_at(ts)
        return None if rates is None else cost_of(rates, tokens)

    def costs_of(self, moments: Sequence[int], many: Sequence[Tokens]) -> list[int | None]:
        """Return :meth:`cost_of` of each of ``moments`` with the tokens in the same place of ``many``."""
        if not moments:
            return []
        first, last = self._period_of(min(moments)), self._period_of(max(moments))
        if first == last and not self.times:
            rates = self.rates[first]
            return [None] * len(many) if rates is None else list(costs_of(rates, many))
        days, times = self.days, self.times
        places: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, ts in enumerate(moments):
            places[bisect_right(days, ts), bisect_right(times, ts % DAY_MS)].append(place)
        costs: list[int | None] = [None] * len(many)
        for period, those in places.items():
            rates = self.rates[period]
            if rates is not None:
                for place, cost in zip(those, costs_of(rates, [many[place] for place in those]), strict=True):
                    costs[place] = cost
        return costs

    def rates_at(self, ts: int) -> Rates | None:
        """Return the prices at ``ts``, epoch milliseconds; None where there are none."""
        return self.rates[self._period_of(ts)]

    def multiplied(self, factor: Fraction, why: str) -> Tariff:
        """Return the tariff with ``factor`` times the price of all tokens; its origin names the factor and ``why``."""
        if factor == 1:
            return self
        ref = self.ref._replace(model=f"{self.ref.model} * {float(factor)} ({why})")
        rates = {key: None if each is None else multiply(each, factor) for key, each in self.rates.items()}
        return self._replace(ref=ref, rates=rates)

    def _period_of(self, ts: int) -> tuple[int, int]:
        """Return which period ``ts`` lies in: between two such moments no price of the list changes."""
        return bisect_right(self.days, ts), bisect_right(self.times, ts % DAY_MS)


def tariff_of(entry: Entry, ref: PriceRef, context: Mapping[str, str] | None) -> Tariff:
    """Return the prices of ``entry`` in ``context``, which is written as the library does; None is the ordinary one."""
    days, times = set(), set()
    for constraint in _constraints(entry.model, with_variants=context is not None):
        if isinstance(constraint, StartDateConstraint):
            days.add(_ms_of(datetime.combine(constraint.start_date, time(), UTC)))
        else:
            times |= {_ms_of_day(constraint.start_time), _ms_of_day(constraint.end_time)}
    starts = [min(days, default=0) - DAY_MS, *sorted(days)]
    rates = {
        (day, part): _rates_at(entry, context, start + ms)
        for day, start in enumerate(starts)
        for part, ms in enumerate([0, *sorted(times)])
    }
    return Tariff(ref, starts[1:], sorted(times), rates)


def _rates_at(entry: Entry, context: Mapping[str, str] | None, ts: int) -> Rates | None:
    at = datetime.fromtimestamp(ts / 1000, UTC)
    if context is None:
        return rates_of(entry.model.get_prices(at))
    # The library takes the ordinary price where it knows no other; that would be a wrong one.
    return rates_of(entry.model.get_prices(at, context)) if _knows_context(entry, context, at) else None


def _knows_context(entry: Entry, context: Mapping[str, str], at: datetime) -> bool:
    seller, model, _name = entry
    # Of an entry that is another seller's, the library takes the ordinary prices only.
    return any(each is model for each in seller.models) and any(
        (variant.constraint is None or variant.constraint.active(at)) and variant.when.items() <= context.items()
        for variant in model.price_variants or ()
    )


def _constraints(model: ModelInfo, *, with_variants: bool) -> Iterator[Constraint]:
    conditional = model.prices if isinstance(model.prices, list) else []
    variants = (model.price_variants or []) if with_variants else []
    found = [*(each.constraint for each in conditional), *(each.constraint for each in variants)]
    yield from (each for each in found if each is not None)


def _ms_of(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _ms_of_day(moment: time) -> int:
    """Return the milliseconds of UTC's day at ``moment``; without a zone it is UTC's."""
    zoned = datetime.combine(datetime(1970, 1, 2, tzinfo=UTC), moment, moment.tzinfo or UTC)
    return _ms_of(zoned) % DAY_MS
