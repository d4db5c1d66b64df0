"""Watches the histories of browsers in a home of its own."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from aico.core.activity_settings import ActivitySettings
from aico.core.db.activity import list_sums
from aico.core.db.browsers import BrowserStore
from aico.core.db.database import Database
from aico.features.activity.browsers.places import Profile
from aico.features.activity.browsers.visits import Answer, Position
from aico.features.activity.definitions import load_definitions
from aico.services.browser_watch import BrowserWatch


class Watched:
    """A watch on a home of its own."""

    def __init__(self, home: Path, database: Database, now_ms: int) -> None:
        self.home = home
        self.database = database
        self.now_ms = now_ms
        self.told = 0
        self.watch = self.make()
        self.path = home / ".config/chromium/Default/History"

    def make(self) -> BrowserWatch:
        """Return a watch that has read nothing."""
        domains, store = load_definitions(ActivitySettings()).domains, BrowserStore(self.database)
        return BrowserWatch(domains, store, self._note, lambda: self.now_ms, home=self.home, environment={})

    def _note(self) -> None:
        self.told += 1

    async def positions(self, asked: list[int]) -> list[Position]:
        """Look; return how far each history is read then, and note in ``asked`` from where each was asked."""
        watch, ask = self.watch, type(self.watch)._ask

        async def noted(_self: BrowserWatch, profile: Profile, position: Position) -> Answer:
            asked.append(position.last)
            return await ask(watch, profile, position)

        with patch.object(BrowserWatch, "_ask", noted):
            await watch.look()
        return [reading.position for reading in watch._readings.values()]

    async def sums(self, *, anew: bool = False) -> dict[tuple[str, str], tuple[int, int]]:
        """Look, and return milliseconds and visits of each site by browser."""
        if anew:
            self.watch = self.make()
        await self.watch.look()
        async with self.database.asking() as ask:
            return {(each.name, each.place): (each.duration_ms, each.count) for each in await list_sums(ask, 0, 2**40)}
