"""Removing sessions for good, while the service runs or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.forgetting import Forgetting, forget, preview_forgetting

if TYPE_CHECKING:
    from aico.services.service import ObserverService  # a command that removes without a service has no use for it


def remove_for_good(path: Path, source: str, sessions: Sequence[str], now_ms: int) -> None:
    """Remove stored ``sessions`` from the database and its backups. Raises StorageBusy, StorageError. Blocking."""
    # Before the rest: whoever is interrupted in between finds them still stored, and can go on.
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
        going = await asyncio.to_thread(preview_forgetting, path, source, list(named), before_ms)
        if not going.sessions:
            return going
        await service.database.settle()
        await asyncio.to_thread(remove_for_good, path, source, going.sessions, service.now_ms())
        service.hub.begin_epoch(*await service.writer.get_position())
    # A recovery from this one, too, knows what was forgotten.
    await service.backups.tick()
    return going
