"""Imports a ledger on request, with whatever build of the service the interpreter that runs this file has installed.

Run as a file, by ``bench.builds``, in a virtual environment of its own: it imports nothing of the benchmark. Its
arguments are the ledger and an empty folder. It says ``ready``, then answers each line on its input with one of JSON::

    first   a new database, and everything in the ledger into it; it stays open for what follows
    later   the ledger once more, into the same database

An answer holds ``cpu_s`` and ``wall_s``, of all threads, until the change is published; ``later_cpu_s``, what the
build puts off until nobody waits, such as sums; and ``imported_count``. There is one way in for each inside that the
service has had. A build with another one gets a third.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol


class Importing(Protocol):
    """A build's own way from a ledger to the message, without its watcher."""

    async def read(self, trigger: str) -> int:
        """Read the ledger to its end; return how many entries changed something."""

    async def catch_up(self) -> None:
        """Do what the build puts off."""


class Receipt(Protocol):
    """The result of a commit."""

    revision: int


class Committed(Protocol):
    """The fact of a commit."""

    receipt: Receipt


class OneImporter:
    """The inside that had an importer for each kind of file: package ``app``, and the first ones of ``aico``."""

    @staticmethod
    async def open(package: str, ledger: Path, folder: Path, stack: AsyncExitStack) -> Importing:
        """Return it on a new database in ``folder``; the position was read before, as at a start of the service."""
        core = f"{package}.core"
        name = f"{core}.db.database" if _has(f"{core}.db") else f"{core}.database"
        domain, messages = import_module(f"{core}.domain"), import_module(f"{package}.services.messages")
        settings = import_module(f"{core}.settings").Settings(
            ledger_path=str(ledger), database_path=folder / "observer.db"
        )
        database = import_module(name).Database(settings.database_path)
        await database.open()
        stack.push_async_callback(database.close)
        repository = import_module(f"{core}.repository").UsageRepository(database, domain.CLINE, now_ms)
        guard = import_module(f"{package}.features.ledger.path_guard").LedgerGuard(
            str(ledger), settings.max_ledger_bytes
        )
        importer = import_module(f"{package}.features.ledger.importer").LedgerImporter(
            guard,
            repository,
            read_attempts=settings.read_attempts,
            max_entries_per_run=settings.max_entries_per_run,
            now_ms=now_ms,
        )
        hub = import_module(f"{package}.services.hub").Hub(messages.encode, "bench", 1)
        state = await repository.get_state()
        hub.open(state.epoch, state.revision)
        imports = import_module(f"{package}.services.import_service").ImportService(
            importer,
            repository,
            lambda event: hub.publish_change(event.receipt.revision, messages.usage_updated(event)),
            now_ms,
        )

        async def read(trigger: str) -> int:
            receipt = await imports.run(domain.Trigger(trigger))
            failure = await imports.finish(domain.Store.LEDGER)
            if failure is not None:
                raise failure
            return int(receipt.imported_count + receipt.remaining_count)

        return _Importing(read, repository.catch_up)


class Sources:
    """The inside that has one pipeline for all sources."""

    @staticmethod
    async def open(package: str, ledger: Path, folder: Path, stack: AsyncExitStack) -> Importing:
        """Return it on a new database in ``folder``; the position was read before, as at a start of the service."""
        core, services = f"{package}.core", f"{package}.services"
        usage, messages = import_module(f"{core}.usage"), import_module(f"{services}.messages")
        settings = import_module(f"{core}.settings").Settings(
            ledger_path=str(ledger), database_path=folder / "observer.db"
        )
        database = import_module(f"{core}.db.database").Database(settings.database_path)
        await database.open()
        stack.push_async_callback(database.close)
        hub = import_module(f"{services}.hub").Hub(messages.encode, "bench", 1)
        writer = import_module(f"{core}.db.writer").UsageWriter(
            database, now_ms, is_heard=lambda: hub.subscription_count > 0
        )
        hub.open(*await writer.get_position())

        def publish(event: Committed, *_where: object) -> None:
            if hasattr(hub, "publish_lazily"):
                hub.publish_lazily(event.receipt.revision, partial(messages.of_commit, event), messages.weigh(event))
            else:  # as long as messages were made also where nobody heard them
                hub.publish_change(event.receipt.revision, *messages.of_commit(event))

        ingest = import_module(f"{services}.ingest").Ingest(
            writer,
            publish,
            now_ms,
            settings.max_entries_per_run,
        )
        stack.push_async_callback(ingest.close)
        sources = import_module(f"{package}.features.sources.registry").SOURCES
        source = next(source for source in sources if source.id == "cline")
        origin = next(origin for origin in source.origins if origin.id == "ledger")
        limits = import_module(f"{package}.features.sources.source").ReadLimits(
            settings.max_ledger_bytes, settings.read_attempts, now_ms
        )
        intake = import_module(f"{services}.intake").Intake(source, origin, origin.open(str(ledger), limits))
        await intake.resume(writer)
        ingest.add(intake)

        async def read(trigger: str) -> int:
            [receipt] = await ingest.run(usage.Trigger(trigger), [intake.key])
            failure = await ingest.finish(intake.key)
            if failure is not None:
                raise failure
            return int(receipt.imported_count + receipt.remaining_count)

        return _Importing(read, _nothing)


class _Importing:
    def __init__(self, read: Callable[[str], Awaitable[int]], catch_up: Callable[[], Awaitable[None]]) -> None:
        self._read = read
        self._catch_up = catch_up

    async def read(self, trigger: str) -> int:
        return await self._read(trigger)

    async def catch_up(self) -> None:
        await self._catch_up()


def now_ms() -> int:
    """Return the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


async def _nothing() -> None:
    pass


def _has(module: str) -> bool:
    with suppress(ModuleNotFoundError):
        return find_spec(module) is not None
    return False


class Way(Protocol):
    """A way into a build: see :class:`Sources`."""

    async def __call__(self, package: str, ledger: Path, folder: Path, stack: AsyncExitStack) -> Importing:
        """Return the build's own import of ``ledger`` into a new database in ``folder``; ``stack`` closes it."""


_WAYS: tuple[tuple[str, Way], ...] = (("ingest", Sources.open), ("import_service", OneImporter.open))


def find_way() -> tuple[str, Way]:
    """Return the package that is installed here, and the way into it. Leaves with a sentence where there is none."""
    for package in ("aico", "app"):
        for module, way in _WAYS:
            if _has(f"{package}.services.{module}"):
                return package, way
    sys.exit("no build of the service that this benchmark knows the inside of")


async def _measure(importing: Importing, trigger: str) -> dict[str, float]:
    gc.collect()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    count = await importing.read(trigger)
    done_s, ended_s = time.process_time(), time.perf_counter()
    await importing.catch_up()
    return {
        "cpu_s": done_s - cpu_s,
        "wall_s": ended_s - wall_s,
        "later_cpu_s": time.process_time() - done_s,
        "imported_count": count,
    }


async def main(ledger: Path, folder: Path) -> None:
    """Answer until the input ends."""
    package, way = find_way()
    place = folder / "database"
    stack = AsyncExitStack()
    importing: Importing | None = None
    print("ready", flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        if line == "first":
            await stack.aclose()
            shutil.rmtree(place, ignore_errors=True)
            importing = await way(package, ledger, place, stack)
        if importing is None:
            sys.exit("nothing was imported first")
        print(json.dumps(await _measure(importing, "startup" if line == "first" else "watch")), flush=True)
    await stack.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
