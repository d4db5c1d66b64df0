"""Makes each step of a harsh ledger an update on the disk, in one of the allowed ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from aico.features.demo.js_json import stringify
from tests.emulator.broken_entries import BROKEN_ENTRIES
from tests.emulator.harsh_ledger import DELETIONS, AnyStep, HarshLedger
from tests.emulator.pretty_json import stringify_pretty
from tests.emulator.update_lines import Update
from tests.emulator.ways_of_writing import Way, write_ledger


class Scribe:
    """Writes the ledger at ``path``, with ``broken_count`` broken elements among the good ones."""

    def __init__(
        self, path: Path, ledger: HarshLedger, *, ways: Sequence[Way], seed: int, broken_count: int = 0
    ) -> None:
        self._path = path
        self._ledger = ledger
        self._ways = tuple(ways)
        self._rng = Random(seed)  # noqa: S311 - reproducible on purpose
        self._broken = BROKEN_ENTRIES[:broken_count]
        self._number = 0

    def write_start(self) -> Update:
        """Write the ledger as it is before the first step."""
        way = self._write(kind=None)
        return Update(0, None, way, tuple(self._ledger.truth.values()), (), self._entry_count)

    def write_step(self, kind: AnyStep | None = None) -> Update:
        """Let Cline do one thing and write it."""
        step = self._ledger.step(kind=kind)
        self._number += 1
        way = self._write(step.kind)
        return Update(self._number, step.kind, way, step.changed, step.gone, self._entry_count)

    @property
    def _entry_count(self) -> int:
        return len(self._ledger.entries) + len(self._broken)

    def _write(self, kind: AnyStep | None) -> Way:
        way = self._choose_way(kind)
        elements: list[object] = list(self._ledger.entries)
        for element in self._broken:
            elements.insert(self._rng.randrange(len(elements) + 1), element)
        data = stringify_pretty(elements) if way is Way.PRETTY else stringify(elements)
        write_ledger(way, self._path, data, self._rng)
        return way

    def _choose_way(self, kind: AnyStep | None) -> Way:
        """Pretty-print deletions and nothing else, where the allowed ways leave the choice."""
        others = [way for way in self._ways if way is not Way.PRETTY]
        if not others or (kind in DELETIONS and Way.PRETTY in self._ways):
            return Way.PRETTY
        return self._rng.choice(others)
