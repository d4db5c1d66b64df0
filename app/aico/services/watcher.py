"""The loop that keeps the database equal to a place: notifications, ticks, rescans, and the fault if there is one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Set
from dataclasses import dataclass
from typing import NamedTuple

from aico.core.errors import SourceError, SourceFormat, StorageError
from aico.core.events import WatcherState, WatcherStateChanged
from aico.core.usage import Trigger
from aico.features.files.feed import Look, TreeFeed
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from aico.services.notifier import Hint, Notifier, WatchLimit

PATIENCE_S = 0.5
"""Under a continuous stream of writes an import happens at least this often, or after four times the last one."""
_IMPORT_SHARE = 4
_RESTART_FIRST_S = 0.5
_RESTART_MAX_S = 30.0
_HEALTHY_S = 30.0
"""A loop that ran for this long was well; its next bug is a first one."""
_RECENT_S = 1.0
"""An mtime older than this, or in the future, says nothing about the last write."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchTimes:
    """How often what is done; see the settings of the same names."""

    debounce_s: float
    tick_s: float
    rescan_interval_s: float
    backoff_max_s: float


class _Glance(NamedTuple):
    """The state of the place at one moment."""

    directory: tuple[int, int] | None
    """Its device and inode; None when it cannot be reached."""
    found: Look | SourceError


class PlaceWatcher:
    """Runs until cancelled. Every notification and every tick leads to the same idempotent sweep.

    A sweep compares the file's metadata, by inequality, with those of the last committed import, and imports when
    they differ; a rescan reads the file whatever they say.
    """

    def __init__(
        self,
        intake: Intake,
        ingest: Ingest,
        times: WatchTimes,
        publish: Callable[[WatcherStateChanged], None],
        now_ms: Callable[[], int],
        notifier: Notifier | None = None,
    ) -> None:
        """Watch the place of ``intake``; ``notifier`` may be that of other places, too."""
        self._intake = intake
        self._feed = intake.feed
        self._tree = intake.feed if isinstance(intake.feed, TreeFeed) else None
        self._ingest = ingest
        self._times = times
        self._publish = publish
        self._now_ms = now_ms
        self._hint = asyncio.Event()
        self._must_look = True
        """True if anything was heard of, other than writes to known files of a tree."""
        self._written_s = 0.0
        """When the last of these was written to, by the monotonic clock."""
        self._watch = (notifier or Notifier()).make_watch(self._hear, self._note_watched)
        self._watched: tuple[int, int] | None = None
        self._lost_watch: BaseException | None = None
        """Why the notifications ended that were started anew just now: they may end in the same way."""
        self._refused: Hashable = None
        self._told_notes = 0
        self._rescan_delay_s = times.rescan_interval_s
        self._rescan_at = 0.0
        self.state = WatcherStateChanged(WatcherState.STARTING, now_ms(), None)
        self.problem: SourceError | StorageError | None = None
        """The error of the last sweep; its sentence says more than the state's reason."""
        self.found: Look | SourceError | None = None
        """The result of the last look; None before the first one."""
        self.has_looked = asyncio.Event()
        """Set after the first one."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that a file of another version lacks, by the last sweep."""
        return self.problem.missing if isinstance(self.problem, SourceFormat) else ()

    async def run(self) -> None:
        """Import once, then watch until cancelled; a bug ends the loop for a moment, not for good."""
        delay_s = _RESTART_FIRST_S
        try:
            while True:
                started = time.monotonic()
                try:
                    await self._run()
                except Exception:  # noqa: BLE001  # the supervisor: whatever the bug, the user's costs are kept
                    _log.exception("the watcher failed and starts again in %.1f s", delay_s)
                    self._set_state(WatcherState.FAILED, "internal_error")
                    await self._ingest.let_pass(self._intake.key)
                if time.monotonic() - started > _HEALTHY_S:
                    delay_s = _RESTART_FIRST_S
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _RESTART_MAX_S)
        finally:
            await self._watch.stop()

    async def _run(self) -> None:
        self._plan_rescan(succeeded=True)
        first = await asyncio.to_thread(self._glance)
        self.has_looked.set()
        await self._visit(Trigger.STARTUP, first, forced=True)
        while True:
            trigger, forced, glance = await self._wait()
            await self._visit(trigger, glance, forced=forced)

    async def _visit(self, trigger: Trigger, glance: _Glance | None, *, forced: bool) -> None:
        """Watch the directory that is there and sweep the place in it; without a look, read it."""
        if glance is None:
            await self._import(trigger, None)
            return
        if await self._arm(glance.directory):
            # This look sees changes from before the watch began; the watch reports the rest.
            glance = await asyncio.to_thread(self._glance)
        await self._sweep(trigger, glance.found, forced=forced)

    def _glance(self) -> _Glance:
        """Look at the directory and the place in it. Blocks for a few system calls: in one thread, not in two."""
        try:
            found: Look | SourceError = self._feed.look()
        except SourceError as error:
            # Its trace would keep the frames of the look.
            found = error.with_traceback(None)
        self.found = found
        known = found.directory if isinstance(found, Look) else None
        return _Glance(known or self._feed.find_directory_identity(), found)

    async def _wait(self) -> tuple[Trigger, bool, _Glance | None]:
        """Wait for the next reason to sweep; return it, True if the file must be read anyhow, and a glance.

        The glance is None if the reading looks by itself.
        """
        now = time.monotonic()
        # Of all places at the same moments: waking up costs more than a look.
        tick_at = (now // self._times.tick_s + 1) * self._times.tick_s
        due = [tick_at, self._rescan_at or float("inf")]
        try:
            async with asyncio.timeout(max(0.0, min(due) - now)):
                await self._hint.wait()
        except TimeoutError:
            now = time.monotonic()
            rescan = bool(self._rescan_at) and now >= self._rescan_at
            trigger = Trigger.RESCAN if rescan else Trigger.WATCH
            return trigger, rescan, await asyncio.to_thread(self._glance)
        return Trigger.WATCH, False, await self._settle()

    async def _settle(self) -> _Glance | None:
        """Return what is there when the last write is ``debounce`` ago, or too long after: a task may never pause.

        None, and nobody has looked, when known files of a tree were written to and nothing else was heard of: a change
        of thread and a walk are more than such a line costs otherwise. When it was written is known well enough.
        """
        noticed = time.monotonic()
        deadline = noticed + max(PATIENCE_S, _IMPORT_SHARE * self._ingest.last_durations_s.get(self._intake.key, 0.0))
        glance: _Glance | None = None
        while True:
            # Before the look: changes heard of from here on may be later than that.
            self._hint.clear()
            if self._must_look or glance is not None:
                self._must_look = False
                glance = await asyncio.to_thread(self._glance)
                quiet_at = self._quiet_at(glance.found, noticed)
            else:
                quiet_at = self._written_s + self._times.debounce_s
            now = time.monotonic()
            if now >= min(quiet_at, deadline):
                return glance
            await asyncio.sleep(min(quiet_at, deadline) - now)
            if self._hint.is_set():
                noticed = time.monotonic()
            elif self._tree is not None:
                return glance  # nobody has written since, and the reading of a tree begins with a look of its own

    def _quiet_at(self, found: Look | SourceError, noticed: float) -> float:
        """Return when the file will have rested, as monotonic time: its mtime knows better when that is recent."""
        if isinstance(found, SourceError):
            return noticed + self._times.debounce_s
        age_s = time.time() - found.written_ns / 1e9
        written = time.monotonic() - age_s if 0 <= age_s < _RECENT_S else noticed
        return written + self._times.debounce_s

    async def _arm(self, identity: tuple[int, int] | None) -> bool:
        """Watch the directory that is there now, if it is not watched yet; one that was replaced has another inode."""
        self._lost_watch = self._watch.error if identity == self._watched else None
        folders: Set[str] = frozenset() if self._tree is None else self._tree.folders
        if self._tree is not None and identity != self._watched:
            # A root that is made anew may have the inode of the old one: each folder is looked at once it is watched.
            self._tree.note_watched(frozenset())
        if identity is None:
            await self._watch.stop()
        elif identity != self._watched or not self._watch.is_watching:
            await self._watch.start(self._feed.directory, *self._feed.names, folders=folders)
            self._watched = identity
            return True
        elif folders and self._watch.lacks(folders):
            self._watch.extend(folders)
        self._watched = identity
        return False

    def _hear(self, hint: Hint) -> None:
        """Take a notification."""
        if self._tree is None:
            self._must_look = True
        elif not self._tree.hint(hint.path):
            return
        elif hint.is_change and self._tree.is_known(hint.path):
            self._written_s = hint.about_s
        else:
            self._must_look = True
        self._hint.set()

    def _note_watched(self) -> None:
        """Tell a tree which of its folders are watched now, and look what happened in them before."""
        if self._tree is not None:
            self._tree.note_watched(self._watch.watched, self._watch.list_moved())
            self._must_look = True
            self._hint.set()

    async def _sweep(self, trigger: Trigger, found: Look | SourceError, *, forced: bool) -> None:
        if isinstance(found, SourceError):
            self._plan_rescan(succeeded=True)
            self._refused = None
            if not found.is_absent:
                await self._ingest.refuse(trigger, self._intake, found)
            await self._ingest.let_pass(self._intake.key)
            self._report(found, logged=not found.is_absent)
            return
        identity = found.identity
        if not forced:
            # The result that was stored last is no answer while the failure that followed it lasts.
            if self._feed.identity == identity and self._intake.key not in self._ingest.failures:
                self._report(None)
                return
            if identity == self._refused:
                return
        if trigger is Trigger.STARTUP and self._feed.identity == identity:
            # It is read all the same, but nobody has to wait for that.
            self._report(None)
        await self._import(trigger, identity)

    async def _import(self, trigger: Trigger, identity: Hashable) -> None:
        failure: SourceError | StorageError | None = None
        had_failed = self._intake.key in self._ingest.failures
        try:
            await self._ingest.run(trigger, (self._intake.key,))
            if not had_failed:
                # Follow-up runs of a large file take their time, and its first part is there.
                self._report(None)
            failure = await self._ingest.finish(self._intake.key)
        except (SourceError, StorageError) as error:
            failure = error
        # A file that stands still and is of a wrong format is not read again at every tick. One that cannot be read or
        # stored is.
        self._refused = identity if isinstance(failure, SourceError) and failure.is_final else None
        self._plan_rescan(succeeded=failure is None)
        self._report(failure, logged=had_failed or failure is not None)

    def _plan_rescan(self, *, succeeded: bool) -> None:
        """Set the time of the next rescan: after the interval, or twice the last distance while imports fail."""
        interval = self._times.rescan_interval_s
        self._rescan_delay_s = (
            interval if succeeded else max(interval, min(self._rescan_delay_s * 2, self._times.backoff_max_s))
        )
        self._rescan_at = time.monotonic() + self._rescan_delay_s if interval else 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each part of the place that is not read although all is well."""
        return () if self._tree is None else self._tree.notes

    def _tell_notes(self) -> None:
        """Log how much is not read, when that changes; not its names, which may say what somebody works on."""
        count = len(self.notes)
        if count > self._told_notes:
            _log.warning("%d files or folders below %s are not read; `aico doctor` says why", count, self._feed.path)
        self._told_notes = count

    def _report(self, error: SourceError | StorageError | None, *, logged: bool = False) -> None:
        """Take over the state that follows from a sweep; ``logged`` says that the import has spoken of it."""
        self.problem = error
        self._tell_notes()
        if isinstance(error, SourceError) and error.is_absent:
            reason = error.code if self._watched is not None else "directory_missing"
            is_told = self._intake.is_expected or self.state.state is not WatcherState.STARTING
            text = f"waiting for the {self._feed.title} {self._feed.path}" if is_told else ""
            self._set_state(WatcherState.WAITING, reason, text)
        elif error is not None:
            self._set_state(WatcherState.DEGRADED, error.code, "" if logged else f"{error} {error.hint}")
        elif (problem := self._watch.error or self._lost_watch) is not None:
            text = f"no notifications ({type(problem).__name__}); looking every {self._times.tick_s:g} s instead"
            reason = "watch_limit" if isinstance(problem, WatchLimit) else "watch_unavailable"
            self._set_state(WatcherState.DEGRADED, reason, text)
        else:
            self._set_state(WatcherState.WATCHING, None, "" if logged else f"watching {self._feed.path}")

    def _set_state(self, state: WatcherState, reason: str | None, text: str = "") -> None:
        """Change the state, if it does change: tell the log and the subscribers once."""
        if (state, reason) == (self.state.state, self.state.reason):
            return
        self.state = WatcherStateChanged(state, self._now_ms(), reason)
        if text:
            _log.log(logging.WARNING if state is WatcherState.DEGRADED else logging.INFO, "%s", text)
        self._publish(self.state)
