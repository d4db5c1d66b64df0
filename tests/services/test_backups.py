"""The daily backup: one a day that brought something, by the calendar, and a failure that is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aico.core.db.activity import ActivityStore
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.errors import StorageError
from aico.services.backups import DailyBackups
from tests.activity.test_store import use
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import Store, copy_of_template, open_store, usage

DAY_MS = 86_400_000


class Days:
    """Backups of a store whose clock only the test moves."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folder = BackupFolder(store.path)
        self.backups = self.restarted()

    def restarted(self) -> DailyBackups:
        """Return backups that know nothing but the files."""
        return DailyBackups(self.folder, self.store.reader, lambda: self.store.now_ms)

    async def spend(self, tokens_in: int) -> None:
        """Let something change."""
        await self.store.take_in([usage("a", tokens_in=tokens_in)])

    def names(self) -> list[str]:
        """Return the days that have a backup."""
        return [path.name.removeprefix("observer-").removesuffix(".db") for path in self.folder.list_daily()]


@pytest.fixture
async def days(tmp_path: Path) -> AsyncIterator[Days]:
    """Yield the backups of a store with one task."""
    async with open_store(copy_of_template(tmp_path)) as store:
        yield Days(store)


async def test_daily_backup_is_made_once_a_day(days: Days) -> None:
    """The first tick of a day backs up what has changed; later ones of the same day do not."""
    for tokens_in in (1, 2):
        await days.spend(tokens_in)
        await days.backups.tick()
    assert days.names() == ["2026-02-25"]
    days.store.now_ms += DAY_MS
    await days.backups.tick()
    assert days.names() == ["2026-02-26", "2026-02-25"]
    assert failed_checks(days.folder.list_daily()[0]) == []


async def test_daily_backup_is_not_made_of_what_is_backed_up_already(days: Days) -> None:
    """Days without a change push no backup out, also when the service starts anew each day."""
    await days.spend(1)
    await days.backups.tick()
    for _ in range(5):
        days.store.now_ms += DAY_MS
        await days.backups.tick()
        await days.restarted().tick()
    assert days.names() == ["2026-02-25"]
    await days.spend(2)
    await days.restarted().tick()
    assert days.names() == ["2026-03-02", "2026-02-25"]


async def test_daily_backup_is_made_of_days_with_activity_alone(days: Days) -> None:
    """Time in apps is read again from nowhere: such a day is backed up, once, and so it is without any usage."""
    activity = ActivityStore(days.store.database)
    await activity.add([use(days.store.now_ms, 5_000)])
    await days.backups.tick()
    for _ in range(2):
        days.store.now_ms += DAY_MS
        await days.backups.tick()
        await days.restarted().tick()
    assert days.names() == ["2026-02-25"]
    await activity.add([use(days.store.now_ms, 5_000)])
    await days.restarted().tick()
    assert days.names() == ["2026-02-27", "2026-02-25"]


async def test_daily_backup_is_not_made_of_nothing(days: Days) -> None:
    """A database without tasks is nothing to keep."""
    await days.backups.tick()
    assert days.names() == []


async def test_daily_backup_keeps_three(days: Days) -> None:
    """A week of changes leaves its last three days."""
    for day in range(7):
        await days.spend(day + 1)
        await days.backups.tick()
        days.store.now_ms += DAY_MS
    assert days.names() == ["2026-03-03", "2026-03-02", "2026-03-01"]


async def test_daily_backup_heeds_the_calendar_and_not_the_time_gone_by(days: Days) -> None:
    """A clock that is set back makes no second backup of a day, and one set forward makes the next day's."""
    await days.spend(1)
    await days.backups.tick()
    await days.spend(2)
    days.store.now_ms -= 3_600_000
    await days.backups.tick()
    assert days.names() == ["2026-02-25"]
    days.store.now_ms += 2 * DAY_MS
    await days.backups.tick()
    assert days.names() == ["2026-02-27", "2026-02-25"]


async def test_daily_backup_that_fails_is_told_once_and_tried_again(
    days: Days, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk is one warning however long it lasts; the backup comes when there is room."""
    await days.spend(1)

    def fail(*_arguments: object) -> None:
        raise StorageError("SQLITE_FULL")

    with monkeypatch.context() as patch:
        patch.setattr("aico.core.db.upkeep.backups.copy_database", fail)
        for _ in range(30):
            await days.backups.tick()
    assert days.names() == []
    assert days.backups.failure is not None
    assert caplog.text.count("no backup could be made") == 1
    for _ in range(11):
        await days.backups.tick()
    assert days.names() == ["2026-02-25"]
    assert days.backups.failure is None
