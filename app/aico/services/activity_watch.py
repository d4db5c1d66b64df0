"""Sees apps and commands: running ones every 15 seconds, and the one in use at every tick. Imported when needed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from aico.core.activity import KINDS, ActivitySpan, estimate_nano
from aico.core.errors import StorageError
from aico.features.activity.attention import Stopwatch, TerminalUse, attend
from aico.features.activity.definitions import Definitions
from aico.features.activity.programs import Load, ProcessTable, Program
from aico.features.activity.screen import Front, Screen, ScreenLost
from aico.services.activity import ProgramState

T = TypeVar("T")
SCAN_S = 15.0
SCREEN_AGAIN_S = 60.0
"""A screen that cannot be looked at is tried again so often."""
_TERMINALS_TICK_S = 2.0
"""Between two looks at terminals where there is no screen."""
_LOOK_S = 5.0
"""A screen that takes longer to answer is let go."""
_PIECES_MAX = 10_000
"""Kept for a database that cannot be written to; half a day of ticks."""
_log = logging.getLogger(__name__)


class ProgramWatch:
    """One loop for both kinds: a second belongs to one subject. Blocking calls run in a thread of their own."""

    def __init__(
        self,
        kinds: Iterable[str],
        definitions: Definitions,
        processes: ProcessTable,
        open_screen: Callable[[], Screen],
        add: Callable[[Sequence[ActivitySpan]], Awaitable[None]],
        publish: Callable[[], None],
        now_ms: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reasons: dict[str, str] = {}
        self.programs: dict[tuple[str, str], ProgramState] = {}
        self._kinds = frozenset(kinds)
        self._definitions = definitions
        self._processes = processes
        self._open_screen = open_screen
        self._add = add
        self._publish = publish
        self._now_ms = now_ms
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "activity")
        self._screen: Screen | None = None
        self._screen_again_at = 0.0
        self._found: list[Program] = []
        self._windows: set[int] = set()
        self._terminals: dict[str, TerminalUse] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._stopwatch = Stopwatch(_TERMINALS_TICK_S)
        self._unsaved: list[ActivitySpan] = []
        self._told: object = None

    async def run(self) -> None:
        """See until cancelled; use seen until then is stored. Raises nothing but bugs."""
        next_scan = self._clock()
        try:
            while True:
                if self._clock() >= next_scan:
                    await self.scan()
                    # From the end of the scan: a machine that slept has nothing to catch up with.
                    next_scan = self._clock() + SCAN_S
                wait = next_scan - self._clock()
                if self._is_ticking():
                    await self.tick()
                    wait = min(wait, self._stopwatch.tick_s)
                await asyncio.sleep(max(0.05, wait))
        finally:
            await self._save()
            await self._let_go()

    async def scan(self) -> None:
        """Look at what runs, store what was seen since the last time, and tell if anything changed."""
        if self._screen is None and self._clock() >= self._screen_again_at:
            await self._find_screen()
        self._found, loads = await self._in_thread(self._scan)
        self._windows &= {pid for each in self._found for pid in each.ancestors}
        in_front = {key for key, state in self.programs.items() if state.is_in_front}
        self.programs = {
            key: ProgramState(*key, key in in_front, load.cpu_percent, load.memory_mb) for key, load in loads.items()
        }
        has_more = await self._save()
        told = frozenset(self.programs)
        if has_more or told != self._told:
            self._told = told
            self._publish()

    async def tick(self) -> None:
        """Note whose time it is."""
        front, in_front = await self._look()
        now = self._clock()
        self._look_at_terminals(now)
        program = attend(front, in_front, self._found, self._terminals, now, self._windows)
        if front is not None and front.pid is not None:
            self._windows.add(front.pid)
        subject = None if program is None else (program.kind, program.name)
        self._stopwatch.note(subject, now, self._now_ms())
        for key, state in self.programs.items():
            if state.is_in_front != (key == subject):
                self.programs[key] = state._replace(is_in_front=key == subject)

    def _is_ticking(self) -> bool:
        return self._screen is not None or any(each.terminal for each in self._found)

    def _scan(self) -> tuple[list[Program], dict[tuple[str, str], Load]]:
        found = self._processes.scan()
        return found, dict(self._processes.measure())

    # The screen

    async def _find_screen(self) -> None:
        try:
            self._screen = await self._in_thread(self._open_screen)
        except ScreenLost as lost:
            self._lose(str(lost))
            return
        self._stopwatch.tick_s = self._screen.tick_s
        self.reasons.clear()

    async def _look(self) -> tuple[Front | None, Program | None]:
        """Return how the screen is used, and the listed program in front; None where there is no screen."""
        screen = self._screen
        if screen is None:
            return None, None
        try:
            async with asyncio.timeout(_LOOK_S):
                return await self._in_thread(lambda: self._ask(screen))
        except (ScreenLost, TimeoutError) as lost:
            screen.close()  # which ends a look that hangs
            self._lose(str(lost) or "foreground_failed")
            return None, None

    def _ask(self, screen: Screen) -> tuple[Front, Program | None]:
        front = screen.look()
        return front, None if front.pid is None else self._processes.find(front.pid)

    def _lose(self, reason: str) -> None:
        self._screen, self._screen_again_at = None, self._clock() + SCREEN_AGAIN_S
        self._stopwatch.tick_s = _TERMINALS_TICK_S
        self.reasons = dict.fromkeys(self._kinds, reason)

    # Terminals

    def _look_at_terminals(self, now: float) -> None:
        """Note which terminals of commands were typed in or written to. Their times tell it; nothing is opened."""
        names = {each.terminal for each in self._found if each.terminal}
        self._terminals = {name: use for name, use in self._terminals.items() if name in names}
        for name in names:
            with suppress(OSError):
                status = Path(name).stat()
                self._note_terminal(name, (status.st_atime_ns, status.st_mtime_ns), now)

    def _note_terminal(self, name: str, stamps: tuple[int, int], now: float) -> None:
        before, use = self._stamps.get(name), self._terminals.get(name)
        self._stamps[name] = stamps
        if before is None or use is None:
            # Seen for the first time: only here the wall clock is asked how long ago it was.
            typed, moved = (self._clock_of(stamp, now) for stamp in (stamps[0], max(stamps)))
            self._terminals[name] = TerminalUse(typed, moved)
        elif before != stamps:
            typed = now if before[0] != stamps[0] else use.typed_at
            self._terminals[name] = TerminalUse(typed, now)

    def _clock_of(self, stamp_ns: int, now: float) -> float:
        age_s = self._now_ms() / 1000 - stamp_ns / 1e9
        return now - age_s if age_s >= 0 else float("-inf")  # from the future: a clock was set back

    # Storing

    async def _save(self) -> bool:
        """Store what was seen; keep it for the next time where that fails. Return whether there was anything."""
        spans = [self._span_of(*piece) for piece in self._stopwatch.take()]
        # A write that was begun goes on when we are cancelled: its use must not be stored once more at the end.
        unsaved, self._unsaved = [*self._unsaved, *spans][-_PIECES_MAX:], []
        if not unsaved:
            return False
        try:
            await self._add(unsaved)
        except StorageError as error:
            self._unsaved = unsaved
            _log.warning("activity could not be stored, and is kept for the next time: %s", error)
            return False
        return True

    def _span_of(self, kind: str, name: str, start_ms: int, duration_ms: int) -> ActivitySpan:
        definition = self._definitions.of(KINDS[kind].of)[name]
        cost = estimate_nano(duration_ms, definition.hourly_rate_usd)
        return ActivitySpan(kind, name, definition.category, start_ms, duration_ms, cost_nano=cost)

    async def _let_go(self) -> None:
        if self._screen is not None:
            self._screen.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
