"""``aico export``: the stored usage as CSV, JSON or NDJSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TextIO

from app.cli import EXIT_OK, flags_of
from app.core.clock import now_ms
from app.core.database import Database
from app.core.domain import CLINE
from app.core.errors import StorageError
from app.core.filters import UsageFilter
from app.core.settings import Settings, load_settings
from app.core.usage_reader import UsageReader
from app.features.usage.export import ExportFormat, ExportWriter
from app.services.queries import UsageQueries


def export(options: argparse.Namespace) -> int:
    """Write every stored task. Reading only, it may run beside the service."""
    settings = load_settings(flags_of(options)).settings
    if not settings.database_path.exists():
        raise StorageError(f"there is no database at {settings.database_path} yet")
    export_format = ExportFormat(options.format)
    if options.output is None:
        asyncio.run(_write(settings, export_format, sys.stdout))
        sys.stdout.flush()
        return EXIT_OK
    try:
        with Path(options.output).open("w", encoding="utf-8", newline="") as file:
            asyncio.run(_write(settings, export_format, file))
    except OSError as error:
        raise StorageError(f"cannot write {options.output}: {error.strerror}") from error
    return EXIT_OK


async def _write(settings: Settings, export_format: ExportFormat, file: TextIO) -> None:
    database = Database(settings.database_path)
    try:
        queries = UsageQueries(UsageReader(database, CLINE), now_ms)
        file.writelines(await queries.export(UsageFilter(), ExportWriter(export_format)))
    finally:
        await database.close()
