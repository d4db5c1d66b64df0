"""The whole service in the test's process, and somebody who hears what a socket would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aico.core.events import WatcherState
from aico.core.settings import Settings
from aico.services.service import ObserverService
from aico.services.source_states import OriginState
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import now_ms

HANG_S = 60.0
CLINE = "cline"


def observer(folder: Path, clock: Callable[[], int] = now_ms, **settings: object) -> ObserverService:
    """Return a service that is not started, with its database in ``folder`` and the times of tests."""
    known = {"database_path": folder / "own" / "observer.db", "tick_s": 0.1, "rescan_interval_s": 1, "debounce_ms": 10}
    return ObserverService(Settings.model_validate({**known, **settings}), "1.2.3", clock)


class Heard:
    """The messages that a socket would receive."""

    def __init__(self, service: ObserverService) -> None:
        self.service = service
        self.received: list[dict[str, object]] = []
        """Every message."""
        self._looked_at = 0
        self._news = asyncio.Condition()

    async def take(self, text: str) -> None:
        """Take one frame."""
        async with self._news:
            self.received.append(json.loads(text))
            self._news.notify_all()

    def of_kind(self, kind: str) -> list[dict[str, object]]:
        """Return the messages of ``kind`` so far."""
        return [message for message in self.received if message["type"] == kind]

    async def until(self, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """Return the first message behind the last one found that is as ``wanted``."""
        async with asyncio.timeout(HANG_S):
            while True:
                async with self._news:
                    await self._news.wait_for(lambda: len(self.received) > self._looked_at)
                message = self.received[self._looked_at]
                self._looked_at += 1
                if wanted(message):
                    return message

    async def until_true(self, is_so: Callable[[], bool | Awaitable[bool]]) -> None:
        """Return when something is so; looks again after every message."""
        async with asyncio.timeout(HANG_S):
            while True:
                known = len(self.received)
                answer = is_so()
                if answer if isinstance(answer, bool) else await answer:
                    return
                async with self._news:
                    await self._news.wait_for(lambda known=known: len(self.received) > known)  # type: ignore[misc]  # the loop's

    def costs(self) -> dict[str, float]:
        """Return the stored cost of each task."""
        rows = read_rows(self.service.database.path, "SELECT task_id, total_cost FROM cline_task_usage")
        return {str(task_id): float(cost or 0) for task_id, cost in rows}

    async def until_stored(self, wanted: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """Return the stored costs as soon as they are as ``wanted``."""
        await self.until_true(lambda: wanted(self.costs()))
        return self.costs()

    async def until_well(self) -> None:
        """Return when nothing keeps the service from being ready."""
        await self.until_true(lambda: not self.service.list_problems())

    async def until_state(self, origin: str, state: WatcherState, reason: str | None = None) -> None:
        """Return when the watcher of an origin of Cline's is in ``state``."""

        def is_so() -> bool:
            watcher = self.service.sources.find_watcher(CLINE, origin)
            return watcher is not None and (watcher.state.state, watcher.state.reason) == (state, reason)

        await self.until_true(is_so)

    async def origin(self, origin: str) -> OriginState:
        """Return how an origin of Cline's is."""
        states = {state.id: state for state in await self.service.sources.list_states()}
        return {each.id: each for each in states[CLINE].origins}[origin]


@asynccontextmanager
async def running(service: ObserverService) -> AsyncIterator[Heard]:
    """Run the service until the block ends, and listen."""
    async with service.run():
        # Before anything else has its turn: no message is missed.
        with service.hub.subscribe(None, None) as subscription:
            heard = Heard(service)

            async def listen() -> None:
                while (text := await subscription.get()) is not None:
                    await heard.take(text)

            task = asyncio.create_task(listen())
            try:
                yield heard
            finally:
                task.cancel()
                await asyncio.wait({task})
