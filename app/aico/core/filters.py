"""What part of the accounts is asked for: one filter for cards, chart, models, table and export. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aico.core.domain import DAY_QUARTERS, QUARTER_MS, Store


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """A part of the deltas: a half-open stretch of quarters of an hour, a model, a text."""

    first_quarter: int | None = None
    """None: from the first delta on."""
    end_quarter: int | None = None
    """Exclusive; None: to the automatic end."""
    model: str | None = None
    """Exact model; ``''`` is the unknown one; None is every model."""
    text: str | None = None
    """Contained in the model or in the task's id, whatever the case of ASCII letters."""
    store: Store | None = None
    """Where the tasks' rows were read; None is everywhere."""

    @property
    def names_tasks(self) -> bool:
        """Return whether it depends on the task, which sums over tasks do not know."""
        return self.text is not None or self.store is not None

    def covers(self, first_quarter: int, last_quarter: int) -> bool:
        """Return whether every delta between the two quarters, both included, is inside."""
        is_open = self.model is None and not self.names_tasks
        starts = self.first_quarter is None or self.first_quarter <= first_quarter
        return is_open and starts and (self.end_quarter is None or self.end_quarter > last_quarter)

    def between(self, first_quarter: int, end_quarter: int) -> UsageFilter:
        """Return the same filter for another stretch of time."""
        return replace(self, first_quarter=first_quarter, end_quarter=end_quarter)


def quarter_floor(moment_ms: int) -> int:
    """Return the quarter of an hour that ``moment_ms`` lies in."""
    return moment_ms // QUARTER_MS


def quarter_ceiling(moment_ms: int) -> int:
    """Return the first quarter of an hour that begins at ``moment_ms`` or later."""
    return -(-moment_ms // QUARTER_MS)


def latest_credible(now_ms: int) -> int:
    """Return the last quarter that may still belong to "now": clocks differ by a day at most.

    An entry dated further ahead is stored and can be asked for, but it would stretch every chart.
    """
    return quarter_floor(now_ms) + DAY_QUARTERS


def automatic_end(now_ms: int, latest_quarter: int | None) -> int:
    """Return where a period without an end stops, exclusively: behind now and behind the latest credible delta."""
    return max(quarter_floor(now_ms), latest_quarter or 0) + 1
