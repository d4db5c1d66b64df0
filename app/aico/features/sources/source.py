"""The definition of a source: a tool, the origins of its usage, and how each is read. No I/O, no clock, no logging.

A new source is one folder beside this module and one line in the registry. Everything else follows from it: settings,
switches, status, doctor, metrics, the interface and the documents' table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aico.features.files.feed import Feed
from aico.features.files.feed import ReadLimits as ReadLimits  # noqa: PLC0414 - a part of what a source is


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings in which places are looked for."""

    home: Path
    """The real path of the user's home directory: it may itself lie behind a link, what is below it may not."""
    environment: Mapping[str, str]
    configured: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Paths that the operator names, by origin; they replace the known ones."""
    chosen_by: Mapping[str, str] = field(default_factory=dict)
    """The file, variable or flag that named them, by origin. Without an entry here, a place names its setting."""


class Place(NamedTuple):
    """A path that may be read, and the variable or setting that named it."""

    path: str
    chosen_by: str
    """``default``, or the name of the variable or setting."""


class Outdated(NamedTuple):
    """A place in which older versions of a tool kept usage that is not read."""

    pattern: str
    """Of paths, from a place of the origin on: ``../session_*``."""
    text: str
    """The consequence for the user, as a sentence without its end."""


class Elsewhere(NamedTuple):
    """A file in a place that a tool is known to use and that is not one of an origin's: the user may name it."""

    path: str
    size_bytes: int
    written_ms: int
    """The last write, epoch milliseconds."""


@dataclass(frozen=True, slots=True)
class Roots:
    """A folder of a tool's home, as an origin's ``places``: named by the operator, by a variable, or the usual one."""

    source: str
    origin: str
    home: str
    """The tool's home below that of the user: ``.kimi``."""
    below: str
    """The origin's folder below it: ``sessions``."""
    variables: tuple[tuple[str, str], ...]
    """Variables that name another home, or a folder in it, each with the path below that; the first one counts."""

    def __call__(self, around: Surroundings) -> tuple[Place, ...]:
        """Return the places. The operator's path is taken as it stands, unless it is called as the home is."""
        for name in (self.origin, ""):
            if named := around.configured.get(name):
                chosen_by = around.chosen_by.get(name, f"[sources.{self.source}] roots")
                roots = [path.rstrip("/") or "/" for path in named]
                inside = [_join(path, self.below) if path.endswith(f"/{self.home}") else path for path in roots]
                return tuple(Place(path, chosen_by) for path in dict.fromkeys(inside))
        for variable, below in self.variables:
            if folder := around.environment.get(variable, "").strip():
                folder = f"{around.home}{folder[1:]}" if folder == "~" or folder.startswith("~/") else folder
                return (Place(_join(folder.rstrip("/"), below), variable),)
        return (Place(_join(f"{around.home}/{self.home}", self.below), "default"),)


def _join(folder: str, below: str) -> str:
    return f"{folder}/{below}" if below else folder or "/"


@dataclass(frozen=True, slots=True)
class Origin:
    """One kind of place in which a tool writes usage."""

    id: str
    """Stable; a part of settings, addresses and rows."""
    title: str
    """In a sentence: "session store"."""
    places: Callable[[Surroundings], tuple[Place, ...]]
    """The places of this origin, the first one first. Looks up nothing."""
    open: Callable[[str, ReadLimits], Feed]
    """Make the feed of one place; opens nothing."""
    is_on_by_default: bool = False
    """True if it is read without being asked for: Cline's ledger alone."""
    meter: str | None = None
    """Origins with the same meter read the same running totals: each number counts by its high water, never twice."""
    elsewhere: Callable[[Surroundings], tuple[Elsewhere, ...]] | None = None
    """Look for its files in other known places, by metadata alone; blocks for some hundred system calls."""
    list_setting: str = ""
    """The setting of the source that lists such files by their paths, the origin's own first; empty: there is none."""
    outdated: Outdated | None = None
    privacy: str = ""
    """The other content of the place, as a part of the sentence "... is never read"."""

    @property
    def meter_id(self) -> str:
        """The name under which running totals of this origin are kept."""
        return self.meter or self.id


class GapKind(NamedTuple):
    """A kind of calls that a tool bills and writes nowhere, or not always."""

    id: str
    title: str
    origin: str | None = None
    """The origin that lacks them, where another one of the tool may have them; None for the tool as a whole."""
    unless: str | None = None
    """The origin that has them: while it is read, they are no gap."""

    def is_open(self, enabled: Collection[str]) -> bool:
        """Return whether the calls are missing while the origins ``enabled`` are read."""
        return (self.origin is None or self.origin in enabled) and self.unless not in enabled


@dataclass(frozen=True, slots=True)
class Source:
    """A tool whose usage is read."""

    id: str
    """Stable: lower-case words joined by dashes."""
    title: str
    """Its name, as its makers write it."""
    origins: tuple[Origin, ...]
    """At least one, in the order in which they are read."""
    gaps: tuple[GapKind, ...] = ()
    has_task_rows: bool = False
    """True if its sessions also stand in ``cline_task_usage``: Cline's alone, whose table is fixed."""
    states_folder: bool = False
    """True if its logs state the working folder, as :class:`aico.features.files.line_format.LineFormat` says."""

    def get_origin(self, origin_id: str) -> Origin:
        """Return the origin called ``origin_id``. Raises KeyError."""
        return {origin.id: origin for origin in self.origins}[origin_id]
