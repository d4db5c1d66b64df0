"""The history of Safari: the question, and the meaning of the answer. No I/O, no clock, no logging.

It counts visits and no time: Safari stores none. **Untested on macOS**: tables and columns are those of published
descriptions (``history_items``, ``history_visits``; ``origin`` 1 is a visit that came by iCloud).
"""

from __future__ import annotations

from collections.abc import Sequence

from aico.features.activity.browsers import addresses
from aico.features.activity.browsers.visits import MAX_BYTES, History, Position, judge_numbered
from aico.features.files.sqlite_question import Question

EPOCH_US = 978_307_200_000_000
"""Its times count seconds from the year 2001."""
_TABLES = {
    "history_items": ["id", "url"],
    "history_visits": ["id", "history_item", "visit_time", "origin", "redirect_destination"],
}
_TIME = "CAST(round({} * 1000000) AS INTEGER)"
_STATEMENT = f"""
    WITH {{listed}},
    {
    addresses.addressed(
        "SELECT v.id, i.url FROM history_visits AS v CROSS JOIN history_items AS i ON i.id = v.history_item "
        "WHERE v.id > ? AND v.origin = 0 AND v.redirect_destination IS NULL"
    )
},
    page (id, name) AS MATERIALIZED (SELECT id, {addresses.NAME} FROM addressed)
    SELECT v.id, {_TIME.format("v.visit_time")}, page.name, 0
    FROM page CROSS JOIN history_visits AS v ON v.id = page.id WHERE page.name IS NOT NULL
    UNION ALL
    SELECT (SELECT max(id) FROM history_visits),
        (SELECT {_TIME.format("visit_time")} FROM history_visits WHERE id = ?), NULL, NULL
"""  # noqa: S608  # our own words
_VIEWS = [*addresses.VIEWS, "page"]


def _ask(path: str, names: Sequence[str], position: Position) -> Question:
    listed, values = addresses.listed(names)
    values += [position.last, 0 if position.anchor is None else position.anchor[0]]
    functions = [*addresses.FUNCTIONS, "round"]
    return Question(path, _STATEMENT.format(listed=listed), values, _TABLES, _VIEWS, functions, MAX_BYTES)


HISTORY = History("History.db", _ask, judge_numbered(EPOCH_US))
