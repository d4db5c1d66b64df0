"""The result of an import: the receipt, and the committed fact that is published. No I/O, no clock, no logging."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aico.core.sums import Sums
from aico.core.usage import REJECTIONS_SHOWN, Rejection, SessionState, Tokens, Trigger


@dataclass(frozen=True, slots=True)
class ImportReceipt:
    """The result of one import run: the same object for the HTTP answer, the log line and the event.

    For the first run of a reading ``imported_count + skipped_count + error_count + remaining_count`` is the number of
    entries in the file; the follow-up runs of the same reading have ``skipped_count = error_count = 0``.
    """

    source: str
    origin: str
    trigger: Trigger
    finished_at_ms: int = 0
    duration_ms: float = 0.0
    added_count: int = 0
    updated_count: int = 0
    skipped_count: int = 0
    error_count: int = 0
    """Entries that were refused as a whole."""
    partial_count: int = 0
    """Entries that were taken without a field that could not be used."""
    remaining_count: int = 0
    latest_ts: int | None = None
    """Greatest time of all sessions of the source; None when nothing is stored."""
    revision: int = 0
    rejections: tuple[Rejection, ...] = ()
    """The first ``REJECTIONS_SHOWN``."""
    partials: tuple[Rejection, ...] = ()
    """The first ``REJECTIONS_SHOWN`` fields that could not be used."""

    @property
    def imported_count(self) -> int:
        """Entries that were written: added and updated."""
        return self.added_count + self.updated_count

    def plus(self, following: ImportReceipt) -> ImportReceipt:
        """Return the sum of this run and of the ``following`` one of the same reading."""
        return replace(
            following,
            added_count=self.added_count + following.added_count,
            updated_count=self.updated_count + following.updated_count,
            skipped_count=self.skipped_count + following.skipped_count,
            error_count=self.error_count + following.error_count,
            partial_count=self.partial_count + following.partial_count,
            rejections=(self.rejections + following.rejections)[:REJECTIONS_SHOWN],
            partials=(self.partials + following.partials)[:REJECTIONS_SHOWN],
            duration_ms=round(self.duration_ms + following.duration_ms, 3),
        )

    def beside(self, other: ImportReceipt) -> ImportReceipt:
        """Return the sum of this run and of a later one of another place."""
        total = self.plus(other)
        return replace(
            total,
            rejections=(_of(self, self.rejections) + _of(other, other.rejections))[:REJECTIONS_SHOWN],
            partials=(_of(self, self.partials) + _of(other, other.partials))[:REJECTIONS_SHOWN],
            remaining_count=self.remaining_count + other.remaining_count,
            latest_ts=max((ts for ts in (self.latest_ts, other.latest_ts) if ts is not None), default=None),
            revision=max(self.revision, other.revision),
        )


def _of(receipt: ImportReceipt, rejections: tuple[Rejection, ...]) -> tuple[Rejection, ...]:
    """Return ``rejections``, each with its origin."""
    return tuple(replace(each, origin=each.origin or receipt.origin) for each in rejections)


@dataclass(frozen=True, slots=True)
class FreshSession:
    """A session that a commit has changed, as it is now."""

    source: str
    session: str
    parent: str | None
    model: str
    first_ts: int
    last_ts: int
    state: SessionState
    label: str | None
    project: str | None
    seen_at: int
    """First stored, epoch milliseconds."""
    origin: str
    """The origin that states its running total; of a session of single requests, the one that was read."""
    stated: Tokens | None
    """The tool's own running total; None for a session of single requests."""
    stated_nano: int | None
    """The cost that the tool states for the whole session."""
    stated_usd: float | None
    """The same in US dollars, as the tool wrote it where this commit has read it."""
    has_fallen: bool
    unknown: tuple[str, ...]
    spent: Sums
    """The spending that this commit added."""
    total: Sums
    """All that the session has spent."""


@dataclass(frozen=True, slots=True)
class UsageCommitted:
    """An import was committed that changed something."""

    receipt: ImportReceipt
    epoch: str
    session_count: int
    """Sessions of the source that are stored now."""
    rows: tuple[FreshSession, ...]
    """The newest of the changed sessions, at most 500; fewer while nobody listens."""
    rows_truncated: bool
