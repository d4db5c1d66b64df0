"""``aico label``: the user's own names of sessions."""

from __future__ import annotations

import argparse
import asyncio
from typing import NamedTuple

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from aico.cli.box import describe_age
from aico.cli.settings import load
from aico.cli.streams import complain, say
from aico.core.clock import now_ms
from aico.core.db import questions as sql
from aico.core.db.database import Database
from aico.core.db.looking import look
from aico.core.db.sums_reader import SumsSnapshot
from aico.core.db.writer import UsageWriter
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.services.labels import clean_label


class _Named(NamedTuple):
    """A stored session, as far as a person tells it from others."""

    source: str
    key: str
    label: str | None
    last_ms: int


def name_session(options: argparse.Namespace) -> int:
    """Give one session a name, or take it away; by the service where one runs.

    A session is named by its id or the beginning of it. Exits with 1 where none or several begin like that. Raises
    SettingsError, StorageError, ServiceRefusal, ServiceUnreachable.
    """
    try:
        label = clean_label(options.text)
    except ValueError as error:
        complain(f"aico label: the text {error}")
        return EXIT_USAGE
    settings = load(options).settings
    found = look(settings.database_path, lambda snapshot: _find(snapshot, options.session))
    found = [each for each in found if options.source in {None, each.source}]
    found = [each for each in found if each.key == options.session] or found
    if len(found) != 1:
        complain(*(_describe_several(found) if found else [f"aico label: no session begins with {options.session}"]))
        return EXIT_FAILED
    session = found[0]
    _set(settings, session, label)
    say(f"{session.source} {session.key}: {'no name' if label is None else label}")
    return EXIT_OK


async def _find(snapshot: SumsSnapshot, begin: str) -> list[_Named]:
    return [_Named(*row) for row in await snapshot.ask(sql.KEYS, (begin,))]


def _describe_several(found: list[_Named]) -> list[str]:
    lines = ["aico label: several sessions begin like that; write more of the id, or name the tool with --source:"]
    for each in found:
        name = "" if each.label is None else f", {each.label}"
        lines.append(f"  {each.source} {each.key}, {describe_age(max(0, now_ms() - each.last_ms) / 1000)}{name}")
    return lines


def _set(settings: Settings, session: _Named, label: str | None) -> None:
    lock = InstanceLock(settings.database_path)
    try:
        lock.acquire()
    except InstanceRunning as running:
        if running.url is None:
            raise
        from aico.proxy.running_service import RunningService  # with HTTPX, which is of no use without a service

        token = settings.token.get_secret_value() if settings.token else None
        asyncio.run(RunningService(running.url, token).set_label(session.source, session.key, label))
    else:
        try:
            asyncio.run(_write(settings, session, label))
        finally:
            lock.release()


async def _write(settings: Settings, session: _Named, label: str | None) -> None:
    database = Database(settings.database_path)
    await database.open()
    try:
        await UsageWriter(database, now_ms).set_label(session.source, session.key, label)
    finally:
        await database.close()
