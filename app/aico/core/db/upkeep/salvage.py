"""What can still be read of a damaged database. Every value is checked: wrong bytes may look like a row."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from aico.core.accounting import Amount, Delta
from aico.core.db.upkeep.sqlite_files import connect, says_damaged
from aico.core.domain import QUARTER_MS, Store, TaskUsage
from aico.core.money import NANO

Cells: TypeAlias = tuple[object, ...]
T = TypeVar("T")

_TASK = "task_id, ts, model_id, tokens_in, tokens_out, total_cost, imported_at, updated_at"
# Nothing beyond these was ever stored: an import refuses it.
_TEXT_MAX = 200
_NO_TEXT = {"Cc", "Cs"}
"""Control characters, and what stands for bytes that are no text."""
_COUNT_MAX = 10**12
_COST_MAX = 10**6
_NANO_MAX = _COST_MAX * NANO
_TIME_MAX = 253_402_300_799_999
_QUARTER_MAX = _TIME_MAX // QUARTER_MS
_SUM_MAX = 2**62


@dataclass(frozen=True, slots=True)
class SalvagedTask:
    """A row that could be read."""

    usage: TaskUsage
    imported_at: int
    updated_at: int


@dataclass(slots=True)
class Salvage:
    """What was read of one source."""

    tasks: dict[str, SalvagedTask] = field(default_factory=dict)
    deltas: dict[str, list[Delta]] = field(default_factory=dict)
    peaks: dict[str, Amount] = field(default_factory=dict)
    counters: dict[str, Amount] = field(default_factory=dict)
    stores: dict[str, str] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    """When each task was forgotten."""
    exact_since: int | None = None
    revision: int = 0
    is_whole: bool = False
    """Whether every task that was stored could be read."""


def salvage(path: Path, source: str) -> Salvage:
    """Return what can be read of the damaged database at ``path``; nothing of it is changed.

    Raises sqlite3.Error for what is no damage: a lock, a failing disk. Blocking: call it in a thread.
    """
    found = Salvage()
    if path.stat().st_size == 0:
        return found
    try:
        with closing(connect(path, "ro")) as connection:
            # Wrong bytes must not end the reading; what replaces them is refused as part of a value.
            connection.text_factory = _decode
            _fill(found, _Reader(connection, _row_limit(path)), source)
    except sqlite3.Error as error:
        if not says_damaged(error):
            raise
    return found


class _Reader:
    """Reads tables from both ends until the damage."""

    def __init__(self, connection: sqlite3.Connection, row_limit: int) -> None:
        self._connection = connection
        self._row_limit = row_limit

    def read(self, table: str, columns: str, key: str) -> tuple[list[Cells], bool]:
        """Return the rows of ``table`` that can be read, and whether that is all of them. No table has no rows."""
        statement = f"SELECT {columns} FROM {table} ORDER BY "  # noqa: S608  # names of our own tables
        rows: dict[Cells, Cells] = {}
        if self._scan(statement + key, rows):
            return list(rows.values()), True
        self._scan(statement + ", ".join(f"{column} DESC" for column in key.split(", ")), rows)
        return list(rows.values()), False

    def find(self, statement: str, *values: str) -> Cells | None:
        """Return one row, None where there is none or it cannot be read."""
        return next(self._rows(statement, values, lambda: None), None)

    def _scan(self, statement: str, rows: dict[Cells, Cells]) -> bool:
        whole = True

        def note_damage() -> None:
            nonlocal whole
            whole = False

        for count, cells in enumerate(self._rows(statement, (), note_damage)):
            # Damaged pages may point in circles.
            if count > self._row_limit:
                return False
            rows[cells] = cells
        return whole

    def _rows(self, statement: str, values: tuple[str, ...], note_damage: Callable[[], None]) -> Iterator[Cells]:
        try:
            yield from self._connection.execute(statement, values)
        except sqlite3.Error as error:
            # A table that is not there yet, in a schema of an older version, is not damaged.
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
                if not says_damaged(error):
                    raise
                note_damage()


def _fill(found: Salvage, reader: _Reader, source: str) -> None:
    rows, found.is_whole = reader.read("cline_task_usage", _TASK, "task_id")
    found.tasks = {task.usage.task_id: task for task in _judged(rows, _judge_task)}
    is_there = reader.find("SELECT 1 FROM sqlite_master WHERE name = ?", "cline_task_usage") is not None
    found.is_whole &= is_there and len(found.tasks) == len(rows)
    columns = "quarter, task_id, model, tokens_in, tokens_out, cost_nano_usd, source"
    rows, _ = reader.read("usage_delta", columns, "source, quarter, task_id, model")
    for delta in _judged(_of(source, rows), _judge_delta):
        found.deltas.setdefault(delta[1], []).append(delta)
    if not found.is_whole:
        _find_more(found, reader)
    _fill_others(found, reader, source)


def _find_more(found: Salvage, reader: _Reader) -> None:
    """Look up one by one the tasks that other places name: they may lie between two damages."""
    rows, _ = reader.read("cline_task_usage INDEXED BY ix_cline_task_usage_ts", "task_id", "ts")
    named = {cells[0] for cells in rows} | set(found.deltas)
    statement = f"SELECT {_TASK} FROM cline_task_usage WHERE task_id = ?"  # noqa: S608  # names of our own columns
    for task_id in named - set(found.tasks):
        if isinstance(task_id, str) and (cells := reader.find(statement, task_id)) is not None:
            found.tasks.update((task.usage.task_id, task) for task in _judged([cells], _judge_task))


def _fill_others(found: Salvage, reader: _Reader, source: str) -> None:
    rows, _ = reader.read("task_peak", "task_id, tokens_in, tokens_out, cost_nano_usd, source", "source, task_id")
    found.peaks = dict(_judged(_of(source, rows), _judge_peak))
    columns = "model, tokens_in, tokens_out, cost_usd, cost_nano, source"
    rows, _ = reader.read("usage_counter", columns, "rowid")
    found.counters = dict(_judged(_of(source, rows), _judge_counter))
    rows, _ = reader.read("task_store", "task_id, store, source", "source, task_id")
    found.stores = dict(_judged(_of(source, rows), _judge_store))
    rows, _ = reader.read("forgotten_task", "task_id, forgotten_at, source", "source, task_id")
    found.forgotten = dict(_judged(_of(source, rows), _judge_forgotten))
    rows, _ = reader.read("source_state", "exact_since, source", "source")
    found.exact_since = next(_judged(_of(source, rows), _judge_moment), None)
    rows, _ = reader.read("database_state", "revision", "id")
    found.revision = next(_judged(rows, _judge_revision), 0)


def _of(source: str, rows: list[Cells]) -> list[Cells]:
    return [cells[:-1] for cells in rows if cells[-1] == source]


def _judged(rows: list[Cells], judge: Callable[[Cells], T | None]) -> Iterator[T]:
    for cells in rows:
        value = judge(cells)
        if value is not None:
            yield value


def _judge_task(cells: Cells) -> SalvagedTask | None:
    match cells:
        case (
            str(task_id),
            int(ts),
            (str() | None) as model_id,
            int(tokens_in),
            int(tokens_out),
            (int() | float()) as cost,
            int(imported_at),
            int(updated_at),
        ) if (
            _is_text(task_id)
            and (model_id is None or _is_text(model_id))
            and _are_within(_COUNT_MAX, tokens_in, tokens_out)
            and _are_within(_TIME_MAX, ts, imported_at, updated_at)
            and 0 <= cost <= _COST_MAX
        ):
            usage = TaskUsage(task_id, ts, model_id, tokens_in, tokens_out, float(cost))
            return SalvagedTask(usage, imported_at, updated_at)
    return None


def _judge_delta(cells: Cells) -> Delta | None:
    match cells:
        case (int(quarter), str(task_id), str(model), int(tokens_in), int(tokens_out), int(nano)) if (
            0 <= quarter <= _QUARTER_MAX
            and _is_text(task_id)
            and (not model or _is_text(model))
            and _are_within(_COUNT_MAX, abs(tokens_in), abs(tokens_out))
            and _are_within(_NANO_MAX, abs(nano))
        ):
            return quarter, task_id, model, tokens_in, tokens_out, nano
    return None


def _judge_peak(cells: Cells) -> tuple[str, Amount] | None:
    match cells:
        case (str(task_id), int(tokens_in), int(tokens_out), int(nano)) if (
            _is_text(task_id) and _are_within(_COUNT_MAX, tokens_in, tokens_out) and _are_within(_NANO_MAX, nano)
        ):
            return task_id, Amount(tokens_in, tokens_out, nano)
    return None


def _judge_counter(cells: Cells) -> tuple[str, Amount] | None:
    match cells:
        case (str(model), int(tokens_in), int(tokens_out), int(usd), int(nano)) if (
            not model or _is_text(model)
        ) and _are_within(_SUM_MAX, tokens_in, tokens_out, usd, nano):
            return model, Amount(tokens_in, tokens_out, usd * NANO + nano)
    return None


def _judge_store(cells: Cells) -> tuple[str, str] | None:
    match cells:
        case (str(task_id), str(store)) if _is_text(task_id) and store in set(Store):
            return task_id, store
    return None


def _judge_forgotten(cells: Cells) -> tuple[str, int] | None:
    match cells:
        case (str(task_id), int(moment)) if _is_text(task_id) and _are_within(_TIME_MAX, moment):
            return task_id, moment
    return None


def _judge_moment(cells: Cells) -> int | None:
    match cells:
        case (int(moment),) if _are_within(_TIME_MAX, moment):
            return moment
    return None


def _judge_revision(cells: Cells) -> int | None:
    match cells:
        case (int(revision),) if _are_within(_SUM_MAX, revision):
            return revision
    return None


def _is_text(text: str) -> bool:
    if not 0 < len(text) <= _TEXT_MAX:
        return False
    return text.isprintable() or not any(unicodedata.category(character) in _NO_TEXT for character in text)


def _are_within(most: int, *numbers: int) -> bool:
    return all(0 <= number <= most for number in numbers)


def _row_limit(path: Path) -> int:
    """Return more rows than the file can hold: no row has fewer than four bytes."""
    wal = path.with_name(path.name + "-wal")
    return (path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)) // 4


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
