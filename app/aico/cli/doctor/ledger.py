"""The ledger, what it holds by number, and where others lie."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from aico.cli.box import describe_age, describe_size
from aico.cli.doctor.finding import Finding, fail, ok, warn
from aico.cli.doctor.sessions import is_sessions_well
from aico.core.clock import now_ms
from aico.core.errors import LedgerError, LedgerFormat, LedgerNotFound
from aico.core.settings import Settings
from aico.features.ledger.parser import parse_ledger
from aico.features.ledger.path_guard import LedgerGuard
from aico.features.ledger.reader import Snapshot, read_snapshot
from aico.features.sources.cline.places import FROZEN_DAYS, find_ledgers, list_known_places, list_session_places

_AHEAD_MS = 86_400_000
"""Further ahead than this, an entry is not shown in the periods that end now."""
_NOTHING_MISSING = "The session store is read too, nothing is missing"


def examine_ledger(settings: Settings) -> Iterator[Finding]:
    """Look at the file, who owns it and who may write it, then count what it holds."""
    guard = LedgerGuard(settings.ledger_path, settings.max_ledger_bytes)
    try:
        status = guard.stat()
        snapshot = read_snapshot(guard, now_ms())
    except LedgerNotFound as error:
        if is_sessions_well(settings):
            yield ok("ledger", f"{error} {_NOTHING_MISSING}")
        else:
            yield warn("ledger", f"{error} {error.hint}")
        return
    except LedgerError as error:
        yield fail("ledger", f"{error} {error.hint}")
        return
    try:
        yield _file(settings, status)
        yield _permissions(settings.ledger_path, status)
        yield from _entries(snapshot)
    finally:
        snapshot.wipe()


def examine_places(settings: Settings) -> Iterator[Finding]:
    """Say in how many places was looked, for an empty home, and name the other ledgers and what has one watched."""
    home = Path(os.path.realpath(Path("~").expanduser()))
    ledgers, sessions = (len(list_places(home, os.environ)) for list_places in (list_known_places, list_session_places))
    yield ok("places", f"looked in {ledgers} known places for ledgers and {sessions} for session stores")
    for ledger in find_ledgers(home, os.environ):
        if str(ledger.path) != settings.ledger_path:
            age = describe_age(max(0.0, time.time() - ledger.written_at_s))
            text = f"{ledger.path}, {describe_size(ledger.size_bytes)}, last written {age}. To watch it instead:"
            yield ok("other ledger", f"{text} AICO_LEDGER_PATH={shlex.quote(str(ledger.path))}")


def _file(settings: Settings, status: os.stat_result) -> Finding:
    age_s = max(0.0, time.time() - status.st_mtime)
    text = f"{settings.ledger_path}, {describe_size(status.st_size)}, last written {describe_age(age_s)}"
    if age_s > FROZEN_DAYS * 86_400 and is_sessions_well(settings):
        return ok("ledger", f"{text}. {_NOTHING_MISSING}")
    if age_s > FROZEN_DAYS * 86_400:
        frozen = (
            "Cline has not been used since; or it is newer, writes a session store and leaves this file as it is; or it"
            " runs with another folder. The line `live` names the setting"
        )
        return warn("ledger", f"{text}. {frozen}")
    return ok("ledger", text)


def _permissions(path: str, status: os.stat_result) -> Finding:
    mode = stat.S_IMODE(status.st_mode)
    text = f"belongs to {_name_of(status.st_uid)}, mode {mode:04o}"
    if status.st_uid not in {os.geteuid(), 0}:
        return warn("permissions", f"{text}: another user's costs are counted here; run the service as that user")
    if mode & 0o022:
        return warn("permissions", f"{text}: others can write costs into it. chmod go-w {shlex.quote(path)}")
    return ok("permissions", text)


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _entries(snapshot: Snapshot) -> Iterator[Finding]:
    try:
        parsed = parse_ledger(snapshot.buffer)
    except LedgerFormat as error:
        yield fail("entries", f"{error} {error.hint}")
        return
    counts = f"{len(parsed.entries)} tasks, {parsed.duplicate_count} duplicates, {len(parsed.rejections)} refused"
    if parsed.rejections:
        yield warn("entries", f"{counts}. `aico import --dry-run --json` says which and why; the others are imported")
    else:
        yield ok("entries", counts)
    ahead = sum(1 for entry in parsed.entries if entry.ts > now_ms() + _AHEAD_MS)
    if ahead:
        yield warn("dates", f"{ahead} tasks are dated in the future: was the clock wrong when Cline wrote them?")
    else:
        yield ok("dates", "no task is dated in the future")
