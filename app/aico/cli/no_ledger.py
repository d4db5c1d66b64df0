"""Cline from CLI 3.0 and VS Code 4.1 on keeps no ledger: that there is none is no matter there, and is told so."""

from __future__ import annotations

from collections.abc import Mapping

from aico.core.command_name import command_name
from aico.core.events import WatcherState

NO_LEDGER = "none, and none is needed: this Cline writes to its session store"


def describe_no_ledger(source: Mapping[str, object]) -> str | None:
    """Return how the ledger of ``source``, as the service tells it, is where none is needed.

    None for another tool than Cline, and where a ledger is there or the store is not.
    """
    listed = source.get("origins")
    origins = {each.get("id"): each for each in listed if isinstance(each, dict)} if isinstance(listed, list) else {}
    ledger, sessions = origins.get("ledger"), origins.get("sessions")
    if source.get("id") != "cline" or ledger is None or sessions is None or not sessions.get("look"):
        return None
    is_wrong = ledger.get("problem") and ledger.get("state") != WatcherState.WAITING.value
    if ledger.get("look") or ledger.get("counting") or is_wrong or not ledger.get("enabled"):
        return None
    return (
        NO_LEDGER if sessions.get("enabled") else f"{NO_LEDGER}; `{command_name()} sources on cline.sessions` reads it"
    )
