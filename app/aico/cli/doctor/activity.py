"""Checks that the use of apps, commands and sites is seen as it was switched on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aico.cli.doctor.finding import Finding, ok, warn
from aico.core.activity import ACTIVITY
from aico.core.errors import ServiceRefusal, ServiceUnreachable, StorageError
from aico.core.instance_lock import InstanceLock
from aico.core.settings import Settings
from aico.proxy.running_service import RunningService

_DO = {
    "library_missing": (
        "its libraries are not installed: pip install 'ai-cost-observer[activity]', then `aico service restart`"
    ),
    "foreground_wayland": "under Wayland no program may know which window is in front: apps have no time",
    "foreground_no_display": (
        "there is no screen: systemctl --user import-environment DISPLAY XAUTHORITY, then `aico service restart`"
    ),
    "foreground_failed": "the screen does not say which window is in front: it needs a window manager that does",
    "no_history": "no browser of this user has a history yet",
    "browser_busy": "a browser is writing; it is asked again in ten seconds",
    "browser_format": "the history of a browser has a form that is not known: look for a newer version of this program",
    "browser_path_refused": "a history is a link, or belongs to somebody else, and is not read",
    "browser_unreadable": "a history may not be read: on macOS, give Full Disk Access",
}
_HARMLESS = frozenset({"no_history", "browser_busy"})


async def examine_activity(settings: Settings) -> AsyncIterator[Finding]:
    """Say how each kind that is on is seen, as the running service knows it."""
    try:
        holder = await asyncio.to_thread(InstanceLock(settings.database_path).find_holder)
    except StorageError:
        holder = None  # told by examine_instance
    if holder is None or holder.url is None:
        yield ok(ACTIVITY, "the running service says what is seen of it")
        return
    token = settings.token.get_secret_value() if settings.token else None
    try:
        kinds = await RunningService(holder.url, token).list_activity_kinds()
    except (ServiceUnreachable, ServiceRefusal):
        return  # told by examine_instance
    seen = [kind for kind in kinds if kind.get("enabled")]
    if not seen:
        yield ok(ACTIVITY, "every kind is off")
    for kind in seen:
        yield _finding_of(f"{ACTIVITY}.{kind.get('id')}", str(kind.get("state")), kind.get("reason"))


def _finding_of(name: str, state: str, reason: object) -> Finding:
    if state == "failed":
        return warn(
            name, "it is not seen any more, by a mistake of this program: `aico service restart`, and see its log"
        )
    if reason is None:
        return ok(name, state)
    verdict = ok if reason in _HARMLESS else warn
    return verdict(name, f"{state}: {_DO.get(str(reason), str(reason))}")
