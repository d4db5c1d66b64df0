"""The accounts as versions up to schema 0007 kept them, computed the slow way, and written into a database of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aico.core.db.migrations import migrate
from aico.core.money import nano_usd
from aico.core.usage import SLOT_MS, MeterReading
from tests.core.old_databases import Amounts

NOTHING: Amounts = (0, 0, 0)


@lru_cache(maxsize=1)
def _template() -> tuple[TemporaryDirectory[str], Path]:
    folder = TemporaryDirectory()
    path = Path(folder.name) / "template.db"
    migrate(path, "0007")
    return folder, path


def plus(one: Amounts, other: Amounts) -> Amounts:
    """Return the sum."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def minus(one: Amounts, other: Amounts) -> Amounts:
    """Return the difference."""
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def highest(one: Amounts, other: Amounts) -> Amounts:
    """Return the greater of each number."""
    return max(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2])


def totals_of(entry: MeterReading) -> Amounts:
    """Return what an entry of the ledger states."""
    return entry.input or 0, entry.output or 0, nano_usd(entry.cost_usd or 0.0)


@dataclass
class OldAccounts:
    """Rows, signed deltas, peaks and counters after a history of ledgers."""

    rows: dict[str, MeterReading] = field(default_factory=dict)
    deltas: dict[tuple[str, int, str], Amounts] = field(default_factory=dict)
    """By task, slot and model; negative where totals fell."""
    peaks: dict[str, Amounts] = field(default_factory=dict)
    """The highest totals of every task."""
    counters: dict[str, Amounts] = field(default_factory=dict)
    seen_falling: set[str] = field(default_factory=set)
    """Tasks that fell at any moment, also where nothing stored tells: a fall and what grew anew, within one slot."""

    def take_in(self, entries: Iterable[MeterReading]) -> None:
        """Book one reading of the ledger, no id twice."""
        for entry in entries:
            known = self.rows.get(entry.session)
            effective = entry._replace(model=entry.model or (known.model if known else None))
            self.rows[entry.session] = effective
            now, before = totals_of(effective), totals_of(known) if known else NOTHING
            peak = self.peaks.get(entry.session, NOTHING)
            if known and now == before:
                continue
            model = effective.model or ""
            key = (entry.session, (entry.ts or 0) // SLOT_MS, model)
            if min(minus(now, before)) < 0:
                self.seen_falling.add(entry.session)
            self.deltas[key] = plus(self.deltas.get(key, NOTHING), minus(now, before))
            self.peaks[entry.session] = highest(now, peak)
            growth = minus(highest(now, peak), peak)
            self.counters[model] = plus(self.counters.get(model, NOTHING), growth)

    @property
    def fallen(self) -> set[str]:
        """Tasks whose totals are known to have fallen: below their peak now, or by a negative delta."""
        below = {task for task, peak in self.peaks.items() if peak != totals_of(self.rows[task])}
        return below | {task for (task, _slot, _model), amount in self.deltas.items() if min(amount) < 0}

    def write(self, folder: Path) -> Path:
        """Return a database of schema 0007 in ``folder`` that holds these accounts."""
        path = Path(shutil.copy(_template()[1], folder / "observer.db"))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO source_state VALUES ('cline', 1)")
            connection.executemany(
                "INSERT INTO cline_task_usage VALUES (?, ?, ?, ?, ?, ?, 5, 6)",
                [(task, row.ts, row.model, row.input, row.output, row.cost_usd) for task, row in self.rows.items()],
            )
            connection.executemany(
                "INSERT INTO usage_delta VALUES ('cline', ?, ?, ?, ?, ?, ?)",
                [(slot, task, model, *amount) for (task, slot, model), amount in self.deltas.items()],
            )
            connection.executemany(
                "INSERT INTO task_peak VALUES ('cline', ?, ?, ?, ?)",
                [(task, *peak) for task, peak in self.peaks.items() if peak != totals_of(self.rows[task])],
            )
            connection.executemany(
                "INSERT INTO usage_counter VALUES ('cline', ?, ?, ?, ?, ?)",
                [(model, *amount[:2], *divmod(amount[2], 10**9)) for model, amount in self.counters.items()],
            )
        return path
