"""``aico forget``: removes the usage of tasks or sessions for good. Says what would go, and does it when told twice."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from aico.cli.database import only_reading
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.forgetting import Forgetting, preview_forgetting
from aico.core.db.upkeep.inspection import check_file
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.db.upkeep.replacement import list_aside
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from aico.core.money import exact_usd
from aico.core.settings import Settings
from aico.core.words import describe_count
from aico.services.forgetting import remove_for_good

CLINE = "cline"
"""The source whose tasks are meant where none is named."""
_SHOWN = 10
"""Sessions that are named; the others are counted."""


def remove_tasks(options: argparse.Namespace) -> int:
    """Print what would go; with ``--yes`` remove it, by the service where one runs."""
    if bool(options.tasks) == (options.before is not None):
        complain("aico forget: name tasks, or give --before DATE")
        return EXIT_USAGE
    settings = load(options).settings
    if options.yes:
        check_file(settings.database_path)
        going = _forget(settings, options)
    else:
        with only_reading(settings.database_path):
            going = _preview(settings, options)
        say(*_lines(going, "Would forget", options.source))
        if going.sessions:
            say(f"Nothing was changed. To do it, add --yes to `{command_name()} forget`.")
    return EXIT_OK if going.sessions else EXIT_FAILED


def _preview(settings: Settings, options: argparse.Namespace) -> Forgetting:
    return asyncio.run(
        asyncio.to_thread(
            preview_forgetting, settings.database_path, options.source, list(options.tasks), options.before
        )
    )


def _forget(settings: Settings, options: argparse.Namespace) -> Forgetting:
    """Remove, also from the backups: they are made anew. The service that runs is asked to. Raises InstanceRunning."""
    path = settings.database_path
    lock = InstanceLock(path)
    try:
        lock.acquire()
    except InstanceRunning as running:
        going = _ask(running, settings, options)
    else:
        try:
            going = _remove(settings, options)
        finally:
            lock.release()
    if going.sessions and (kept := list_aside(path)):
        say("These files may hold it still; remove them yourself:", *(f"  {file}" for file in kept))
    return going


def _ask(running: InstanceRunning, settings: Settings, options: argparse.Namespace) -> Forgetting:
    if running.url is None:
        raise running
    from aico.proxy.running_service import RunningService  # with HTTPX, which is of no use without a service

    with only_reading(settings.database_path):
        going = _preview(settings, options)
    if going.sessions:
        token = settings.token.get_secret_value() if settings.token else None
        service = RunningService(running.url, token)
        asyncio.run(service.forget(options.source, list(options.tasks), options.before))
    say(*_lines(going, "Forgot", options.source))
    return going


def _remove(settings: Settings, options: argparse.Namespace) -> Forgetting:
    path = settings.database_path
    asyncio.run(asyncio.to_thread(prepare_database, path, now_ms))
    going = _preview(settings, options)
    if going.sessions:
        asyncio.run(asyncio.to_thread(remove_for_good, path, options.source, going.sessions, now_ms()))
    say(*_lines(going, "Forgot", options.source))
    if going.sessions:
        # A recovery from this one, too, knows what was forgotten.
        asyncio.run(asyncio.to_thread(BackupFolder(path).make_daily, datetime.now(UTC).date()))
    return going


def _lines(going: Forgetting, verb: str, source: str) -> list[str]:
    count, spent = len(going.sessions), going.spent
    tokens_in = spent.token_count - spent.get("output")
    what = describe_count(count, "task") if source == CLINE else f"{describe_count(count, 'session')} of {source}"
    lines = [f"Not stored: {session}" for session in going.unknown]
    lines.append(
        f"{verb} {what} with {describe_count(going.event_count, 'amount')}: "
        f"{describe_count(tokens_in, 'token')} in, {spent.get('output')} out, {exact_usd(spent.cost_nano):f} USD."
    )
    lines += [f"  {session}" for session in going.sessions[:_SHOWN]]
    if count > _SHOWN:
        lines.append(f"  and {count - _SHOWN} more")
    return lines
