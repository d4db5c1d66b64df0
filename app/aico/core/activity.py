"""The use of apps, commands and web sites: kinds of it, and the one shape of a stretch of it. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import NamedTuple

from aico.core.units import NANO, SLOT_MS

ACTIVITY = "activity"
"""Stands where a switch has the id of a source: ``activity.apps`` beside ``cline.ledger``."""
_HOUR_MS = 3_600_000


class SubjectType(StrEnum):
    """A kind of thing that may be used."""

    APP = "app"
    COMMAND = "command"
    DOMAIN = "domain"


class ActivityKind(NamedTuple):
    """A way of seeing use. Each has a switch of its own, off at first."""

    id: str
    title: str
    of: SubjectType
    reads: str
    """The things that are looked at, told to the person who decides about the switch."""
    never_read: str
    """The things that are not looked at."""


APPS = ActivityKind(
    "apps",
    "AI apps",
    SubjectType.APP,
    "names of your running programs, which window is in front, and how long nobody typed",
    "titles and contents of windows",
)
COMMANDS = ActivityKind(
    "commands",
    "AI commands",
    SubjectType.COMMAND,
    "names of your running programs, and when a terminal was last typed in",
    "arguments of commands, and what a terminal shows",
)
SHELL = ActivityKind(
    "shell",
    "Shell history",
    SubjectType.COMMAND,
    "the first words of new lines in the histories of bash, zsh and fish",
    "the rest of each line",
)
BROWSERS = ActivityKind(
    "browsers",
    "Browser histories",
    SubjectType.DOMAIN,
    "the listed sites in the histories of your browsers, when they were visited and how long they were in front",
    "paths, searches and titles of pages, and every site that is not listed",
)
EXTENSION = ActivityKind(
    "extension",
    "Browser extension",
    SubjectType.DOMAIN,
    "what the extension of this program reports: which listed site is in front while you are there",
    "addresses, titles and contents of pages, private windows, and every site that is not listed",
)
KINDS: Mapping[str, ActivityKind] = {kind.id: kind for kind in (APPS, COMMANDS, SHELL, BROWSERS, EXTENSION)}
"""Every kind, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class ActivitySpan:
    """A stretch of use of one subject. Names come from the list of definitions, never from what was looked at."""

    kind: str
    """The id of an :class:`ActivityKind`."""
    subject: str
    """The listed name."""
    category: str
    start_ms: int
    """Epoch milliseconds."""
    duration_ms: int = 0
    """Of use; never more than what passed."""
    count: int = 0
    """How often: commands that were called, pages that were visited."""
    place: str = ""
    """The shell or the browser of the use. Empty for programs."""
    cost_nano: int = 0
    """The time at the hourly rate: an estimate, never money."""


def estimate_nano(duration_ms: int, rate_usd: float) -> int:
    """Return what a time comes to at ``rate_usd`` an hour, in nano-dollars."""
    exact = Decimal(repr(rate_usd)) * duration_ms * NANO / _HOUR_MS
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def divide(start_ms: int, duration_ms: int) -> Iterator[tuple[int, int]]:
    """Yield each slot that a time lies in, with its part of it: midnight of any zone lies between two slots."""
    end_ms = start_ms + duration_ms
    while True:
        slot = start_ms // SLOT_MS
        part_end = min(end_ms, (slot + 1) * SLOT_MS)
        yield slot, part_end - start_ms
        start_ms = part_end
        if start_ms >= end_ms:
            return
