"""The user's own prices: which of them a request has, and its cost then. Pure: no I/O, no clock, no logging.

They have no tiers and know no context, so that also the growth of a running total may be priced. Everything is counted
in pico-dollars a token, which are micro-dollars a million tokens, and rounded once for each event, half to even.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from aico.core.units import Tokens
from aico.core.usage import MODEL_LENGTH_MAX, digest

STAR = "*"
PICO_DIGITS = 6
"""Digits behind the point of a price in dollars a million tokens; a finer one has no whole pico-dollars a token."""
USD_MAX = 1_000_000
"""Dollars a million tokens."""
PRICES_MAX = 1_000
"""Own prices that there may be."""
KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
"""The kinds that may have a price; the first two must."""
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)
_PICO_IN_NANO = 1_000
_NANO_MAX = 10**18
"""A billion dollars. A greater cost has a wrong price or a wrong number, and no sum could hold many of them."""


class OwnPrice(NamedTuple):
    """The price of a million tokens from a day on, in micro-dollars for each kind."""

    model: str
    """A model's name, or the beginning of names with ``*`` behind it."""
    valid_from: int
    """Days since 1970, UTC; 0 is always."""
    input: int
    output: int
    cache_read: int | None = None
    """None: it costs what input costs. So do writes."""
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    """None: it costs what a write of five minutes costs."""

    @property
    def key(self) -> tuple[str, int]:
        """The key that no two prices share: upper and lower case are the same."""
        return self.model.lower(), self.valid_from

    def covers(self, model: str) -> bool:
        """Return whether it names ``model``, whose letters are small."""
        name = self.key[0]
        return model.startswith(name[:-1]) if name.endswith(STAR) else model == name

    def cost_of(self, tokens: Tokens) -> int | None:
        """Return the nano-dollars of ``tokens``; an unknown number counts as 0. None: beyond any sense."""
        sent, read, short, long, output, _reasoning = (number or 0 for number in tokens)
        write = self.input if self.cache_write_5m is None else self.cache_write_5m
        pico = (
            sent * self.input
            + read * (self.input if self.cache_read is None else self.cache_read)
            + short * write
            + long * (write if self.cache_write_1h is None else self.cache_write_1h)
            + output * self.output
        )
        nano, rest = divmod(pico, _PICO_IN_NANO)
        nano += 2 * rest > _PICO_IN_NANO or (2 * rest == _PICO_IN_NANO and nano & 1)
        return nano if nano <= _NANO_MAX else None


class OwnPrices:
    """Some own prices, of which a request has one, or none.

    The name itself comes before every pattern, and a longer pattern before a shorter one; of one name or pattern, the
    price with the latest day that has begun at the request's time. One that has not begun is as if it were not there.
    """

    def __init__(self, prices: Iterable[OwnPrice] = ()) -> None:
        # Of one day, a later price replaces an earlier one.
        self._prices = {price.key: price for price in prices}
        self._found: dict[str, tuple[OwnPrice, ...]] = {}

    def __len__(self) -> int:
        return len(self._prices)

    @property
    def prices(self) -> list[OwnPrice]:
        """All of them, by name and day."""
        return [self._prices[key] for key in sorted(self._prices)]

    @property
    def digest(self) -> str:
        """The same for the same prices only."""
        return digest(*(repr(price) for price in self.prices)).hex()

    def covers(self, model: str) -> bool:
        """Return whether any of them names ``model``, at any time."""
        return bool(self._of(model))

    def find(self, model: str, ts: int) -> OwnPrice | None:
        """Return the price of a request of ``ts``, epoch milliseconds, to ``model``; ``""`` is the unknown model."""
        return next((price for price in self._of(model) if price.valid_from * _DAY_MS <= ts), None)

    def _of(self, model: str) -> tuple[OwnPrice, ...]:
        found = self._found.get(model)
        if found is None:
            name = model.lower()
            fitting = [price for price in self._prices.values() if price.covers(name)]
            fitting.sort(key=lambda price: (not price.model.endswith(STAR), len(price.model), price.valid_from))
            found = self._found[model] = tuple(reversed(fitting))
        return found


def check_pattern(text: str) -> str:
    """Return ``text`` without blanks around it, as the name of a price; raise ValueError with the reason otherwise."""
    name = text.strip()
    if not name:
        raise ValueError("must name a model")
    if len(name) > MODEL_LENGTH_MAX:
        raise ValueError(f"must have at most {MODEL_LENGTH_MAX} characters")
    if any(not character.isprintable() for character in name):
        raise ValueError("must not hold control characters")
    if STAR in name[:-1]:
        raise ValueError("may hold '*' at its end only")
    return name


def micro_usd(price: Decimal) -> int:
    """Return dollars as micro-dollars; raise ValueError with the reason where that is no price."""
    if not price.is_finite() or price < 0:
        raise ValueError("must be a number of dollars from 0 on")
    if price > USD_MAX:
        raise ValueError(f"must be at most {USD_MAX:,} dollars")
    micro = price.scaleb(PICO_DIGITS)
    if micro != micro.to_integral_value():
        raise ValueError(f"must have at most {PICO_DIGITS} digits behind the point")
    return int(micro)


def usd_of(micro: int | None) -> float | None:
    """Return micro-dollars as dollars."""
    return None if micro is None else micro / 10**PICO_DIGITS


def day_number(day: date | None) -> int:
    """Return the days from 1970 to ``day``, None of which is always; raise ValueError for an earlier one."""
    number = 0 if day is None else (day - _EPOCH).days
    if number < 0:
        raise ValueError("must not lie before 1970")
    return number


def day_of(number: int) -> date | None:
    """Return the day of :func:`day_number`."""
    return date.fromordinal(_EPOCH.toordinal() + number) if number else None


def price_of(model: str, valid_from: date | None, usd: Mapping[str, Decimal | None]) -> OwnPrice:
    """Return the price in dollars a million tokens of each of :data:`KINDS`; raise ValueError with place and reason."""
    micro: dict[str, int | None] = {}
    for kind in KINDS:
        given = usd.get(kind)
        try:
            micro[kind] = None if given is None else micro_usd(given)
        except ValueError as error:
            raise ValueError(f"{kind}: {error}") from None
    sent, output = micro.pop("input"), micro.pop("output")
    if sent is None or output is None:
        raise ValueError(f"{'input' if sent is None else 'output'}: is missing")
    return OwnPrice(check_pattern(model), day_number(valid_from), sent, output, **micro)
