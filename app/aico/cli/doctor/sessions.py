"""The session store of newer Cline, and which of all known stores is the one that Cline writes.

Metadata only, but of the store that the operator has asked for: that one is read, by the same child as ever.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from aico.cli.box import describe_age, describe_size
from aico.cli.doctor.finding import Finding, Verdict, fail, ok, warn
from aico.core.errors import SessionsBusy, SourceError
from aico.core.settings import Settings
from aico.core.usage import Trigger
from aico.features.files.feed import Feed, ReadLimits
from aico.features.sources.cline.places import FoundStore, find_ledgers, find_session_stores
from aico.features.sources.cline.sessions import SESSIONS


def examine_sessions(settings: Settings) -> Iterator[Finding]:
    """Name the session stores that there are; of the one that is read, say whether it may be."""
    for store in find_session_stores(_home(), os.environ):
        if not (settings.cline_sessions and str(store.path) == settings.sessions_path):
            yield ok("session store", f"{_describe(store)}. It is not read")
    if not settings.cline_sessions:
        return
    try:
        look = _open(settings).look()
    except SourceError as error:
        yield (warn if error.is_absent else fail)("session store", f"{error} {error.hint}")
        return
    store = FoundStore(Path(settings.sessions_path), look.size_bytes, look.written_ns / 1e9)
    yield ok("session store", f"{_describe(store)}. It is read too")


async def examine_reading(settings: Settings) -> AsyncIterator[Finding]:
    """Read the session store once, as the service does, if it is asked for: its look alone tells no other version."""
    if not settings.cline_sessions:
        return
    feed = _open(settings)
    try:
        await asyncio.to_thread(feed.look)
    except SourceError:
        return  # told by examine_sessions
    try:
        reading = await feed.read(Trigger.CLI)
    except SessionsBusy:
        yield ok("session read", "Cline is writing the session store just now")
    except SourceError as error:
        yield warn("session read", f"{error} {error.hint}")
    else:
        count = len(reading.records) + len(reading.counts.rejections)
        yield ok("session read", f"{count} sessions can be read")


def is_sessions_well(settings: Settings) -> bool:
    """Return whether the session store is asked for and can be read. Blocking; not to be called in an event loop."""

    async def read() -> list[Verdict]:
        return [finding.verdict async for finding in examine_reading(settings)]

    return asyncio.run(read()) == [Verdict.OK]


def examine_live(settings: Settings) -> Iterator[Finding]:
    """Say which store was written last, and the one setting that makes the service read it."""
    ledgers, sessions = find_ledgers(_home(), os.environ), find_session_stores(_home(), os.environ)
    found = [*sessions, *ledgers]
    if not found:
        return
    newest = max(found, key=lambda store: store.written_at_s)
    path = str(newest.path)
    is_sessions = newest in sessions
    is_read = (
        (settings.cline_sessions and path == settings.sessions_path) if is_sessions else path == settings.ledger_path
    )
    if is_read:
        yield ok("live", f"{path} was written last of all known stores, and it is read")
        return
    setting = f"AICO_LEDGER_PATH={shlex.quote(path)}"
    if is_sessions:
        setting = "AICO_CLINE_SESSIONS=true"
        if path != settings.sessions_path:
            setting += f" AICO_SESSIONS_PATH={shlex.quote(path)}"
    text = f"{path} was written last of all known stores, and it is not read. To read it: {setting}"
    yield warn("live", text)


def _open(settings: Settings) -> Feed:
    limits = ReadLimits(settings.max_ledger_bytes, settings.read_attempts, lambda: time.time_ns() // 1_000_000)
    return SESSIONS.open(settings.sessions_path, limits)


def _describe(store: FoundStore) -> str:
    age = describe_age(max(0.0, time.time() - store.written_at_s))
    return f"{store.path}, {describe_size(store.size_bytes)}, last written {age}"


def _home() -> Path:
    return Path(os.path.realpath(Path("~").expanduser()))
