"""``aico import``: one import to its end, by the running service where there is one."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aico import __version__
from aico.cli import EXIT_DEGRADED, EXIT_OK, EXIT_USAGE
from aico.cli.database import only_reading
from aico.cli.names import are_known
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.sqlite_files import copy_database
from aico.core.errors import InstanceRunning, SourceOff, StorageAbsent
from aico.core.instance_lock import InstanceLock
from aico.core.settings import CLINE, Settings
from aico.core.usage import REJECTIONS_SHOWN, Trigger
from aico.core.words import describe_count
from aico.features.sources.registry import KNOWN
from aico.proxy.running_service import RunningService
from aico.services.ingest import Outcome, sum_of, sums_by_source
from aico.services.service import ObserverService
from aico.services.shapes import receipt_fields
from aico.services.source_shapes import failure_fields

_COUNTS = (
    *("imported_count", "added_count", "updated_count", "skipped_count", "partial_count", "error_count"),
    "remaining_count",
)


def import_once(options: argparse.Namespace) -> int:
    """Import, or only say what would be imported, and print the receipt."""
    settings = load(options).settings
    logging.getLogger("aico").addHandler(logging.NullHandler())  # a failure is told once, by the command
    source: str | None = options.source
    if source is not None and not are_known((source,), KNOWN):
        return EXIT_USAGE
    if options.dry_run:
        told = _tell(asyncio.run(_preview(settings, source)))
    else:
        lock = InstanceLock(settings.database_path)
        try:
            lock.acquire()
        except InstanceRunning as running:
            if running.url is None:
                raise
            token = settings.token.get_secret_value() if settings.token else None
            told = asyncio.run(_ask(RunningService(running.url, token), source))
        else:
            try:
                told = _tell(asyncio.run(_import(settings, source)))
            finally:
                lock.release()
    if options.json:
        say(json.dumps(told.as_object()))
    elif told.receipts:
        say(*(_sentence(each, dry_run=bool(options.dry_run)) for each in told.receipts))
    else:
        say(
            f"Nothing is on: `{command_name()} sources on NAME` switches a tool on, "
            f"unless `{command_name()} sources` names a setting that decides it."
        )
    failed = [failure for failure in told.failures if not failure.get("absent")]
    for failure in failed:
        complain(f"aico: {failure.get('detail')} [{failure.get('code')}]", f"      {failure.get('hint')}")
    return EXIT_DEGRADED if failed or told.sum_of("error_count") else EXIT_OK


@dataclass(frozen=True, slots=True)
class _Told:
    """The outcome of an import: a receipt by source, places that could not be read, and the sums of all receipts."""

    receipts: list[dict[str, object]]
    failures: list[dict[str, object]]
    """Places that could not be read beside those that were."""
    trigger: Trigger
    commit_seq: object
    """Number of the last committed change that is contained."""
    latest_ts: object

    def sum_of(self, name: str) -> int:
        """Return the sum of a count of all receipts."""
        counts = (receipt.get(name) for receipt in self.receipts)
        return sum(count for count in counts if isinstance(count, int))

    def as_object(self) -> dict[str, object]:
        """Return the sums under the names of a single receipt, and the receipts."""
        durations = [receipt.get("duration_ms") for receipt in self.receipts]
        rejections = [
            {"source": receipt.get("source"), **rejection}
            for receipt in self.receipts
            for rejection in _objects(receipt.get("rejections"))
        ]
        return {
            **{name: self.sum_of(name) for name in _COUNTS},
            "latest_ts": self.latest_ts,
            "revision": self.commit_seq,
            "commit_seq": self.commit_seq,
            "duration_ms": round(sum(each for each in durations if isinstance(each, int | float)), 3),
            "trigger": self.trigger.value,
            "rejections": rejections[:REJECTIONS_SHOWN],
            "receipts": self.receipts,
            "failures": self.failures,
        }


async def _ask(service: RunningService, source: str | None) -> _Told:
    answer = await service.import_all(source)
    status = await service.get_status()
    receipts, failures = _objects(answer.get("receipts")), _objects(answer.get("failures"))
    return _Told(receipts, failures, Trigger.REQUEST, answer.get("commit_seq"), status.get("latest_ts"))


def _tell(outcome: Outcome) -> _Told:
    total = sum_of(outcome.receipts)
    return _Told(
        [receipt_fields(receipt) for receipt in sums_by_source(outcome.receipts)],
        [failure_fields(*failure) for failure in outcome.failures.items()],
        Trigger.CLI,
        total.revision if total else 0,
        total.latest_ts if total else None,
    )


def _objects(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


async def _import(settings: Settings, source: str | None) -> Outcome:
    """Import every place that is read to its end; return the outcome of each.

    Raises SourceOff; SourceError or StorageError where no place could be read, or not all of one was stored.
    """
    service = ObserverService(settings, __version__, now_ms)
    await service.database.open()
    try:
        await service.sources.load()
        if source is not None:
            service.sources.get_source(source)
        intakes = [intake for intake in service.sources.list_enabled() if source in {None, intake.source.id}]
        if not intakes and source is not None:
            raise SourceOff(source, service.sources.find_fixed_by(source))
        for intake in intakes:
            await intake.resume(service.writer)
            service.ingest.add(intake)
        first = (await service.ingest.read(Trigger.CLI, [intake.key for intake in intakes])).check_any()
        for intake in intakes:
            failure = await service.ingest.finish(intake.key)
            if failure is not None and intake.key not in first.failures:
                raise failure  # the database took the beginning of it, and not the end
        await service.ingest.close()
        return Outcome(list(service.ingest.last_receipts.values()), first.failures)
    finally:
        await service.database.close()


async def _preview(settings: Settings, source: str | None) -> Outcome:
    """Return the result of an import on top of the stored usage: a real one, into a copy of the database."""
    with tempfile.TemporaryDirectory(prefix="aico-") as folder:
        copy = Path(folder) / "observer.db"
        with suppress(StorageAbsent), only_reading(settings.database_path):
            await asyncio.to_thread(copy_database, settings.database_path, copy)
        return await _import(settings.model_copy(update={"database_path": copy}), source)


def _what(fields: dict[str, object]) -> str:
    """Return the count of imported records, in the words of their tool."""
    count = fields["imported_count"]
    if fields["source"] == CLINE:
        return describe_count(count, "task")
    return f"{describe_count(count, 'record')} of {fields['source']}"


def _sentence(fields: dict[str, object], *, dry_run: bool) -> str:
    lead = "Would import" if dry_run else "Imported"
    text = f"{lead} {_what(fields)} ({fields['added_count']} new), {fields['skipped_count']} unchanged"
    if fields["error_count"]:
        text += f", {fields['error_count']} refused"
    if fields["partial_count"]:
        text += f", {fields['partial_count']} in part"
    if fields["remaining_count"]:
        text += f"; the service goes on with {fields['remaining_count']} more"
    return text + "."
