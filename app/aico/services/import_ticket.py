"""What everybody waits for who asked before the same import began."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aico.core.domain import ImportReceipt, Store, Trigger
from aico.core.errors import StorageBusy


@dataclass(slots=True)
class Ticket:
    """Hands each caller the first receipt of what it asked for: of one store, or the sum of all."""

    trigger: Trigger
    receipt: asyncio.Future[ImportReceipt]
    """What who asked for every store waits for."""
    stores: set[Store] = field(default_factory=set)
    _parts: dict[Store, asyncio.Future[ImportReceipt]] = field(default_factory=dict)
    """What who asked for one store waits for: another one's trouble is not his."""
    _sum: ImportReceipt | None = None

    def part(self, store: Store) -> asyncio.Future[ImportReceipt]:
        """Return the future of the first receipt of one store."""
        return self._parts.setdefault(store, asyncio.get_running_loop().create_future())

    @property
    def is_served(self) -> bool:
        """Whether one of the stores was read."""
        return self._sum is not None

    def add(self, store: Store, receipt: ImportReceipt) -> None:
        """Take over the first receipt of one of the stores, and hand it to who waits for it."""
        self._sum = receipt if self._sum is None else self._sum.beside(receipt)
        part = self._parts.get(store)
        if part is not None and not part.done():
            part.set_result(receipt)
        if len(self.stores) == 1:
            self.succeed()

    def succeed(self) -> None:
        """Hand over what there is."""
        if self._sum is not None and not self.receipt.done():
            self.receipt.set_result(self._sum)

    def settle(self, task: asyncio.Task[None]) -> None:
        """Hand the end of the import to those who still wait for its first receipt."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        # A service that stops leaves out the stores that it has not come to.
        self.fail(error or StorageBusy("the service is stopping"))

    def fail(self, error: BaseException, store: Store | None = None) -> None:
        """Hand ``error`` to those who still wait, or only to those who wait for ``store``."""
        waited = [part for each, part in self._parts.items() if store in {None, each}]
        if store is None or len(self.stores) == 1:
            waited.append(self.receipt)
        for future in waited:
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: perhaps nobody waits any more
