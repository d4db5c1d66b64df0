"""``aico import``: one import to its end, by the running service where there is one."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Coroutine, Iterable

from aico.cli import EXIT_DEGRADED, EXIT_OK, flags_of
from aico.cli.database import only_reading
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.database import Database
from aico.core.domain import CLINE, ImportReceipt, Trigger
from aico.core.errors import InstanceRunning, StorageAbsent, StoreError
from aico.core.instance_lock import InstanceLock
from aico.core.known_usage import KnownUsage
from aico.core.repository import UsageRepository
from aico.core.settings import Settings, load_settings
from aico.features.ledger.importer import LedgerImporter
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.sessions.guard import SessionsGuard
from aico.features.sessions.importer import SessionsImporter
from aico.features.stores.steps import StoreImporter
from aico.proxy.running_service import RunningService


def import_once(options: argparse.Namespace) -> int:
    """Import, or only say what would be imported, and print the receipt."""
    settings = load_settings(flags_of(options)).settings
    if options.dry_run:
        fields = _fields(asyncio.run(_preview(settings)))
    else:
        lock = InstanceLock(settings.database_path)
        try:
            lock.acquire()
        except InstanceRunning as running:
            if running.url is None:
                raise
            token = settings.token.get_secret_value() if settings.token else None
            fields = asyncio.run(RunningService(running.url, token).import_ledger())
        else:
            try:
                fields = _fields(asyncio.run(_import(settings)))
            finally:
                lock.release()
    say(json.dumps(fields) if options.json else _sentence(fields, dry_run=bool(options.dry_run)))
    return EXIT_DEGRADED if fields["error_count"] else EXIT_OK


async def _import(settings: Settings) -> ImportReceipt:
    """Import every store to the end and return the sum of all runs."""
    database = Database(settings.database_path)
    await database.open()
    try:
        importers = _importers(settings, UsageRepository(database, CLINE, now_ms))
        return await _sum(_run(importer) for importer in importers)
    finally:
        await database.close()


async def _preview(settings: Settings) -> ImportReceipt:
    """Return what each store would bring on top of what is stored now."""
    database = Database(settings.database_path)
    repository = UsageRepository(database, CLINE, now_ms)
    try:
        known = await _find_known(settings, repository)
        return await _sum(importer.preview(known) for importer in _importers(settings, repository))
    finally:
        await database.close()


async def _find_known(settings: Settings, repository: UsageRepository) -> KnownUsage:
    """Return what is stored: nothing before the first start."""
    try:
        with only_reading(settings.database_path):
            return await repository.get_known()
    except StorageAbsent:
        return KnownUsage({}, {}, "", 0)


async def _run(importer: StoreImporter) -> ImportReceipt:
    total: ImportReceipt | None = None
    async for step in importer.run(Trigger.CLI):
        total = step.receipt if total is None else total.plus(step.receipt)
    if total is None:
        raise RuntimeError("an import yields at least one step")
    return total


async def _sum(imports: Iterable[Coroutine[None, None, ImportReceipt]]) -> ImportReceipt:
    """Return the sum of ``imports``, run one after the other. That one store is not there (yet) is no error."""
    total: ImportReceipt | None = None
    absent: StoreError | None = None
    for each in imports:
        try:
            receipt = await each
        except StoreError as error:
            if not error.is_absent:
                raise
            absent = absent or error
        else:
            total = receipt if total is None else total.beside(receipt)
    if total is None:
        raise absent or RuntimeError("there is always a ledger to look for")
    return total


def _importers(settings: Settings, repository: UsageRepository) -> list[LedgerImporter | SessionsImporter]:
    ledger = LedgerImporter(
        LedgerGuard(settings.ledger_path, settings.max_ledger_bytes),
        repository,
        read_attempts=settings.read_attempts,
        max_entries_per_run=settings.max_entries_per_run,
        now_ms=now_ms,
    )
    if not settings.cline_sessions:
        return [ledger]
    guard = SessionsGuard(settings.sessions_path, settings.max_ledger_bytes)
    sessions = SessionsImporter(guard, repository, max_entries_per_run=settings.max_entries_per_run, now_ms=now_ms)
    return [ledger, sessions]


def _fields(receipt: ImportReceipt) -> dict[str, object]:
    return {
        "imported_count": receipt.imported_count,
        "skipped_count": receipt.skipped_count,
        "error_count": receipt.error_count,
        "latest_ts": receipt.latest_ts,
        "added_count": receipt.added_count,
        "updated_count": receipt.updated_count,
        "remaining_count": receipt.remaining_count,
        "revision": receipt.revision,
        "duration_ms": receipt.duration_ms,
        "rejections": [{"index": r.index, "code": r.code.value, "field": r.field} for r in receipt.rejections],
        "trigger": receipt.trigger.value,
    }


def _sentence(fields: dict[str, object], *, dry_run: bool) -> str:
    lead = "Would import" if dry_run else "Imported"
    text = f"{lead} {fields['imported_count']} tasks ({fields['added_count']} new), {fields['skipped_count']} unchanged"
    if fields["error_count"]:
        text += f", {fields['error_count']} refused"
    if fields["remaining_count"]:
        text += f"; the service goes on with {fields['remaining_count']} more"
    return text + "."
