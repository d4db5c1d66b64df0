"""The daily backup: made when a day begins or the service does, if anything was counted since the one before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime

from aico.core.db.reader import UsageReader
from aico.core.db.upkeep.backups import ACTIVITY, BackupFolder, Content, Position
from aico.core.errors import StorageError

TICK_S = 60.0
"""Distance of the looks at the calendar. A machine that slept, or whose clock was set, is a tick late at most."""
_PATIENCE_TICKS = 10
"""Ticks that are let go after a failure: a full disk is not written to every minute."""

_log = logging.getLogger(__name__)


class DailyBackups:
    """Keeps the last days' backups until cancelled. The day is UTC's: it is the file's name, whatever zone comes."""

    def __init__(self, folder: BackupFolder, reader: UsageReader, now_ms: Callable[[], int]) -> None:
        self._folder = folder
        self._reader = reader
        self._now_ms = now_ms
        self._made: Content | None = None
        """The content of the database when it was backed up last."""
        self._pause = 0
        self.turn = asyncio.Lock()
        """Held while backups are made or removed."""
        self.failure: StorageError | None = None
        """Why the last attempt failed; None when it did not."""

    async def run(self) -> None:
        """Back up when it is due, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def renew(self) -> None:
        """Back up now: all backups were removed."""
        self._made, self._pause = None, 0
        await self.tick()

    async def tick(self) -> None:
        """Back up if today has no backup and something has changed since the last one. A failure is logged once."""
        if self._pause:
            self._pause -= 1
            return
        try:
            async with self.turn:
                await self._back_up(datetime.fromtimestamp(self._now_ms() / 1000, UTC).date())
        except StorageError as error:
            self._pause = _PATIENCE_TICKS
            if self.failure is None:
                _log.warning("no backup could be made: %s %s", error, error.hint)
            self.failure = error
        else:
            if self.failure is not None:
                _log.info("backups can be made again")
            self.failure = None

    async def _back_up(self, today: date) -> None:
        if await asyncio.to_thread(self._folder.has_daily, today):
            return
        async with self._reader.snapshot() as snapshot:
            has_usage = any(source.session_count for source in await snapshot.list_sources())
            [(spent, forgotten)] = await snapshot.ask(ACTIVITY)
        if self._made is None:
            self._made = await asyncio.to_thread(self._folder.find_last_content)
        # Of this moment or a later one: a change in between is in the backup, and in the next one once more.
        content = Content(Position(snapshot.epoch, snapshot.revision), (spent, forgotten))
        if content != self._made and (has_usage or spent):
            await asyncio.to_thread(self._folder.make_daily, today)
            self._made = content
