"""``aico activity forget``: removes the use of kinds or days for good. First says what would go."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aico.cli import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from aico.cli.activity import time_text
from aico.cli.database import only_reading
from aico.cli.screen import plural
from aico.cli.streams import complain, say
from aico.core.activity import ACTIVITY, KINDS
from aico.core.clock import now_ms
from aico.core.command_name import command_name
from aico.core.db.upkeep.activity_forgetting import GoingUse, list_going
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.inspection import check_file
from aico.core.db.upkeep.preparation import prepare_database
from aico.core.db.upkeep.replacement import list_aside
from aico.core.errors import InstanceRunning
from aico.core.instance_lock import InstanceLock
from aico.core.setting_names import suggest
from aico.core.settings import Settings
from aico.core.units import SLOT_MS
from aico.services.forgetting import remove_activity_for_good
from aico.services.overview import local_now, stretch_of_days

_SHOWN = 10
"""Subjects that are named; the others are counted."""


class _Meant(NamedTuple):
    kinds: list[str]
    from_ms: int
    to_ms: int


def forget(settings: Settings, options: argparse.Namespace, zone: ZoneInfo) -> int:
    """Print what would go; with ``--yes`` remove it, by the service where one runs. Raises StorageError."""
    kinds = list(dict.fromkeys(name.removeprefix(f"{ACTIVITY}.") for name in options.kinds)) or list(KINDS)
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        complain(
            f"aico activity: there is no kind {unknown[0]!r}; known are {', '.join(KINDS)}{suggest(unknown[0], KINDS)}"
        )
        return EXIT_USAGE
    if not options.kinds and options.from_ is None and options.to is None:
        complain("aico activity forget: name kinds, or give --from DAY or --to DAY")
        return EXIT_USAGE
    now = now_ms()
    first, last = options.from_, options.to or local_now(now, zone).date()
    if first is not None and first > last:
        complain(f"aico activity: --from {first} lies behind --to {last}")
        return EXIT_USAGE
    first_slot, end_slot = stretch_of_days(first or last, last, zone)
    meant = _Meant(kinds, 0 if first is None else first_slot * SLOT_MS, min(end_slot * SLOT_MS, now))
    if options.yes:
        check_file(settings.database_path)
        going = _forget(settings, meant)
    else:
        with only_reading(settings.database_path):
            going = _preview(settings, meant)
    say(*_lines(going, "Forgot" if options.yes else "Would forget"))
    if going and not options.yes:
        say(f"Nothing was changed. To do it, add --yes to `{command_name()} activity forget`.")
    if going and options.yes and (kept := list_aside(settings.database_path)):
        say("These files may hold it still; remove them yourself:", *(f"  {file}" for file in kept))
    return EXIT_OK if going else EXIT_FAILED


def _preview(settings: Settings, meant: _Meant) -> list[GoingUse]:
    return asyncio.run(asyncio.to_thread(list_going, settings.database_path, *meant))


def _forget(settings: Settings, meant: _Meant) -> list[GoingUse]:
    """Remove, also from the backups: they are made anew. The service that runs is asked to. Raises InstanceRunning."""
    path = settings.database_path
    lock = InstanceLock(path)
    try:
        lock.acquire()
    except InstanceRunning as running:
        return _ask(running, settings, meant)
    try:
        asyncio.run(asyncio.to_thread(prepare_database, path, now_ms))
        if going := _preview(settings, meant):
            going = asyncio.run(asyncio.to_thread(remove_activity_for_good, path, *meant, now_ms()))
            # A recovery from this one, too, knows the forgotten use.
            asyncio.run(asyncio.to_thread(BackupFolder(path).make_daily, datetime.now(UTC).date()))
        return going
    finally:
        lock.release()


def _ask(running: InstanceRunning, settings: Settings, meant: _Meant) -> list[GoingUse]:
    if running.url is None:
        raise running
    from aico.proxy.running_service import RunningService  # with HTTPX, which is of no use without a service

    with only_reading(settings.database_path):
        going = _preview(settings, meant)
    if going:
        token = settings.token.get_secret_value() if settings.token else None
        asyncio.run(RunningService(running.url, token).forget_activity(*meant))
    return going


def _lines(going: Sequence[GoingUse], verb: str) -> Iterator[str]:
    seconds, count = sum(each.duration_ms for each in going) / 1000, sum(each.count for each in going)
    calls = "1 call or visit" if count == 1 else f"{count:,} calls and visits"
    yield f"{verb} {time_text(seconds)}, and {calls}."
    for each in going[:_SHOWN]:
        kind, time = f"{ACTIVITY}.{each.kind}", time_text(each.duration_ms / 1000)
        yield f"  {each.subject:<28} {kind:<19} {time}, {plural(each.count, 'time')}"
    if len(going) > _SHOWN:
        yield f"  and {len(going) - _SHOWN} more"
