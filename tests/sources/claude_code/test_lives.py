"""Any life of sessions, forks and agents, through all ages of the tool, read in any order: each answer once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.claude_code.claude_home import (
    BEGIN_S,
    FIRST,
    NEW,
    PLACEHOLDERS,
    TOTALS_ONLY,
    WITHOUT_ORIGIN,
    Clock,
    Transcript,
    answer,
    uuid_of,
)
from tests.sources.claude_code.transcript_driver import FileReader, home_of, read_whole, transcripts_of

VERSIONS = (FIRST, PLACEHOLDERS, "2.1.120", TOTALS_ONLY, WITHOUT_ORIGIN, NEW)
STEP = st.tuples(
    st.sampled_from(("turn", "turn", "agent", "fork", "update", "lost")),
    st.integers(0, 9),
    st.sampled_from(VERSIONS),
    st.integers(1, 3),
)


@dataclass
class Life:
    """Transcripts, and what they must come to."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    sessions: list[Transcript] = field(default_factory=list)
    unmarked: list[Transcript] = field(default_factory=list)
    """Forks whose copies do not say whose they are."""
    made: dict[str, list[int]] = field(default_factory=dict)
    lost_count: int = 0

    def live(self, steps: list[tuple[str, int, str, int]]) -> None:
        """Write what each of ``steps`` does."""
        self._begin(PLACEHOLDERS)
        for number, (step, place, version, blocks) in enumerate(steps):
            session = self.sessions[place % len(self.sessions)]
            if step == "update":
                session.version = version
            elif step == "fork":
                # The newest versions would take copies without a mark for the session's own, and say so.
                if session in self.unmarked and version == NEW:
                    version = WITHOUT_ORIGIN  # noqa: PLW2901
                fork = session.fork(self.root, uuid_of("session", len(self.sessions)), version)
                self.sessions.append(fork)
                if version != NEW:
                    self.unmarked.append(fork)
            elif step == "lost":
                session.request(uuid_of("lost", number))
                self.lost_count += 1
            elif step == "turn":
                session.turn(number, blocks)
                self.made.setdefault(session.session, []).append(number)
            else:
                agent = Transcript(self.root, session.session, self.clock, session.version, agent=f"a{place}")
                agent.turn(number, blocks)
                self.made.setdefault(f"{session.session}/a{place}", []).append(number)
        for place, session in enumerate(self.sessions):
            # As they were begun, which is how a running service sees them.
            if session.path.exists():
                session.set_age(BEGIN_S + place)

    def _begin(self, version: str) -> None:
        self.sessions.append(Transcript(self.root, uuid_of("session", len(self.sessions)), self.clock, version))


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(STEP, min_size=1, max_size=12), st.data(), st.sampled_from([1, 4, 10_000]))
def test_any_life_is_booked_exactly_in_any_order(
    steps: list[tuple[str, int, str, int]], data: st.DataObject, size: int
) -> None:
    """By session, too, as every file was seen when it was begun; another order and other batches change nothing."""
    with TemporaryDirectory() as folder:
        life = Life(Path(folder) / "projects")
        life.root.mkdir()
        life.live(steps)
        paths = transcripts_of(life.root)
        expected = {session: answer(*numbers) for session, numbers in life.made.items()}
        found = asyncio.run(read_whole(life.root, paths))
        booked = found["by_session"]
        assert isinstance(booked, dict)
        assert {key: each[1:] for key, each in booked.items() if any(each[1:])} == {
            key: each[1:] for key, each in expected.items()
        }
        states = found["states"]
        assert isinstance(states, dict)
        made = sum(map(len, life.made.values()))
        assert (states.get(0, 0), states.get(4, 0), sum(states.values())) == (
            made,
            life.lost_count,
            made + life.lost_count,
        )
        assert asyncio.run(read_whole(life.root, data.draw(st.permutations(paths)), size)) == found


async def test_reading_that_begins_anew_changes_nothing(root: Path) -> None:
    """A lost checkpoint, or a parser of another version: everything is read again, and nothing counts twice."""
    life = Life(root)
    life.live(
        [("turn", 0, NEW, 2), ("update", 0, NEW, 1), ("turn", 0, NEW, 2), ("fork", 0, NEW, 1), ("turn", 1, NEW, 3)]
    )
    async with home_of(root) as home:
        await home.read()
        before, revision = await home.everything(), home.ask("SELECT revision FROM database_state")
        home.readers = {path: FileReader(root, path) for path in transcripts_of(root)}
        await home.read(reversed(transcripts_of(root)))
        assert (await home.everything(), home.ask("SELECT revision FROM database_state")) == (before, revision)
