"""The part of the accounts that is asked for: one filter for sums, chart, tables and export. Pure."""

from __future__ import annotations

from typing import NamedTuple

from aico.core.units import DAY_SLOTS, SLOT_MS


class UsageFilter(NamedTuple):
    """A part of the events: a half-open stretch of slots, and the source, model and session that they belong to."""

    first_slot: int | None = None
    """None: from the first event on."""
    end_slot: int | None = None
    """Exclusive; None: to the automatic end."""
    sources: tuple[str, ...] = ()
    """Empty is every source; so it is below."""
    models: tuple[str, ...] = ()
    """Exact names; ``''`` is the unknown model."""
    projects: tuple[str, ...] = ()
    text: str | None = None
    """Contained in the model, the session's key or its label, whatever the case of ASCII letters."""
    origin: str | None = None
    """The origin that states the sessions' numbers; None is every one."""
    session: int | None = None
    """The number of one stored session."""

    @property
    def names_sessions(self) -> bool:
        """Return whether it depends on the session, which sums over sessions do not know."""
        return self.text is not None or self.origin is not None or self.session is not None or bool(self.projects)

    @property
    def is_open(self) -> bool:
        """Return whether nothing but time and source limits it."""
        return not (self.models or self.names_sessions)

    def covers(self, first_slot: int, last_slot: int) -> bool:
        """Return whether every event of its sources between the two slots, both included, is inside."""
        starts = self.first_slot is None or self.first_slot <= first_slot
        return self.is_open and starts and (self.end_slot is None or self.end_slot > last_slot)

    def between(self, first_slot: int, end_slot: int) -> UsageFilter:
        """Return the same filter for another stretch of time."""
        return self._replace(first_slot=first_slot, end_slot=end_slot)


def slot_floor(moment_ms: int) -> int:
    """Return the slot that ``moment_ms`` lies in."""
    return moment_ms // SLOT_MS


def slot_ceiling(moment_ms: int) -> int:
    """Return the first slot that begins at ``moment_ms`` or later."""
    return -(-moment_ms // SLOT_MS)


def latest_credible(now_ms: int) -> int:
    """Return the last slot that may still belong to "now": clocks differ by a day at most.

    Usage that is dated further ahead is stored and can be asked for, but it would stretch every chart.
    """
    return slot_floor(now_ms) + DAY_SLOTS


def automatic_end(now_ms: int, latest_slot: int | None) -> int:
    """Return where a period without an end stops, exclusively: behind now and behind the latest credible event."""
    return max(slot_floor(now_ms), latest_slot or 0) + 1
