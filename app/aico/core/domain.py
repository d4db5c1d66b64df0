"""The domain values, without any technology: no I/O, no clock, no logging."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple

QUARTER_MS = 900_000
"""A quarter of an hour. Every time zone's midnight falls on one, so it is the grain of all accounting in time."""
DAY_QUARTERS = 96
"""Quarters of an hour in a day of UTC."""

UNKNOWN_MODEL = ""
"""How accounting tables name the unknown model. NULL in a SQLite primary key never conflicts, so it is not NULL."""

CLINE = "cline"
"""The source whose ledger is Cline's ``taskHistory.json``."""


class Store(StrEnum):
    """Where a task's numbers were read, weakest claim first: what a later one says is not changed by an earlier one."""

    LEDGER = "ledger"
    SESSIONS = "sessions"

    def outranks(self, other: Store) -> bool:
        """Return whether this store's word counts more than that of ``other``."""
        ranks = list(Store)
        return ranks.index(self) > ranks.index(other)


class Trigger(StrEnum):
    """What caused an import, weakest claim first."""

    STARTUP = "startup"
    RESCAN = "rescan"
    WATCH = "watch"
    CLI = "cli"
    REQUEST = "request"


class RejectionCode(StrEnum):
    """Why an entry of the ledger was refused."""

    NOT_AN_OBJECT = "not_an_object"
    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    NOT_A_NUMBER = "not_a_number"
    NOT_AN_INTEGER = "not_an_integer"
    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    TOO_LARGE = "too_large"
    NOT_A_TIME = "not_a_time"
    NOT_UTF8 = "not_utf8"


class TaskUsage(NamedTuple):
    """The validated numbers of one task: lifetime totals, as the ledger states them.

    A named tuple, because the same object is the row that the bulk write binds: its field order is the order of the
    columns of ``cline_task_usage``.
    """

    task_id: str
    """1 to 128 characters without control characters; opaque."""
    ts: int
    """Last activity, epoch milliseconds, 0 to the end of the year 9999."""
    model_id: str | None
    """Model of the last assistant message; None if unknown."""
    tokens_in: int
    """0 to 10**12."""
    tokens_out: int
    """0 to 10**12."""
    total_cost: float
    """US dollars, finite, 0 to 10**6. 0 may mean that the price is unknown."""


make_usage: Callable[[Iterable[object]], TaskUsage] = partial(tuple.__new__, TaskUsage)
"""Make a usage of its six values. ``TaskUsage._make`` would count them in Python: longer than all else it does."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused entry: where it stands and why, never what it says."""

    index: int
    """Position in the ledger's array, from 0."""
    code: RejectionCode
    field: str | None
    """JSON key of the refused field; None when the entry as a whole was refused."""


REJECTIONS_SHOWN = 20
"""Rejections that a receipt names; the others are counted."""


@dataclass(frozen=True, slots=True)
class ImportReceipt:
    """The result of one import run: the same object for the HTTP answer, the log line and the event.

    For the first run of a reading ``imported_count + skipped_count + error_count + remaining_count`` is the number of
    entries in the file; the follow-up runs of the same reading have ``skipped_count = error_count = 0``.
    """

    trigger: Trigger
    finished_at_ms: int
    duration_ms: float
    added_count: int
    updated_count: int
    skipped_count: int
    error_count: int
    remaining_count: int
    latest_ts: int | None
    """Greatest ``ts`` among all stored tasks; None when nothing is stored."""
    revision: int
    rejections: tuple[Rejection, ...] = ()
    """The first ``REJECTIONS_SHOWN``."""

    @property
    def imported_count(self) -> int:
        """Entries that were written: added and updated."""
        return self.added_count + self.updated_count

    def beside(self, other: ImportReceipt) -> ImportReceipt:
        """Return the sum of this run and of a later one of another store."""
        total = self.plus(other)
        return replace(
            total,
            remaining_count=self.remaining_count + other.remaining_count,
            rejections=total.rejections[:REJECTIONS_SHOWN],
            latest_ts=max((ts for ts in (self.latest_ts, other.latest_ts) if ts is not None), default=None),
        )

    def plus(self, following: ImportReceipt) -> ImportReceipt:
        """Return the sum of this run and of the ``following`` one of the same reading."""
        return replace(
            following,
            added_count=self.added_count + following.added_count,
            updated_count=self.updated_count + following.updated_count,
            skipped_count=self.skipped_count + following.skipped_count,
            error_count=self.error_count + following.error_count,
            rejections=self.rejections + following.rejections,
            duration_ms=round(self.duration_ms + following.duration_ms, 3),
        )
