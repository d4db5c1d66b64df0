"""One window of Cline's with its own array in memory. No I/O, no clock, no logging."""

from __future__ import annotations

from random import Random

from aico.features.demo.entry import LedgerEntry

_RECENT_COUNT = 12
_STAY_SHARE = 0.85


class Window:
    """Holds a copy of the array that it read when it was opened, and never learns what other windows do."""

    def __init__(self, entries: list[LedgerEntry]) -> None:
        self.entries = list(entries)
        self._running_id: str | None = None

    def pick(self, rng: Random) -> LedgerEntry:
        """Return the running task's entry; now and then a recent other task is resumed and runs from now on.

        The array is not empty.
        """
        running = next((entry for entry in self.entries if entry["id"] == self._running_id), None)
        if running is not None and rng.random() < _STAY_SHARE:
            return running
        entry = rng.choice(self.entries[-_RECENT_COUNT:])
        self._running_id = entry["id"]
        return next(first for first in self.entries if first["id"] == self._running_id)

    def begin(self, entry: LedgerEntry) -> None:
        """Append a new task, which runs from now on."""
        self.entries.append(entry)
        self._running_id = entry["id"]

    def replace(self, entry: LedgerEntry) -> None:
        """Put ``entry`` in the place of the first one with its id, as Cline does; the others stay."""
        index = next(index for index, known in enumerate(self.entries) if known["id"] == entry["id"])
        self.entries[index] = entry
