"""Sessions are forgotten while the service runs: nothing brings them back, and everything else goes on."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aico.core.activity import ActivitySpan
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.verification import verify
from aico.core.errors import SourceUnknown, StorageError
from aico.core.usage import Trigger
from aico.services.forgetting import forget_sessions, forget_use
from tests.core.database_damage import break_page, find_pages
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.services.heard_service import CLINE, observer, running


def tasks_of(path: Path) -> set[str]:
    """Return the stored tasks of a database or a backup."""
    return {str(task) for (task,) in read_rows(path, "SELECT task_id FROM cline_task_usage")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that lies behind no link."""
    return tmp_path.resolve()


async def test_service_forgets_and_goes_on(folder: Path) -> None:
    """Pages are told to read again; the next change of a task that is left arrives, and no reading brings one back."""
    ledger = LedgerFile(folder / "state/taskHistory.json")
    ledger.write(entry("a"), entry("b"))
    service = observer(folder, ledger_path=str(ledger.path))
    backups = BackupFolder(service.database.path)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: set(costs) == {"a", "b"})
        epoch = service.hub.epoch
        backups.make_daily(datetime.now(UTC).date())
        going = await forget_sessions(service, CLINE, ["a", "unknown"], None)
        assert (going.sessions, going.unknown) == (("a",), ("unknown",))
        resync = await heard.until(lambda message: message["type"] == "resync")
        assert (resync["epoch"], resync["revision"]) == (service.hub.epoch, service.hub.revision)
        assert service.hub.epoch != epoch
        assert [tasks_of(path) for path in backups.list_all()] == [{"b"}]
        await service.sources.read(Trigger.REQUEST)
        ledger.write(entry("a", cost=9.0), entry("b", cost=1.5))
        await heard.until_stored(lambda costs: costs == {"b": 1.5})
        assert (await forget_sessions(service, CLINE, ["a"], None)).sessions == ()
        with pytest.raises(SourceUnknown):
            await forget_sessions(service, "nobody", ["b"], None)
        assert (await forget_sessions(service, CLINE, [], service.now_ms() + 1)).sessions == ("b",)
    assert tasks_of(service.database.path) == set()
    assert [check.name for check in verify(service.database.path) if not check.ok] == []


async def test_damage_that_forgetting_meets_is_found_by_the_next_start(folder: Path) -> None:
    """It has a connection of its own; the service ends well, and the file is read to its end all the same."""
    ledger = LedgerFile(folder / "state/taskHistory.json")
    ledger.write(entry("a"), entry("b"))
    path = observer(folder, ledger_path=str(ledger.path)).database.path
    async with running(observer(folder, ledger_path=str(ledger.path))) as heard:
        await heard.until_stored(lambda costs: set(costs) == {"a", "b"})
    status = path.stat()
    break_page(path, *find_pages(path, "cline_task_usage"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    service = observer(folder, ledger_path=str(ledger.path))
    async with running(service):
        assert service.database.recovery is None
        with pytest.raises(StorageError, match="CORRUPT"):
            await forget_sessions(service, CLINE, ["a"], None)
    service = observer(folder, ledger_path=str(ledger.path))
    async with running(service):
        assert service.database.recovery is not None


async def test_use_is_forgotten_and_the_backup_made_anew(folder: Path) -> None:
    """Although usage has not changed since the backup before it, and although one has failed a moment ago."""
    ledger = LedgerFile(folder / "state/taskHistory.json")
    ledger.write(entry("a"))
    service = observer(folder, ledger_path=str(ledger.path))
    backups = BackupFolder(service.database.path)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: set(costs) == {"a"})
        now = service.now_ms()
        await service.activity.store.add([ActivitySpan("apps", "Cursor", "editor", now - 60_000, 60_000)])
        await service.backups.tick()
        assert [tasks_of(path) for path in backups.list_all()] == [{"a"}]
        service.backups._pause = 5
        assert [each.subject for each in await forget_use(service, ["apps"], 0, now)] == ["Cursor"]
        [backup] = backups.list_all()
    assert tasks_of(backup) == {"a"}
    assert read_rows(backup, "SELECT * FROM activity_span") == []


async def test_activity_ends_with_the_service_that_was_forgetting(folder: Path) -> None:
    """A collector that rests while use is forgotten does not begin anew behind the end."""
    service = observer(folder, ledger_path=f"{folder}/taskHistory.json")
    async with running(service):
        await service.activity.switch("shell", is_on=True)
        async with service.activity.resting():
            ending = asyncio.create_task(service.activity.stop())
            await asyncio.sleep(0)
        await ending
        assert service.activity._seen.tasks == []
