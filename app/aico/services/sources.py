"""Which sources are read: settings and switches become feeds, watchers, and the states that are told."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from aico.core.db.choices import Switch, list_switches, set_switch
from aico.core.db.database import Database
from aico.core.db.writer import UsageWriter
from aico.core.errors import SourceError, SourceFixed, SourceOff, SourceUnknown
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.receipts import ImportReceipt
from aico.core.settings import Settings
from aico.core.source_choice import Choice
from aico.core.usage import Trigger
from aico.features.files.feed import Feed, Look
from aico.features.sources.source import Source
from aico.services.ingest import Ingest, Outcome
from aico.services.intake import Intake, IntakeKey, Siblings
from aico.services.notifier import Notifier
from aico.services.sights import PATIENCE_S, OriginKey, Sight, Sights, key_of, setting_of_elsewhere, sight_of, sum_found
from aico.services.source_choices import OriginChoice, SourceChoices, limits_of, open_places
from aico.services.source_states import GapState, OriginState, SourceState
from aico.services.watcher import PlaceWatcher, WatchTimes

OFF = "off"
_WORST_FIRST = (
    WatcherState.FAILED,
    WatcherState.DEGRADED,
    WatcherState.STARTING,
    WatcherState.WAITING,
    WatcherState.WATCHING,
)
_NOTES_SHOWN = 5
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """A place that is read."""

    intake: Intake
    watcher: PlaceWatcher
    task: asyncio.Task[None]


class SourcesService:
    """The sources of the registry on this machine."""

    def __init__(
        self,
        choices: SourceChoices,
        settings: Settings,
        database: Database,
        writer: UsageWriter,
        ingest: Ingest,
        publish_state: Callable[[Intake, WatcherStateChanged | None], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.choices = choices
        self._settings = settings
        self._database = database
        self._writer = writer
        self._ingest = ingest
        self._publish_state = publish_state
        self._now_ms = now_ms
        self._limits = replace(limits_of(settings, now_ms), wants_projects=choices.wants_projects)
        self._notifier = Notifier()
        """Of all places: one thread looks at its queue, however many there are."""
        self._open: dict[IntakeKey, _Open] = {}
        self._sights = Sights(self._limits, choices.surroundings)
        self._siblings: dict[OriginKey, Siblings] = {}
        self._is_running = False
        self._turn = asyncio.Lock()
        """Held while places are opened and closed."""

    # Living

    async def start(self) -> None:
        """Open what settings and switches say, and begin to watch it. Raises StorageBusy, StorageError."""
        await self.load()
        self._is_running = True
        async with self._turn:
            await self._follow()

    async def load(self) -> None:
        """Read the switches. Raises StorageBusy, StorageError."""
        self.choices.switches = await asyncio.to_thread(list_switches, self._database.path, self.choices.machine)

    def list_enabled(self) -> list[Intake]:
        """Return every place that settings and switches say is read, in the order of the sources; opens nothing."""
        places = [
            (choice, place, feed)
            for choice in self.choices.list_all()
            if choice.is_on
            for place, feed in open_places(choice, self._limits)
        ]
        counts = Counter(choice.source.id for choice, _place, _feed in places)
        alike = Counter(key_of(choice) for choice, _place, _feed in places)
        return [
            Intake(
                choice.source,
                choice.origin,
                feed,
                is_expected=place.chosen_by != "default" or counts[choice.source.id] == 1,
                siblings=self._siblings.setdefault(key_of(choice), Siblings()) if alike[key_of(choice)] > 1 else None,
            )
            for choice, place, feed in places
        ]

    async def stop(self) -> None:
        """Watch nothing any more."""
        async with self._turn:
            await self._close(list(self._open))
            await self._notifier.close()
        await self._sights.close()

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Read nothing until the block ends; then read again what settings and switches say."""
        async with self._turn:
            await self._close(list(self._open))
            try:
                yield
            finally:
                await self._follow()

    async def switch(
        self, source_id: str, enabled: bool | None = None, origins: Mapping[str, bool] | None = None
    ) -> None:
        """Switch all origins of a source, or some, and follow. Raises like :meth:`choose`."""
        await self.choose(source_id, enabled, origins)
        async with self._turn:
            for intake in await self._follow():
                self._publish_state(intake, None)

    async def choose(
        self, source_id: str, enabled: bool | None = None, origins: Mapping[str, bool] | None = None
    ) -> None:
        """Store switches of a source. Raises SourceUnknown, SourceFixed, StorageBusy, StorageError."""
        source = self.get_source(source_id)
        wanted = dict(origins or {})
        known = [origin.id for origin in source.origins]
        for name in wanted:
            if name not in known:
                raise SourceUnknown(f"{source_id}.{name}")
        if enabled is not None:
            wanted = dict.fromkeys(known, enabled)
        decisions = self.choices.decide(source)
        for name, is_on in wanted.items():
            decision = decisions[name]
            if decision.fixed_by is not None and (decision.choice is Choice.ON) != is_on:
                raise SourceFixed(f"{source_id}.{name}", decision.fixed_by)
        for name, is_on in wanted.items():
            if decisions[name].fixed_by is None:
                key, switch = self.choices.key_of(source, source.get_origin(name)), Switch(is_on, self._now_ms())
                await set_switch(self._database, self.choices.machine, key, switch)
                self.choices.switches[key] = switch

    def get_source(self, source_id: str) -> Source:
        """Return a source of the registry. Raises SourceUnknown."""
        return self.choices.get_source(source_id)

    def find_fixed_by(self, source_id: str, origin_id: str | None = None) -> str | None:
        """Return the setting that decides about a source, or one origin of it; None where a switch has a say."""
        choices = self.choices.list_of(self.get_source(source_id))
        fixed = [choice.fixed_by for choice in choices if origin_id in {None, choice.origin.id}]
        return ", ".join(sorted({name for name in fixed if name})) if fixed and all(fixed) else None

    def list_ids(self) -> list[str]:
        """Return the ids of all known sources."""
        return list(self.choices.sources)

    def find_watcher(self, source_id: str, origin_id: str) -> PlaceWatcher | None:
        """Return the watcher of the first place of an origin; None while it is not read."""
        return next((each.watcher for each in self._opened(source_id, origin_id)), None)

    async def find_seen(self, patience_s: float) -> dict[IntakeKey, Look | SourceError]:
        """Return the results of the looks at the places that are read; first looks are waited for, but not longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                for each in list(self._open.values()):
                    await each.watcher.has_looked.wait()
        found = {key: each.watcher.found for key, each in self._open.items()}
        return {key: look for key, look in found.items() if look is not None}

    def find_feed(self, source_id: str, origin_id: str) -> Feed:
        """Return the feed of the first place of an origin, open or not: for looks at metadata."""
        [choice] = [each for each in self.choices.list_all() if each.name == f"{source_id}.{origin_id}"]
        return self._feeds(choice)[0]

    async def read(
        self,
        trigger: Trigger,
        source_id: str | None = None,
        origin_id: str | None = None,
        path: str | None = None,
    ) -> list[ImportReceipt]:
        """Return the receipts of :meth:`read_each`. Raises like it, and like :meth:`Outcome.check_all`."""
        return (await self.read_each(trigger, source_id, origin_id, path)).check_all()

    async def read_each(
        self,
        trigger: Trigger,
        source_id: str | None = None,
        origin_id: str | None = None,
        path: str | None = None,
    ) -> Outcome:
        """Read now what changed before this call: all places, or some; return what came of each.

        Raises SourceUnknown, SourceOff where nothing of what is asked for is read.
        """
        if source_id is not None:
            self.get_source(source_id)
        keys = [
            key
            for key in self._open
            if source_id in {None, key.source} and origin_id in {None, key.origin} and path in {None, key.path}
        ]
        if not keys and source_id is not None:
            raise SourceOff(
                source_id if origin_id is None else f"{source_id}.{origin_id}", self.find_fixed_by(source_id, origin_id)
            )
        return await self._ingest.read(trigger, keys)

    def list_watched(self) -> list[tuple[Intake, WatcherStateChanged]]:
        """Return every place that is read, and the state of its watcher."""
        return [(each.intake, each.watcher.state) for each in self._open.values()]

    def list_problems(self) -> list[str]:
        """Return the codes of what keeps the service from being ready; waiting for a tool is no problem."""
        well = {WatcherState.WATCHING, WatcherState.WAITING}
        states = [each.watcher.state for each in self._open.values()]
        return [state.reason or state.state.value for state in states if state.state not in well]

    # States

    async def list_states(self) -> list[SourceState]:
        """Return how every known source is, found or not. Blocks nobody: places that are off are counted in a thread.

        Beside a service that runs, a long count goes on behind the answer.
        """
        choices = self.choices.list_all()
        watched = {key[:2] for key in self._open}
        await self._sights.count(choices, watched, PATIENCE_S if self._is_running else None)
        seen = {key_of(choice): self._find(choice) for choice in choices}
        return [self._state_of(source, seen) for source in self.choices.sources.values()]

    def _find(self, choice: OriginChoice) -> Sight | None:
        """Return what lies in the places of an origin, by its watchers or by the last count; None before both."""
        opened = [each.watcher.found for each in self._opened(*key_of(choice))]
        seen = [found for found in opened if found is not None]
        return sight_of(seen) if seen else self._sights.find(key_of(choice))

    def _state_of(self, source: Source, seen: Mapping[OriginKey, Sight | None]) -> SourceState:
        choices = self.choices.list_of(source)
        origins = tuple(self._origin_state(choice, seen[key_of(choice)]) for choice in choices)
        enabled = [origin for origin in origins if origin.enabled]
        worst = _worst_there([(origin.state, origin.reason) for origin in enabled])
        keys = [key for key in self._open if key.source == source.id]
        reading = [progress for progress in map(self._ingest.find_progress, keys) if progress is not None]
        receipts = [self._ingest.last_receipts[key] for key in keys if key in self._ingest.last_receipts]
        return SourceState(
            id=source.id,
            title=source.title,
            enabled=bool(enabled),
            origins=origins,
            fixed_by=self.find_fixed_by(source.id),
            found=sum_found(origin.found for origin in origins),
            state=worst[0],
            reason=worst[1],
            reading=(sum(done for done, _ in reading), sum(total for _, total in reading)) if reading else None,
            last_receipt=max(receipts, key=lambda receipt: receipt.finished_at_ms, default=None),
            gaps=tuple(
                GapState(kind.id, kind.title, None, None)
                for kind in source.gaps
                if kind.is_open({origin.id for origin in enabled})
            ),
        )

    def _origin_state(self, choice: OriginChoice, seen: Sight | None) -> OriginState:
        sight, elsewhere = seen or Sight(None), self._sights.find_elsewhere(key_of(choice))
        opened = self._opened(choice.source.id, choice.origin.id)
        counted = _without_absent_defaults(choice, opened)
        state, reason = _worst((each.watcher.state.state.value, each.watcher.state.reason) for each in counted)
        worst = [each for each in counted if each.watcher.state.state.value == state]
        problems = [str(each.watcher.problem) for each in worst if each.watcher.problem is not None]
        problems = problems or [str(error) for error in sight.refusals]
        notes = [note for each in opened for note in each.watcher.notes]
        problems += notes[:_NOTES_SHOWN]
        if len(notes) > _NOTES_SHOWN:
            problems.append(f"{len(notes) - _NOTES_SHOWN:,} more are not read for such reasons.")
        switch = choice.switch
        return OriginState(
            id=choice.origin.id,
            title=choice.origin.title,
            enabled=choice.is_on,
            found=sight.found,
            state=state,
            reason=reason,
            fixed_by=choice.fixed_by,
            problem=" ".join(problems) or None,
            off_since_ms=switch.changed_at if switch is not None and not switch.is_on and not opened else None,
            since_ms=min((each.watcher.state.since_ms for each in worst), default=None),
            paths=tuple(each.intake.feed.path for each in worst) or tuple(place.path for place in choice.places),
            never_read=choice.origin.privacy,
            missing=tuple(dict.fromkeys(name for each in worst for name in each.watcher.missing)),
            is_counted=seen is not None,
            elsewhere=elsewhere,
            elsewhere_setting=setting_of_elsewhere(choice, sight, elsewhere),
        )

    # Opening and closing

    async def _follow(self) -> list[Intake]:
        """Open what is to be read and close what is not; return what was closed."""
        wanted = {intake.key: intake for intake in self.list_enabled()}
        closed = [each.intake for key, each in self._open.items() if key not in wanted]
        await self._close([intake.key for intake in closed])
        for key, intake in wanted.items():
            if key not in self._open:
                await self._begin(intake)
        return closed

    async def _begin(self, intake: Intake) -> None:
        await intake.resume(self._writer)

        def publish(state: WatcherStateChanged) -> None:
            self._publish_state(intake, state)

        self._ingest.add(intake, is_watched=True)
        times = _times_of(self._settings)
        watcher = PlaceWatcher(intake, self._ingest, times, publish, self._now_ms, self._notifier)
        task = asyncio.create_task(watcher.run(), name=f"watcher-{intake.source.id}-{intake.origin.id}")
        self._open[intake.key] = _Open(intake, watcher, task)

    async def _close(self, keys: Iterable[IntakeKey]) -> None:
        closed = [self._open.pop(key) for key in keys]
        for each in closed:
            each.task.cancel()
        if closed:
            await asyncio.wait({each.task for each in closed})
        for each in closed:
            self._sights.expire(each.intake.key[:2])
            await self._ingest.remove(each.intake.key)

    def _opened(self, source_id: str, origin_id: str) -> list[_Open]:
        return [each for key, each in self._open.items() if key[:2] == (source_id, origin_id)]

    def _feeds(self, choice: OriginChoice) -> list[Feed]:
        opened = self._opened(choice.source.id, choice.origin.id)
        if opened:
            return [each.intake.feed for each in opened]
        return [feed for _, feed in open_places(choice, self._limits)]


def _times_of(settings: Settings) -> WatchTimes:
    return WatchTimes(
        debounce_s=settings.debounce_ms / 1000,
        tick_s=settings.tick_s,
        rescan_interval_s=settings.rescan_interval_s,
        backoff_max_s=settings.backoff_max_s,
    )


def _without_absent_defaults(choice: OriginChoice, opened: list[_Open]) -> list[_Open]:
    """Return the places whose state is the origin's: of several known ones, none that is not there counts.

    A tool writes to one of its known places; a place that the operator named is expected to be there.
    """
    known = {place.path for place in choice.places if place.chosen_by == "default"}
    there = [
        each
        for each in opened
        if each.intake.feed.path not in known or each.watcher.state.state is not WatcherState.WAITING
    ]
    return there or opened


def _worst_there(states: Sequence[tuple[str, str | None]]) -> tuple[str, str | None]:
    """Return the worst of ``states`` as :func:`_worst` does: one that waits is no matter beside any other."""
    return _worst([state for state in states if state[0] != WatcherState.WAITING.value] or states)


def _worst(states: Iterable[tuple[str, str | None]]) -> tuple[str, str | None]:
    """Return the worst of ``states``, each with its reason; ``off`` of none."""
    order = {state.value: number for number, state in enumerate(_WORST_FIRST)}
    return min(states, key=lambda state: order.get(state[0], len(order)), default=(OFF, None))
