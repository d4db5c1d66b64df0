"""``aico forget``: removes the usage of tasks or sessions for good. Says what would go, and does it when told twice."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from aico.cli.database import only_reading
from aico.cli.screen import money
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.forgetting import Forgetting, find_sessions, preview_forgetting
from aico.core.db.upkeep.inspection import check_file
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.db.upkeep.replacement import list_aside
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.core.sums import Sums
from aico.core.words import describe_count
from aico.features.sources.titles import TITLES
from aico.features.usage.fields import sum_fields
from aico.services.forgetting import remove_for_good

CLINE = "cline"
"""The source whose sessions are meant by a moment, where none is named."""
_SHOWN = 10
"""Sessions that are named; the others are counted."""


class _Unclear(Exception):
    """The typed text means several sessions: its lines say which."""


class _Wanted(NamedTuple):
    """Sessions of one source, by their keys, or by the moment before which they ended."""

    source: str
    named: list[str]
    before_ms: int | None


def remove_tasks(options: argparse.Namespace) -> int:
    """Print what would go; with ``--yes`` remove it, by the service where one runs."""
    if bool(options.tasks) == (options.before is not None):
        complain("aico forget: name tasks, or give --before DATE")
        return EXIT_USAGE
    settings = load(options).settings
    try:
        if options.yes:
            check_file(settings.database_path)
            going = _forget(settings, options)
        else:
            with only_reading(settings.database_path):
                wanted = _wanted(settings, options)
                going = _preview(settings, wanted)
            say(*_lines(going, "Would forget", wanted))
            if going.sessions:
                say(f"Nothing was changed. To do it, add --yes to `{command_name()} forget`.")
    except _Unclear as unclear:
        complain(*unclear.args)
        return EXIT_FAILED
    return EXIT_OK if going.sessions else EXIT_FAILED


def _wanted(settings: Settings, options: argparse.Namespace) -> _Wanted:
    """Return which sessions are meant, each by its id or the beginning of it. Raises _Unclear, StorageError."""
    if options.before is not None:
        return _Wanted(options.source or CLINE, [], options.before)
    found = {begin: find_sessions(settings.database_path, begin, options.source) for begin in options.tasks}
    for begin, sessions in found.items():
        if len(sessions) > 1:
            what = f"aico forget: several sessions begin with {begin}; write more of the id"
            where = "" if len({source for source, _ in sessions}) == 1 else ", or name the tool with --source"
            raise _Unclear(f"{what}{where}:", *(f"  {source} {key}" for source, key in sessions))
    meant = [session for sessions in found.values() for session in sessions]
    sources = {source for source, _ in meant}
    if len(sources) > 1:
        raise _Unclear(
            "aico forget: these are of several tools; forget those of one tool at a time:",
            *(f"  {source} {key}" for source, key in meant),
        )
    named = [sessions[0][1] if sessions else begin for begin, sessions in found.items()]
    return _Wanted(options.source or next(iter(sources), CLINE), named, None)


def _preview(settings: Settings, wanted: _Wanted) -> Forgetting:
    return asyncio.run(asyncio.to_thread(preview_forgetting, settings.database_path, *wanted))


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
        wanted = _wanted(settings, options)
        going = _preview(settings, wanted)
    if going.sessions:
        token = settings.token.get_secret_value() if settings.token else None
        service = RunningService(running.url, token)
        asyncio.run(service.forget(*wanted))
    say(*_lines(going, "Forgot", wanted))
    return going


def _remove(settings: Settings, options: argparse.Namespace) -> Forgetting:
    path = settings.database_path
    asyncio.run(asyncio.to_thread(prepare_database, path, now_ms))
    wanted = _wanted(settings, options)
    going = _preview(settings, wanted)
    if going.sessions:
        asyncio.run(asyncio.to_thread(remove_for_good, path, wanted.source, going.sessions, now_ms()))
    say(*_lines(going, "Forgot", wanted))
    if going.sessions:
        # A recovery from this one, too, knows the forgotten sessions.
        asyncio.run(asyncio.to_thread(BackupFolder(path).make_daily, datetime.now(UTC).date()))
    return going


def _lines(going: Forgetting, verb: str, wanted: _Wanted) -> list[str]:
    count, spent, source = len(going.sessions), going.spent, wanted.source
    lines = [f"Not stored: {session}" for session in going.unknown]
    if not count:
        return [*lines, f"No session of {source} ended before that."] if wanted.before_ms is not None else lines
    tokens_in = spent.token_count - spent.get("output")
    what = describe_count(count, "task") if source == CLINE else f"{describe_count(count, 'session')} of {source}"
    if requests := spent.get("requests"):  # a tool that writes totals has made some, too, and nobody knows how many
        what += f" with {describe_count(requests, 'request')}"
    lines.append(f"{verb} {what}: {describe_count(tokens_in, 'token')} in, {spent.get('output')} out, {_cost(spent)}.")
    named = [(session, going.labels.get(session)) for session in going.sessions[:_SHOWN]]
    lines += [f"  {session}{f'  {label}' if label else ''}" for session, label in named]
    if count > _SHOWN:
        lines.append(f"  and {count - _SHOWN} more")
    it, new = "it" if count == 1 else "them", "task" if source == CLINE else "session"
    return [*lines, f"What {TITLES.get(source, source)} adds to {it} later is not counted either. A new {new} is."]


def _cost(spent: Sums) -> str:
    """Return its cost: never 0 if no price is known, or if a plan pays."""
    fields = sum_fields(spent)
    if fields.cost_nano is None:
        return "unpriced" if fields.unpriced_requests else "at a cost that is not known"
    least = "at least " if fields.is_at_least else ""
    if not fields.cost_nano and fields.list_cost_nano:
        return f"{least}{money(fields.list_cost_nano)} at list prices, paid by a plan"
    return f"{least}{money(fields.cost_nano)}"
