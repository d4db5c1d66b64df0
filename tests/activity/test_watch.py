"""The loop that sees apps and commands, step by step, with a screen and processes that the test moves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aico.core.activity import ActivitySpan
from aico.core.activity_settings import ActivitySettings
from aico.core.errors import StorageBusy
from aico.features.activity.definitions import load_definitions
from aico.features.activity.programs import Load, Program
from aico.features.activity.screen import Front, Screen, ScreenLost, find_reason
from aico.services.activity_watch import ProgramWatch

WALL_MS = 1_779_012_000_000
CURSOR, ZED = Program(10, "apps", "Cursor"), Program(11, "apps", "Zed")


@dataclass
class FakeDesk:
    """Fakes clock, processes, screen and database, all moved by the test."""

    now: float = 100.0
    wall_ms: int = WALL_MS
    programs: list[Program] = field(default_factory=list)
    front: Front | str = "foreground_no_display"
    stored: list[ActivitySpan] = field(default_factory=list)
    told: int = 0
    is_busy: bool = False
    tick_s: float = 1.0
    closed: int = 0
    told_once: asyncio.Event = field(default_factory=asyncio.Event)
    is_slow: bool = False
    """True if the next write is begun and does not end before its caller does."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def watch(self) -> ProgramWatch:
        """Return the real loop on all of this."""
        definitions = load_definitions(ActivitySettings(), "linux")
        return ProgramWatch(
            ["apps", "commands"],
            definitions,
            self,
            self.open_screen,
            self.add,
            self.publish,
            lambda: self.wall_ms,
            lambda: self.now,
        )

    def scan(self) -> list[Program]:
        """Return what runs."""
        return list(self.programs)

    def find(self, pid: int) -> Program | None:
        """Return what runs under a number."""
        return next((each for each in self.programs if each.pid == pid), None)

    def measure(self) -> Mapping[tuple[str, str], Load]:
        """Return the same load of everything."""
        return {(each.kind, each.name): Load(1.5, 20.0) for each in self.programs}

    def open_screen(self) -> Screen:
        """Return the screen, or the reason why there is none."""
        if isinstance(self.front, str):
            raise ScreenLost(self.front)
        return self

    def look(self) -> Front:
        """Return what is in front."""
        if isinstance(self.front, str):
            raise ScreenLost(self.front)
        return self.front

    def close(self) -> None:
        """Count how often the screen was let go."""
        self.closed += 1

    async def add(self, spans: Sequence[ActivitySpan]) -> None:
        """Store, or be busy."""
        if self.is_busy:
            raise StorageBusy("a test")
        self.stored += spans
        if self.is_slow:
            self.is_slow = False
            self.begun.set()
            await asyncio.Event().wait()

    def publish(self) -> None:
        """Count how often something was told."""
        self.told += 1
        self.told_once.set()

    async def pass_(self, watch: ProgramWatch, seconds: int) -> None:
        """Let seconds pass, with a look at each."""
        for _ in range(seconds):
            self.now += 1
            self.wall_ms += 1000
            await watch.tick()

    def seconds(self) -> dict[str, float]:
        """Return what is stored, by name."""
        names = {span.subject for span in self.stored}
        return {name: sum(each.duration_ms for each in self.stored if each.subject == name) / 1000 for name in names}


async def test_time_in_front_is_stored_with_its_estimate() -> None:
    """Each second belongs to the app in front while somebody is there; what runs is told at every scan."""
    desk = FakeDesk(programs=[CURSOR, ZED], front=Front(10, 0.5))
    watch = desk.watch()
    await watch.scan()
    await desk.pass_(watch, 11)
    desk.front = Front(11, 1.0)
    await desk.pass_(watch, 20)
    desk.front = Front(11, 60.0)
    await desk.pass_(watch, 100)
    desk.front = Front(99, 0.0)
    await desk.pass_(watch, 100)
    await watch.scan()
    assert desk.seconds() == {"Cursor": 11, "Zed": 20}
    assert next((span.kind, span.category, span.cost_nano) for span in desk.stored) == ("apps", "editor", 1_527_778)
    assert watch.programs["apps", "Cursor"].memory_mb == 20.0
    assert desk.told == 2
    await watch.scan()
    assert desk.told == 2
    desk.programs = [ZED]
    await watch.scan()
    assert set(watch.programs) == {("apps", "Zed")}
    assert desk.told == 3


async def test_screen_that_is_lost_is_told_and_looked_for_again() -> None:
    """Without a screen the kinds say why, and are looked at by their terminals; a minute later it is tried again."""
    desk = FakeDesk(programs=[CURSOR], front="foreground_wayland")
    watch = desk.watch()
    await watch.scan()
    assert watch.reasons == {"apps": "foreground_wayland", "commands": "foreground_wayland"}
    desk.front = Front(10, 0.0)
    await watch.scan()
    assert watch.reasons["apps"] == "foreground_wayland"
    desk.now += 61
    await watch.scan()
    assert watch.reasons == {}
    await desk.pass_(watch, 5)
    desk.front = "foreground_failed"
    await desk.pass_(watch, 5)
    assert (watch.reasons["apps"], desk.closed) == ("foreground_failed", 1)
    await watch.scan()
    assert desk.seconds() == {"Cursor": 5}


async def test_time_that_cannot_be_stored_is_kept() -> None:
    """A busy database loses nothing: the next scan stores all of it, once."""
    desk = FakeDesk(programs=[CURSOR], front=Front(10, 0.0), is_busy=True)
    watch = desk.watch()
    await watch.scan()
    await desk.pass_(watch, 4)
    await watch.scan()
    await desk.pass_(watch, 4)
    assert desk.stored == []
    desk.is_busy = False
    await watch.scan()
    await watch.scan()
    assert desk.seconds() == {"Cursor": 7}


async def test_terminal_tells_that_its_command_is_used(tmp_path: Path) -> None:
    """Its times are looked at, by what changed: a clock that was set back makes nothing of the past new."""
    terminal = tmp_path / "pts"
    terminal.touch()
    old_ns = (WALL_MS - 3_600_000) * 1_000_000

    def stamp(typed_ns: int, written_ns: int) -> None:
        os.utime(terminal, ns=(typed_ns, written_ns))

    claude = Program(20, "commands", "claude", str(terminal), (30,))
    desk = FakeDesk(programs=[claude, Program(21, "commands", "codex", str(tmp_path / "gone"), (30,))])
    watch = desk.watch()
    stamp(old_ns, old_ns)
    await watch.scan()
    await desk.pass_(watch, 10)
    stamp(old_ns, old_ns + 10**9)
    await desk.pass_(watch, 10)  # it writes, and nobody types
    stamp(old_ns + 10**9, old_ns + 10**9)
    await desk.pass_(watch, 100)
    await watch.scan()
    assert desk.seconds() == {"claude": 61}  # a minute, and the tick in which it ended


async def test_cancelled_watch_stores_what_it_saw() -> None:
    """The end of the service loses nothing, and lets the screen go."""
    desk = FakeDesk(programs=[CURSOR], front=Front(10, 0.0))
    watch = desk.watch()
    task = asyncio.create_task(watch.run())
    await desk.told_once.wait()
    await desk.pass_(watch, 3)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert desk.seconds()["Cursor"] >= 2
    assert desk.closed == 1


async def test_time_is_stored_once_when_seeing_ends_while_it_is_stored() -> None:
    """A write that was begun goes on behind the end of the watch, which stores only what came since then."""
    desk = FakeDesk(programs=[CURSOR], front=Front(10, 0.5), is_slow=True)
    watch = desk.watch()
    await watch.scan()
    await desk.pass_(watch, 10)
    task = asyncio.create_task(watch.run())
    await desk.begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert desk.seconds() == {"Cursor": 9}  # the first tick has no beginning


@pytest.mark.parametrize(
    ("environment", "system", "reason"),
    [
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "linux", "foreground_wayland"),
        ({"DISPLAY": ":0", "XDG_SESSION_TYPE": "wayland"}, "linux", "foreground_wayland"),
        ({}, "linux", "foreground_no_display"),
        ({"DISPLAY": ":0", "XDG_SESSION_TYPE": "x11"}, "linux", None),
        ({}, "darwin", None),
    ],
)
def test_reason_is_told_where_no_screen_can_be_looked_at(
    environment: dict[str, str], system: str, reason: str | None
) -> None:
    """Under Wayland nobody may know which window is in front: that is unavailable, never zero."""
    assert find_reason(environment, system) == reason
