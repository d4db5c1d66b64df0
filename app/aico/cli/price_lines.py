"""Prices in the lines that a person reads. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from aico.cli.screen import DIM, UNDERLINED, YELLOW, Screen, money, plural
from aico.cli.terminal import Row, Table, tokens, wrapped
from aico.core.command_name import command_name
from aico.core.money import nano_usd
from aico.services.price_shapes import PriceOut, PriceTestOut, QuoteOut, ReviewOut

_HEADS = ("Input", "Cached", "5 min", "1 hour", "Output")
_KINDS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
_WIDTHS = (8, 8, 8, 8, 9)
_UNPRICED_SHOWN = 10
_REASONS = {
    "ambiguous": "several sell it under this name, at different prices: put the seller before it, as in z-ai/glm-5.2",
    "seller": "nobody knows the prices of who is named before the slash",
    "name": "no entry of the list names exactly that",
    "entry": "the entry of the list has no price",
}


def describe_prices(
    prices: Sequence[PriceOut], screen: Screen, unpriced: Mapping[str, int] | None = None
) -> Iterator[str]:
    """Yield own prices as a table, and the models without any price, by their tokens."""
    if prices:
        rows = [
            Row(
                (str(price.valid_from or "always"), price.model + (" (file)" if price.fixed else "")),
                _own(price),
            )
            for price in prices
        ]
        yield screen.paint("US dollars a million tokens", DIM)
        yield from Table(("From", "Model"), _HEADS, rows, widths=_WIDTHS, name_least=12).draw(screen)
    elif unpriced is not None:
        yield "No own prices."
    if unpriced:
        yield ""
        yield screen.mark("Without a price:", "Without a price", YELLOW)
        most = sorted(unpriced.items(), key=lambda item: -item[1])
        for model, count in most[:_UNPRICED_SHOWN]:
            yield f"  {screen.cut(model or 'unknown model', 50)}, {tokens(count)} tokens"
        if len(most) > _UNPRICED_SHOWN:
            yield f"  and {len(most) - _UNPRICED_SHOWN} more"
        command = f"{command_name()} price set MODEL --input 0.6 --output 2.2"
        yield screen.mark(f"Set one with: {command}", command, UNDERLINED)


def describe_test(test: PriceTestOut, screen: Screen) -> Iterator[str]:
    """Yield the price of a model, and the reason."""
    why = {
        "own": "your own price" if test.own is None else f"your own price of {test.own.model}{_since(test.own)}",
        "listed": ""
        if test.listed is None
        else f"the list price of {test.listed.listed_as} ({test.listed.price_list})",
        "none": f"no price: {_REASONS.get(test.reason or '', '')}",
    }[test.basis]
    yield from wrapped(f"{test.model}: {why}, where its tool states no cost.", screen.width, "")
    rows = []
    if test.own is not None:
        rows.append(Row(("own",), _own(test.own)))
    if test.listed is not None:
        rows.append(Row(("list",), _quoted(test.listed)))
        rows += [
            Row((f"input above {tier.above:,}",), tuple(_dollars(getattr(tier, kind)) for kind in _KINDS))
            for tier in test.listed.tiers
        ]
    if rows:
        yield screen.paint("US dollars a million tokens", DIM)
        yield from Table(("",), _HEADS, rows, widths=_WIDTHS).draw(screen)


def describe_review(review: ReviewOut, screen: Screen, *, is_applied: bool) -> Iterator[str]:
    """Yield the changes that the present list would make, or has made."""
    if not review.requests:
        yield f"{review.price_list} changes no price that is stored."
    else:
        verb = "has changed" if is_applied else "would change"
        yield f"{review.price_list} {verb} the list price of {plural(review.requests, 'request')}."
        rows = [
            Row(
                (line.model or "unknown model",),
                (f"{line.requests:,}", *(_amount(each) for each in (line.before_usd, line.after_usd))),
            )
            for line in review.models
        ]
        total = Row(("All",), (f"{review.requests:,}", _amount(review.before_usd), _amount(review.after_usd)))
        heads = ("Requests", "Stored", "Newer")
        yield from Table(("Model",), heads, rows, total, widths=(10, 12, 12)).draw(screen)
        yield f"What things cost {'changed' if is_applied else 'would change'} by {_signed(review.cost_change_usd)}."
        if not is_applied:
            command = f"{command_name()} price review --apply"
            yield screen.mark(f"Nothing was changed. To do it: {command}", command, UNDERLINED)
    for each in review.applied:
        day = f"{datetime.fromtimestamp(each.at / 1000, UTC).astimezone():%Y-%m-%d %H:%M}"
        change = f"{_amount(each.before_usd)} became {_amount(each.after_usd)}"
        yield f"Applied {day}: {each.price_list}, {plural(each.requests, 'request')}, {change}."


class OwnPriced(NamedTuple):
    """The stored records of a model that have tokens, and no cost of the tool's."""

    own: int
    """How many of them an own price holds for."""
    nano: int
    """The cost of all of them, at own and list prices."""
    unpriced: int
    """How many have neither."""


def change_line(before: Mapping[str, OwnPriced], after: Mapping[str, OwnPriced]) -> str:
    """Return for how many stored records own prices have changed, and the cost of their models; both are by model."""
    none = OwnPriced(0, 0, 0)
    pairs = [(before.get(model, none), after.get(model, none)) for model in before.keys() | after.keys()]
    changed = [(old, new) for old, new in pairs if old != new and max(old.own, new.own)]
    if not changed:
        return "No stored record costs anything else now."
    count = sum(max(old.own, new.own) for old, new in changed)
    old, new = (_priced([pair[place] for pair in changed]) for place in (0, 1))
    return f"Changed: {plural(count, 'stored record')}; {old} before, {new} now."


def _priced(models: Sequence[OwnPriced]) -> str:
    """Return the cost of models together: never $0.00 for usage without a price."""
    nano, unpriced = sum(each.nano for each in models), sum(each.unpriced for each in models)
    return "unpriced" if unpriced and not nano else f"{'at least ' if unpriced else ''}{money(nano)}"


def undo_line(price: PriceOut, replaced: PriceOut | None, screen: Screen) -> str:
    """Return the line that takes ``price`` back, which was set in the place of ``replaced``."""
    words = [f"{command_name()} price", "remove" if replaced is None else "set", shlex.quote(price.model)]
    if replaced is not None:
        kinds = {kind: getattr(replaced, kind) for kind in _KINDS}
        words += [f"--{kind.replace('_', '-')} {_plain(usd)}" for kind, usd in kinds.items() if usd is not None]
    if price.valid_from is not None:
        words.append(f"--from {price.valid_from}")
    command = " ".join(words)
    return screen.mark(f"To take it back: {command}", command, UNDERLINED)


def _plain(usd: float) -> str:
    return f"{usd:.6f}".rstrip("0").rstrip(".")


def _own(price: PriceOut) -> tuple[str, ...]:
    """Return an own price by kind; of a kind that is not set, the price that is used in its place."""
    used = {"cache_read": "as input", "cache_write_5m": "as input", "cache_write_1h": "as 5 min"}
    if price.cache_write_5m is None:
        used["cache_write_1h"] = "as input"
    prices = {kind: getattr(price, kind) for kind in _KINDS}
    return tuple(used.get(kind, "-") if usd is None else _dollars(usd) for kind, usd in prices.items())


def _quoted(quote: QuoteOut) -> tuple[str, ...]:
    return tuple(_dollars(getattr(quote, kind)) for kind in _KINDS)


def _since(price: PriceOut) -> str:
    return "" if price.valid_from is None else f", from {price.valid_from} on"


def _dollars(usd: float | None) -> str:
    """Return a price with as many digits as it has, and at least cents."""
    if usd is None:
        return "-"
    text = f"{usd:.6f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${int(whole):,}.{cents:0<2}"


def _amount(usd: float) -> str:
    return money(nano_usd(usd))


def _signed(usd: float) -> str:
    return f"-{_amount(-usd)}" if usd < 0 else f"+{_amount(usd)}" if usd else "nothing"
