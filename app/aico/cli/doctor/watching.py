"""Checks that the operating system tells us when a tool writes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aico.cli.doctor.finding import Finding, ok, warn
from aico.cli.doctor.mounts import find_file_system, is_remote
from aico.cli.doctor.places import PlaceReport, SourcesReport, list_directories
from aico.core.settings import Settings
from aico.features.files.feed import TreeFeed
from aico.services.notifier import Notifier

INOTIFY = Path("/proc/sys/fs/inotify")
_LEAST = {"max_user_instances": 16, "max_user_watches": 1_024}
"""Editors take many of both; with less, ours may find none left."""


def examine_limits(_settings: Settings) -> Iterator[Finding]:
    """Look at the limits of inotify."""
    for name, least in _LEAST.items():
        try:
            limit = int((INOTIFY / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue  # not Linux, or not told in this container
        if limit < least:
            yield warn("inotify", f"{name} is {limit}: sudo sysctl fs.inotify.{name}={least * 8}")
        else:
            yield ok("inotify", f"{name} is {limit}")


def examine_file_systems(report: SourcesReport, settings: Settings) -> Iterator[Finding]:
    """Look at the file system of each directory that is watched."""
    for directory in list_directories(report.list_on()):
        file_system = find_file_system(directory)
        lies = "lies" if Path(directory).exists() else "does not exist yet, and would lie"
        if is_remote(file_system):
            text = (
                f"{directory} {lies} on {file_system}, where writes from elsewhere (another machine, Windows) are not"
            )
            advice = f"The service looks every {settings.tick_s:g} s instead; run it where the tool runs"
            yield warn("file system", f"{text} notified. {advice}")
        elif file_system is not None:
            yield ok("file system", f"{directory} {lies} on {file_system}")


async def examine_notifications(report: SourcesReport, settings: Settings) -> AsyncIterator[Finding]:
    """Begin to watch each directory, as the service does, and say whether that works."""
    for directory, places in list_directories(report.list_on()).items():
        finding = await _watch(report, directory, places, settings)
        if finding is not None:
            yield finding


async def _watch(
    report: SourcesReport, directory: str, places: list[PlaceReport], settings: Settings
) -> Finding | None:
    feed = places[0].feed
    if await asyncio.to_thread(feed.find_directory_identity) is None:
        if not places[0].is_absent:
            return None  # refused: told where the place is
        verdict = warn if any(report.is_missed(place) for place in places) else ok
        return verdict("watcher", f"there is no folder {directory} yet; the service waits for it")
    watch = Notifier().make_watch(lambda _path: None)
    trees = [place.feed for place in places if isinstance(place.feed, TreeFeed)]
    try:
        await watch.start(directory, folders={folder for tree in trees for folder in tree.folders})
        problem = watch.error
    finally:
        await watch.stop()
    if problem is None:
        backend = "inotify" if sys.platform == "linux" else "the system"
        return ok("watcher", f"{backend} notifies of writes in {directory}")
    text = f"no notifications ({type(problem).__name__}): the service looks every {settings.tick_s:g} s instead"
    return warn("watcher", f"{text}. See the limits of inotify above and the permissions of {directory}")
