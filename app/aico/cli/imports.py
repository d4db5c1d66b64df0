"""``aico import``: one import to its end, by the running service where there is one."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aico import __version__
from aico.cli import EXIT_DEGRADED, EXIT_OK
from aico.cli.settings import load
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.db.upkeep.sqlite_files import copy_database
from aico.core.errors import InstanceRunning, SourceOff
from aico.core.instance_lock import InstanceLock
from aico.core.receipts import ImportReceipt
from aico.core.settings import Settings
from aico.core.usage import Trigger
from aico.proxy.running_service import RunningService
from aico.services.ingest import sum_of
from aico.services.service import ObserverService
from aico.services.shapes import receipt_fields


def import_once(options: argparse.Namespace) -> int:
    """Import, or only say what would be imported, and print the receipt."""
    settings = load(options).settings
    source: str | None = options.source
    if options.dry_run:
        receipts = [receipt_fields(each) for each in asyncio.run(_preview(settings, source))]
    else:
        lock = InstanceLock(settings.database_path)
        try:
            lock.acquire()
        except InstanceRunning as running:
            if running.url is None:
                raise
            token = settings.token.get_secret_value() if settings.token else None
            receipts = asyncio.run(RunningService(running.url, token).import_all(source))
        else:
            try:
                receipts = [receipt_fields(each) for each in asyncio.run(_import(settings, source))]
            finally:
                lock.release()
    if options.json:
        say(json.dumps(receipts))
    else:
        say(*(_sentence(each, dry_run=bool(options.dry_run)) for each in receipts))
    return EXIT_DEGRADED if any(each["error_count"] for each in receipts) else EXIT_OK


async def _import(settings: Settings, source: str | None) -> list[ImportReceipt]:
    """Import every place that is read to its end; return what came of each source. Raises SourceError, StorageError."""
    service = ObserverService(settings, __version__, now_ms)
    await service.database.open()
    try:
        await service.sources.load()
        if source is not None:
            service.sources.get_source(source)
        intakes = [intake for intake in service.sources.list_enabled() if source in {None, intake.source.id}]
        if not intakes and source is not None:
            raise SourceOff(source)
        for intake in intakes:
            service.ingest.add(intake)
        await service.ingest.run(Trigger.CLI, [intake.key for intake in intakes])
        for intake in intakes:
            await service.ingest.finish(intake.key)
        await service.ingest.close()
        receipts = service.ingest.last_receipts.values()
        return _by_source(list(receipts))
    finally:
        await service.database.close()


async def _preview(settings: Settings, source: str | None) -> list[ImportReceipt]:
    """Return what an import would bring on top of what is stored now: a real one, into a copy of the database."""
    with tempfile.TemporaryDirectory(prefix="aico-") as folder:
        copy = Path(folder) / "observer.db"
        if settings.database_path.exists():
            await asyncio.to_thread(copy_database, settings.database_path, copy)
        return await _import(settings.model_copy(update={"database_path": copy}), source)


def _by_source(receipts: Sequence[ImportReceipt]) -> list[ImportReceipt]:
    sources = dict.fromkeys(receipt.source for receipt in receipts)
    sums = [sum_of([receipt for receipt in receipts if receipt.source == source]) for source in sources]
    return [total for total in sums if total is not None]


def _sentence(fields: dict[str, object], *, dry_run: bool) -> str:
    lead = "Would import" if dry_run else "Imported"
    text = (
        f"{lead} {fields['imported_count']} sessions of {fields['source']} ({fields['added_count']} new), "
        f"{fields['skipped_count']} unchanged"
    )
    if fields["error_count"]:
        text += f", {fields['error_count']} refused"
    if fields["partial_count"]:
        text += f", {fields['partial_count']} in part"
    if fields["remaining_count"]:
        text += f"; the service goes on with {fields['remaining_count']} more"
    return text + "."
