"""``aico export``: the stored usage as CSV, JSON or NDJSON."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from aico.cli import EXIT_OK
from aico.cli.database import only_reading
from aico.cli.settings import load
from aico.cli.streams import write_utf8
from aico.core.clock import now_ms
from aico.core.db.database import Database
from aico.core.db.reader import UsageReader
from aico.core.errors import OutputFailed
from aico.core.filters import UsageFilter
from aico.core.settings import Settings
from aico.features.sources.registry import SOURCES
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter
from aico.services.queries import UsageQueries
from aico.services.source_choices import surroundings_of
from aico.services.task_queries import Store, TaskSort, task_filter

_DATABASE_ENDS = ("", "-wal", "-shm", "-journal", ".lock")


def export(options: argparse.Namespace) -> int:
    """Write the tasks with usage inside the filter. Reading only, it may run beside the service.

    A file that is there already is replaced as a whole once everything has been read and written; until then, and
    whatever fails, it stays as it is. Raises StorageError and OutputFailed.
    """
    settings = load(options).settings
    target = None if options.output is None else check_target(Path(options.output), settings)
    with only_reading(settings.database_path):
        pieces = asyncio.run(_read(settings, options))
    if target is None:
        write_utf8(pieces)
    else:
        replace_file(target, pieces)
    return EXIT_OK


def filter_of(options: argparse.Namespace) -> UsageFilter:
    """Return the filter of the command line; times are rounded out to quarters of an hour, as everywhere."""
    return task_filter(
        model=options.model,
        is_model_unknown=options.unknown_model,
        text=options.q,
        store=None if options.store is None else Store(options.store),
        from_ms=options.from_,
        to_ms=options.to,
    )


def check_target(path: Path, settings: Settings) -> Path:
    """Return the real path of the file to write. Raises OutputFailed for one that is not ours to replace."""
    if path.is_symlink() and path.lstat().st_uid != os.geteuid():
        # The shell's ">" would be stopped by the system in a folder that everybody writes into.
        raise OutputFailed(str(path), "it is another user's link")
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OutputFailed(str(path), "it is no plain file; without --output, standard output is written to")
    if any(target.is_relative_to(os.path.realpath(one)) for one in _list_kept(settings)):
        raise OutputFailed(str(path), "this program or a tool whose usage it reads keeps its own data there")
    return target


def _list_kept(settings: Settings) -> Iterator[str]:
    """Yield our database and every place of every source, read or not, with what lies beside it.

    A tool's own places are kept also where the settings name others in their stead.
    """
    around = surroundings_of(SOURCES, settings)
    places = [
        place.path
        for source in SOURCES
        for each in (around[source.id], replace(around[source.id], configured={}))
        for origin in source.origins
        for place in origin.places(each)
    ]
    for path in dict.fromkeys((str(settings.database_path), *places)):
        yield from (path + end for end in _DATABASE_ENDS)


def replace_file(target: Path, pieces: Iterable[str]) -> None:
    """Write ``pieces`` beside ``target``, for our user alone, and put the whole in its place. Raises OutputFailed."""
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise OutputFailed(str(target), error.strerror or type(error).__name__) from error


async def _read(settings: Settings, options: argparse.Namespace) -> list[str]:
    writer = ExportWriter(ExportFormat(options.format), Dialect(options.dialect))
    sort, descending = TaskSort(options.sort).of_sessions, options.order == "desc"
    database = Database(settings.database_path)
    database.only_look()
    try:
        queries = UsageQueries(UsageReader(database), now_ms)
        return await queries.export_tasks(filter_of(options), writer, sort, descending=descending)
    finally:
        await database.close()
