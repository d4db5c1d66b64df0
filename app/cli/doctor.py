"""``aico doctor``: looks at everything that could be wrong and says what to do."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from app.cli import EXIT_FAILED, EXIT_OK, flags_of, say
from app.cli.box import describe_age, describe_size
from app.core.clock import now_ms
from app.core.errors import LedgerError, LedgerFormat, LedgerNotFound, StorageError
from app.core.instance_lock import InstanceLock
from app.core.settings import Settings, load_settings
from app.features.ledger.parser import parse_ledger
from app.features.ledger.path_guard import LedgerGuard
from app.features.ledger.places import find_ledgers
from app.features.ledger.reader import read_snapshot

_FROZEN_DAYS = 14
_FREE_MIN_BYTES = 200 * 1024 * 1024


class Verdict(StrEnum):
    """How a thing is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    text: str


def examine(options: argparse.Namespace) -> int:
    """Print the findings; exit with 1 when one of them is a FAIL."""
    settings = load_settings(flags_of(options)).settings
    findings = asyncio.run(
        asyncio.to_thread(lambda: [*_ledger(settings), *_places(settings), *_database(settings), _instance(settings)])
    )
    if options.json:
        say(json.dumps([asdict(finding) for finding in findings]))
    else:
        say(*(f"{finding.verdict:<4}  {finding.subject:<9} {finding.text}" for finding in findings))
    return EXIT_FAILED if any(finding.verdict is Verdict.FAIL for finding in findings) else EXIT_OK


def _examine(settings: Settings) -> list[Finding]:
    return [*_ledger(settings), *_places(settings), *_database(settings), _instance(settings)]


def _ledger(settings: Settings) -> Iterator[Finding]:
    guard = LedgerGuard(settings.ledger_path, settings.max_ledger_bytes)
    try:
        status = guard.stat()
        snapshot = read_snapshot(guard, now_ms())
    except LedgerNotFound as error:
        yield Finding("ledger", Verdict.WARN, f"{error} {error.hint}")
        return
    except LedgerError as error:
        yield Finding("ledger", Verdict.FAIL, f"{error} {error.hint}")
        return
    age_s = max(0.0, time.time() - status.st_mtime)
    text = f"{settings.ledger_path}, {describe_size(status.st_size)}, last written {describe_age(age_s)}"
    if age_s > _FROZEN_DAYS * 86_400:
        frozen = "Newer Cline writes another store and leaves this file as it is; or Cline runs with another folder."
        yield Finding("ledger", Verdict.WARN, f"{text}. {frozen}")
    else:
        yield Finding("ledger", Verdict.OK, text)
    try:
        parsed = parse_ledger(snapshot.buffer)
    except LedgerFormat as error:
        yield Finding("entries", Verdict.FAIL, f"{error} {error.hint}")
        return
    finally:
        snapshot.wipe()
    counts = f"{len(parsed.entries)} tasks, {parsed.duplicate_count} duplicates, {len(parsed.rejections)} refused"
    yield Finding("entries", Verdict.WARN if parsed.rejections else Verdict.OK, counts)


def _places(settings: Settings) -> Iterator[Finding]:
    """Name the other ledgers on this machine, and what makes the service watch one of them."""
    home = Path(os.path.realpath(Path("~").expanduser()))
    for ledger in find_ledgers(home):
        if str(ledger.path) != settings.ledger_path:
            age = describe_age(max(0.0, time.time() - ledger.written_at_s))
            text = f"{ledger.path}, {describe_size(ledger.size_bytes)}, last written {age}. To watch it instead:"
            yield Finding("other", Verdict.OK, f"{text} AICO_LEDGER_PATH={shlex.quote(str(ledger.path))}")


def _database(settings: Settings) -> Iterator[Finding]:
    path = settings.database_path
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        yield Finding("database", Verdict.OK, f"{path} will be made at the first start")
        return
    except OSError as error:
        yield Finding("database", Verdict.FAIL, f"{path} cannot be looked at: {error.strerror}")
        return
    if mode & 0o077:
        yield Finding("database", Verdict.WARN, f"{path} has mode {mode:04o}; the service sets it to 0600 at its start")
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        yield Finding("database", Verdict.FAIL, f"{path} cannot be read ({type(error).__name__}); see its permissions")
        return
    if verdict == "ok":
        yield Finding("database", Verdict.OK, f"{path} is intact")
    else:
        text = f"{path} is damaged. Stop the service and move the file away: the ledger will be imported anew."
        yield Finding("database", Verdict.FAIL, text)
    free = shutil.disk_usage(path.parent).free
    if free < _FREE_MIN_BYTES:
        yield Finding("disk", Verdict.WARN, f"only {describe_size(free)} free in {path.parent}")


def _instance(settings: Settings) -> Finding:
    try:
        holder = InstanceLock(settings.database_path).find_holder()
    except StorageError as error:
        return Finding("service", Verdict.FAIL, str(error))
    if holder is None:
        return Finding("service", Verdict.OK, "not running; start it with `aico serve`")
    return Finding("service", Verdict.OK, f"runs at {holder.url} (process {holder.pid})")
