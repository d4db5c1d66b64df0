"""Counts commands in the histories of shells: looks once a minute, reads what changed. Imported when needed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aico.core.activity import SHELL, ActivitySpan
from aico.core.db.activity import ActivityStore, Checkpoint
from aico.core.errors import SourceError, StorageError
from aico.features.activity.definitions import Definitions
from aico.features.activity.history import HistoryPlace, HistoryReading, list_places, read_history
from aico.features.activity.shells import FirstWords, Position
from aico.services.activity import ProgramState

LOOK_S = 60.0
_log = logging.getLogger(__name__)


class ShellWatch:
    """Looks at the times of the histories, and reads those that changed in a thread."""

    def __init__(
        self,
        definitions: Definitions,
        store: ActivityStore,
        publish: Callable[[], None],
        now_ms: Callable[[], int],
        places: Sequence[HistoryPlace] | None = None,
    ) -> None:
        self.reasons: Mapping[str, str] = {}
        self.programs: Mapping[tuple[str, str], ProgramState] = {}
        self._definitions = definitions
        self._words = FirstWords(definitions.commands)
        self._store = store
        self._publish = publish
        self._now_ms = now_ms
        # The home directory may itself lie behind a link; below it, none is followed.
        home = Path(os.path.realpath(Path("~").expanduser()))
        self._places = list_places(home, os.environ) if places is None else list(places)
        self._seen: dict[HistoryPlace, tuple[int, int, int]] = {}
        self._told: dict[HistoryPlace, str] = {}

    async def run(self) -> None:
        """Look until cancelled. Raises nothing but bugs."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Read what changed since the last look, and store it."""
        found = [await self._read(place) for place in self._places]
        if any(found):
            self._publish()

    async def _read(self, place: HistoryPlace) -> bool:
        """Read one history if it changed; return whether a listed command was called."""
        stamp = await asyncio.to_thread(_stamp_of, place.path)
        if stamp is None or self._seen.get(place) == stamp:
            return False
        try:
            text = await self._store.find_position(SHELL.id, place.key)
            known = None if text is None else Position.parse(text)
            reading = await asyncio.to_thread(read_history, place, self._words, known)
            if reading is not None:
                await self._store.add(self._spans_of(place, reading), self._checkpoint_of(place, reading))
        except (SourceError, StorageError) as error:
            self._tell(place, error)
            return False
        self._told.pop(place, None)
        self._seen[place] = stamp
        return reading is not None and bool(reading.counts)

    def _spans_of(self, place: HistoryPlace, reading: HistoryReading) -> list[ActivitySpan]:
        now = self._now_ms()
        return [
            ActivitySpan(SHELL.id, name, self._definitions.commands[name].category, now, 0, count, place.shell.value)
            for name, count in reading.counts.items()
        ]

    def _checkpoint_of(self, place: HistoryPlace, reading: HistoryReading) -> Checkpoint:
        return Checkpoint(SHELL.id, place.key, reading.position.text(), self._now_ms())

    def _tell(self, place: HistoryPlace, error: SourceError | StorageError) -> None:
        """Log a failure once, not at every look."""
        if self._told.get(place) != error.code:
            self._told[place] = error.code
            _log.warning("the %s history could not be read: %s", place.shell, error)


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
