"""``aico export``: the stored usage as CSV, JSON or NDJSON."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from aico.cli import EXIT_OK, flags_of
from aico.cli.database import only_reading
from aico.cli.streams import write_utf8
from aico.core.clock import now_ms
from aico.core.database import Database
from aico.core.domain import CLINE, UNKNOWN_MODEL, Store
from aico.core.errors import OutputFailed
from aico.core.filters import UsageFilter, quarter_ceiling, quarter_floor
from aico.core.settings import Settings, load_settings
from aico.core.usage_reader import Sort, UsageReader
from aico.features.usage.export import Dialect, ExportFormat, ExportWriter
from aico.services.queries import UsageQueries

_EVERY_TASK = 1 << 40
_DATABASE_ENDS = ("", "-wal", "-shm", "-journal", ".lock")


def export(options: argparse.Namespace) -> int:
    """Write the tasks with usage inside the filter. Reading only, it may run beside the service.

    A file that is there already is replaced as a whole once everything has been read and written; until then, and
    whatever fails, it stays as it is. Raises StorageError and OutputFailed.
    """
    settings = load_settings(flags_of(options)).settings
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
    first_ms, end_ms = options.from_, options.to
    return UsageFilter(
        first_quarter=None if first_ms is None else quarter_floor(first_ms),
        end_quarter=None if end_ms is None else quarter_ceiling(end_ms),
        model=UNKNOWN_MODEL if options.unknown_model else options.model or None,
        text=options.q or None,
        store=None if options.store is None else Store(options.store),
    )


def check_target(path: Path, settings: Settings) -> Path:
    """Return the real path of the file to write. Raises OutputFailed for one that is not ours to replace."""
    if path.is_symlink() and path.lstat().st_uid != os.geteuid():
        # The shell's ">" would be stopped by the system in a folder that everybody writes into.
        raise OutputFailed(str(path), "it is another user's link")
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OutputFailed(str(path), "it is no plain file; without --output, standard output is written to")
    databases = (settings.database_path, Path(settings.sessions_path))
    kept = [each.with_name(each.name + end) for each in databases for end in _DATABASE_ENDS]
    own = [Path(settings.ledger_path), *kept]
    if any(os.path.realpath(one) == str(target) for one in own):
        raise OutputFailed(str(path), "this program or Cline keeps its own data there")
    return target


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
    wanted, sort, descending = filter_of(options), Sort(options.sort), options.order == "desc"
    database = Database(settings.database_path)
    try:
        queries = UsageQueries(UsageReader(database, CLINE), now_ms)
        if sort is Sort.TS and descending:
            return await queries.export(wanted, writer)
        page = await queries.list_usage(wanted, sort, descending=descending, limit=_EVERY_TASK, offset=0)
        return [writer.begin(), await asyncio.to_thread(writer.add, page.items, page.stores), writer.end()]
    finally:
        await database.close()
