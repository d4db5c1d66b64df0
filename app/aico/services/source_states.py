"""How the sources are, as the interface, the commands and the page tell it. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aico.core.db.sums_reader import NO_LATER_USE, LaterUse
from aico.core.receipts import ImportReceipt
from aico.core.sums import NOTHING, Sums
from aico.core.usage import Tokens
from aico.features.sources.source import Elsewhere


@dataclass(frozen=True, slots=True)
class Found:
    """The files in the known places of a source, by metadata only."""

    files: int
    bytes: int
    last_written_at_ms: int


@dataclass(frozen=True, slots=True)
class OriginState:
    """How one origin is."""

    id: str
    title: str
    enabled: bool
    found: Found | None
    """The files in its places; None when there is none that may be read."""
    state: str
    """``off``, or a state of the watcher: of several places the worst."""
    reason: str | None
    """An error code; None when all is well."""
    fixed_by: str | None
    """The setting that decides whether it is read; None where the switch does."""
    problem: str | None = None
    """The fault, also while it is off, or the parts of its places that are not read, in a sentence."""
    off_since_ms: int | None = None
    """Since when the user's switch is off, if it was ever set."""
    since_ms: int | None = None
    """Since when it is in this state; None while it is off."""
    paths: tuple[str, ...] = ()
    """Those of its places that are in this state: all of them while it is off."""
    never_read: str = ""
    """The other content of its places: a part of the sentence "... is never read"."""
    missing: tuple[str, ...] = ()
    """The names of tables, columns or fields that a file of another version lacks."""
    is_counted: bool = True
    """False while its files are being counted for the first time: ``found`` is no answer yet."""
    elsewhere: tuple[Elsewhere, ...] = ()
    """Files of it that lie elsewhere and are not read."""
    elsewhere_setting: str | None = None
    """Lines of the configuration file by which those are read, too; None where there are none."""


@dataclass(frozen=True, slots=True)
class GapState:
    """A kind of calls that a tool bills and does not record."""

    kind: str
    title: str
    known_requests: int | None
    known_tokens: Tokens | None


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source is."""

    id: str
    title: str
    enabled: bool
    """True if any of its origins is read."""
    origins: tuple[OriginState, ...]
    fixed_by: str | None
    """The setting that decides it for all of its origins; None where a switch has a say."""
    found: Found | None
    state: str
    """``off``, or the worst state of its origins that are read; ``waiting`` only where all of them wait."""
    reason: str | None
    reading: tuple[int, int] | None
    """Of large readings: how many bytes are stored, and how many there are."""
    last_receipt: ImportReceipt | None
    """Of the newest completed reading of one of its places."""
    gaps: tuple[GapState, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceUsage:
    """The stored usage of a source, beside how it is."""

    state: SourceState
    session_count: int = 0
    sums: Sums = NOTHING
    future_count: int = 0
    """Sessions with usage that is dated more than a day ahead."""
    future_sums: Sums = NOTHING
    """The sums of that usage."""
    gaps: Mapping[str, tuple[int | None, Tokens]] = field(default_factory=dict)
    """By kind: the calls that it billed and did not record, as far as they are known."""
    later: LaterUse = NO_LATER_USE
    """The usage that came to its forgotten sessions later: it is in no sum."""
