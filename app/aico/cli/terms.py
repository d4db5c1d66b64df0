"""The common part of commands of budgets, plans and the webhook: a running service does the work if there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aico import __version__
from aico.core.clock import now_ms
from aico.core.db.upkeep.inspection import check_present
from aico.core.errors import InstanceRunning, StorageAbsent
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.proxy.running_service import RunningService
from aico.services.service import ObserverService

T = TypeVar("T")


def change(
    settings: Settings,
    by_service: Callable[[RunningService], Awaitable[T]],
    alone: Callable[[ObserverService], Awaitable[T]],
) -> T:
    """Have a change made by the running service, or make it ``alone`` on the database, which is made where it lacks.

    Raises InstanceRunning for a command that holds the lock, and the errors of either.
    """
    lock = InstanceLock(settings.database_path)
    try:
        lock.acquire()
    except InstanceRunning as error:
        if error.url is None:
            raise
        return asyncio.run(_ask(RunningService(error.url, _token(settings)), by_service))
    try:
        return asyncio.run(_open(settings, alone))
    finally:
        lock.release()


def look(
    settings: Settings,
    by_service: Callable[[RunningService], Awaitable[T]],
    alone: Callable[[ObserverService], Awaitable[T]],
) -> T | None:
    """Return the answer of the running service, or the stored values; None if there is no database yet."""
    holder = InstanceLock(settings.database_path).find_holder()
    if holder is not None and holder.url is not None:
        return asyncio.run(_ask(RunningService(holder.url, _token(settings)), by_service))
    try:
        check_present(settings.database_path)
    except StorageAbsent:
        return None
    return asyncio.run(_open(settings, alone, only_looks=True))


async def _ask(service: RunningService, question: Callable[[RunningService], Awaitable[T]]) -> T:
    return await question(service)


async def _open(settings: Settings, work: Callable[[ObserverService], Awaitable[T]], *, only_looks: bool = False) -> T:
    service = ObserverService(settings, __version__, now_ms)
    if only_looks:
        service.database.only_look()
    else:
        await service.database.open()
    try:
        await service.budgets.load(only_looks=only_looks)
        return await work(service)
    finally:
        await service.database.close()


def _token(settings: Settings) -> str | None:
    return settings.token.get_secret_value() if settings.token else None
