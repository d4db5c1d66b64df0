"""The subject that a moment's time belongs to, or none. Pure: no I/O, no clock, no logging.

The rules, the first that applies:

1. Somebody is at the screen and the window in front is known. A listed command that runs inside it, in a terminal that
   was typed in or written to within a minute, has the time: of several, the one typed in last. Else the listed app
   whose window it is.
2. Otherwise the command whose terminal was typed in last, if that is at most 15 seconds ago (a terminal that tmux
   shows, or a connection from elsewhere); a minute, where no screen can be looked at. Not one that lives in a window
   which was in front before: that window is not in front now.
3. Otherwise nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from aico.core.activity import COMMANDS
from aico.features.activity.programs import Program
from aico.features.activity.screen import Front

IDLE_S = 60.0
"""Without a key or the mouse for so long, nobody is there."""
TYPED_S = 15.0
"""Typed in so lately, a terminal is in use even if another window is in front."""
GAP_S = 45.0
"""Three times 15 seconds: a longer time between two looks is no time of use. The machine was asleep, or we were."""


class TerminalUse(NamedTuple):
    """When a terminal was last typed in and written to, on the monotonic clock."""

    typed_at: float
    moved_at: float
    """Typed in or written to."""


def attend(
    front: Front | None,
    in_front: Program | None,
    programs: Iterable[Program],
    terminals: Mapping[str, TerminalUse],
    now: float,
    windows: Set[int] = frozenset(),
) -> Program | None:
    """Return the program that has the time at ``now``.

    ``front`` is None if no screen can be looked at; ``in_front`` the listed program whose window is in front.
    ``windows`` are the numbers of processes whose windows were in front before.
    """
    commands = [(each, terminals[each.terminal]) for each in programs if each.terminal and each.terminal in terminals]
    if front is not None and front.pid is not None and front.idle_s < IDLE_S:
        inside = [(each, use) for each, use in commands if front.pid in each.ancestors and now - use.moved_at <= IDLE_S]
        if inside:
            return _latest(inside)
        if in_front is not None and in_front.kind != COMMANDS.id:
            return in_front
    limit = TYPED_S if front is not None else IDLE_S
    if front is not None:
        commands = [(each, use) for each, use in commands if windows.isdisjoint(each.ancestors)]
    return _latest([(each, use) for each, use in commands if now - use.typed_at <= limit])


def _latest(commands: Sequence[tuple[Program, TerminalUse]]) -> Program | None:
    return max(commands, key=lambda each: (each[1].typed_at, each[1].moved_at, each[0].pid))[0] if commands else None


class Piece(NamedTuple):
    """A stretch of one subject's time."""

    kind: str
    name: str
    start_ms: int
    """Epoch milliseconds."""
    duration_ms: int


@dataclass(slots=True)
class Stopwatch:
    """Adds up the time of subjects between moments. It never has more time than the monotonic clock has gone.

    That clock stands still while the machine sleeps, and knows no steps; the wall clock only says where a piece stands.
    """

    tick_s: float
    pieces: list[Piece] = field(default_factory=list)
    _before: tuple[str, str] | None = None
    _at: float | None = None

    def note(self, subject: tuple[str, str] | None, now: float, wall_ms: int) -> None:
        """Note the subject at ``now`` (seconds of the monotonic clock), when the wall clock says ``wall_ms``.

        Time since the moment before belongs to ``subject`` if it had that moment, too; else to the subject of that
        moment, if that is not longer than two ticks ago. The rest is nobody's.
        """
        before, passed = self._before, None if self._at is None else now - self._at
        self._before, self._at = subject, now
        if before is None or passed is None or passed <= 0 or passed > GAP_S:
            return
        if before == subject or passed <= 2 * self.tick_s:
            self._add(before, round(passed * 1000), wall_ms)

    def take(self) -> list[Piece]:
        """Return the pieces since the last time, and forget them."""
        pieces, self.pieces = self.pieces, []
        return pieces

    def _add(self, subject: tuple[str, str], passed_ms: int, wall_ms: int) -> None:
        start_ms = wall_ms - passed_ms
        if self.pieces:
            last = self.pieces[-1]
            goes_on = (last.kind, last.name) == subject and abs(last.start_ms + last.duration_ms - start_ms) <= 1_000
            if goes_on:
                self.pieces[-1] = last._replace(duration_ms=last.duration_ms + passed_ms)
                return
        self.pieces.append(Piece(*subject, max(0, start_ms), passed_ms))
