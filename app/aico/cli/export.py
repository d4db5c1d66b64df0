"""``aico export``: the sessions of all tools, or Cline's tasks as ever, as CSV, JSON or NDJSON."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from aico.cli import EXIT_OK, EXIT_USAGE
from aico.cli.database import only_reading
from aico.cli.settings import load
from aico.cli.spending import Wrong, check_names
from aico.cli.streams import complain, write_utf8
from aico.core.clock import now_ms
from aico.core.db.database import Database
from aico.core.db.reader import Sort, UsageReader
from aico.core.errors import OutputFailed, RequestInvalid
from aico.core.filters import UsageFilter
from aico.core.settings import Settings
from aico.core.usage import UNKNOWN_MODEL
from aico.features.sources.registry import SOURCES
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter, SessionLayout
from aico.features.usage.periods import find_zone
from aico.services.queries import CLINE, UsageQueries, filter_between
from aico.services.source_choices import surroundings_of
from aico.services.task_queries import TaskSort

SORTS = {sort.value: sort for sort in Sort} | {sort.value: sort.of_sessions for sort in TaskSort}
"""By name; the columns of Cline's tasks had others."""
_DATABASE_ENDS = ("", "-wal", "-shm", "-journal", ".lock", ".sound")


def export(options: argparse.Namespace) -> int:
    """Write the sessions with usage inside the filter. Reading only, it may run beside the service.

    A file that is there already is replaced as a whole once everything has been read and written; until then, and
    after any failure, it stays as it is. Exits with 2 for a word that names nothing. Raises StorageError, OutputFailed.
    """
    settings = load(options).settings
    target = None if options.output is None else check_target(Path(options.output), settings)
    try:
        _check_columns(options)
        with only_reading(settings.database_path):
            pieces = asyncio.run(_read(settings, options))
    except (Wrong, RequestInvalid) as error:
        complain(f"aico export: {error}")
        return EXIT_USAGE
    if target is None:
        write_utf8(pieces)
    else:
        replace_file(target, pieces)
    return EXIT_OK


def filter_of(options: argparse.Namespace) -> UsageFilter:
    """Return the filter of the command line; times are rounded out to quarters of an hour, as everywhere."""
    wanted = UsageFilter(
        sources=tuple(options.source),
        models=(UNKNOWN_MODEL,) if options.unknown_model else tuple(filter(None, options.model)),
        projects=tuple(options.project),
        text=options.q or None,
        origin=options.store,
    )
    return filter_between(wanted, options.from_, options.to)


def _has_task_columns(options: argparse.Namespace) -> bool:
    return bool(options.cline or options.store)


def _check_columns(options: argparse.Namespace) -> None:
    """Raise Wrong for a filter that the columns of Cline's tasks do not know."""
    if _has_task_columns(options) and (set(options.source) - {CLINE} or options.project or options.tz):
        raise Wrong("--cline and --store write Cline's tasks alone, without --source, --project and --tz")


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
    """Yield our database and every place of every source, read or not, with the files beside it.

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
    wanted, writer = filter_of(options), ExportWriter(ExportFormat(options.format), Dialect(options.dialect))
    sort, descending = SORTS[options.sort], options.order == "desc"
    database = Database(settings.database_path)
    database.only_look()
    try:
        reader = UsageReader(database)
        queries = UsageQueries(reader, now_ms)
        if _has_task_columns(options):
            return await queries.export_tasks(wanted, writer, sort, descending=descending)
        layout = SessionLayout(None if options.tz is None else find_zone(options.tz))
        async with reader.snapshot() as snapshot:
            await check_names(snapshot, options.source, ())
        return await queries.export_sessions(wanted, writer, layout, sort, descending=descending)
    finally:
        await database.close()
