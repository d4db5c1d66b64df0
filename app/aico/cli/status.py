"""``aico status``: what is watched, since when, what is wrong."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from aico.cli import EXIT_DEGRADED, EXIT_FAILED, EXIT_OK, NEWER_CLINE, flags_of
from aico.cli.box import describe_age
from aico.cli.streams import say
from aico.core.instance_lock import InstanceLock
from aico.core.settings import load_settings
from aico.proxy.running_service import RunningService

_FROZEN = "Cline was not used since, or writes elsewhere by now. `aico doctor` names the setting for that"
_NOTHING_MISSING = "the session store is read too, nothing is missing"
_WELL = {"watching", "waiting"}


def show_status(options: argparse.Namespace) -> int:
    """Print the status of the running service; exit with 1 when none runs and with 3 when it is degraded.

    Where none runs, raises StorageForeign and StorageNewer: `aico serve` would only say the same.
    """
    settings = load_settings(flags_of(options)).settings
    holder = InstanceLock(settings.database_path).find_holder()
    if holder is None or holder.url is None:
        if holder is None:
            from aico.cli.database import refuse_unusable  # with SQLAlchemy, which the status of a service does without

            refuse_unusable(settings.database_path)
        fields: dict[str, object] = {"running": False, "ledger_path": settings.ledger_path}
        say(json.dumps(fields) if options.json else "AI Cost Observer is not running. Start it with `aico serve`.")
        return EXIT_FAILED
    token = settings.token.get_secret_value() if settings.token else None
    status = asyncio.run(RunningService(holder.url, token).get_status())
    if options.json:
        say(json.dumps({"running": True, "url": holder.url, **status}))
    else:
        say(*_lines(holder.url, status))
    return EXIT_OK if _is_well(status) else EXIT_DEGRADED


def _is_well(status: dict[str, object]) -> bool:
    """Return whether every store that is asked for is watched, or waited for."""
    sessions = _part(status, "sessions")
    watched = [status, sessions] if sessions else [status]
    return all(_part(each, "watcher").get("state") in _WELL for each in watched)


def _lines(url: str, status: dict[str, object]) -> list[str]:
    watcher, ledger, last = _part(status, "watcher"), _part(status, "ledger"), _part(status, "last_import")
    reason = f" ({watcher['reason']})" if watcher.get("reason") else ""
    sessions_state = _part(_part(status, "sessions"), "watcher").get("state")
    lines = [
        f"running      {url}",
        f"watcher      {watcher.get('state')}{reason}, since {_age(watcher.get('since'))}",
        f"ledger       {ledger.get('path')} (chosen by {ledger.get('chosen_by')})",
        *(f"             {line}" for line in _describe_ledger(ledger, sessions_state)),
        *_describe_sessions(_part(status, "sessions")),
        f"tasks        {status.get('task_count')}",
    ]
    if last:
        counts = f"{last.get('imported_count')} imported, {last.get('error_count')} refused"
        lines.append(f"last import  {_age(last.get('at'))} [{last.get('trigger')}]: {counts}")
    if kimi := _part(status, "kimi_proxy"):
        reason = f" ({kimi['reason']})" if kimi.get("reason") else ""
        lines.append(f"kimi proxy   {kimi.get('state')}{reason}, since {_age(kimi.get('since'))}")
    if recovery := _part(status, "recovery"):
        lines.append(f"database     {recovery.get('text')}")
    return lines


def _describe_ledger(ledger: dict[str, object], sessions_state: object) -> list[str]:
    """Say how the ledger is; ``sessions_state`` is None where the session store is not asked for."""
    if not ledger.get("exists"):
        absent = "not there (yet)"
        if sessions_state == "watching":
            return [f"{absent}; {_NOTHING_MISSING}"]
        absent += ": `aico doctor` says more"
        return [absent] if sessions_state else [absent, *NEWER_CLINE]
    written = f"last written {_age(ledger.get('written_at'))}"
    if not ledger.get("frozen_since"):
        return [written]
    return [f"{written}; {_NOTHING_MISSING}" if sessions_state == "watching" else f"{written}: {_FROZEN}"]


def _describe_sessions(sessions: dict[str, object]) -> list[str]:
    """Say how the session store is, where it is asked for."""
    if not sessions:
        return []
    watcher = _part(sessions, "watcher")
    state = sessions.get("problem") or f"{watcher.get('state')}, {sessions.get('task_count')} tasks"
    written = f"last written {_age(sessions.get('written_at'))}" if sessions.get("exists") else "not there (yet)"
    return [f"sessions     {sessions.get('path')}", f"             {written}; {state}"]


def _part(status: dict[str, object], name: str) -> dict[str, object]:
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _age(moment_ms: object) -> str:
    return describe_age(max(0.0, time.time() - moment_ms / 1000)) if isinstance(moment_ms, (int, float)) else "never"
