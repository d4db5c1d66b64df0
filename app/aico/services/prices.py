"""The user's own prices: set, removed, and brought to what is stored; and the list that a newer one is held against."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from aico.core.db.comparing import OldPrice, find_old_prices, list_reviews
from aico.core.db.reader import UsageReader
from aico.core.db.repricing import Review, Step
from aico.core.db.writer import UsageWriter
from aico.core.errors import PriceFixed, PriceUnknown, RequestInvalid, StorageError
from aico.core.own_prices import PRICES_MAX, OwnPrice, OwnPrices, day_number
from aico.core.receipts import UsageCommitted
from aico.features.pricing.price_list import GenaiPriceList, Quote, Unpriced
from aico.services.complaint import Complaint
from aico.services.pricing import price_unpriced

BATCH = 1_000
"""Events that one transaction changes: changes and requests of callers go in between."""
_RETRY_S = 2.0
_log = logging.getLogger(__name__)


class ListedPrice(NamedTuple):
    """An own price, and the side that states it."""

    price: OwnPrice
    is_fixed: bool
    """The configuration file does."""


class PriceAnswer(NamedTuple):
    """The price of a request of now to a model, if its tool states no cost."""

    model: str
    own: ListedPrice | None
    quote: Quote | Unpriced
    """The answer of the list, with or without an own price."""


class ReviewLine(NamedTuple):
    """Requests of a model that the present list prices otherwise."""

    model: str
    requests: int = 0
    before_nano: int = 0
    """Their list value as it is stored."""
    after_nano: int = 0
    cost_nano: int = 0
    """The change of the cost by that: none if the tool or the user states another cost."""

    def plus(self, before: int, after: int, *, counts: bool) -> ReviewLine:
        """Return the line with one more request."""
        cost = self.cost_nano + (after - before if counts else 0)
        return ReviewLine(self.model, self.requests + 1, self.before_nano + before, self.after_nano + after, cost)


class PriceReview(NamedTuple):
    """The present list's prices for requests that an older one has priced."""

    price_list: str
    lines: list[ReviewLine]
    applied: list[Review]
    """Reviews that were applied, the last one first."""


class Prices:
    """Own prices of one database, those of the settings among them."""

    def __init__(
        self,
        writer: UsageWriter,
        reader: UsageReader,
        price_list: GenaiPriceList,
        fixed: Sequence[OwnPrice],
        now_ms: Callable[[], int],
        publish: Callable[[UsageCommitted], None],
        tell_change: Callable[[str, int], None],
        tell_progress: Callable[[int, int], None],
    ) -> None:
        """``publish`` tells what a commit has changed of requests, ``tell_change`` that of own prices.

        ``tell_progress`` tells :attr:`progress`.
        """
        self._writer = writer
        self._reader = reader
        self._price_list = price_list
        self._fixed = {price.key: price for price in fixed}
        self._now_ms = now_ms
        self._publish = publish
        self._tell_change = tell_change
        self._tell_progress = tell_progress
        self._task: asyncio.Task[None] | None = None
        self._is_asked = False
        self._complaint = Complaint(_log, "prices could not be brought to all requests yet, and it is tried again: %s")
        self.turn = asyncio.Lock()
        """Held while prices are written: its holder can be sure that none changes."""
        self.progress: tuple[int, int] | None = None
        """How far the present prices were brought to what is stored: so much of so much; None when all have them."""

    @property
    def list_name(self) -> str:
        """The price list and its version."""
        return self._price_list.name

    async def list_all(self) -> list[ListedPrice]:
        """Return every own price, by name and day. Raises StorageBusy, StorageError."""
        return self._listed(await self._writer.list_own_prices())

    async def set(self, price: OwnPrice) -> None:
        """Set a price, in the place of one of the same name and day.

        Raises PriceFixed, RequestInvalid where there are too many, StorageBusy, StorageError.
        """
        if price.key in self._fixed:
            raise PriceFixed(f"what {price.model} costs")

        def change(stored: Sequence[OwnPrice]) -> list[OwnPrice]:
            others = [each for each in stored if each.key != price.key]
            if len(others) >= PRICES_MAX:
                raise RequestInvalid("model", f"would be more than {PRICES_MAX:,} own prices")
            return [*others, price]

        await self._change(change)

    async def remove(self, model: str, day: date | None, *, is_any_day: bool) -> None:
        """Remove the price of ``model`` from ``day`` on (None: of always), or with ``is_any_day`` all of that name.

        Raises PriceUnknown, PriceFixed, StorageBusy, StorageError.
        """
        name, number = model.strip().lower(), day_number(day)

        def is_meant(key: tuple[str, int]) -> bool:
            return key[0] == name and (is_any_day or key[1] == number)

        def change(stored: Sequence[OwnPrice]) -> list[OwnPrice]:
            kept = [each for each in stored if not is_meant(each.key)]
            if len(kept) == len(stored):
                raise PriceFixed(f"what {model.strip()} costs") if any(map(is_meant, self._fixed)) else PriceUnknown
            return kept

        await self._change(change)

    async def test(self, model: str) -> PriceAnswer:
        """Return what a request of now to ``model`` would be priced at. Raises StorageBusy, StorageError."""
        return await asyncio.to_thread(self.answer, model, await self.list_all())

    def answer(self, model: str, listed: Sequence[ListedPrice]) -> PriceAnswer:
        """Return the same where the own prices are ``listed``. Blocking: the list may have to be imported."""
        now = self._now_ms()
        found = OwnPrices(each.price for each in listed).find(model, now)
        own = next((each for each in listed if each.price == found), None)
        return PriceAnswer(model, own, self._price_list.quote(model, now))

    async def review(self) -> PriceReview:
        """Return what the present list says of requests that an older one has priced. Raises StorageBusy, StorageError.

        A request that the list does not know keeps its price, and is not in there.
        """
        lines: dict[str, ReviewLine] = {}
        after: int | None = 0
        while after is not None:
            # Not in one snapshot: that would keep the write-ahead log from being taken back.
            async with self._reader.snapshot() as snapshot:
                found, after = await find_old_prices(snapshot, self.list_name, after)
            await asyncio.to_thread(self._add_lines, lines, found)
        self._price_list.let_go()
        async with self._reader.snapshot() as snapshot:
            reviews = await list_reviews(snapshot)
        return PriceReview(self.list_name, [lines[model] for model in sorted(lines)], reviews)

    def _add_lines(self, lines: dict[str, ReviewLine], found: Sequence[OldPrice]) -> None:
        groups: dict[tuple[str, str], list[OldPrice]] = {}
        for old in found:
            groups.setdefault((old.model, old.context), []).append(old)
        for (model, context), olds in groups.items():
            _ref, costs = self._price_list.price_many(
                model, context, [old.ts for old in olds], [old.tokens for old in olds]
            )
            for old, nano in zip(olds, costs, strict=True):
                if nano is not None and nano != old.nano:
                    line = lines.get(model, ReviewLine(model))
                    lines[model] = line.plus(old.nano, nano, counts=old.counts)

    async def begin_review(self) -> None:
        """Let the present list replace the prices of older ones, as soon as :meth:`start` or :meth:`apply` is called.

        Raises StorageBusy, StorageError.
        """
        await self._writer.begin_review()
        self.progress = self.progress or (0, 1)

    # Bringing them to what is stored

    def start(self) -> None:
        """Bring the present prices to what is stored, in the background; once more if that is already going on."""
        self._is_asked = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="pricing")

    async def stop(self) -> None:
        """Let what runs end between two transactions; the next start goes on from there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def apply(self) -> int:
        """Bring the present prices to what is stored; return how many requests have another price now.

        Raises StorageBusy, StorageError: the work until then stays done, and is not done again.
        """
        await price_unpriced(self._writer, self._publish, turn=self.turn)
        count = await self._go_through(self._writer.review) + await self._go_through(self._writer.price_own)
        if not self._is_asked:
            # Not between two changes: a caller that waits for the second one would think that it is done.
            self.progress = None
        return count

    async def _change(self, change: Callable[[Sequence[OwnPrice]], Sequence[OwnPrice]]) -> None:
        async with self.turn:
            position = await self._writer.change_own_prices(change)
            if position is not None:
                # Nothing is awaited in between: revisions are published in the order in which they were committed.
                self._tell_change(*position)
                self.progress = self.progress or (0, 1)

    async def _work(self) -> None:
        while self._is_asked:
            self._is_asked = False
            try:
                count = await self.apply()
            except StorageError as error:
                self._complaint.note(error)
                self._is_asked = True
                await asyncio.sleep(_RETRY_S)
            except Exception:  # noqa: BLE001  # a bug: the work so far stays done, and the next change goes on from there
                _log.exception("prices could not be brought to all requests")
                self.progress = None
            else:
                self._complaint.end()
                if count:
                    _log.info("%d requests have another price now", count)

    async def _go_through(self, take_step: Callable[[int], Awaitable[Step | None]]) -> int:
        count = 0
        while True:
            async with self.turn:
                step = await take_step(BATCH)
                if step is None:
                    return count
                if step.committed is not None:
                    # Nothing is awaited in between: revisions are published in the order in which they were committed.
                    self._publish(step.committed)
                    count += step.committed.receipt.updated_count
            self.progress = step.done, step.total
            self._tell_progress(*self.progress)

    def _listed(self, stored: Sequence[OwnPrice]) -> list[ListedPrice]:
        merged: Mapping[tuple[str, int], OwnPrice] = {price.key: price for price in stored} | self._fixed
        return [ListedPrice(merged[key], key in self._fixed) for key in sorted(merged)]
