"""Removing sessions and activity for good, while the service runs or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aico.core.db.upkeep.activity_forgetting import GoingUse, forget_activity, list_going
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.forgetting import Forgetting, forget, preview_forgetting

if TYPE_CHECKING:
    from aico.services.service import ObserverService  # a command that removes without a service has no use for it


def remove_for_good(path: Path, source: str, sessions: Sequence[str], now_ms: int) -> None:
    """Remove stored ``sessions`` from the database and its backups. Raises StorageBusy, StorageError. Blocking."""
    # Before the rest: after an interruption in between they are still stored, and the caller can go on.
    BackupFolder(path).clear()
    forget(path, source, sessions, now_ms)


async def forget_sessions(
    service: ObserverService, source: str, named: Sequence[str], before_ms: int | None
) -> Forgetting:
    """Remove sessions of ``source`` for good; return what went. Nothing is read meanwhile, and then all goes on.

    They are named, or meant by their last activity (epoch milliseconds). Every socket is told to read again. Raises
    SourceUnknown, StorageBusy, StorageError.
    """
    service.sources.get_source(source)
    path = service.database.path
    # A backup that is being copied would bring back what goes.
    async with service.backups.turn, service.prices.turn, service.sources.resting():
        with service.database.doubting():
            going = await asyncio.to_thread(preview_forgetting, path, source, list(named), before_ms)
            if not going.sessions:
                return going
            await service.database.settle()
            await asyncio.to_thread(remove_for_good, path, source, going.sessions, service.now_ms())
        service.hub.begin_epoch(*await service.writer.get_position())
    # A recovery from this one, too, knows what was forgotten.
    await service.backups.renew()
    return going


def remove_activity_for_good(
    path: Path, kinds: Collection[str], from_ms: int, to_ms: int, now_ms: int
) -> list[GoingUse]:
    """Remove activity from the database and its backups. Raises StorageBusy, StorageError. Blocking."""
    BackupFolder(path).clear()
    return forget_activity(path, kinds, from_ms, to_ms, now_ms)


async def forget_use(service: ObserverService, kinds: Collection[str], from_ms: int, to_ms: int) -> list[GoingUse]:
    """Remove the use of ``kinds`` between two moments for good; return what went. Nothing is seen meanwhile.

    Raises StorageBusy, StorageError.
    """
    path = service.database.path
    async with service.backups.turn, service.activity.resting(), service.pairings.turn:
        with service.database.doubting():
            going = await asyncio.to_thread(list_going, path, kinds, from_ms, to_ms)
            if not going:
                return going
            await service.database.settle()
            going = await asyncio.to_thread(remove_activity_for_good, path, kinds, from_ms, to_ms, service.now_ms())
    await service.backups.renew()
    service.publish_activity()
    return going
