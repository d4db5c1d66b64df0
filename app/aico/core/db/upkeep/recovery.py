"""What takes the place of a database that is lost: the newest intact backup, and what the damaged one still says."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from aico.core.accounting import ZERO, Amount, Delta, UsageChange, amount_of, post_changes
from aico.core.db.upkeep import rebuilding
from aico.core.db.upkeep.backups import BackupFolder
from aico.core.db.upkeep.inspection import Condition, inspect
from aico.core.db.upkeep.replacement import CORRUPT, REPLACED, aside_path, build, list_aside, put_in_place
from aico.core.db.upkeep.salvage import Salvage, SalvagedTask, salvage
from aico.core.db.upkeep.sqlite_files import LOGS, connect, in_our_words, sync
from aico.core.domain import CLINE, TaskUsage
from aico.core.errors import BackupUnusable, StorageNewer
from aico.core.private_file import copy_own
from aico.core.statements import ADD_DELTAS, Row

_NOTE = ".json"
_ADDITIONS = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type IN ('trigger', 'view'))"
_ROWS = "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost, imported_at, updated_at FROM cline_task_usage"
_PEAKS = "SELECT task_id, tokens_in, tokens_out, cost_nano_usd FROM task_peak WHERE source = ?"
_STORE_ROW = """
    INSERT OR REPLACE INTO cline_task_usage
    (task_id, ts, model_id, tokens_in, tokens_out, total_cost, imported_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done about a lost database, and what may be missing since."""

    at_ms: int
    condition: str
    set_aside: str
    """Name of the lost file, beside the database. As long as it lies there, the loss is told."""
    backup: str | None
    """Name of the backup that took its place; None when there was none."""
    backup_at_ms: int | None
    salvaged_count: int
    """Tasks that were taken over from the lost file because it knew more of them."""
    task_count: int
    """Tasks before the ledger was imported again."""
    is_whole: bool
    """Whether every task of the lost file could be read."""

    def describe(self) -> str:
        """Return what happened and what may be missing, in sentences."""
        origin = f"the backup {self.backup} took its place" if self.backup else "there was no intact backup"
        text = f"The database was lost ({self.condition}) and set aside as {self.set_aside}; {origin}, and "
        text += f"{self.salvaged_count} tasks were salvaged from it. "
        if self.is_whole:
            return text + "Every task could be read."
        since = "written after that backup" if self.backup else "stored before"
        return (
            text + f"Tasks {since} may be missing unless the ledger still holds them, and with them days of the past."
        )


def recover(path: Path, condition: Condition, now_ms: int) -> Recovery:
    """Set the lost database at ``path`` aside and put the best that can be had in its place, under a new epoch.

    Raises StorageBusy or StorageError with everything as it was. Blocking: call it in a thread.
    """
    with in_our_words():
        found = salvage(path, CLINE)
        origin = BackupFolder(path).find_intact()
        aside = aside_path(path, CORRUPT, now_ms)
        counts: dict[str, int] = {}
        ready = build(aside, origin, partial(_merge, found=found, counts=counts))
        recovery = Recovery(
            at_ms=now_ms,
            condition=condition.value,
            set_aside=aside.name,
            backup=None if origin is None else origin.name,
            backup_at_ms=None if origin is None else origin.stat().st_mtime_ns // 1_000_000,
            salvaged_count=counts["salvaged"],
            task_count=counts["tasks"],
            is_whole=found.is_whole,
        )
        _write_note(aside, recovery)
        put_in_place(path, ready)
    return recovery


def find_recovery(path: Path) -> Recovery | None:
    """Return the last recovery of the database at ``path`` whose lost file still lies beside it."""
    for aside in reversed(list_aside(path)):
        try:
            return Recovery(**json.loads(aside.with_name(aside.name + _NOTE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
    return None


def _write_note(aside: Path, recovery: Recovery) -> None:
    note = aside.with_name(aside.name + _NOTE)
    descriptor = os.open(note, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(recovery), file)
    sync(note)


def _merge(connection: sqlite3.Connection, found: Salvage, counts: dict[str, int]) -> None:
    """Take over from ``found`` what is newer than what is stored, and keep all accounts in agreement."""
    stored = {row[0]: SalvagedTask(TaskUsage(*row[:6]), row[6], row[7]) for row in connection.execute(_ROWS)}
    newer = [task for task in found.tasks.values() if _is_newer(task, stored.get(task.usage.task_id))]
    _post(connection, newer, stored, found)
    connection.executemany(_STORE_ROW, [(*task.usage, task.imported_at, task.updated_at) for task in newer])
    adopted = {task.usage.task_id for task in newer}
    before = {task_id: amount_of(stored[task_id].usage) for task_id in adopted & set(stored)}
    _take_over_facts(connection, adopted, found, before)
    connection.executemany(
        "INSERT OR IGNORE INTO forgotten_task (source, task_id, forgotten_at) VALUES (?, ?, ?)",
        [(CLINE, task_id, moment) for task_id, moment in found.forgotten.items()],
    )
    rebuilding.choose_tasks(connection, list(found.forgotten))
    rebuilding.remove_tasks(connection, CLINE)
    rebuilding.rebuild_sums(connection)
    rebuilding.raise_counters(connection, CLINE, found.counters)
    rebuilding.begin_epoch(connection, found.revision)
    counts["salvaged"] = len(adopted - set(found.forgotten))
    counts["tasks"] = connection.execute("SELECT COUNT(*) FROM cline_task_usage").fetchone()[0]


def _is_newer(task: SalvagedTask, stored: SalvagedTask | None) -> bool:
    return stored is None or (task.updated_at > stored.updated_at and task.usage != stored.usage)


def _post(
    connection: sqlite3.Connection, newer: list[SalvagedTask], stored: dict[str, SalvagedTask], found: Salvage
) -> None:
    """Write the deltas of ``newer``: their own where they add up to the row, else the difference to what is stored."""
    own = {task.usage.task_id for task in newer if _add_up(found.deltas.get(task.usage.task_id, ()), task.usage)}
    rebuilding.choose_tasks(connection, list(own))
    connection.execute("DELETE FROM usage_delta WHERE source = ? AND task_id IN (SELECT task_id FROM chosen)", (CLINE,))
    deltas = [delta for task_id in own for delta in found.deltas[task_id]]
    changes = [
        UsageChange(before.usage if (before := stored.get(task.usage.task_id)) else None, task.usage)
        for task in newer
        if task.usage.task_id not in own
    ]
    for statement, parameters in ADD_DELTAS.batches(CLINE, deltas + post_changes(changes, {}).deltas()):
        connection.executemany(statement, parameters)


def _add_up(deltas: Iterable[Delta], usage: TaskUsage) -> bool:
    rows = [delta[3:] for delta in deltas]
    return bool(rows) and tuple(map(sum, zip(*rows, strict=True))) == amount_of(usage)


def _take_over_facts(
    connection: sqlite3.Connection, adopted: set[str], found: Salvage, before: dict[str, Amount]
) -> None:
    """Write what else is known of the ``adopted`` tasks, and since when usage is observed."""
    rebuilding.choose_tasks(connection, list(adopted))
    connection.execute("DELETE FROM task_store WHERE source = ? AND task_id IN (SELECT task_id FROM chosen)", (CLINE,))
    stores: list[Row] = [(CLINE, task_id, store) for task_id, store in found.stores.items() if task_id in adopted]
    connection.executemany("INSERT INTO task_store (source, task_id, store) VALUES (?, ?, ?)", stores)
    _take_over_peaks(connection, adopted, found, before)
    if found.exact_since is not None:
        connection.execute(
            "INSERT INTO source_state (source, exact_since) VALUES (?, ?) "
            "ON CONFLICT (source) DO UPDATE SET exact_since = MIN(exact_since, excluded.exact_since)",
            (CLINE, found.exact_since),
        )


def _take_over_peaks(
    connection: sqlite3.Connection, adopted: set[str], found: Salvage, before: dict[str, Amount]
) -> None:
    """Keep the highest totals of the ``adopted`` tasks whose row is below them, and only of those."""
    known = {row[0]: Amount(*row[1:]) for row in connection.execute(_PEAKS, (CLINE,))}
    connection.execute("DELETE FROM task_peak WHERE source = ? AND task_id IN (SELECT task_id FROM chosen)", (CLINE,))
    peaks: list[Row] = []
    for task_id in adopted:
        now = amount_of(found.tasks[task_id].usage)
        seen = (known.get(task_id, now), found.peaks.get(task_id, now), before.get(task_id, now))
        highest = tuple(map(max, now, *seen))
        if highest != now:
            peaks.append((CLINE, task_id, *highest))
    connection.executemany("INSERT INTO task_peak VALUES (?, ?, ?, ?, ?)", peaks)


def check_backup(origin: Path) -> None:
    """Raise BackupUnusable, StorageForeign, StorageNewer or StorageError for a file that cannot be restored."""
    with _checked_copy(origin):
        pass


@contextmanager
def _checked_copy(origin: Path) -> Iterator[Path]:
    """Yield a copy of ``origin`` that can be restored, in a folder of our own. Raises like :func:`check_backup`.

    SQLite never gets ``origin`` itself: it would take a log for the end of that file, and play a journal back, which
    may even name other files to be removed. Whoever can write beside a backup could put one there.
    """
    if not origin.is_file():
        raise BackupUnusable(str(origin), "there is no such file")
    with in_our_words(), TemporaryDirectory(prefix="aico-") as folder:
        copy = Path(folder) / "backup"
        copyfile(origin, copy)
        for end in LOGS:
            copy_own(origin.with_name(origin.name + end), copy.with_name(copy.name + end))
        condition = inspect(copy).condition
        if condition is not Condition.SOUND:
            raise BackupUnusable(str(origin), f"it is {condition.value}")
        with closing(connect(copy, "ro")) as connection:
            # A trigger would run with every write from now on.
            if connection.execute(_ADDITIONS).fetchone()[0]:
                raise BackupUnusable(str(origin), "it holds triggers or views, and no backup of ours does")
        yield copy


def restore(path: Path, origin: Path, now_ms: int) -> Path | None:
    """Put a copy of the backup ``origin`` in the place of the database at ``path``, under a new epoch.

    Returns where the old one was set aside, None when there was none. Counters keep what they have shown. Raises like
    :func:`check_backup`, and StorageBusy, with everything as it was. Blocking: call it in a thread.
    """
    had_old = path.exists()
    with suppress(StorageNewer):
        inspect(path)  # another program's database is not ours to replace; one of a newer version is
    with _checked_copy(origin) as copy, in_our_words():
        before = salvage(path, CLINE) if had_old else Salvage()
        aside = aside_path(path, REPLACED, now_ms)

        def change(connection: sqlite3.Connection) -> None:
            rebuilding.raise_counters(connection, CLINE, before.counters)
            _keep_peaks(connection, before)
            rebuilding.begin_epoch(connection, before.revision)

        put_in_place(path, build(aside, copy, change))
    return aside if had_old else None


def _keep_peaks(connection: sqlite3.Connection, before: Salvage) -> None:
    """Remember the highest totals of every task of ``before``: what counters have shown is not growth once more.

    That holds for tasks, too, that the backup does not know: the next import brings them back. Where the counters do
    not include all of it, one of the two is of another history, or could not be read; then everything counts anew.
    """
    now = {row[0]: amount_of(TaskUsage(*row[:6])) for row in connection.execute(_ROWS)}
    highest = dict(now)
    known = {row[0]: Amount(*row[1:]) for row in connection.execute(_PEAKS, (CLINE,))}
    rows = {task_id: amount_of(task.usage) for task_id, task in before.tasks.items()}
    for seen in (known, rows, before.peaks):
        for task_id, amount in seen.items():
            highest[task_id] = Amount(*map(max, amount, highest.get(task_id, ZERO)))
    shown = rebuilding.get_counters(connection, CLINE).values()
    sums = zip(zip(ZERO, *shown, strict=True), zip(ZERO, *highest.values(), strict=True), strict=True)
    if all(sum(have) >= sum(need) for have, need in sums):
        peaks = [(CLINE, task_id, *amount) for task_id, amount in highest.items() if amount != now.get(task_id)]
        connection.executemany("INSERT OR REPLACE INTO task_peak VALUES (?, ?, ?, ?, ?)", peaks)
