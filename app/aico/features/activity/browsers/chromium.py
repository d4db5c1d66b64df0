"""The history of Chromium and its kin: the question, and the meaning of the answer. No I/O, no clock, no logging.

``context_annotations.total_foreground_duration`` is how long a page was in front; it is written when the page is left,
and -1 second until then. ``visit_duration`` also counts the time behind other windows, so it is not used.

Source: ``components/history/core/browser/`` (``history_types.h``, ``visit_database.cc``,
``visit_annotations_database.cc``) and ``ui/base/page_transition_types.h`` of Chromium, and Chromium 150 itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from aico.features.activity.browsers import addresses
from aico.features.activity.browsers.visits import (
    MAX_BYTES,
    History,
    Position,
    judge_numbered,
)
from aico.features.files.sqlite_question import Question

EPOCH_US = -11_644_473_600_000_000
"""Its times count from the year 1601."""
_TABLES = {
    "urls": ["id", "url"],
    "visits": ["id", "url", "visit_time", "transition", "originator_cache_guid"],
    "visit_source": ["id", "source"],
    "context_annotations": ["visit_id", "total_foreground_duration"],
}
_ONLY = """
    coalesce(v.originator_cache_guid, '') = ''
    AND NOT EXISTS (SELECT 1 FROM visit_source AS s WHERE s.id = v.id AND s.source <> 1)
    AND v.transition & 536870912 <> 0 AND v.transition & 255 NOT IN (3, 4)
"""
"""Browsed here, not on another device nor imported; the last of its redirects, and no frame inside a page."""
_COLUMNS = "v.id, v.visit_time, p.name, a.total_foreground_duration"
# The last row: the greatest id, and the time of the anchor.
_END = "SELECT (SELECT max(id) FROM visits), (SELECT visit_time FROM visits WHERE id = ?), NULL, NULL"
_NEXT = "SELECT u.url FROM urls AS u WHERE u.url >= {} ORDER BY u.url LIMIT 1"
_SLASH = addresses.SLASH
_PREFIX = f"substr({{0}}, 1, {_SLASH} + 8)"
"""Of an address: scheme, authority and the slash behind it."""
_BEHIND = f"CASE {_SLASH} WHEN 0 THEN {{0}} || ' ' ELSE substr({{0}}, 1, {_SLASH} + 7) || '0' END"
"""A text that is greater than all addresses of the same site."""
_VISITS = f"""
    SELECT v.id, v.visit_time, visit.name, a.total_foreground_duration FROM visit
    CROSS JOIN visits AS v ON v.id = visit.id LEFT JOIN context_annotations AS a ON a.visit_id = v.id
    WHERE {_ONLY}
    UNION ALL
    SELECT (SELECT max(id) FROM visits), (SELECT visit_time FROM visits WHERE id = ?), NULL, NULL
"""  # noqa: S608  # our own words
"""Ends with a row of the greatest id and the time of the anchor."""
# One step of the index for each site, however many pages there are of it; then only the pages of listed sites, and
# their visits in their order, so that each part of the file is read once.
_ALL = f"""
    WITH RECURSIVE {{listed}},
    step (url) AS (
        SELECT ({_NEXT.format("'http'")})
        UNION ALL
        SELECT ({_NEXT.format(_BEHIND.format("step.url"))}) FROM step WHERE step.url < 'httpt'
    ),
    {addresses.addressed(f"SELECT {_PREFIX.format('url')} AS id, url FROM step WHERE url < 'httpt'")},
    likely (id, host) AS MATERIALIZED (SELECT id, host FROM addressed WHERE {addresses.MAY_BE_HOST}),
    own (prefix, name, path, rank) AS MATERIALIZED (
        SELECT addressed.id, listed.name, listed.path, length(listed.host) * 1000 + length(listed.path)
        FROM likely AS addressed CROSS JOIN listed WHERE {addresses.IS_HOST}
    ),
    found (id, name, path, rank, rest) AS (
        SELECT u.id, own.name, own.path, own.rank, substr(u.url, length(own.prefix)) FROM own CROSS JOIN urls AS u
        WHERE u.url >= own.prefix AND u.url < substr(own.prefix, 1, length(own.prefix) - 1) || '0'
    ),
    page (id, name, rank) AS MATERIALIZED (
        SELECT id, name, max(rank) FROM found WHERE {addresses.is_path("rest", "path")} GROUP BY id
    ),
    visit (id, name) AS MATERIALIZED (
        SELECT v.id, page.name FROM page CROSS JOIN visits AS v ON v.url = page.id
        ORDER BY v.id
    )
    {_VISITS}
"""  # noqa: S608  # likewise
_NEW = f"""
    WITH {{listed}},
    {
    addresses.addressed(
        "SELECT v.id, u.url FROM visits AS v CROSS JOIN urls AS u ON u.id = v.url WHERE v.id > ? OR v.id IN ({open})"
    )
},
    page (id, name) AS MATERIALIZED (SELECT id, {addresses.NAME} FROM addressed),
    visit (id, name) AS (SELECT id, name FROM page WHERE name IS NOT NULL)
    {_VISITS}
"""  # noqa: S608  # likewise
_VIEWS = [*addresses.VIEWS, "step", "likely", "own", "found", "page", "visit"]


def _ask(path: str, names: Sequence[str], position: Position) -> Question:
    listed, values = addresses.listed(names)
    if position.last == 0:
        statement = _ALL.format(listed=listed)
        values.append(0)
    else:
        statement = _NEW.format(listed=listed, open=", ".join("?" * len(position.open)))
        values += [position.last, *position.open, 0 if position.anchor is None else position.anchor[0]]
    functions, is_all = list(addresses.FUNCTIONS), position.last == 0
    return Question(path, statement, values, _TABLES, _VIEWS, functions, MAX_BYTES, is_all)


HISTORY = History("History", _ask, judge_numbered(EPOCH_US))
