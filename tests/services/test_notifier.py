"""Notifications of the operating system: hints of one name in one directory, and an honest error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aico.services.notifier import Notifier
from tests.e2e.fake_cline_ledger import LedgerFile, entry

HANG_S = 60


@asynccontextmanager
async def notified(ledger: LedgerFile) -> AsyncIterator[tuple[Notifier, asyncio.Event]]:
    """Watch the ledger's directory until the block ends; the event is set by each hint."""
    hint = asyncio.Event()
    notifier = Notifier(hint.set)
    await notifier.start(str(ledger.folder), ledger.path.name)
    try:
        yield notifier, hint
    finally:
        await notifier.stop()


async def until(hint: asyncio.Event) -> None:
    """Return at the next hint."""
    async with asyncio.timeout(HANG_S):
        await hint.wait()
    hint.clear()


async def test_notifier_hints_each_rename_over_the_file(ledger: LedgerFile) -> None:
    """A replaced file is a new inode each time, and each time there is a hint."""
    async with notified(ledger) as (notifier, hint):
        for number in range(5):
            ledger.write(entry(str(number)))
            await until(hint)
        assert notifier.is_watching
        assert notifier.error is None


async def test_notifier_passes_over_other_names(ledger: LedgerFile) -> None:
    """Only its own name is a hint: of two that watch one directory, each hears of its own file."""
    other = LedgerFile(ledger.folder / "other.json")
    async with notified(ledger) as (_, ours), notified(other) as (_, theirs):
        for number in range(4):
            ledger.write(entry(str(number)))
            await until(ours)
        assert not theirs.is_set()
        other.write(entry("1"))
        await until(theirs)


async def test_notifier_tells_that_the_directory_is_missing(ledger: LedgerFile) -> None:
    """What cannot be watched is an error to be asked for, not an exception."""
    ledger.remove_folder()
    async with notified(ledger) as (notifier, _hint):
        assert isinstance(notifier.error, FileNotFoundError)
        assert not notifier.is_watching


async def test_notifier_watches_another_directory_when_started_again(ledger: LedgerFile) -> None:
    """A second start takes the place of the first."""
    other = LedgerFile(ledger.folder.with_name("other") / ledger.path.name)
    async with notified(ledger) as (notifier, hint):
        await notifier.start(str(other.folder), other.path.name)
        other.write(entry("1"))
        await until(hint)
        assert notifier.is_watching


async def test_notifier_is_silent_after_its_stop(ledger: LedgerFile) -> None:
    """Stopped, it watches nothing and has nothing to complain about, however often it is told."""
    async with notified(ledger) as (notifier, _hint):
        await notifier.stop()
        await notifier.stop()
        assert not notifier.is_watching
        assert notifier.error is None


async def test_notifier_watches_nothing_once_its_directory_is_gone(ledger: LedgerFile) -> None:
    """A removed directory takes its watch along, whatever inode the next one has: a hint, and no error."""
    async with notified(ledger) as (notifier, hint):
        ledger.remove_folder()
        await until(hint)
        async with asyncio.timeout(HANG_S):
            while notifier.is_watching:
                await until(hint)
        assert notifier.error is None


async def test_notifier_tells_when_notifications_merely_end(ledger: LedgerFile) -> None:
    """An end without an exception is an error, too: nothing is watched."""
    async with notified(ledger) as (notifier, _hint):

        async def ended() -> None:
            return

        await notifier.stop()
        notifier._task = asyncio.create_task(ended())
        await notifier._task
        assert isinstance(notifier.error, RuntimeError)
