"""Holding a database against everything that must be true of it: pages, keys, accounts, permissions."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aico.core.activity import BROWSERS
from aico.core.db.questions import COUNTED_SHIFTS, is_stronger
from aico.core.db.revisions import list_revisions
from aico.core.db.upkeep.inspection import find_known_revision
from aico.core.db.upkeep.rebuilding import SUM_TABLES, sums_of_events
from aico.core.db.upkeep.sqlite_files import connect_at, in_our_words, look_again, says_damaged
from aico.core.money import NANO, nano_usd
from aico.core.sums import MONEY, REQUEST, SUM_COLUMNS
from aico.core.usage import TOKENS

PAGES = "pages"
"""The check that every page is intact."""
_COLUMNS = ", ".join(SUM_COLUMNS)
_PLAIN = [name for name in SUM_COLUMNS if not name.endswith(("_usd", "_nano"))]
_NUMBERS = (*TOKENS, "nano")

# Dollars and nano-dollars are two columns that need not be normalised, and one sum of both could overflow.
_APART = " OR ".join(
    [
        *(f"SUM({name}) <> 0" for name in _PLAIN),
        *(f"SUM({each}_nano) % {NANO} <> 0 OR SUM({each}_usd) + SUM({each}_nano) / {NANO} <> 0" for each in MONEY),
    ]
)
_KEPT_APART = """
    SELECT COUNT(*), COUNT(*) FILTER (WHERE is_apart) FROM (
        SELECT {by}, {apart} AS is_apart FROM (
            {events} UNION ALL SELECT {by}, {negative} FROM {table}
        ) GROUP BY {by}
    )
"""
_SHIFTS_APART = _KEPT_APART.format(
    by="source, model",
    apart=_APART,
    events=f"SELECT * FROM ({COUNTED_SHIFTS})",  # noqa: S608  # our own names
    negative=", ".join(f"-{column}" for column in SUM_COLUMNS),
    table="counter_shift",
)
_BELOW_ZERO = f"""
    SELECT COUNT(*) FROM usage_event WHERE MIN({", ".join(f"IFNULL({name}, 0)" for name in TOKENS)},
        IFNULL(recorded_nano, 0), IFNULL(own_nano, 0), IFNULL(list_nano, 0)) < 0
"""  # noqa: S608  # our own names
# Only single requests have a list price, and each says where it comes from. Nobody asks for an own one of what a tool
# states.
_PRICED_ODDLY = f"""
    SELECT COUNT(*) FROM usage_event WHERE (list_nano IS NULL) <> (price_ref IS NULL)
        OR (list_nano IS NOT NULL AND kind <> {REQUEST.code}) OR (own_nano IS NOT NULL AND recorded_nano IS NOT NULL)
"""  # noqa: S608  # our own names

# A session's only meter is all that was booked for it; of several meters, or beside requests, none exceeds it.
_METERED = f"""
    WITH spent AS (
        SELECT session, SUM(kind = {REQUEST.code}) AS requests, SUM(recorded_nano / {NANO}) AS usd,
            SUM(recorded_nano % {NANO}) AS nano, {", ".join(f"SUM({name}) AS {name}" for name in TOKENS)}
        FROM usage_event GROUP BY session
    ), held AS (SELECT *, COUNT(*) OVER (PARTITION BY session) AS meters FROM meter)
    SELECT COUNT(*), COUNT(*) FILTER (WHERE IIF(meters = 1 AND NOT IFNULL(requests, 0), {{unequal}}, {{below}}))
    FROM held LEFT JOIN spent USING (session)
"""  # noqa: S608  # our own names
_SPENT_NANO = f"(IFNULL(usd, 0) * {NANO} + IFNULL(nano, 0))"
_HELD = [
    *((f"IFNULL(spent.{name}, 0)", f"IFNULL(high_{name}, 0)") for name in TOKENS),
    (_SPENT_NANO, "IFNULL(high_nano, 0)"),
]
_METERS_APART = _METERED.format(
    unequal=" OR ".join(f"{spent} <> {high}" for spent, high in _HELD),
    below=" OR ".join(f"{spent} < {high}" for spent, high in _HELD),
)
_METERS_ODD = f"""
    SELECT COUNT(*) FROM meter WHERE {" OR ".join(f"high_{name} < last_{name}" for name in _NUMBERS)}
"""  # noqa: S608  # our own names

# A row of Cline's says what that one of its task's meters was last told from which its numbers are shown.
_ROWS_APART = f"""
    SELECT COUNT(*) FROM cline_task_usage AS r LEFT JOIN (
        SELECT s.key, s.id FROM session AS s JOIN source AS t ON t.id = s.source WHERE t.name = 'cline'
    ) AS s ON s.key = r.task_id
    WHERE NOT EXISTS (
        SELECT 1 FROM meter AS m WHERE m.session = s.id AND IFNULL(m.last_input, 0) = r.tokens_in
            AND IFNULL(m.last_output, 0) = r.tokens_out AND IFNULL(m.last_nano, 0) = nano_usd(r.total_cost)
            AND NOT EXISTS (SELECT 1 FROM meter AS n WHERE n.session = m.session AND {is_stronger("n", "m")})
    )
"""  # noqa: S608  # our own names
_ROWS_MISSING = """
    SELECT COUNT(*) FROM session AS s JOIN source AS t ON t.id = s.source WHERE t.name = 'cline'
    AND EXISTS (SELECT 1 FROM meter AS m WHERE m.session = s.id)
    AND s.key NOT IN (SELECT task_id FROM cline_task_usage)
"""
_REFERENCES = {
    "source": (
        "origin",
        "session",
        "usage_event",
        "usage_slot",
        "usage_day",
        "usage_session_day",
        "usage_total",
        "forgotten",
        "inherited",
    ),
    "origin": ("usage_event", "meter", "checkpoint"),
    "session": ("usage_event", "usage_session_day", "meter", "gap"),
    "model": ("session", "usage_event", "usage_slot", "usage_day", "usage_session_day", "usage_total", "gap"),
    "price_ref": ("usage_event",),
}
"""Tables with numbers of sources, origins, sessions, models and what prices were taken from."""
# NULL is not in an empty table, says SQL.
_HANGING = "SELECT COUNT(*) FROM {table} WHERE {name} IS NOT NULL AND {name} NOT IN (SELECT id FROM {name})"
_FORGOTTEN = (
    "SELECT COUNT(*) FROM forgotten JOIN session USING (source, key)",
    "SELECT COUNT(*) FROM forgotten_key JOIN usage_event USING (source, kind, key_high, key_low)",
)
_COUNTERS_BELOW_ZERO = " + ".join(
    f"(SELECT COUNT(*) FROM {table} WHERE MIN({_COLUMNS}) < 0 OR source NOT IN (SELECT id FROM source) "  # noqa: S608
    "OR model NOT IN (SELECT id FROM model))"
    for table in ("counter_floor", "forgotten_total")
)

_OF_ACTIVITY = ("activity_span", "activity_slot", "activity_total", "activity_forgotten_total")
# Stretches, slots and totals say the same three times; a total also says what was forgotten.
_ACTIVITY_APART = """
    WITH spans AS (SELECT subject, SUM(duration_ms) AS ms FROM activity_span GROUP BY subject),
    slots AS (SELECT subject, SUM(duration_ms) AS ms, SUM(count) AS count FROM activity_slot GROUP BY subject)
    SELECT COUNT(*), COUNT(*) FILTER (WHERE IFNULL(spans.ms, 0) <> IFNULL(slots.ms, 0)
        OR IFNULL(slots.ms, 0) + IFNULL(f.duration_ms, 0) <> IFNULL(t.duration_ms, 0)
        OR IFNULL(slots.count, 0) + IFNULL(f.count, 0) <> IFNULL(t.count, 0))
    FROM activity_subject AS s LEFT JOIN spans ON spans.subject = s.id LEFT JOIN slots ON slots.subject = s.id
    LEFT JOIN activity_total AS t ON t.subject = s.id LEFT JOIN activity_forgotten_total AS f ON f.subject = s.id
"""
_ACTIVITY_ODD = " + ".join(
    f"(SELECT COUNT(*) FROM {table} WHERE duration_ms < 0 OR subject NOT IN (SELECT id FROM activity_subject))"  # noqa: S608
    for table in _OF_ACTIVITY
)
_VISITS_BACK = f"""
    SELECT COUNT(*) FROM activity_visit JOIN activity_forgotten AS f
    ON f.kind = '{BROWSERS.id}' AND at_us >= f.from_ms * 1000 AND at_us < f.to_ms * 1000
"""  # noqa: S608  # our own names


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str
    """The finding, in a few words."""


def verify(path: Path) -> list[Check]:
    """Return every check of the existing database at ``path``, which may be in use; nothing is changed.

    Checks that damaged pages make impossible are left out. Raises StorageForeign, StorageNewer,
    StorageBusy, StorageError. Blocking: call it in a thread.
    """
    checks = [_check_permissions(path)]
    with in_our_words():
        return checks + look_again(path, _verify_at)


def _verify_at(address: str) -> list[Check]:
    checks: list[Check] = []
    try:
        with closing(connect_at(address)) as connection:
            checks += _verify(connection)
    except sqlite3.Error as error:
        if not says_damaged(error):
            raise
        name = getattr(error, "sqlite_errorname", "damaged")
        checks.append(Check(PAGES, ok=False, text=f"{name}: start the service, it sets the file aside"))
    return checks


def _verify(connection: sqlite3.Connection) -> Iterator[Check]:
    connection.create_function("nano_usd", 1, nano_usd, deterministic=True)
    connection.execute("BEGIN")
    # First of all: a check of what a newer version keeps would say nothing.
    revision, newest = find_known_revision(connection), list_revisions()[-1]
    pages = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    if pages != ["ok"]:
        yield Check(PAGES, ok=False, text=f"damaged places found: {len(pages)}")
        return
    yield Check(PAGES, ok=True, text="every page is intact")
    text = f"revision {revision or 'none'} of {newest}"
    if revision != newest:
        text += ": start the service, it brings it to the newest, then check again"
    yield Check("schema", revision == newest, text)
    if revision == newest:
        yield _check_keys(connection)
        yield from _verify_accounts(connection)


def _check_keys(connection: sqlite3.Connection) -> Check:
    count = sum(
        _count(connection, _HANGING.format(table=table, name=name))
        for name, tables in _REFERENCES.items()
        for table in tables
    )
    return Check("keys", not count, f"rows with a source, origin, session, model or price that is not there: {count}")


def _verify_accounts(connection: sqlite3.Connection) -> Iterator[Check]:
    count, odd = _count(connection, _BELOW_ZERO), _count(connection, _PRICED_ODDLY)
    text = f"events with a number below zero: {count}, with a price that nobody stated: {odd}"
    yield Check("events", not count + odd, text)
    for name, (table, key) in zip(("slots", "models", "days", "totals"), SUM_TABLES.items(), strict=True):
        statement = _KEPT_APART.format(
            by=", ".join(key),
            apart=_APART,
            events=sums_of_events(key),
            negative=", ".join(f"-{column}" for column in SUM_COLUMNS),
            table=table,
        )
        sums, apart = connection.execute(statement).fetchone()
        yield Check(name, not apart, f"sums by {_words(key)} that differ from the events: {apart} of {sums}")
    meters, apart = connection.execute(_METERS_APART).fetchone()
    apart += _count(connection, _METERS_ODD)
    yield Check("meters", not apart, f"running totals that differ from what was booked for them: {apart} of {meters}")
    apart, missing = _count(connection, _ROWS_APART), _count(connection, _ROWS_MISSING)
    text = f"rows of Cline's tasks that differ from what was read: {apart}, that are missing: {missing}"
    yield Check("tasks", not apart + missing, text)
    sessions, keys = (_count(connection, statement) for statement in _FORGOTTEN)
    yield Check(
        "forgotten", not sessions + keys, f"forgotten sessions that are stored: {sessions}, requests of such: {keys}"
    )
    below = _count(connection, f"SELECT {_COUNTERS_BELOW_ZERO}")
    _sums, apart = connection.execute(_SHIFTS_APART).fetchone()
    text = (
        f"counters that begin below zero, or at no model: {below}, that differ from what was counted of events: {apart}"
    )
    yield Check("counters", not below + apart, text)
    yield _check_activity(connection)


def _check_activity(connection: sqlite3.Connection) -> Check:
    subjects, apart = connection.execute(_ACTIVITY_APART).fetchone()
    odd, back = _count(connection, f"SELECT {_ACTIVITY_ODD}"), _count(connection, _VISITS_BACK)
    text = (
        f"apps, commands and sites whose sums differ from their stretches: {apart} of {subjects}, "
        f"times of none: {odd}, forgotten visits: {back}"
    )
    return Check("activity", not apart + odd + back, text)


def _words(key: dict[str, str]) -> str:
    *others, last = key
    return f"{', '.join(others)} and {last}"


def _count(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])


def _check_permissions(path: Path) -> Check:
    files, folders = [each for each in path.parent.glob(f"{path.name}*") if each.is_file()], [path.parent / "backups"]
    open_to_others = [each.name for each in (*files, *filter(Path.is_dir, folders)) if _mode(each) & 0o077]
    text = ", ".join(open_to_others) + " can be read by other users" if open_to_others else "readable by its user alone"
    return Check("private", not open_to_others, text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
