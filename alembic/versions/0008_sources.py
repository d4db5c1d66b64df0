"""Many sources: events with all kinds of tokens, sessions, meters, and sums of integers under short keys.

Booked amounts of a task whose totals never fell are copied one to one. Of a task whose totals fell, the falls and the
way back up to the mark are dropped, in the order of the slots, so that its events add up to the highest totals that it
ever had. The old tables go only when everything adds up.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias, cast

import sqlalchemy as sa
from alembic import op

from aico.core.errors import StorageError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_log = logging.getLogger("aico.migrations")
_Amounts: TypeAlias = tuple[int, ...]
"""Tokens in, tokens out, nano-dollars."""
_Delta: TypeAlias = tuple[int, str, _Amounts]
"""Slot, model, and what was spent then."""
_Task: TypeAlias = tuple[int, str, _Amounts, int]
"""Time of the last activity, model, totals, time of the first sight."""
_SLOT_MS, _DAY_SLOTS, _NANO = 900_000, 96, 1_000_000_000
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_CHUNK = 5_000
_GROWTH, _FINAL = 1, 0
_DELTAS = """
    SELECT task_id, quarter, model, tokens_in, tokens_out, cost_nano_usd FROM usage_delta
    WHERE source = 'cline' ORDER BY task_id, quarter, model
"""
_KNOWN_MODELS = """
    SELECT model FROM usage_counter WHERE source = 'cline' ORDER BY rowid
"""
_OTHER_MODELS = """
    SELECT '' UNION SELECT model FROM usage_delta UNION SELECT model_id FROM cline_task_usage WHERE model_id IS NOT NULL
"""
_TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
_SUM_COLUMNS = (
    *_TOKENS,
    *("requests", "prompts", "unpriced", "unmeasured", "interrupted", "at_least", "lacking_cache", "partial"),
    *(f"{money}_{unit}" for money in ("recorded", "own", "listed", "list") for unit in ("usd", "nano")),
)
_NUMBERS = tuple(f"{name} INTEGER" for name in _TOKENS)
_METERED = tuple(f"{kind}_{name} INTEGER" for kind in ("last", "high") for name in (*_TOKENS, "nano"))
# Name, key, whether the key is the tree, columns: "!" is an integer that is never NULL, "$" a text.
# "$?" is a text that may be NULL.
_TABLES = (
    ("source", "id", False, ("id!", "name$", "exact_since INTEGER", "UNIQUE (name)")),
    ("origin", "id", False, ("id!", "source!", "name$", "UNIQUE (source, name)")),
    ("model", "id", False, ("id!", "name$", "UNIQUE (name)")),
    ("price_ref", "id", False, ("id!", "list$", "entry$", "UNIQUE (list, entry)")),
    ("price_list", "name", True, ("name$", "asked_at!")),
    (
        "session",
        "id",
        False,
        (
            *("id!", "source!", "key$", "parent_key$?", "first_ts!", "last_ts!", "model!", "state!", "seen_at!"),
            *("label$?", "project$?", "UNIQUE (source, key)"),
        ),
    ),
    (
        "usage_event",
        "id",
        False,
        (
            *_NUMBERS,
            *("id!", "source!", "kind!", "key_high!", "key_low!", "origin!", "session!", "ts!", "model!"),
            *(
                "recorded_nano INTEGER",
                "own_nano INTEGER",
                "list_nano INTEGER",
                "price_ref INTEGER",
                "context$",
                "state!",
            ),
            *("unknown$", "claim INTEGER", "UNIQUE (source, kind, key_high, key_low)"),
        ),
    ),
    (
        "meter",
        "session, origin",
        True,
        ("session!", "origin!", *_METERED, "unknown$", "is_joint BOOLEAN NOT NULL", "stated_by!"),
    ),
    (
        "gap",
        "session, model, kind, at",
        True,
        (
            *("session!", "model!", "kind$", "at!", *_NUMBERS, "requests INTEGER", "heir_of$?", "heir_since INTEGER"),
            "recorded_count INTEGER",
        ),
    ),
    ("checkpoint", "source, place", True, ("source!", "place$", "origin!", "epoch$", "position$", "read_at!")),
    ("forgotten", "source, key", True, ("source!", "key$", "forgotten_at!")),
    ("forgotten_key", "source, kind, key_high, key_low", True, ("source!", "kind!", "key_high!", "key_low!")),
    (
        "source_choice",
        "source, origin, machine, root",
        True,
        ("source$", "origin$", "machine$", "root$", "is_on BOOLEAN NOT NULL", "changed_at!"),
    ),
)
_RUN = (
    *("id!", "source$", "origin$", "trigger$", "finished_at!", "duration_ms FLOAT NOT NULL", "added_count!"),
    *("updated_count!", "skipped_count!", "error_count!", "partial_count!", "remaining_count!"),
    *("revision INTEGER", "error_code$?"),
)
_SUMS = {
    "usage_slot": ("source", "slot", "model"),
    "usage_session_day": ("source", "day", "session", "model"),
    "sums_total": ("source", "model"),
    "forgotten_total": ("source", "model"),
    "counter_floor": ("source", "model"),
}
_INDEXES = (
    "CREATE INDEX ix_session_last ON session (source, last_ts)",
    "CREATE INDEX ix_usage_event_session ON usage_event (session, ts)",
    "CREATE INDEX ix_usage_event_ts ON usage_event (ts)",
    "CREATE INDEX ix_usage_event_open ON usage_event (source, ts) WHERE state = 1",
    "CREATE INDEX ix_usage_session_day_session ON usage_session_day (session)",
)
_OLD = (
    "usage_delta",
    "usage_rollup",
    "usage_total",
    "usage_task_day",
    "usage_task_model",
    "usage_counter",
    "task_peak",
    "task_store",
    "store_reading",
    "forgotten_task",
    "source_state",
    "summed_source",
)
# A day, a slot and a sum of the amounts that an event adds to each.
_OF_EVENT = ", ".join(
    [
        *(f"SUM(IFNULL({name}, 0))" for name in _TOKENS),
        "0, 0",
        "SUM(recorded_nano IS NULL AND IFNULL(input, 0) + IFNULL(output, 0) > 0)",
        "0, 0, 0, COUNT(*), 0",
        f"SUM(IFNULL(recorded_nano, 0) / {_NANO}), SUM(IFNULL(recorded_nano, 0) % {_NANO})",
        "0, 0, 0, 0, 0, 0",
    ]
)
_FILL = (
    ("usage_slot", f"source, ts / {_SLOT_MS}, model"),
    ("usage_session_day", f"source, ts / {_SLOT_MS * _DAY_SLOTS}, session, model"),
    ("sums_total", "source, model"),
)
_EVERYTHING = "SELECT {numbers} FROM {table}"
_COUNTERS = """
    SELECT s.id, m.id, c.tokens_in, c.tokens_out, c.cost_usd, c.cost_nano FROM usage_counter AS c
    JOIN source AS s ON s.name = c.source JOIN model AS m ON m.name = c.model
"""
_TOTALS = "SELECT source, model, input, output, recorded_usd, recorded_nano FROM sums_total"
_RETURNING = "SELECT EXISTS (SELECT 1 FROM task_peak WHERE task_id NOT IN (SELECT task_id FROM cline_task_usage))"


def upgrade() -> None:
    for name, key, is_clustered, columns in _TABLES:
        op.execute(_table(name, key, columns, is_clustered=is_clustered))
    for name, parts in _SUMS.items():
        columns = tuple(f"{column}!" for column in (*parts, *_SUM_COLUMNS))
        op.execute(_table(name, ", ".join(parts), columns, is_clustered=True))
    op.rename_table("import_run", "before_0008")
    op.execute(_table("import_run", "id", _RUN, is_clustered=False))
    op.execute(
        "INSERT INTO import_run SELECT id, source, '', trigger, finished_at, duration_ms, added_count, updated_count, "
        "skipped_count, error_count, 0, remaining_count, revision, error_code FROM before_0008"
    )
    op.drop_table("before_0008")
    connection = op.get_bind()
    _name_things(connection)
    rewritten, difference = _convert(connection)
    for statement in _INDEXES:
        op.execute(statement)
    for table, key in _FILL:
        op.execute(
            f"INSERT INTO {table} ({', '.join(_SUMS[table])}, {', '.join(_SUM_COLUMNS)}) "  # noqa: S608  # our own names
            f"SELECT {key}, {_OF_EVENT} FROM usage_event GROUP BY {key}"
        )
    _keep_counters(connection)
    _compare(connection)
    for table in _OLD:
        op.drop_table(table)
    op.rename_table("sums_total", "usage_total")
    if rewritten:
        _log.warning(
            "%d tasks whose totals had fallen were booked anew: their falls count no more; the sum over all time"
            " changed by %+d tokens in, %+d tokens out, %+.9f US dollars",
            rewritten,
            difference[0],
            difference[1],
            difference[2] / _NANO,
        )


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before this step")


def _table(name: str, key: str, columns: Sequence[str], *, is_clustered: bool) -> str:
    """Return the statement that makes a table."""
    long = [
        column.replace("!", " INTEGER NOT NULL").replace("$?", " VARCHAR").replace("$", " VARCHAR NOT NULL")
        for column in columns
        if not column.startswith("UNIQUE")
    ]
    unique = [column for column in columns if column.startswith("UNIQUE")]
    tail = " WITHOUT ROWID" if is_clustered else ""
    return f"CREATE TABLE {name} ({', '.join([*long, f'PRIMARY KEY ({key})', *unique])}){tail}"


def _name_things(connection: sa.Connection) -> None:
    """Give a number to each source, origin and model, in the order in which models were first seen."""
    sources = [
        "cline",
        *_list(connection, "SELECT source FROM source_state WHERE source <> 'cline'"),
    ]
    for name in sources:
        connection.exec_driver_sql(
            "INSERT INTO source (name, exact_since) "
            "VALUES (?1, (SELECT exact_since FROM source_state WHERE source = ?1))",
            (name,),
        )
    for name in ("ledger", "sessions"):
        connection.exec_driver_sql(
            "INSERT INTO origin (source, name) SELECT id, ? FROM source WHERE name = 'cline'", (name,)
        )
    models = dict.fromkeys([*_list(connection, _KNOWN_MODELS), *_list(connection, _OTHER_MODELS)])
    _insert(connection, "model", ("name",), [(name,) for name in models])
    connection.exec_driver_sql(
        "INSERT INTO forgotten SELECT s.id, f.task_id, f.forgotten_at FROM forgotten_task AS f "
        "JOIN source AS s ON s.name = f.source"
    )


def _convert(connection: sa.Connection) -> tuple[int, list[int]]:
    """Make sessions, meters and events of Cline's rows; return how many tasks were rewritten, and by how much.

    The numbers of a task are tokens in, tokens out and nano-dollars.
    """
    cline = _one(connection, "SELECT id FROM source WHERE name = 'cline'")
    origins = _pairs(connection, "SELECT name, id FROM origin")
    models = _pairs(connection, "SELECT name, id FROM model")
    peaks = {
        task: tuple(rest)
        for task, *rest in _rows(
            connection, "SELECT task_id, tokens_in, tokens_out, cost_nano_usd FROM task_peak WHERE source = 'cline'"
        )
    }
    stores = _texts(connection, "SELECT task_id, store FROM task_store WHERE source = 'cline'")
    tasks = {
        task: (ts, model or "", (tokens_in, tokens_out, _nano(cost)), seen_at)
        for task, ts, model, tokens_in, tokens_out, cost, seen_at in _rows(
            connection,
            "SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost, imported_at FROM cline_task_usage",
        )
    }
    deltas = cast("Iterable[sqlite3.Row]", connection.exec_driver_sql(_DELTAS))
    writer = _Writer(connection)
    rewritten, difference = 0, [0, 0, 0]
    for number, (task, known) in enumerate(_posted(deltas, tasks), 1):
        posted = known
        booked = tuple(map(sum, zip(*(amount for *_, amount in posted), strict=True)))
        first = posted[0][0] * _SLOT_MS
        # A task without a row is no state that a version of ours left: its deltas are all that is known of it.
        unlisted = (posted[-1][0] * _SLOT_MS, posted[-1][1], tuple(max(0, each) for each in booked), first)
        ts, model, row, seen_at = tasks.get(task, unlisted)
        if task not in tasks:
            writer.rows.append((task, ts, model or None, row[0], row[1], row[2] / _NANO, seen_at, seen_at))
        high = tuple(map(max, row, peaks.get(task, row)))
        if booked != high or any(number < 0 for *_, amount in posted for number in amount):
            posted = _growth_of(posted, high)
            rewritten += 1
            difference = [total + after - before for total, after, before in zip(difference, high, booked, strict=True)]
        origin = origins[stores.get(task, "ledger")]
        writer.sessions.append((number, cline, task, None, min(first, ts), ts, models[model], 0, seen_at))
        writer.meters.append((number, origin, *_wide(row), row[2], *_wide(high), high[2], "", 0, origin))
        is_unpriced = high[2] == 0
        for quarter, spent_on, amount in posted:
            moment = ts if ts // _SLOT_MS == quarter else quarter * _SLOT_MS
            cost = None if is_unpriced and amount[0] + amount[1] else amount[2]
            writer.events.append(
                (
                    *(cline, _GROWTH, *_key(task, quarter, spent_on), origin, number, moment, models[spent_on]),
                    *(*_wide(amount), cost, "", _FINAL, ""),
                )
            )
        writer.write(at_least=_CHUNK)
    writer.write(at_least=1)
    return rewritten, difference


def _posted(deltas: Iterable[sqlite3.Row], tasks: Mapping[str, _Task]) -> Iterator[tuple[str, list[_Delta]]]:
    """Yield each task with its deltas by slot, at least one: usage without a date was spent last."""
    without = dict.fromkeys(tasks)
    for task, group in groupby(deltas, key=itemgetter(0)):
        without.pop(task, None)
        yield task, [(quarter, model, (i, o, nano)) for _task, quarter, model, i, o, nano in group]
    for task in without:
        ts, model, row, _seen_at = tasks[task]
        yield task, [(ts // _SLOT_MS, model, row)]


def _growth_of(posted: Sequence[_Delta], high: tuple[int, ...]) -> list[_Delta]:
    """Return what each delta adds above the highest totals before it; all together, ``high``."""
    grown = []
    total: tuple[int, ...] = (0, 0, 0)
    mark = total
    for quarter, model, amount in posted:
        total = tuple(a + b for a, b in zip(total, amount, strict=True))
        # Slots need not follow each other as the readings did: then the way leads above the highest totals.
        above = tuple(min(max(mark, number), most) for mark, number, most in zip(mark, total, high, strict=True))
        grown.append((quarter, model, tuple(a - b for a, b in zip(above, mark, strict=True))))
        mark = above
    # A rise and fall within one slot is no delta of its own: it goes to the last slot in which something is known.
    left = tuple(a - b for a, b in zip(high, mark, strict=True))
    quarter, model, last = grown[-1]
    grown[-1] = (quarter, model, tuple(a + b for a, b in zip(last, left, strict=True)))
    return [each for place, each in enumerate(grown) if any(each[2]) or place == 0 or place == len(grown) - 1]


class _Writer:
    """Collects rows and writes them in large pieces."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.sessions: list[tuple[object, ...]] = []
        self.meters: list[tuple[object, ...]] = []
        self.events: list[tuple[object, ...]] = []
        self.rows: list[tuple[object, ...]] = []

    def write(self, *, at_least: int) -> None:
        if len(self.events) < at_least:
            return
        session = ("id", "source", "key", "parent_key", "first_ts", "last_ts", "model", "state", "seen_at")
        numbers = [f"{kind}_{name}" for kind in ("last", "high") for name in (*_TOKENS, "nano")]
        event = ("source", "kind", "key_high", "key_low", "origin", "session", "ts", "model")
        _insert(self._connection, "session", session, self.sessions)
        meter = ("session", "origin", *numbers, "unknown", "is_joint", "stated_by")
        _insert(self._connection, "meter", meter, self.meters)
        columns = (*event, *_TOKENS, "recorded_nano", "context", "state", "unknown")
        _insert(self._connection, "usage_event", columns, self.events)
        row = ("task_id", "ts", "model_id", "tokens_in", "tokens_out", "total_cost", "imported_at", "updated_at")
        _insert(self._connection, "cline_task_usage", row, self.rows)
        self.sessions, self.meters, self.events, self.rows = [], [], [], []


def _keep_counters(connection: sa.Connection) -> None:
    """Let every counter show what it did, and go on from there.

    The part above the totals was forgotten, or belongs to tasks that a restored backup lacks. Peaks tell of them.
    They may come back: then nothing is growth that the counter has shown.
    """
    shown: dict[tuple[int, int], list[int]] = {}
    for source, model, *numbers in _rows(connection, _COUNTERS):
        shown[source, model] = [*numbers[:2], numbers[2] * _NANO + numbers[3]]
    _insert_sums(connection, "counter_floor", shown)
    if _one(connection, _RETURNING):
        return
    for source, model, *numbers in _rows(connection, _TOTALS):
        total = [*numbers[:2], numbers[2] * _NANO + numbers[3]]
        if (source, model) in shown:
            shown[source, model] = [a - b for a, b in zip(shown[source, model], total, strict=True)]
    beyond = {key: [max(0, number) for number in numbers] for key, numbers in shown.items()}
    _insert_sums(connection, "forgotten_total", {key: numbers for key, numbers in beyond.items() if any(numbers)})


def _insert_sums(connection: sa.Connection, table: str, sums: Mapping[tuple[int, int], Sequence[int]]) -> None:
    """Write ``sums``, tokens in, tokens out and nano-dollars by source and model."""
    columns = ("input", "output", "recorded_usd", "recorded_nano")
    others = [column for column in _SUM_COLUMNS if column not in columns]
    rows = [
        (*key, tokens_in, tokens_out, *divmod(nano, _NANO), *[0] * len(others))
        for key, (tokens_in, tokens_out, nano) in sums.items()
    ]
    _insert(connection, table, ("source", "model", *columns, *others), rows)


def _compare(connection: sa.Connection) -> None:
    """Raise when meters, events and sums do not say the same."""
    of_sums = f"SUM(input), SUM(output), SUM(recorded_usd) * {_NANO} + SUM(recorded_nano)"
    of_events = f"SUM(input), SUM(output), SUM(recorded_nano / {_NANO}) * {_NANO} + SUM(recorded_nano % {_NANO})"
    of_meters = f"SUM(high_input), SUM(high_output), SUM(high_nano / {_NANO}) * {_NANO} + SUM(high_nano % {_NANO})"
    said = {
        table: tuple(number or 0 for number in _rows(connection, _EVERYTHING.format(numbers=numbers, table=table))[0])
        for table, numbers in (
            ("meter", of_meters),
            ("usage_event", of_events),
            *((table, of_sums) for table, _key in _FILL),
        )
    }
    if len(set(said.values())) != 1:
        raise StorageError(f"its accounts would differ after the migration: {said}")


def _wide(amount: Sequence[int]) -> tuple[int | None, ...]:
    """Return tokens in and out as tokens by kind: the rest was never stored."""
    return (amount[0], None, None, None, amount[1], None)


def _key(task: str, slot: int, model: str) -> tuple[int, int]:
    """Return the key of the growth of ``task`` in ``slot`` on ``model``, as two signed integers."""
    state = blake2b(digest_size=16)
    for part in (task, slot, model):
        data = str(part).encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data))
        state.update(data)
    key = state.digest()
    return int.from_bytes(key[:8], "big", signed=True), int.from_bytes(key[8:], "big", signed=True)


def _nano(cost: float) -> int:
    return int(_EXACT.multiply(Decimal(repr(cost)), _NANO).to_integral_value(ROUND_HALF_EVEN))


def _insert(connection: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # our own names
        connection.exec_driver_sql(statement, list(rows))


def _rows(connection: sa.Connection, statement: str) -> list[sqlite3.Row]:
    # Of SQLAlchemy's own type, which behaves as the driver's does and cannot be named as simply.
    return cast("list[sqlite3.Row]", connection.exec_driver_sql(statement).all())


def _list(connection: sa.Connection, statement: str) -> list[str]:
    return [row[0] for row in _rows(connection, statement)]


def _pairs(connection: sa.Connection, statement: str) -> dict[str, int]:
    return {str(name): int(number) for name, number in _rows(connection, statement)}


def _texts(connection: sa.Connection, statement: str) -> dict[str, str]:
    return {str(name): str(text) for name, text in _rows(connection, statement)}


def _one(connection: sa.Connection, statement: str) -> int:
    return int(_rows(connection, statement)[0][0])
