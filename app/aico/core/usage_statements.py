"""The statements that read the accounts. Parts in braces are filled in from constants; every value is bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from aico.core.domain import DAY_QUARTERS, Store
from aico.core.filters import UsageFilter

Values: TypeAlias = tuple[str | int, ...]

# With whether the derived sums are current.
POSITION = "SELECT revision, EXISTS (SELECT 1 FROM summed_source WHERE source = ?) FROM database_state"
# Look-ups at the ends of the tree; MIN and MAX of one SELECT would read all of it.
SPAN = """
    SELECT (SELECT MIN(quarter) FROM usage_delta WHERE source = ?),
        (SELECT MAX(quarter) FROM usage_delta WHERE source = ?),
        (SELECT MAX(quarter) FROM usage_delta WHERE source = ? AND quarter <= ?)
"""
STORES = """
    SELECT task_id, store FROM task_store WHERE source = ? AND task_id IN (SELECT value FROM json_each(?))
"""
STORE_COUNTS = "SELECT store, COUNT(*) FROM task_store WHERE source = ? GROUP BY store"
COUNTERS = "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_counter WHERE source = ? ORDER BY rowid"

# All tasks: what a filter would add up, rows and rollups already know.
_USAGE = "u.task_id, u.ts, u.model_id, u.tokens_in, u.tokens_out, u.total_cost, u.imported_at"
ALL_TASKS = f"SELECT {_USAGE} FROM cline_task_usage AS u ORDER BY u.ts DESC, u.task_id DESC"
# The page is found among the keys alone; only its own rows are fetched.
ALL_TASKS_PAGE = f"""
    SELECT {_USAGE} FROM (
        SELECT task_id, {{column}} AS position FROM cline_task_usage
        ORDER BY {{column}} {{direction}}, task_id {{direction}} LIMIT ? OFFSET ?
    ) AS page CROSS JOIN cline_task_usage AS u ON u.task_id = page.task_id
    ORDER BY page.position {{direction}}, page.task_id {{direction}}
"""
# Half a nano-dollar and less is rounded to nothing.
ALL_COUNTS = """
    SELECT COUNT(*), COALESCE(SUM(total_cost <= 5e-10 AND tokens_in + tokens_out > 0), 0) FROM cline_task_usage
"""
MODEL_TOTALS = "SELECT model, tokens_in, tokens_out, cost_usd, cost_nano FROM usage_total WHERE source = ?"
MODEL_COUNTS = """
    SELECT model, COUNT(*), SUM(cost_nano_usd = 0 AND tokens_in + tokens_out > 0)
    FROM usage_task_model WHERE source = ? GROUP BY model
"""

# One row per task, or per task and model, inside a filter; {rows} is made by spent_rows().
_AMOUNTS = "SUM(tokens_in) AS tokens_in, SUM(tokens_out) AS tokens_out, SUM(cost_nano_usd) AS cost_nano_usd"
SPENT = f"SELECT task_id, {_AMOUNTS} FROM ({{rows}}) GROUP BY task_id"
# Whole dollars and the rest apart: nine billion dollars of nano-dollars would overflow a 64-bit sum.
_SUMS = """
    COALESCE(SUM(tokens_in), 0), COALESCE(SUM(tokens_out), 0),
    COALESCE(SUM(cost_nano_usd / 1000000000), 0), COALESCE(SUM(cost_nano_usd % 1000000000), 0)
"""
_TOTALS = f"COUNT(*), COALESCE(SUM(cost_nano_usd = 0 AND tokens_in + tokens_out > 0), 0), {_SUMS}"
# What a task counts as follows from the signs of its rows, and to collect these takes half as long as to group by task.
_BY_SIGN = """
    json_group_array(task_id) FILTER (WHERE cost_nano_usd > 0),
    json_group_array(task_id) FILTER (WHERE cost_nano_usd = 0 AND tokens_in + tokens_out > 0),
    json_group_array(task_id) FILTER (WHERE cost_nano_usd = 0 AND tokens_in + tokens_out = 0),
    json_group_array(task_id) FILTER (WHERE cost_nano_usd < 0 OR cost_nano_usd = 0 AND tokens_in + tokens_out < 0)
"""
_SIGNED = f"{_SUMS}, {_BY_SIGN}"
TOTALS = f"SELECT NULL, {_SIGNED} FROM ({{rows}})"
SPENT_BY = f"""
    SELECT task_id, model, {_AMOUNTS} FROM ({{rows}}) WHERE task_id IN (SELECT value FROM json_each(?))
    GROUP BY task_id, model
"""
_SPENT_TASK = f"{_USAGE}, spent.tokens_in, spent.tokens_out, spent.cost_nano_usd"
_JOIN = "CROSS JOIN cline_task_usage AS u ON u.task_id = spent.task_id"
TASKS = f"SELECT {_SPENT_TASK} FROM ({{spent}}) AS spent {_JOIN} ORDER BY u.ts DESC, u.task_id DESC"
_SORTED = "ORDER BY {column} {direction}, spent.task_id {direction}"
# First the sum over all pages, as a row without a task, then the page. What was spent is sorted before it is joined.
_PAGE = f"""
    WITH spent AS MATERIALIZED ({{spent}})
    SELECT NULL, {_TOTALS}, 0, 0, 0 FROM spent
    UNION ALL SELECT * FROM ({{page}})
"""
PAGE_BY_USAGE = _PAGE.replace("{page}", f"SELECT {_SPENT_TASK} FROM spent {_JOIN} {_SORTED} LIMIT ? OFFSET ?")
PAGE_BY_SPENT = _PAGE.replace(
    "{page}",
    f"SELECT {_SPENT_TASK} FROM (SELECT * FROM spent {_SORTED} LIMIT ? OFFSET ?) AS spent {_JOIN} {_SORTED}",
)
# Each bucket is a stretch of the tree, added up as it is read; a GROUP BY of them all would sort every row first.
BUCKETS = """
    SELECT (
        SELECT json_array(SUM(d.tokens_in), SUM(d.tokens_out), {cost}) FROM {table} AS d
        WHERE {where}
            AND d.quarter >= json_extract(bucket.value, '$[0]') AND d.quarter < json_extract(bucket.value, '$[1]')
    ) FROM json_each(?) AS bucket ORDER BY bucket.key
"""
DELTA_COST = "SUM(d.cost_nano_usd / 1000000000), SUM(d.cost_nano_usd % 1000000000)"
ROLLUP_COST = "SUM(d.cost_usd), SUM(d.cost_nano)"


class _Part(NamedTuple):
    """Rows of one table, a row for each task and model in each of its steps of time."""

    table: str
    step: str
    where: str
    values: Values


def spent_rows(source: str, wanted: UsageFilter, *, is_summed: bool) -> tuple[str, Values]:
    """Return a query for rows (task, model, amounts) that add up to what ``wanted`` asks for, and its values."""
    columns = "task_id, model, tokens_in, tokens_out, cost_nano_usd"
    parts = _parts(source, wanted, is_summed=is_summed)
    return _join(parts, [f"SELECT {columns} FROM {part.table} WHERE {part.where}" for part in parts])


def signed_models(source: str, wanted: UsageFilter, *, is_summed: bool) -> tuple[str, Values]:
    """Return a query for what ``TOTALS`` tells, by model, and its values. A model may have several rows.

    Days are added up one by one, in the order of their tree: to sort them by model takes as long as all the rest.
    """
    parts = _parts(source, wanted, is_summed=is_summed)
    keys = ["day, model" if part.step == "day" else "model" for part in parts]
    return _join(
        parts,
        [
            f"SELECT model, {_SIGNED} FROM {part.table} WHERE {part.where} GROUP BY {key}"
            for part, key in zip(parts, keys, strict=True)
        ],
    )


def _join(parts: Sequence[_Part], texts: Sequence[str]) -> tuple[str, Values]:
    return " UNION ALL ".join(texts), tuple(value for part in parts for value in part.values)


def _parts(source: str, wanted: UsageFilter, *, is_summed: bool) -> list[_Part]:
    """Return where the rows inside ``wanted`` lie.

    Where the sums by task are current, whole days come from them, and only the ends of the period from the deltas.
    """
    if is_summed:
        first = None if wanted.first_quarter is None else -(-wanted.first_quarter // DAY_QUARTERS)
        end = None if wanted.end_quarter is None else wanted.end_quarter // DAY_QUARTERS
        if first is None or end is None or first < end:
            parts = [_part("usage_task_day", "day", source, wanted, first, end)]
            if first is not None:
                parts.append(_deltas(source, wanted, wanted.first_quarter, first * DAY_QUARTERS))
            if end is not None:
                parts.append(_deltas(source, wanted, end * DAY_QUARTERS, wanted.end_quarter))
            return parts
    return [_deltas(source, wanted, wanted.first_quarter, wanted.end_quarter)]


def _deltas(source: str, wanted: UsageFilter, first: int | None, end: int | None) -> _Part:
    return _part("usage_delta", "quarter", source, wanted, first, end)


def _part(table: str, step: str, source: str, wanted: UsageFilter, first: int | None, end: int | None) -> _Part:
    return _Part(table, step, *condition(source, wanted, step, first, end))


def condition(
    source: str, wanted: UsageFilter, column: str, first: int | None, end: int | None, alias: str = ""
) -> tuple[str, Values]:
    """Return the condition for the rows inside ``wanted`` with ``first <= column < end``, and its values."""
    conditions = [f"{alias}source = ?"]
    values: list[str | int] = [source]
    for text, value in (
        (f"{alias}{column} >= ?", first),
        (f"{alias}{column} < ?", end),
        (f"{alias}model = ?", wanted.model),
    ):
        if value is not None:
            conditions.append(text)
            values.append(value)
    if wanted.text is not None:
        conditions.append(f"(instr(lower({alias}task_id), lower(?)) OR instr(lower({alias}model), lower(?)))")
        values += [wanted.text, wanted.text]
    if wanted.store is Store.LEDGER:
        conditions.append(f"{alias}task_id NOT IN (SELECT task_id FROM task_store WHERE source = ?)")
        values.append(source)
    elif wanted.store is not None:
        conditions.append(f"{alias}task_id IN (SELECT task_id FROM task_store WHERE source = ? AND store = ?)")
        values += [source, wanted.store.value]
    return " AND ".join(conditions), tuple(values)
