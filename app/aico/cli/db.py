"""``aico db``: a backup while the service runs, the restore of one while it does not, and a check of everything."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from aico.cli import EXIT_FAILED, EXIT_OK
from aico.cli.settings import load
from aico.cli.streams import say
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.backups import write_backup
from aico.core.db.upkeep.inspection import check_file, get_revision
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.db.upkeep.recovery import Returning, check_backup, list_returning, restore
from aico.core.db.upkeep.soundness import spoil_note
from aico.core.db.upkeep.verification import PAGES, verify
from aico.core.errors import StorageError
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.core.words import describe_count
from aico.features.sources.registry import SOURCES

_SHOWN = 10
"""Sessions that are named; the others are counted."""
_ON_BY_DEFAULT = {(source.id, each.id) for source in SOURCES for each in source.origins if each.is_on_by_default}


def tend(options: argparse.Namespace) -> int:
    """Do what ``options.action`` says."""
    settings = load(options).settings
    if options.action == "backup":
        return _back_up(settings, Path(options.file).absolute())
    if options.action == "restore":
        return _restore(settings, options)
    return _check(settings, as_json=bool(options.json))


def _back_up(settings: Settings, target: Path) -> int:
    """Copy the database, of this version's schema or an older one: only what `aico db restore` takes is a backup."""
    get_revision(settings.database_path)
    try:
        asyncio.run(asyncio.to_thread(write_backup, settings.database_path, target))
    except StorageError:
        # Perhaps it is damaged, which a start after a good end might not look for.
        asyncio.run(asyncio.to_thread(spoil_note, settings.database_path))
        raise
    say(f"Backed up to {target}.")
    return EXIT_OK


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    """Replace the database; raises InstanceRunning while a service would go on writing to the old one.

    Brings back forgotten usage only when told so twice.
    """
    origin, path, keeps = Path(options.file).absolute(), settings.database_path, bool(options.keep_forgotten)
    # Before anything is made or locked: a wrong name changes nothing.
    asyncio.run(asyncio.to_thread(check_backup, origin))
    lock = InstanceLock(path).acquire()
    try:
        nothing = Returning([], [])
        returning = nothing if keeps else asyncio.run(asyncio.to_thread(list_returning, path, origin))
        if returning != nothing and not options.yes:
            say(*_describe_returning(returning))
            return EXIT_FAILED
        restored = asyncio.run(
            asyncio.to_thread(restore, path, origin, now_ms(), _ON_BY_DEFAULT, keeps_forgotten=keeps)
        )
        asyncio.run(asyncio.to_thread(prepare_database, path, now_ms))
    finally:
        lock.release()
    say(f"Restored {origin}.")
    if restored.kept_away:
        kept = describe_count(restored.kept_away, "session")
        say(f"Kept away, because forgotten since: {kept}. --no-keep-forgotten says which, and brings them back.")
    if restored.kinds_kept_away:
        say(f"Kept away, because forgotten since: activity of {', '.join(restored.kinds_kept_away)}.")
    if returning.sessions:
        say(f"Back, though forgotten since: {describe_count(len(returning.sessions), 'session')}.")
    if returning.kinds:
        say(f"Back, though forgotten since: activity of {', '.join(returning.kinds)}.")
    if restored.set_aside is not None:
        say(f"The database before it is kept as {restored.set_aside}.")
    if restored.switched_off:
        say(
            f"Not read until you switch it on again, because it was not on before: {', '.join(restored.switched_off)}.",
            f"See `{command_name()} sources`.",
        )
    return EXIT_OK


def _describe_returning(returning: Returning) -> list[str]:
    sessions = returning.sessions
    shown = [f"  {session}" for session in sessions[:_SHOWN]]
    more = [f"  and {len(sessions) - _SHOWN} more"] if len(sessions) > _SHOWN else []
    heads = [f"Would bring back {describe_count(len(sessions), 'session')} forgotten since:"] if sessions else []
    kinds = [f"Would bring back forgotten activity of {', '.join(returning.kinds)}."] if returning.kinds else []
    return [
        *heads,
        *shown,
        *more,
        *kinds,
        f"Nothing was changed. To do it, add --yes to `{command_name()} db restore`.",
    ]


def _check(settings: Settings, *, as_json: bool) -> int:
    check_file(settings.database_path)
    checks = asyncio.run(asyncio.to_thread(verify, settings.database_path))
    if any(check.name == PAGES and not check.ok for check in checks):
        asyncio.run(asyncio.to_thread(spoil_note, settings.database_path))
    if as_json:
        say(json.dumps([asdict(check) for check in checks]))
    else:
        say(*(f"{'OK' if check.ok else 'FAIL':<4}  {check.name:<9} {check.text}" for check in checks))
    return EXIT_OK if all(check.ok for check in checks) else EXIT_FAILED
