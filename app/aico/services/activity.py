"""Which kinds of activity are seen, and the watches that see them. A watch is imported when its kind is switched on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aico.core.activity import ACTIVITY, APPS, BROWSERS, COMMANDS, EXTENSION, KINDS, SHELL, ActivityKind
from aico.core.activity_settings import ActivitySettings
from aico.core.db.activity import ActivityStore
from aico.core.db.choices import Switch, SwitchKey, set_switch
from aico.core.db.database import Database
from aico.core.errors import SourceFixed, SourceUnknown
from aico.core.usage import digest
from aico.services.source_choices import SourceChoices

if TYPE_CHECKING:
    from aico.features.activity.definitions import Definitions

_SETTING = f"{ACTIVITY}.kinds"
_PROGRAM_KINDS = frozenset({APPS.id, COMMANDS.id})
"""Seen together, by what runs: a second belongs to one of both."""
_log = logging.getLogger(__name__)


class KindState(StrEnum):
    """How a kind is."""

    OFF = "off"
    WATCHING = "watching"
    UNAVAILABLE = "unavailable"
    """It is on, and cannot be seen here; the reason says why."""
    FAILED = "failed"


class ProgramState(NamedTuple):
    """How a listed app or command is at the moment."""

    kind: str
    name: str
    is_in_front: bool = False
    cpu_percent: float = 0.0
    """Of one processor, all its processes together."""
    memory_mb: float = 0.0


@dataclass(slots=True)
class KindStatus:
    """A kind with its switch, and how it is."""

    kind: ActivityKind
    is_on: bool
    fixed_by: str | None
    """The setting that decides; None where the switch does."""
    switch: Switch | None
    state: KindState
    reason: str | None = None


class Watch(Protocol):
    """A watch sees some kinds, for as long as it runs."""

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why a kind is not seen, or not all of it, by its id."""

    @property
    def programs(self) -> Mapping[tuple[str, str], ProgramState]:
        """The programs that run now, by kind and name."""

    async def run(self) -> None:
        """See until cancelled. Raises nothing but bugs."""


@dataclass(slots=True)
class _Seen:
    """The watches that run, and for which kinds."""

    kinds: frozenset[str] = frozenset()
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)


class ActivityService:
    """The kinds of activity on this machine. Constructing it opens nothing."""

    def __init__(
        self,
        settings: ActivitySettings,
        choices: SourceChoices,
        database: Database,
        publish: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.settings = settings
        self.store = ActivityStore(database)
        self.database = database
        self.now_ms = now_ms
        self._choices = choices
        self._publish = publish
        self._seen = _Seen()
        self._is_running = False
        self._turn = asyncio.Lock()

    @cached_property
    def definitions(self) -> Definitions:
        """The list, with what the user adds. Raises SettingsError for an addition that adds nothing."""
        from aico.features.activity.definitions import load_definitions

        return load_definitions(self.settings)

    async def start(self) -> None:
        """See what settings and switches say; the switches are read already."""
        self._is_running = True
        async with self._turn:
            await self.store.forget_positions([each.kind.id for each in self.list_kinds() if not each.is_on])
            await self._follow()

    async def stop(self) -> None:
        """See nothing any more."""
        async with self._turn:
            self._is_running = False
            await self._follow()

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """See nothing until the block ends; use seen until then is stored. Then go on."""
        async with self._turn:
            was_running, self._is_running = self._is_running, False
            await self._follow()
            try:
                yield
            finally:
                self._is_running = was_running
                await self._follow()

    async def switch(self, kind_id: str, *, is_on: bool) -> None:
        """Switch a kind, and follow. Raises like :meth:`choose`."""
        await self.choose(kind_id, is_on=is_on)
        async with self._turn:
            await self._follow()
            if not is_on:
                # A look that was going on may have noted how far it came; use until then must never count.
                await self.database.settle()
                await self.store.forget_positions([kind_id])
        self._publish()

    async def choose(self, kind_id: str, *, is_on: bool) -> None:
        """Store the switch of a kind. Raises SourceUnknown, SourceFixed, StorageBusy, StorageError."""
        if kind_id not in KINDS:
            raise SourceUnknown(f"{ACTIVITY}.{kind_id}")
        if self.settings.kinds != "choose":
            if (kind_id in self.settings.kinds) != is_on:
                raise SourceFixed(f"{ACTIVITY}.{kind_id}", _SETTING)
            return
        if not is_on:
            await self.store.forget_positions([kind_id])
        key, switch = _key_of(kind_id), Switch(is_on, self.now_ms())
        await set_switch(self.database, self._choices.machine, key, switch)
        self._choices.switches[key] = switch

    def list_kinds(self) -> list[KindStatus]:
        """Return every kind, on or off."""
        return [self._status_of(kind) for kind in KINDS.values()]

    def is_on(self, kind_id: str) -> bool:
        """Return whether a kind is to be seen."""
        return self._status_of(KINDS[kind_id]).is_on

    def find_switched_at(self, kind_id: str) -> int | None:
        """Return when the switch of a kind was set last, epoch milliseconds."""
        switch = self._choices.switches.get(_key_of(kind_id))
        return None if switch is None else switch.changed_at

    def list_programs(self) -> dict[tuple[str, str], ProgramState]:
        """Return what runs now, by kind and name."""
        return {key: state for watch in self._seen.watches for key, state in watch.programs.items()}

    def _status_of(self, kind: ActivityKind) -> KindStatus:
        switch = self._choices.switches.get(_key_of(kind.id))
        fixed_by = None if self.settings.kinds == "choose" else _SETTING
        is_on = switch is not None and switch.is_on if fixed_by is None else kind.id in self.settings.kinds
        if not is_on:
            return KindStatus(kind, is_on, fixed_by, switch, KindState.OFF)
        reason = next((watch.reasons[kind.id] for watch in self._seen.watches if kind.id in watch.reasons), None)
        state = KindState.WATCHING
        if kind.id in _PROGRAM_KINDS and not _has_psutil():
            state, reason = KindState.UNAVAILABLE, "library_missing"
        elif kind.id in self._seen.failed:
            state, reason = KindState.FAILED, None
        return KindStatus(kind, is_on, fixed_by, switch, state, reason)

    async def _follow(self) -> None:
        """Let exactly what is on be seen."""
        wanted = frozenset(status.kind.id for status in self.list_kinds() if status.is_on and self._is_running)
        if wanted == self._seen.kinds:
            return
        for task in self._seen.tasks:
            task.cancel()
        if self._seen.tasks:
            await asyncio.wait(self._seen.tasks)
        self._seen = _Seen(wanted)
        for kinds, watch in self._make_watches(wanted):
            self._seen.watches.append(watch)
            task = asyncio.create_task(watch.run(), name=f"activity {'+'.join(sorted(kinds))}")
            task.add_done_callback(partial(self._note_end, self._seen, kinds))
            self._seen.tasks.append(task)

    def _make_watches(self, wanted: frozenset[str]) -> Iterator[tuple[frozenset[str], Watch]]:
        """Yield what sees each group of the kinds that are ``wanted``. Nothing else is imported, nor opened."""
        programs = wanted & _PROGRAM_KINDS
        if programs and _has_psutil():
            from aico.features.activity.processes import SystemProcesses
            from aico.features.activity.screen import open_screen
            from aico.services.activity_watch import ProgramWatch

            processes = SystemProcesses(self.definitions, programs)
            yield (
                programs,
                ProgramWatch(
                    programs, self.definitions, processes, open_screen, self.store.add, self._publish, self.now_ms
                ),
            )
        if SHELL.id in wanted:
            from aico.services.activity_shell import ShellWatch

            yield frozenset({SHELL.id}), ShellWatch(self.definitions, self.store, self._publish, self.now_ms)
        if BROWSERS.id in wanted:
            from aico.core.db.browsers import BrowserStore
            from aico.services.browser_watch import BrowserWatch

            store, domains = BrowserStore(self.database), self.definitions.domains
            watch = BrowserWatch(domains, store, self._publish, self.now_ms, lambda: self.is_on(EXTENSION.id))
            yield frozenset({BROWSERS.id}), watch

    def _note_end(self, seen: _Seen, kinds: frozenset[str], task: asyncio.Task[None]) -> None:
        """Note that a watch ended by itself, which is a bug of it: the service goes on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            seen.failed |= kinds
            _log.error("activity is not seen any more", exc_info=error)


def _has_psutil() -> bool:
    return find_spec("psutil") is not None


def _key_of(kind_id: str) -> SwitchKey:
    """Return what the switch of a kind is stored under, beside those of the origins of sources."""
    return SwitchKey(ACTIVITY, kind_id, digest(ACTIVITY, kind_id).hex())
