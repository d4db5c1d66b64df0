"""Histories of everything that can happen, step by step against a model: nothing lost, nothing twice, no gap."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.core.repository_on_file import NOW_MS
from tests.faults.fault_counts import IS_SOAK, SEED, count_of
from tests.faults.life_model import SLOT_MS, Entry
from tests.faults.stepped_service import World, impatient

T = TypeVar("T")
HANG_S = 60
STATEMENTS = 60
"""More than a tick of a few entries needs."""
PAGES = st.integers(0, 2)

entries = st.builds(
    Entry,
    task_id=st.sampled_from(["1", "2", "3", "4", "5", "6"]),
    ts=st.sampled_from([NOW_MS, NOW_MS + 1, NOW_MS + SLOT_MS, NOW_MS - 500 * SLOT_MS]),
    model_id=st.sampled_from([None, "m", "n"]),
    tokens_in=st.one_of(st.none(), st.integers(0, 5)),
    tokens_out=st.sampled_from([None, 0, 1, 10**12]),
    total_cost=st.sampled_from([None, 0.0, 0.1, 0.3, 0.30000000000000004, 1e-9, 999_999.5]),
)
ledgers = st.lists(entries, max_size=6, unique_by=lambda usage: usage.task_id)
forms = st.sampled_from(["rename", "truncate", "in place", "pretty"])
spoilt = st.sampled_from(["folder", "file", "link", "torn", "empty", "object"])


class Histories(RuleBasedStateMachine):
    """The steps. A tick that never comes is one, too: writes may follow each other unseen."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.world = World(Path(self.folder.name).resolve())
        self.run(self.world.start())

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Do ``work``; a hang is a failure."""

        async def limited() -> T:
            async with asyncio.timeout(HANG_S):
                return await work

        return self.runner.run(limited())

    def look(self, *, quiet: bool = False) -> None:
        """Hold everything against the model."""
        self.world.post(self.world.stored_runs())
        self.world.check()
        if quiet:
            self.world.check_quiet()

    @rule(listed=ledgers, form=forms, broken=st.integers(0, 2))
    def write(self, listed: list[Entry], form: str, broken: int) -> None:
        """Cline saves; whether anybody sees it is another step."""
        self.world.write(listed, form, broken)

    @rule(listed=ledgers, form=forms)
    def write_and_tick(self, listed: list[Entry], form: str) -> None:
        """Cline saves, and it is seen."""
        self.world.write(listed, form, 0)
        self.tick()

    @rule(how=spoilt)
    def spoil(self, how: str) -> None:
        """Make the file no ledger, or none at all."""
        self.world.spoil(how)

    @rule()
    def tick(self) -> None:
        """After a tick without anything in its way, a good file is stored."""
        self.run(self.world.tick())
        self.look(quiet=True)

    @rule()
    def rescan(self) -> None:
        """After a rescan likewise."""
        self.run(self.world.tick(forced=True))
        self.look(quiet=True)

    @rule()
    def request(self) -> None:
        """Ask for an import: it stores the same as a tick."""
        self.run(self.world.request())
        self.look()

    @rule(forced=st.booleans())
    def tick_while_locked(self, forced: bool) -> None:
        """While another program holds the database's lock, nothing is stored and nothing is lost."""
        with self.world.locked():
            self.run(self.world.tick(forced=forced))
            assert self.world.stored_runs() == 0
        self.look()

    @rule(statement=st.integers(1, STATEMENTS))
    def kill(self, statement: int) -> None:
        """Killed before any statement, whole runs are there or not, and the next life goes on."""
        self.run(self.world.die(statement))
        self.look()

    @rule()
    def restart(self) -> None:
        """End well and begin anew: nothing is lost either."""
        self.run(self.world.restart())
        self.look()

    @rule(number=PAGES)
    def connect(self, number: int) -> None:
        """Let a page come, or come back."""
        page = self.world.pages[number]
        if not page.is_connected:
            page.connect(self.world.hub)

    @rule(number=PAGES, count=st.integers(0, 4))
    def disconnect(self, number: int, count: int) -> None:
        """Let a page go, in the middle of what waits for it."""
        page = self.world.pages[number]
        self.run(page.take(count, self.world.queries))
        page.disconnect()

    @rule()
    def hear(self) -> None:
        """Pages that have heard everything hold what is stored, whether they were away or not."""
        self.run(self.world.let_pages_hear())
        self.world.check_pages()

    def teardown(self) -> None:
        """Come to rest once more, with every page there; end, and leave nothing."""
        try:
            self.tick()
            self.hear()  # a page that lags too far behind learns it now
            for number in range(3):
                self.connect(number)
            self.hear()
            assert all(page.is_connected for page in self.world.pages)
            self.run(self.world.end())
        finally:
            self.runner.close()
            self.folder.cleanup()


def test_every_history_ends_in_what_the_model_says() -> None:
    """Writes, damage, locks, kills, restarts, requests, pages that come and go, in any order, leave the exact state."""
    count = count_of("histories", quick=50, soak=500)
    drawn = settings(
        max_examples=count,
        stateful_step_count=100 if IS_SOAK else 30,
        deadline=None,
        database=None,  # the seed alone decides
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    with impatient():
        run_state_machine_as_test(seed(SEED)(Histories), settings=drawn)
