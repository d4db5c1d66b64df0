"""The subject of a moment: the rules one by one, and a stopwatch that never has more time than has passed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.features.activity.attention import GAP_S, IDLE_S, TYPED_S, Stopwatch, TerminalUse, attend
from aico.features.activity.programs import Program
from aico.features.activity.screen import Front

NOW = 10_000.0
CURSOR = Program(10, "apps", "Cursor")
CLAUDE = Program(20, "commands", "claude", "/dev/pts/1", (21, 30))
CODEX = Program(40, "commands", "codex", "/dev/pts/2", (41, 30))
INSIDE = Program(50, "commands", "gemini", "/dev/pts/3", (51, 10))
DAEMON = Program(60, "commands", "ollama", None, (1,))
TERMINAL, OTHER, EDITOR = Front(30, 1.0), Front(99, 1.0), Front(10, 1.0)


def typed(ago: float, moved: float | None = None) -> TerminalUse:
    """Return a terminal that was typed in ``ago`` seconds ago, and written to ``moved`` seconds ago."""
    return TerminalUse(NOW - ago, NOW - (ago if moved is None else min(ago, moved)))


@pytest.mark.parametrize(
    ("front", "in_front", "terminals", "whose"),
    [
        (EDITOR, CURSOR, {}, CURSOR),
        (EDITOR._replace(idle_s=IDLE_S), CURSOR, {}, None),
        (OTHER, None, {}, None),
        (Front(None, 1.0), None, {}, None),
        # A command in the terminal in front, for as long as anything happens there.
        (TERMINAL, None, {"/dev/pts/1": typed(5)}, CLAUDE),
        (TERMINAL, None, {"/dev/pts/1": typed(900, moved=3)}, CLAUDE),
        (TERMINAL, None, {"/dev/pts/1": typed(900, moved=61)}, None),
        (TERMINAL._replace(idle_s=61), None, {"/dev/pts/1": typed(900, moved=3)}, None),
        (TERMINAL, None, {"/dev/pts/1": typed(30), "/dev/pts/2": typed(5)}, CODEX),
        (TERMINAL, None, {"/dev/pts/1": typed(30, moved=1), "/dev/pts/2": typed(29)}, CODEX),
        # In an editor, the command in its terminal while it is used, else the editor.
        (EDITOR, CURSOR, {"/dev/pts/3": typed(5)}, INSIDE),
        (EDITOR, CURSOR, {"/dev/pts/3": typed(300)}, CURSOR),
        (EDITOR, CURSOR, {"/dev/pts/1": typed(1)}, CURSOR),
        # A terminal elsewhere: under tmux, over a connection.
        (OTHER, None, {"/dev/pts/1": typed(TYPED_S)}, CLAUDE),
        (OTHER, None, {"/dev/pts/1": typed(TYPED_S + 1)}, None),
        (OTHER._replace(idle_s=900), None, {"/dev/pts/1": typed(3)}, CLAUDE),
        # No screen: typing shows that somebody is there, output does not.
        (None, None, {"/dev/pts/1": typed(IDLE_S)}, CLAUDE),
        (None, None, {"/dev/pts/1": typed(IDLE_S + 1, moved=1)}, None),
        (None, None, {}, None),
    ],
)
def test_a_moment_is_one_subjects(
    front: Front | None, in_front: Program | None, terminals: dict[str, TerminalUse], whose: Program | None
) -> None:
    """The first rule that applies decides; a second never has two owners."""
    programs = [CURSOR, CLAUDE, CODEX, INSIDE, DAEMON]
    assert attend(front, in_front, programs, terminals, NOW) == whose


def test_command_in_a_window_is_not_used_behind_another() -> None:
    """A window that was in front is known: what was typed in it a moment ago is no use of it any more."""
    terminals = {"/dev/pts/1": typed(2)}
    assert attend(OTHER, None, [CLAUDE], terminals, NOW, {30, 99}) is None
    assert attend(TERMINAL, None, [CLAUDE], terminals, NOW, {30, 99}) == CLAUDE
    assert attend(None, None, [CLAUDE], terminals, NOW, {30, 99}) == CLAUDE


def timed(*notes: tuple[str | None, float, float], tick_s: float = 1.0) -> dict[str, int]:
    """Return the milliseconds of each subject after notes of (subject, monotonic s, wall s)."""
    stopwatch = Stopwatch(tick_s)
    for name, now, wall in notes:
        stopwatch.note(None if name is None else ("apps", name), now, round(wall * 1000))
    found: dict[str, int] = {}
    for piece in stopwatch.take():
        found[piece.name] = found.get(piece.name, 0) + piece.duration_ms
    assert stopwatch.take() == []
    return found


def test_stopwatch_counts_what_passed_between_looks() -> None:
    """The same subject before and after has all of it; a switch belongs to the one before, if the tick was short."""
    assert timed(("A", 0, 0), ("A", 1, 1), ("B", 2, 2), ("B", 3, 3), (None, 4, 4), ("A", 5, 5)) == {
        "A": 2000,
        "B": 2000,
    }
    assert timed(("A", 0, 0), ("B", 10, 10), ("B", 20, 20)) == {"B": 10_000}
    assert timed(("A", 0, 0)) == {}


def test_sleep_and_steps_of_the_clock_are_no_time() -> None:
    """Only what the monotonic clock went counts, and nothing of a gap longer than three intervals."""
    assert timed(("A", 0, 0), ("A", 1, 28_800), ("A", 2, 28_801)) == {"A": 2000}  # asleep for eight hours
    assert timed(("A", 0, 9000), ("A", 1, 5400), ("A", 2, 5401)) == {"A": 2000}  # set back an hour
    assert timed(("A", 0, 0), ("A", GAP_S, GAP_S)) == {"A": 45_000}
    assert timed(("A", 0, 0), ("A", GAP_S + 1, GAP_S + 1), ("A", GAP_S + 2, GAP_S + 2)) == {"A": 1000}
    assert timed(("A", 5, 5), ("A", 4, 4)) == {}


def test_pieces_stand_where_the_wall_clock_says() -> None:
    """A step of the clock, and a sleep, begin another piece."""
    stopwatch = Stopwatch(1.0)
    for now, wall in ((0, 100), (1, 101), (2, 102), (3, 5000), (4, 5001)):
        stopwatch.note(("apps", "A"), now, wall * 1000)
    assert [(piece.start_ms, piece.duration_ms) for piece in stopwatch.take()] == [(100_000, 2000), (4_999_000, 2000)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["A", "B", None]), st.floats(0, 100), st.floats(-5000, 5000)), min_size=2, max_size=40
    )
)
def test_stopwatch_never_has_more_than_has_passed(steps: list[tuple[str | None, float, float]]) -> None:
    """For any looks, and any steps of the wall clock, all subjects together have no more than the time."""
    now, notes = 0.0, []
    for name, passed, step in steps:
        now += passed
        notes.append((name, now, max(0.0, now + step)))
    assert sum(timed(*notes).values()) <= (now - notes[0][1]) * 1000 + len(notes)
