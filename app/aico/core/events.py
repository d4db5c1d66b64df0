"""Committed facts that travel inside the process, named in the past tense: no I/O, no clock, no logging."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WatcherState(StrEnum):
    """The present work of the watcher."""

    STARTING = "starting"
    """The first import has not ended yet."""
    WATCHING = "watching"
    """Changes arrive by notification, ticks and rescans stand behind."""
    WAITING = "waiting"
    """The ledger or its directory does not exist (yet)."""
    DEGRADED = "degraded"
    """Something is wrong, and ``reason`` says what; it is tried again and again."""
    FAILED = "failed"
    """A bug ended the loop; it is being restarted."""


@dataclass(frozen=True, slots=True)
class WatcherStateChanged:
    """The watcher's state or its reason changed."""

    state: WatcherState
    since_ms: int
    reason: str | None
    """An error code, ``directory_missing``, ``watch_unavailable`` or ``watch_limit``; None when all is well."""
