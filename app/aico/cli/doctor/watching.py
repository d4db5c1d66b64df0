"""Whether the operating system tells us when Cline writes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aico.cli.doctor.finding import Finding, ok, warn
from aico.cli.doctor.mounts import find_file_system, is_remote
from aico.core.settings import LEDGER_NAME, Settings
from aico.features.ledger.path_guard import LedgerGuard
from aico.services.notifier import Notifier

INOTIFY = Path("/proc/sys/fs/inotify")
_LEAST = {"max_user_instances": 16, "max_user_watches": 1_024}
"""Editors take many of both; with less, ours may find none left."""


def examine_watching(settings: Settings) -> Iterator[Finding]:
    """Look at the limits of inotify, and at the file system of the ledger."""
    for name, least in _LEAST.items():
        try:
            limit = int((INOTIFY / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue  # not Linux, or not told in this container
        if limit < least:
            yield warn("inotify", f"{name} is {limit}: sudo sysctl fs.inotify.{name}={least * 8}")
        else:
            yield ok("inotify", f"{name} is {limit}")
    file_system = find_file_system(settings.ledger_path)
    if is_remote(file_system):
        text = (
            f"the ledger lies on {file_system}, where writes from elsewhere (another machine, Windows) are not notified"
        )
        yield warn(
            "file system", f"{text}. The service looks every {settings.tick_s:g} s instead; run it where Cline runs"
        )
    elif file_system is not None:
        yield ok("file system", f"the ledger lies on {file_system}")


async def examine_notifications(settings: Settings) -> AsyncIterator[Finding]:
    """Begin to watch the ledger's folder, as the service does, and say whether that works."""
    guard = LedgerGuard(settings.ledger_path, settings.max_ledger_bytes)
    if await asyncio.to_thread(guard.find_directory_identity) is None:
        yield warn("watcher", f"there is no folder {guard.directory} yet; the service waits for it")
        return
    notifier = Notifier(lambda: None)
    try:
        await notifier.start(guard.directory, LEDGER_NAME)
        problem = notifier.error
    finally:
        await notifier.stop()
    if problem is None:
        backend = "inotify" if sys.platform == "linux" else "the system"
        yield ok("watcher", f"{backend} notifies of writes in {guard.directory}")
    else:
        text = f"no notifications ({type(problem).__name__}): the service looks every {settings.tick_s:g} s instead"
        yield warn("watcher", f"{text}. See the limits of inotify above and the permissions of {guard.directory}")
