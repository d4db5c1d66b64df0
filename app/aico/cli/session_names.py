"""Sessions as a person tells them apart: by a label or the beginning of an id, their start, their parent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from aico.core.db.sums_reader import NamedSession

NamedSessions: TypeAlias = Mapping[tuple[str, str], NamedSession]
"""By source and key."""


def session_name(key: str, named: NamedSession | None) -> str:
    """Return the user's label of a session, or its id."""
    return key if named is None or named.label is None else named.label


def start_text(moment_ms: int, zone: ZoneInfo, year: int) -> str:
    """Return ``Nov 28 15:46``, or ``Nov 28 2025`` of another year than ``year``."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC).astimezone(zone)
    return f"{moment:%b %d %H:%M}" if moment.year == year else f"{moment:%b %d %Y}"


def parent_text(named: NamedSession, zone: ZoneInfo, year: int) -> str:
    """Return which session started ``named``; empty where none did."""
    if named.parent is None:
        return ""
    if named.parent_first_ms is None:
        return f"started by one that is not stored: {named.parent}"
    name = named.parent if named.parent_label is None else named.parent_label
    return f"started by that of {start_text(named.parent_first_ms, zone, year)}, {name}"
