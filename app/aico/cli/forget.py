"""``aico forget``: removes the usage of tasks for good. Says what would go, and does it only when told twice."""

from __future__ import annotations

import argparse
import asyncio

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE, command_name, flags_of
from aico.cli.database import only_reading
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.instance_lock import InstanceLock
from aico.core.money import usd
from aico.core.settings import Settings, load_settings
from aico.core.upkeep.backups import BackupFolder
from aico.core.upkeep.forgetting import Forgetting, forget, preview_forgetting
from aico.core.upkeep.inspection import check_file
from aico.core.upkeep.preparation import prepare_database
from aico.core.upkeep.replacement import list_aside

_SHOWN = 10
"""Tasks that are named; the others are counted."""


def remove_tasks(options: argparse.Namespace) -> int:
    """Print what would go; with ``--yes`` remove it. A service that runs has to be stopped first: InstanceRunning."""
    if bool(options.tasks) == (options.before is not None):
        complain("aico forget: name tasks, or give --before DATE")
        return EXIT_USAGE
    settings = load_settings(flags_of(options)).settings
    if options.yes:
        check_file(settings.database_path)
        going = _forget(settings, options)
    else:
        with only_reading(settings.database_path):
            going = _preview(settings, options)
        say(*_lines(going, "Would forget"))
        if going.task_ids:
            say(f"Nothing was changed. To do it, stop the service and add --yes to `{command_name()} forget`.")
    return EXIT_OK if going.task_ids else EXIT_FAILED


def _preview(settings: Settings, options: argparse.Namespace) -> Forgetting:
    return asyncio.run(
        asyncio.to_thread(preview_forgetting, settings.database_path, list(options.tasks), options.before)
    )


def _forget(settings: Settings, options: argparse.Namespace) -> Forgetting:
    """Remove, also from the backups: they are made anew."""
    path = settings.database_path
    lock = InstanceLock(path).acquire()
    try:
        asyncio.run(asyncio.to_thread(prepare_database, path, now_ms))
        going = _preview(settings, options)
        if going.task_ids:
            asyncio.run(asyncio.to_thread(forget, path, going.task_ids, now_ms()))
            asyncio.run(asyncio.to_thread(BackupFolder(path).clear))
    finally:
        lock.release()
    say(*_lines(going, "Forgot"))
    if going.task_ids and (kept := list_aside(path)):
        say("These files may hold it still; remove them yourself:", *(f"  {file}" for file in kept))
    return going


def _lines(going: Forgetting, verb: str) -> list[str]:
    count, spent = len(going.task_ids), going.spent
    lines = [f"Not stored: {task_id}" for task_id in going.unknown_ids]
    lines.append(
        f"{verb} {count} tasks with {going.delta_count} amounts: "
        f"{spent.tokens_in} tokens in, {spent.tokens_out} out, {usd(spent.cost_nano_usd):.6f} USD."
    )
    lines += [f"  {task_id}" for task_id in going.task_ids[:_SHOWN]]
    if count > _SHOWN:
        lines.append(f"  and {count - _SHOWN} more")
    return lines
