"""Callers that go away in the middle of a write: each write is whole or never was, and the lock is given back."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import Store, copy_of_template, open_store, usage
from tests.faults.database_audit import audit
from tests.faults.fault_counts import count_of, rng_of

HANG_S = 60
LONGEST = 1_500
"""Turns of the event loop after which nearly every import has ended."""


def assert_lock_is_free(path: Path) -> None:
    """Take the lock at once, as another program would."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


async def take_in(store: Store, number: int) -> None:
    """Import a new task, and more of one that is stored."""
    await store.take_in([usage("old", tokens_in=number + 1), usage(f"new-{number:04}", tokens_in=number)])


async def test_import_that_is_cancelled_at_any_moment_is_whole_or_was_never(tmp_path: Path) -> None:
    """Rows, deltas and sums agree after each, the lock is free, and the next import knows what is stored."""
    rng = rng_of("cancelled writes")
    ended = 0
    async with open_store(copy_of_template(tmp_path)) as store, asyncio.timeout(HANG_S):
        count = count_of("cancelled writes", quick=100, soak=500)
        for number in range(count):
            caller = asyncio.create_task(take_in(store, number))
            for _ in range(rng.randrange(LONGEST)):
                await asyncio.sleep(0)
            ended += caller.done()
            caller.cancel()
            await asyncio.wait([caller])
            await store.database.settle()
            assert_lock_is_free(store.path)
            assert failed_checks(store.path) == []
        assert ended < count
        await take_in(store, count)
        known = audit(store.path).tasks
        assert known["old"].tokens_in == count + 1
        assert f"new-{count:04}" in known
        store.forget_what_is_known()
        await take_in(store, count)
        assert audit(store.path).tasks == known
        assert failed_checks(store.path) == []
