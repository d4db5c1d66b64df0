"""The user's own prices: set, removed, and brought to what is stored; and the list that a newer one is held against."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from aico.core.db.repricing import Step
from aico.core.db.writer import UsageWriter
from aico.core.errors import PriceFixed, PriceUnknown, RequestInvalid, StorageError
from aico.core.own_prices import PRICES_MAX, OwnPrice, OwnPrices, day_number
from aico.core.receipts import UsageCommitted
from aico.features.pricing.price_list import GenaiPriceList, Quote, Unpriced
from aico.services.pricing import price_unpriced

BATCH = 2_000
"""Events that one transaction changes: changes and requests of callers go in between."""
_RETRY_S = 2.0
_log = logging.getLogger(__name__)


class ListedPrice(NamedTuple):
    """An own price, and who says it."""

    price: OwnPrice
    is_fixed: bool
    """The configuration file does."""


class PriceAnswer(NamedTuple):
    """What a request of now to a model would be priced at, where its tool states no cost."""

    model: str
    own: ListedPrice | None
    quote: Quote | Unpriced
    """What the list says, whether or not there is an own price."""


class Prices:
    """Own prices of one database, those of the settings among them."""

    def __init__(
        self,
        writer: UsageWriter,
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
        self._price_list = price_list
        self._fixed = {price.key: price for price in fixed}
        self._now_ms = now_ms
        self._publish = publish
        self._tell_change = tell_change
        self._tell_progress = tell_progress
        self._task: asyncio.Task[None] | None = None
        self._is_asked = False
        self.turn = asyncio.Lock()
        """Held while prices are written: who has it can be sure that none changes."""
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
        listed = await self.list_all()
        now = self._now_ms()
        found = OwnPrices(each.price for each in listed).find(model, now)
        own = next((each for each in listed if each.price == found), None)
        return PriceAnswer(model, own, await asyncio.to_thread(self._price_list.quote, model, now))

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

        Raises StorageBusy, StorageError: what was done until then stays done, and is not done again.
        """
        try:
            await price_unpriced(self._writer, self._publish, turn=self.turn)
            return await self._go_through(self._writer.review) + await self._go_through(self._writer.price_own)
        finally:
            self.progress = None

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
                _log.warning("prices could not be brought to all requests yet, and it is tried again: %s", error)
                self._is_asked = True
                await asyncio.sleep(_RETRY_S)
            else:
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
