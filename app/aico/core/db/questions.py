"""The statements that read the accounts. Parts in braces are filled in from constants; every value is bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from aico.core.db.forgotten_kinds import LATER_USE
from aico.core.db.json_values import json_of
from aico.core.filters import UsageFilter
from aico.core.sums import PROMPT, READ_COLUMNS, REQUEST, SUM_COLUMNS
from aico.core.units import DAY_SLOTS, NANO, SLOT_MS, TOKENS, RequestState

Values: TypeAlias = tuple[str | int, ...]

POSITION = "SELECT epoch, revision FROM database_state"
SOURCES = """
    SELECT name, exact_since, (SELECT COUNT(*) FROM session WHERE source = s.id),
        (SELECT MAX(last_ts) FROM session WHERE source = s.id)
    FROM source AS s ORDER BY id
"""
FIRST_MODELS = "SELECT name FROM model WHERE name <> '' ORDER BY id LIMIT ?"
RUNS = """
    SELECT source, origin, trigger, finished_at, duration_ms, added_count, updated_count, skipped_count, error_count,
        partial_count, remaining_count, IFNULL(revision, 0)
    FROM import_run WHERE source = ? AND error_code IS NULL ORDER BY id DESC LIMIT ?
"""
LAST_READ = "SELECT MAX(finished_at) FROM import_run WHERE error_code IS NULL"
LAST_USE = f"SELECT MAX(ts) FROM usage_event WHERE kind <> {PROMPT.code} AND ts <= ?"
LAST_SOURCE = f"""
    SELECT (SELECT name FROM source WHERE id = e.source) FROM usage_event AS e
    WHERE e.kind <> {PROMPT.code} AND e.ts = ? ORDER BY e.id DESC LIMIT 1
"""
MODELS = "SELECT name FROM model WHERE name <> '' ORDER BY name"
EXACT_SINCE = "SELECT name, exact_since FROM source ORDER BY id"
# Look-ups at the ends of the trees of each source.
SPAN = """
    SELECT (SELECT MIN(f) FROM (SELECT (SELECT MIN(slot) FROM usage_slot WHERE source = s.id) AS f FROM source AS s
            WHERE {where})),
        (SELECT MAX(l) FROM (SELECT (SELECT MAX(slot) FROM usage_slot WHERE source = s.id) AS l FROM source AS s
            WHERE {where})),
        (SELECT MAX(slot) FROM usage_slot WHERE source IN (SELECT id FROM source AS s WHERE {where}) AND slot <= ?)
"""
SLOTS = "SELECT DISTINCT slot FROM usage_slot WHERE source IN (SELECT id FROM source) AND slot >= ? ORDER BY slot"
_IS_UNDER_PLAN = "source IN (SELECT s.id FROM plan AS p CROSS JOIN source AS s ON s.name = p.source)"
"""The condition for rows of a source that is paid by subscription: their list price is a value, and no money."""


_PLANNED = {"planned_usd": "listed_usd", "planned_nano": "listed_nano"}
"""Columns that no table has: list prices as long as a plan pays for them."""


def _as_money(column: str, expression_of: Callable[[str], str]) -> str:
    """Return a column of a row of sums as it counts: usage that a plan has paid for is not listed, but planned."""
    if column in _PLANNED:
        return f"IIF({_IS_UNDER_PLAN}, {expression_of(_PLANNED[column])}, 0) AS {column}"
    expression = expression_of(column)
    if column in _PLANNED.values():
        return f"IIF({_IS_UNDER_PLAN}, 0, {expression}) AS {column}"
    return expression if expression == column else f"{expression} AS {column}"


def _taken_off(column: str) -> str:
    return f"-{column}"


Stretch: TypeAlias = tuple[int | None, int | None]
"""First slot and end; None is open."""
_Piece: TypeAlias = tuple[int, int, int]
_EVER = 10**9
"""Days from 1970 to what nobody has lived, in either direction."""
_PLACE, _FIRST, _END = (f"json_extract(piece.value, '$[{place}]')" for place in range(3))
_SUMMED = ", ".join(f"SUM({name})" for name in READ_COLUMNS)
_NAMED = ", ".join(f"SUM({name}) AS {name}" for name in READ_COLUMNS)
_COLUMNS = ", ".join(READ_COLUMNS)
_ROW = ", ".join(_as_money(name, str) for name in READ_COLUMNS)
"""The columns of a table of sums, as they are read."""
_ROW_TAKEN_OFF = ", ".join(_as_money(name, _taken_off) for name in READ_COLUMNS)
TOTALS = f"""
    SELECT s.name, m.name, {_COLUMNS} FROM (SELECT source, model, {_ROW} FROM usage_total) AS t
    JOIN source AS s ON s.id = t.source JOIN model AS m ON m.id = t.model ORDER BY s.id, m.id
"""
# Of a call whose moment is known, copies of a session say the same: it counts once.
HAS_METERS = """
    SELECT EXISTS (
        SELECT 1 FROM meter WHERE origin = (
            SELECT o.id FROM origin AS o JOIN source AS s ON s.id = o.source WHERE s.name = ? AND o.name = ?
        )
    )
"""
GAPS = f"""
    SELECT kind, SUM(requests), {", ".join(f"SUM({name})" for name in TOKENS)} FROM (
        SELECT g.kind, MAX(g.requests) AS requests, {", ".join(f"MAX(g.{name}) AS {name}" for name in TOKENS)}
        FROM gap AS g JOIN session AS s ON s.id = g.session JOIN source ON source.id = s.source
        WHERE source.name = ? AND (g.at = 0 OR g.requests IS NOT NULL)
        GROUP BY g.kind, g.model, g.at, IIF(g.at, 0, g.session)
    ) GROUP BY kind
"""
BILLED_TOTALS = f"""
    SELECT s.key, g.kind, g.at, m.name, {", ".join(f"g.{name}" for name in TOKENS)}, g.heir_of, g.heir_since,
        g.recorded_count
    FROM gap AS g JOIN session AS s ON s.id = g.session JOIN model AS m ON m.id = g.model
    WHERE s.source = (SELECT id FROM source WHERE name = ?) AND g.at > 0 AND g.requests IS NULL
"""
# Of each session with a total: its records and its agents' before its next request. Most have none: then the sums
# by day say it, and only of the others the events are asked. No request before a total is open any more.
RECORDED_PARTS = f"""
    WITH last AS MATERIALIZED (
        SELECT g.session, g.kind, s.key, (
            SELECT MIN(e.ts) FROM usage_event AS e WHERE e.session = g.session AND e.ts > MAX(g.at)
                AND e.kind = {REQUEST.code}
        ) AS until
        FROM gap AS g JOIN session AS s ON s.id = g.session
        WHERE s.source = (SELECT id FROM source WHERE name = ?) AND g.at > 0 AND g.requests IS NULL
        GROUP BY g.session, g.kind
    ), part AS MATERIALIZED (
        SELECT last.key, last.kind, last.until, last.session AS of_session, 1 AS is_own FROM last
        UNION ALL SELECT last.key, last.kind, last.until, s.id, 0 FROM session AS s
        CROSS JOIN session AS p ON p.source = s.source AND p.key = s.parent_key
        CROSS JOIN last ON last.session = p.id WHERE s.parent_key IS NOT NULL
    )
    SELECT key, kind, m.name, {", ".join(f"SUM({name})" for name in TOKENS)}, SUM(own) FROM (
        SELECT part.key, part.kind, d.model, {", ".join(f"d.{name}" for name in TOKENS)},
            part.is_own * (d.requests - d.unmeasured) AS own
        FROM part JOIN usage_session_day AS d ON d.session = part.of_session WHERE part.until IS NULL
        UNION ALL SELECT part.key, part.kind, e.model, {", ".join(f"e.{name}" for name in TOKENS)},
            part.is_own AND e.state NOT IN ({RequestState.OPEN.value}, {RequestState.UNMEASURED.value})
        FROM part JOIN usage_event AS e ON e.session = part.of_session AND e.ts < part.until
        WHERE e.kind = {REQUEST.code} AND part.until IS NOT NULL
    ) JOIN model AS m ON m.id = model GROUP BY key, kind, m.name
"""
ORIGINS = """
    SELECT o.name, COUNT(*) FROM meter AS m JOIN origin AS o ON o.id = m.stated_by JOIN source AS s ON s.id = o.source
    WHERE s.name = ? GROUP BY o.id
"""

# One event as a row of sums: the same as aico.core.sums.measure.
_SPENT = " + ".join(f"IFNULL({name}, 0)" for name in TOKENS[:5])
_COSTS = {
    "recorded": "IFNULL(recorded_nano, 0)",
    "own": "IIF(recorded_nano IS NULL, IFNULL(own_nano, 0), 0)",
    "listed": "IIF(recorded_nano IS NULL AND own_nano IS NULL, IFNULL(list_nano, 0), 0)",
    "list": "IFNULL(list_nano, 0)",
}
_IS_USE = f"kind <> {PROMPT.code}"
_OF_EVENT = {
    **{name: f"IFNULL({name}, 0)" for name in TOKENS},
    "requests": f"kind = {REQUEST.code}",
    "prompts": f"kind = {PROMPT.code}",
    "unpriced": f"{_IS_USE} AND COALESCE(recorded_nano, own_nano, list_nano) IS NULL AND {_SPENT} > 0",
    "unmeasured": f"{_IS_USE} AND state = {RequestState.UNMEASURED.value}",
    "interrupted": f"{_IS_USE} AND state = {RequestState.INTERRUPTED.value}",
    "at_least": f"{_IS_USE} AND state = {RequestState.AT_LEAST.value}",
    "lacking_cache": f"{_IS_USE} AND cache_read IS NULL",
    "partial": f"{_IS_USE} AND unknown <> ''",
    **{f"{money}_usd": f"{cost} / {NANO}" for money, cost in _COSTS.items()},
    **{f"{money}_nano": f"{cost} % {NANO}" for money, cost in _COSTS.items()},
}
WITHOUT_PRICE = f"""
    SELECT m.name, SUM({_SPENT}) FROM usage_event JOIN model AS m ON m.id = model
    WHERE {_OF_EVENT["unpriced"]} AND (unknown = '' OR {" + ".join(TOKENS[:5])} IS NOT NULL) GROUP BY model
"""
"""By model, the tokens that any price would give a cost: usage that is known in part only has none, at any price."""
EVENT_AS_SUMS = ", ".join(f"{_OF_EVENT[name]} AS {name}" for name in SUM_COLUMNS)
EVENT_AS_MONEY = ", ".join(_as_money(name, _OF_EVENT.__getitem__) for name in READ_COLUMNS)
"""The same as it counts while plans are what they are."""
# The same with what counters have counted in the place of what it costs now: see aico.core.db.counted.
_AS_COUNTED = {
    f"{money}_{unit}": f"IIF(c.event IS NULL, {_COSTS[money]}, IIF(c.basis = {place}, c.nano, 0)) {part} {NANO}"
    for place, money in enumerate(("recorded", "own", "listed"))
    for unit, part in (("usd", "/"), ("nano", "%"))
}
EVENT_AS_COUNTED = ", ".join(f"{_AS_COUNTED.get(name, _OF_EVENT[name])} AS {name}" for name in SUM_COLUMNS)
COUNTED_SHIFTS = f"""
    SELECT source, model, {
    ", ".join(
        f"SUM({_AS_COUNTED[name]} - {_OF_EVENT[name]}) AS {name}" if name in _AS_COUNTED else f"0 AS {name}"
        for name in SUM_COLUMNS
    )
}
    FROM counted_cost AS c JOIN usage_event AS e ON e.id = c.event GROUP BY source, model
"""
"""By source and model, the part of counters beside the totals."""

GROUP_COLUMNS = {
    "source": ("source", "(SELECT name FROM source WHERE id = source_id)"),
    "model": ("model", "(SELECT name FROM model WHERE id = model_id)"),
    "session": ("session", "(SELECT key FROM session WHERE id = session_id)"),
    "project": ("(SELECT IFNULL(project, '') FROM session WHERE id = session)", "project_id"),
}
"""By what sums are told apart: the column of the rows, and the name that stands for it."""
_OF_SESSIONS = {"session", "project"}
"""Groups that sums over sessions do not know."""

_BY_SESSION = f"SELECT session, {_NAMED} FROM ({{rows}}) GROUP BY session"
_COST_NAMES = ("recorded", "own", "listed")
_COST = " + ".join(f"{money}_usd * {NANO}.0 + {money}_nano" for money in _COST_NAMES)
# No row is negative, so a session has tokens or a cost if any row of it has: two flags are quicker than eleven sums.
_FLAGS = f"MAX({' + '.join(TOKENS[:5])} > 0) AS has_tokens, MAX({_COST} > 0) AS is_priced"
_SESSION_COLUMNS = """
    u.id, (SELECT name FROM source WHERE id = u.source) AS source_name, u.key, u.parent_key, u.label, u.project,
    u.first_ts, u.last_ts, u.seen_at, (SELECT name FROM model WHERE id = u.model) AS model_name, u.state
"""
SESSION = f"""
    SELECT {_SESSION_COLUMNS} FROM session AS u
    WHERE u.source = (SELECT id FROM source WHERE name = ?) AND u.key = ?
"""
CHILDREN = f"""
    SELECT {_SESSION_COLUMNS} FROM session AS u
    WHERE u.source = (SELECT id FROM source WHERE name = ?) AND u.parent_key = ? ORDER BY u.first_ts, u.id
"""
KEYS = """
    SELECT s.name, u.key, u.label, u.last_ts FROM session AS u JOIN source AS s ON s.id = u.source
    WHERE substr(u.key, 1, length(?1)) = ?1 AND (u.parent_key IS NULL OR u.key = ?1)
    ORDER BY u.key = ?1 DESC, u.last_ts DESC LIMIT 20
"""
OWN_PRICED = f"""
    SELECT m.name, SUM(own_nano IS NOT NULL), SUM(IFNULL(own_nano, list_nano) / {NANO}),
        SUM(IFNULL(own_nano, list_nano) % {NANO}), SUM(own_nano IS NULL AND list_nano IS NULL)
    FROM usage_event JOIN model AS m ON m.id = model
    WHERE {_IS_USE} AND recorded_nano IS NULL AND {_SPENT} > 0 GROUP BY model
"""
"""By model, of records with tokens and without a cost of the tool's: how many an own price holds for, the cost of all
at own and list prices in two parts, and how many are unpriced."""
NAMED_SESSIONS = """
    SELECT s.name, u.key, u.label, u.first_ts, u.parent_key, p.label, p.first_ts
    FROM json_each(?) AS w CROSS JOIN source AS s ON s.name = json_extract(w.value, '$[0]')
    CROSS JOIN session AS u ON u.source = s.id AND u.key = json_extract(w.value, '$[1]')
    LEFT JOIN session AS p ON p.source = u.source AND p.key = u.parent_key
"""
_FAMILY = """
    WITH RECURSIVE family (id, source, key) AS (
        SELECT id, source, key FROM session WHERE source IN (SELECT id FROM source {of}) AND key = ?
        UNION SELECT u.id, u.source, u.key FROM family AS f JOIN session AS u
            ON u.source = f.source AND u.parent_key = f.key
    )
"""
_SPENT_BY_FAMILY = f"{_SUMMED} FROM (SELECT {_ROW} FROM usage_session_day WHERE session IN (SELECT id FROM family))"
FAMILY = f"{_FAMILY.format(of='')} SELECT {_SPENT_BY_FAMILY}"
FAMILY_OF = f"{_FAMILY.format(of='WHERE name = ?')} SELECT (SELECT COUNT(*) FROM family), {_SPENT_BY_FAMILY}"
WHOLE = f"""
    SELECT session, COUNT(DISTINCT model), {_SUMMED} FROM (
        SELECT session, model, {_ROW} FROM usage_session_day WHERE session IN (SELECT value FROM json_each(?))
    ) GROUP BY session
"""
_FALLEN = " OR ".join(f"last_{name} < high_{name}" for name in (*TOKENS, "nano"))


def _is_silent(table: str) -> str:
    return f"COALESCE({', '.join(f'{table}.high_{name}' for name in (*TOKENS, 'nano'))}) IS NULL"


def is_stronger(meter: str, other: str) -> str:
    """Return the condition that of two meters of a session the first one is what the session's numbers are told from.

    The origin with the greater number is the stronger one; one that states nothing is weaker than any that does.
    """
    return f"({_is_silent(other)}, {meter}.origin) > ({_is_silent(meter)}, {other}.origin)"


# The plus keeps SQLite from looking up each of 100,000 sessions, once for each bucket.
_OF_ORIGIN = f"""
    +session IN (SELECT m.session FROM meter AS m WHERE m.stated_by IN (SELECT id FROM origin WHERE name = ?)
        AND NOT EXISTS (SELECT 1 FROM meter AS n WHERE n.session = m.session AND {is_stronger("n", "m")}))
"""
STATED = f"""
    SELECT m.session, o.name, m.unknown, {_FALLEN}, {", ".join(f"m.last_{name}" for name in (*TOKENS, "nano"))}
    FROM meter AS m JOIN origin AS o ON o.id = m.stated_by
    WHERE m.session IN (SELECT value FROM json_each(?)) ORDER BY {_is_silent("m")} DESC, m.origin
"""
EVENT_SPAN = "SELECT MIN(ts), MAX(ts) FROM usage_event WHERE session = ?"
EVENT_COUNT = f"SELECT COUNT(*) FROM usage_event WHERE session = ? AND {_IS_USE}"
EVENTS = f"""
    SELECT kind, ts, (SELECT name FROM model WHERE id = model), state, unknown, recorded_nano, own_nano, list_nano,
        (SELECT p.list FROM price_ref AS p WHERE p.id = price_ref),
        (SELECT p.entry FROM price_ref AS p WHERE p.id = price_ref), {", ".join(TOKENS)}
    FROM usage_event WHERE session = ? AND {_IS_USE} ORDER BY ts DESC, id DESC LIMIT ? OFFSET ?
"""
CLINE_ROWS = """
    SELECT task_id, ts, model_id, tokens_in, tokens_out, total_cost, imported_at FROM cline_task_usage
    WHERE task_id IN (SELECT value FROM json_each(?))
"""


class _Sort(NamedTuple):
    """What sessions are ordered by: a number of their own, one of their sums, or a text."""

    own: str = "0"
    """Of a row of sessions."""
    sums: tuple[str, ...] = ()
    """The columns that the other number is made of."""
    summed: str = ""
    text: str = ""


def _sort_of(*names: str) -> _Sort:
    return _Sort(sums=names, summed=f"SUM({' + '.join(names)})")


_DOLLARS, _NANOS = (tuple(f"{money}_{unit}" for money in _COST_NAMES) for unit in ("usd", "nano"))
_SORTS = {
    "last_at": _Sort(own="{of}.last_ts"),
    "started_at": _Sort(own="{of}.first_ts"),
    "session_id": _Sort(text="u.key"),
    "source": _Sort(text="(SELECT name FROM source WHERE id = u.source)"),
    "model": _Sort(text="(SELECT name FROM model WHERE id = u.model)"),
    "input_tokens": _sort_of("input"),
    "cache_read_tokens": _sort_of("cache_read"),
    "output_tokens": _sort_of("output"),
    "tokens": _sort_of(*TOKENS[:5]),
    "requests": _sort_of("requests"),
    # An integer up to nine billion dollars of a session.
    "cost_usd": _Sort(
        sums=(*_DOLLARS, *_NANOS), summed=f"SUM({' + '.join(_DOLLARS)}) * {NANO} + SUM({' + '.join(_NANOS)})"
    ),
}


class _Keys(NamedTuple):
    """The keys of sums: as columns of the rows, as numbers that are grouped by, and as names."""

    columns: tuple[str, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...]


def _keys(by: Sequence[str], *, with_place: bool = False) -> _Keys:
    place = ("place",) if with_place else ()
    return _Keys(
        (*place, *(f"{GROUP_COLUMNS[each][0]} AS {each}_id" for each in by)),
        (*place, *(f"{each}_id" for each in by)),
        (*place, *(GROUP_COLUMNS[each][1] for each in by)),
    )


def _sums(rows: str, keys: _Keys) -> str:
    """Return the query for names and sums."""
    summed = f"SELECT {', '.join([*keys.columns, _NAMED])} FROM {rows}{_group_by(keys.ids)}"
    return f"SELECT {', '.join([*keys.names, _COLUMNS])} FROM ({summed})"


def _counts(rows: str, keys: _Keys) -> str:
    """Return the query for names, the number of sessions, and that of the unpriced ones."""
    columns = ", ".join([*keys.columns, "session AS of_session", _FLAGS])
    by_session = f"SELECT {columns} FROM {rows}{_group_by((*keys.ids, 'of_session'))}"
    counts = ", ".join([*keys.ids, "COUNT(*) AS sessions", "IFNULL(SUM(has_tokens AND NOT is_priced), 0) AS unpriced"])
    counted = f"SELECT {counts} FROM ({by_session}){_group_by(keys.ids)}"
    return f"SELECT {', '.join([*keys.names, 'sessions', 'unpriced'])} FROM ({counted})"


def _group_by(ids: Sequence[str]) -> str:
    return f" GROUP BY {', '.join(ids)}" if ids else ""


def grouped(wanted: UsageFilter, by: Sequence[str]) -> tuple[str, Values]:
    """Return the query for names and sums of ``wanted`` told apart ``by`` some of :data:`GROUP_COLUMNS`."""
    if _knows_sessions(wanted, by):
        rows, values = session_rows(wanted)
    else:
        rows, values = _stretch_rows(wanted, [(wanted.first_slot, wanted.end_slot)])
    return _sums(f"({rows})", _keys(by)), values


def counted(wanted: UsageFilter, by: Sequence[str]) -> tuple[str, Values]:
    """Return the query for names and numbers of sessions, told apart likewise."""
    rows, values = session_rows(wanted)
    return _counts(f"({rows})", _keys(by)), values


def _knows_sessions(wanted: UsageFilter, by: Sequence[str]) -> bool:
    return wanted.names_sessions or not _OF_SESSIONS.isdisjoint(by)


def session_numbers(wanted: UsageFilter, sort: str, of: str | None = None) -> tuple[str, Values]:
    """Return the query for the sessions inside ``wanted``, each with the number that it is ordered by, and its values.

    Only what they are ordered by is added up: numbers of a session that has several rows are parts of its sum. A text
    is no number: there it is 0. ``of`` is a JSON array of sessions: of no other.
    """
    order = _SORTS[sort]
    if not order.sums:
        rows, values = _key_rows(wanted) if of is None else session_rows(wanted, (), of)
        spent = f"SELECT DISTINCT session FROM ({rows})"
        if order.text:
            return f"SELECT session, 0 FROM ({spent})", values
        number = order.own.format(of="u")
        return f"SELECT u.id, {number} FROM ({spent}) AS s CROSS JOIN session AS u ON u.id = s.session", values
    # By day, as the tree of days has them: to group 200,000 rows by session alone, they would be sorted first.
    parts = _parts(wanted, order.sums, of, ("source, day, session", "session"))
    return _joined(
        (f"SELECT session, {order.summed} FROM ({text}) GROUP BY {columns}", values) for text, columns, values in parts
    )


_LINKED = """
    SELECT u.id, p.id, u.last_ts, p.last_ts, {own} FROM {children}session AS u {on}
    JOIN session AS p ON p.source = u.source AND p.key = u.parent_key WHERE u.parent_key IS NOT NULL
"""


def session_links(sort: str, *, of_some: bool) -> str:
    """Return the query for sessions that another stored one has started: both, and the last activity of each.

    The last column is what the other one is ordered by of its own, without any sum. ``of_some``: of those in a JSON
    array and all above them.
    """
    own = _SORTS[sort].own.format(of="p")
    if not of_some:
        return _LINKED.format(own=own, children="", on="")
    return f"""
        WITH RECURSIVE child(id) AS (
            SELECT u.id FROM json_each(?) AS wanted CROSS JOIN session AS u ON u.id = wanted.value
                WHERE u.parent_key IS NOT NULL
            UNION SELECT p.id FROM child CROSS JOIN session AS u ON u.id = child.id
                JOIN session AS p ON p.source = u.source AND p.key = u.parent_key
        )
        {_LINKED.format(own=own, children="child CROSS JOIN ", on="ON u.id = child.id")}
    """


def session_ties(sort: str, *, descending: bool, of_some: bool) -> str:
    """Return the query for sessions in the order in which they stand where their numbers are the same.

    ``of_some``: of those in a JSON array; otherwise of all.
    """
    keys = filter(None, dict.fromkeys((_SORTS[sort].text, "u.key", "u.id")))
    order = ", ".join(f"{key} {'DESC' if descending else 'ASC'}" for key in keys)
    some = "json_each(?) AS wanted CROSS JOIN session AS u ON u.id = wanted.value"
    return f"SELECT u.id FROM {some if of_some else 'session AS u'} ORDER BY {order}"


def is_number(sort: str) -> bool:
    """Return whether sessions of an order have a number that they are ordered by."""
    return not _SORTS[sort].text


def is_sum(sort: str) -> bool:
    """Return whether that is added up."""
    return bool(_SORTS[sort].sums)


NEWEST = "SELECT IFNULL(MAX(id), 0) FROM session"
SORT_KEY = "SELECT key FROM session WHERE id = ?"
# Of sessions behind a number, those that were started by them and were stored before.
ORPHANS = """
    SELECT id FROM session WHERE parent_key IS NOT NULL
        AND (source, parent_key) IN (SELECT source, key FROM session WHERE id > ?)
"""
ANCESTORS = """
    WITH RECURSIVE above(id) AS (
        SELECT p.id FROM json_each(?) AS wanted CROSS JOIN session AS u ON u.id = wanted.value
        JOIN session AS p ON p.source = u.source AND p.key = u.parent_key
        UNION SELECT p.id FROM above CROSS JOIN session AS u ON u.id = above.id
        JOIN session AS p ON p.source = u.source AND p.key = u.parent_key
    )
    SELECT id FROM above
"""


# In the order in which they are asked for.
SESSIONS = f"""
    SELECT {_SESSION_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN session AS u ON u.id = wanted.value
    ORDER BY wanted.key
"""


def _key_rows(wanted: UsageFilter) -> tuple[str, Values]:
    if wanted == UsageFilter():
        return "SELECT session FROM usage_session_day", ()  # an index holds that, in order
    return session_rows(wanted, ())


def spent_by(wanted: UsageFilter, sessions: Iterable[int]) -> tuple[str, Values]:
    """Return the query for what each of ``sessions`` spent inside ``wanted``: its number and sums."""
    rows, values = session_rows(wanted, of=json_of(sessions))
    return _BY_SESSION.format(rows=rows), values


def session_count(wanted: UsageFilter) -> tuple[str, Values]:
    """Return the query for the number of sessions inside ``wanted``, and nothing else."""
    rows, values = _key_rows(wanted)
    return f"SELECT COUNT(*) FROM (SELECT DISTINCT session FROM ({rows}))", values


def of_sources(wanted: UsageFilter) -> tuple[str, Values]:
    """Return the condition for rows of ``source AS s`` that ``wanted`` names, and its values."""
    if not wanted.sources:
        return "TRUE", ()
    return "s.name IN (SELECT value FROM json_each(?))", (json_of(wanted.sources),)


def _stretch_rows(wanted: UsageFilter, stretches: Iterable[Stretch]) -> tuple[str, Values]:
    """Return a query for rows (place, source, model, sums) that add up to each of ``stretches``, and its values.

    ``wanted`` names no session, and its time is not looked at.
    """
    where, values = _where(wanted, "slot", None, None)
    parts = [
        f"SELECT {_PLACE} AS place, source, model, {row} FROM json_each(?) AS piece CROSS JOIN {table} "
        f"ON {column} >= {_FIRST} AND {column} < {_END} WHERE {where}"
        for table, column, row in (
            ("usage_day", "day", _ROW),
            ("usage_slot", "slot", _ROW),
            ("usage_slot", "slot", _ROW_TAKEN_OFF),
        )
    ]
    found = (value for pieces in pieces_of(stretches) for value in (json_of(pieces), *values))
    return " UNION ALL ".join(parts), tuple(found)


class _Pieces(NamedTuple):
    """The parts that add up to some stretches: the place of a stretch in their list, first and end."""

    days: list[_Piece]
    slots: list[_Piece]
    slots_taken_off: list[_Piece]


def pieces_of(stretches: Iterable[Stretch]) -> _Pieces:
    """Return what adds up to each stretch.

    Days are taken whole, also one that reaches beyond its stretch: the surplus is taken off again. So a day of a
    zone costs two hours of slots where its midnight is two hours from that of UTC, and not 24.
    """
    pieces = _Pieces([], [], [])
    for place, (first, end) in enumerate(stretches):
        first_day = -_EVER if first is None else (first + DAY_SLOTS // 2) // DAY_SLOTS
        end_day = _EVER if end is None else (end + DAY_SLOTS // 2) // DAY_SLOTS
        rests = [
            *([] if first is None else [(first, first_day * DAY_SLOTS)]),
            *([] if end is None else [(end_day * DAY_SLOTS, end)]),
        ]
        if first is not None and end is not None and end - first <= sum(abs(b - a) for a, b in rests):
            pieces.slots.append((place, first, end))
            continue
        pieces.days.append((place, first_day, end_day))
        pieces.slots.extend((place, a, b) for a, b in rests if a < b)
        pieces.slots_taken_off.extend((place, b, a) for a, b in rests if a > b)
    return pieces


def session_rows(wanted: UsageFilter, names: Sequence[str] = READ_COLUMNS, of: str | None = None) -> tuple[str, Values]:
    """Return a query for rows (source, session, model, sums) that add up to ``wanted``, and its values.

    Only the sums called ``names`` are read. ``of`` is a JSON array of sessions: of no other. Whole days come from the
    sums by day, and only the ends of the period from the events.
    """
    columns = "source, session, model"
    return _joined((text, values) for text, _columns, values in _parts(wanted, names, of, (columns, columns)))


def _joined(parts: Iterable[tuple[str, Values]]) -> tuple[str, Values]:
    texts, values = zip(*parts, strict=True)
    return " UNION ALL ".join(texts), tuple(value for part in values for value in part)


def _parts(
    wanted: UsageFilter, names: Sequence[str], of: str | None, columns: tuple[str, str]
) -> list[tuple[str, str, Values]]:
    """Return the queries of such rows, each with its columns before the sums and its values.

    ``columns`` are those of the sums by day, and those of events.
    """
    first = None if wanted.first_slot is None else -(-wanted.first_slot // DAY_SLOTS)
    end = None if wanted.end_slot is None else wanted.end_slot // DAY_SLOTS
    of_days, of_events = columns
    if first is not None and end is not None and first >= end:
        stretches: list[Stretch] = [(wanted.first_slot, wanted.end_slot)]
        parts = []
    else:
        where, values = _where(wanted, "day", first, end, of)
        row = "".join(f", {_as_money(name, str)}" for name in names)
        parts = [(f"SELECT {of_days}{row} FROM usage_session_day WHERE {where}", of_days, values)]
        stretches = []
        if first is not None and wanted.first_slot != first * DAY_SLOTS:
            stretches.append((wanted.first_slot, first * DAY_SLOTS))
        if end is not None and wanted.end_slot != end * DAY_SLOTS:
            stretches.append((end * DAY_SLOTS, wanted.end_slot))
    for stretch in stretches:
        text, values = _events(wanted, stretch, of_events, names, of)
        parts.append((text, of_events, values))
    return parts


# By the column that an index has: a slot that is computed would be looked for in all rows, for each bucket anew.
_TS_IN_BUCKET = f"ts >= {_FIRST} * {SLOT_MS} AND ts < {_END} * {SLOT_MS}"


def buckets(wanted: UsageFilter, stretches: Sequence[Stretch], by: Sequence[str]) -> tuple[str, Values]:
    """Return the query for place, names and sums of stretches of slots, and its values."""
    keys = _keys(by, with_place=True)
    if _knows_sessions(wanted, by):
        rows, values = _events_in(wanted, stretches)
    else:
        rows, values = _stretch_rows(wanted, stretches)
    return _sums(f"({rows})", keys), values


def counted_buckets(wanted: UsageFilter, stretches: Sequence[Stretch], by: Sequence[str]) -> tuple[str, Values]:
    """Return the query for place, names and numbers of sessions likewise: days of a zone are no days of the sums."""
    rows, values = _events_in(wanted, stretches)
    return _counts(f"({rows})", _keys(by, with_place=True)), values


def _events_in(wanted: UsageFilter, stretches: Sequence[Stretch]) -> tuple[str, Values]:
    rows, values = _timed_events(wanted)
    pieces = [(place, first, end) for place, (first, end) in enumerate(stretches)]
    bucketed = (
        f"SELECT {_PLACE} AS place, rows.* FROM json_each(?) AS piece CROSS JOIN ({rows}) AS rows ON {_TS_IN_BUCKET}"
    )
    return bucketed, (json_of(pieces), *values)


def by_slot(wanted: UsageFilter) -> tuple[str, Values]:
    """Return the query for slot, dollars, nano-dollars, tokens and lacks of each slot of ``wanted`` that has any.

    Dollars and nano-dollars are added up. Lacks are the requests of which something is not known that costs.
    """
    if wanted.names_sessions:
        rows, values = _timed_events(wanted, wanted.first_slot, wanted.end_slot)
        slot = f"ts / {SLOT_MS}"
    else:
        where, values = _where(wanted, "slot", wanted.first_slot, wanted.end_slot)
        rows, slot = f"SELECT slot, {_ROW} FROM usage_slot WHERE {where}", "slot"
    cost = ", ".join(f"SUM({' + '.join(f'{money}_{unit}' for money in _COST_NAMES)})" for unit in ("usd", "nano"))
    lacks = "SUM(unpriced + unmeasured + partial)"
    return f"SELECT {slot}, {cost}, SUM({' + '.join(TOKENS[:5])}), {lacks} FROM ({rows}) GROUP BY 1", values


def unpriced(wanted: UsageFilter) -> tuple[str, Values]:
    """Return the query for the number of models without a price inside ``wanted``, and the tokens that lack it."""
    rows, values = _timed_events(wanted, wanted.first_slot, wanted.end_slot)
    return (
        f"SELECT COUNT(DISTINCT model), IFNULL(SUM({' + '.join(TOKENS[:5])}), 0) FROM ({rows}) WHERE unpriced",
        values,
    )


LATER_USES = f"""
    SELECT s.name, COUNT(DISTINCT f.key_high), SUM(f.key_low <> 0)
    FROM source AS s CROSS JOIN forgotten_key AS f ON f.source = s.id AND f.kind = {LATER_USE} GROUP BY s.name
"""
IS_FORGOTTEN = """
    SELECT EXISTS (SELECT 1 FROM forgotten WHERE source IN (SELECT id FROM source) AND key = ?)
"""
PLAN_PRICES = "SELECT source, price_nano, currency FROM plan ORDER BY source"
MONTH_BUDGET = """
    SELECT MIN(amount_nano) FROM budget WHERE period = 'month' AND COALESCE(source, model, project) IS NULL
"""
KNOWS_LIMITS = """
    SELECT EXISTS (SELECT 1 FROM plan_state) OR EXISTS (SELECT 1 FROM plan) OR EXISTS (
        SELECT 1 FROM budget WHERE period <> 'month' OR COALESCE(source, model, project) IS NOT NULL) OR EXISTS (
        SELECT 1 FROM usage_slot WHERE source = (SELECT id FROM source WHERE name = ?) AND slot > ?)
"""


def burned(wanted: UsageFilter, first_ms: int, end_ms: int) -> tuple[str, Values]:
    """Return the query for the sums inside ``wanted`` from ``first_ms`` to ``end_ms``, exclusive: to the millisecond.

    They take the place of the time in ``wanted``.
    """
    where, values = _where(wanted, "ts", first_ms, end_ms)
    return f"SELECT {_SUMMED} FROM (SELECT {EVENT_AS_MONEY} FROM usage_event WHERE {where})", values


def events_where(wanted: UsageFilter) -> tuple[str, Values]:
    """Return the condition for rows of ``usage_event`` inside ``wanted``, and its values."""
    low = None if wanted.first_slot is None else wanted.first_slot * SLOT_MS
    high = None if wanted.end_slot is None else wanted.end_slot * SLOT_MS
    return _where(wanted, "ts", low, high)


def _timed_events(wanted: UsageFilter, first: int | None = None, end: int | None = None) -> tuple[str, Values]:
    low = None if first is None else first * SLOT_MS
    high = None if end is None else end * SLOT_MS
    where, values = _where(wanted, "ts", low, high)
    return (
        f"SELECT source, session, model, ts, {EVENT_AS_MONEY} FROM usage_event WHERE {where}",
        values,
    )


def _events(
    wanted: UsageFilter, stretch: Stretch, columns: str, names: Sequence[str], of: str | None
) -> tuple[str, Values]:
    low, high = (None if slot is None else slot * SLOT_MS for slot in stretch)
    where, values = _where(wanted, "ts", low, high, of)
    row = "".join(f", {_as_money(name, _OF_EVENT.__getitem__)}" for name in names)
    return f"SELECT {columns}{row} FROM usage_event WHERE {where}", values


def _where(
    wanted: UsageFilter, column: str, first: int | None, end: int | None, of: str | None = None
) -> tuple[str, Values]:
    """Return the condition for the rows inside ``wanted`` with ``first <= column < end``, and its values.

    ``of`` is a JSON array of sessions: of no other.
    """
    conditions: list[str] = []
    values: list[str | int] = []
    if of is not None:
        conditions.append("session IN (SELECT value FROM json_each(?))")
        values.append(of)
    if wanted.sources:
        # Of events the time is what an index is for: a source may have a million of them.
        plus = "+" if column == "ts" or of is not None else ""
        conditions.append(f"{plus}source IN (SELECT id FROM source WHERE name IN (SELECT value FROM json_each(?)))")
        values.append(json_of(wanted.sources))
    elif column != "ts" and of is None:
        # So that the tree, whose key begins with the source, is searched and not walked.
        conditions.append("source IN (SELECT id FROM source)")
    for text, value in ((f"{column} >= ?", first), (f"{column} < ?", end)):
        if value is not None:
            # Of few sessions their number is what an index is for.
            conditions.append(text if of is None or column == "ts" else f"+{text}")
            values.append(value)
    if wanted.models:
        conditions.append("model IN (SELECT id FROM model WHERE name IN (SELECT value FROM json_each(?)))")
        values.append(json_of(wanted.models))
    if wanted.projects:
        conditions.append("+session IN (SELECT id FROM session WHERE project IN (SELECT value FROM json_each(?)))")
        values.append(json_of(wanted.projects))
    if wanted.text is not None:
        conditions.append(
            "(session IN (SELECT id FROM session WHERE instr(lower(key), lower(?)) OR instr(lower(IFNULL(label, '')), "
            "lower(?))) OR model IN (SELECT id FROM model WHERE instr(lower(name), lower(?))))"
        )
        values += [wanted.text] * 3
    if wanted.session is not None:
        conditions.append("session = ?")
        values.append(wanted.session)
    if wanted.origin is not None:
        conditions.append(_OF_ORIGIN)
        values.append(wanted.origin)
    return " AND ".join(conditions) or "TRUE", tuple(values)
