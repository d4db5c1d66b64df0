"""Sees sites by the histories of browsers: looks once a minute which changed, and asks those. Imported when needed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aico.core.activity import BROWSERS, ActivitySpan
from aico.core.db.activity import Checkpoint
from aico.core.db.browsers import BrowserStore, CountedVisit, Pairing
from aico.core.errors import StorageError
from aico.core.usage import digest
from aico.features.activity.browsers.exclusion import Stretch, left_of
from aico.features.activity.browsers.places import Browser, Profile, find_profiles
from aico.features.activity.browsers.visits import START, Answer, Position, Visit
from aico.features.activity.definitions import Definition
from aico.features.files.opening import WAL, DatabaseFiles, Refused
from aico.features.files.sqlite_process import ask_database
from aico.services.activity import ProgramState

LOOK_S = 60.0
BUSY_S = 10.0
"""One that was being written is asked again so soon."""
_BATCH = 5_000
"""Visits written in one transaction."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Reading:
    """How far a profile is read."""

    position: Position = START
    basis: str | None = None
    """The listed names, and the times of which nothing counts, that decided about the visits read so far."""
    identity: object = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BrowserWatch:
    """One loop for all profiles. The first look reads all visits; a later one, also after a restart, the new ones."""

    domains: Mapping[str, Definition]
    store: BrowserStore
    publish: Callable[[], None]
    now_ms: Callable[[], int]
    is_extension_on: Callable[[], bool] = lambda: True
    """While it returns False, the histories of paired browsers count again behind their last report."""
    home: Path = field(default_factory=lambda: Path(os.path.realpath(Path("~").expanduser())))
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    reasons: dict[str, str] = field(default_factory=dict)
    programs: dict[tuple[str, str], ProgramState] = field(default_factory=dict)
    _readings: dict[str, _Reading] = field(default_factory=dict)

    async def run(self) -> None:
        """See until cancelled. Raises nothing but bugs."""
        while True:
            is_busy = await self.look()
            await asyncio.sleep(BUSY_S if is_busy else LOOK_S)

    async def look(self) -> bool:
        """Read what changed; return whether something is to be asked again soon."""
        profiles = await asyncio.to_thread(find_profiles, self.home, self.environment)
        for gone in set(self._readings) - {profile.path for profile in profiles}:
            del self._readings[gone]
        readings = [self._readings.setdefault(profile.path, _Reading()) for profile in profiles]
        is_new = False
        try:
            pairings, forgotten = await self.store.list_pairings(), await self.store.list_forgotten(BROWSERS.id)
            for profile, reading in zip(profiles, readings, strict=True):
                stretches = stretches_of(profile.browser.id, pairings, is_on=self.is_extension_on())
                stretches += [Stretch(*each) for each in forgotten]
                is_new |= await self._read(profile, reading, stretches)
        except StorageError as error:
            _log.warning("visits could not be stored, and are read again: %s", error)
        self._tell(readings)
        if is_new:
            self.publish()
        return any(reading.reason == "browser_busy" for reading in readings)

    def _tell(self, readings: Sequence[_Reading]) -> None:
        self.reasons.clear()
        reasons = [reading.reason for reading in readings if reading.reason is not None]
        if not readings:
            self.reasons[BROWSERS.id] = "no_history"
        elif reasons:
            self.reasons[BROWSERS.id] = reasons[0]

    async def _read(self, profile: Profile, reading: _Reading, stretches: Sequence[Stretch]) -> bool:
        """Read one profile if it changed; return whether it told anything new. Raises StorageError."""
        place, basis = digest(profile.path).hex(), digest(*sorted(self.domains), repr(stretches)).hex()
        if reading.basis != basis:
            kept = await self.store.find_position(place)
            reading.position = START if kept is None else Position.parse(kept, basis)
            reading.basis, reading.identity = basis, None
        try:
            identity = await asyncio.to_thread(_identity_of, profile.path)
            if identity == reading.identity:
                return False
            answer = await self._ask(profile, reading.position)
            if answer.is_other:
                answer = await self._ask(profile, START)
        except Refused as refused:
            reading.reason = "browser_busy" if refused.code == "busy" else f"browser_{refused.code}"
            return False
        is_new = False
        counted = list(self._count(answer.visits, profile.browser, stretches))
        rates = {name: definition.hourly_rate_usd for name, definition in self.domains.items()}
        for first in range(0, len(counted), _BATCH):
            text = answer.position.text(basis) if first + _BATCH >= len(counted) else None
            # With the last ones: a look that is interrupted before reads them again, and counts the new ones.
            checkpoint = None if text is None else Checkpoint(BROWSERS.id, place, text, self.now_ms())
            is_new |= await self.store.add_visits(counted[first : first + _BATCH], rates, checkpoint)
        reading.position, reading.identity, reading.reason = answer.position, identity, None
        return is_new

    async def _ask(self, profile: Profile, position: Position) -> Answer:
        """Return what a profile tells. Raises Refused."""
        history = profile.browser.history
        rows = await ask_database(history.ask(profile.path, list(self.domains), position))
        return history.judge(rows, position, self.now_ms() * 1000)

    def _count(self, visits: Sequence[Visit], browser: Browser, stretches: Sequence[Stretch]) -> Iterator[CountedVisit]:
        for visit in visits:
            definition = self.domains.get(visit.name)
            start_ms = visit.at_us // 1000
            duration_ms = left_of(start_ms, (visit.foreground_us or 0) // 1000, stretches)
            if definition is not None and duration_ms is not None:
                place = browser.title
                span = ActivitySpan(BROWSERS.id, visit.name, definition.category, start_ms, duration_ms, 1, place)
                yield CountedVisit(visit.at_us, span)


def stretches_of(browser: str, pairings: Sequence[Pairing], *, is_on: bool) -> list[Stretch]:
    """Return when the extension of ``browser`` reports."""
    return [
        Stretch(each.paired_at, each.last_at if each.ended_at is None and not is_on else each.ended_at)
        for each in pairings
        if each.browser == browser and each.paired_at is not None
    ]


def _identity_of(path: str) -> object:
    """Return what ``stat`` says of a history and its log. Raises Refused."""
    files = DatabaseFiles(path)
    try:
        found = [files.check(), files.find(WAL)]
    finally:
        files.close()
    return [None if each is None else (each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns) for each in found]
