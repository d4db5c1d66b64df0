"""The history of Firefox: the question, and the meaning of the answer. No I/O, no clock, no logging.

``moz_places_metadata`` has a row for each page that was looked at: ``total_view_time`` (milliseconds) counts while its
tab and window are in front and somebody is there, and grows as long as the page stays. Visits that came from another
device have no such row.

Source: ``toolkit/components/places/nsPlacesTables.h`` and ``browser/components/places/Interactions.sys.mjs`` of
Firefox, and Firefox ESR itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from aico.features.activity.browsers import addresses
from aico.features.activity.browsers.visits import MAX_BYTES, Answer, History, Position, visit_of
from aico.features.files.sqlite_question import Cell, Question

_OVERLAP_MS = 3_600_000
"""Changes up to so long before the newest one are told once more: a row is written some seconds after its time."""
_TABLES = {
    "moz_places": ["id", "url", "rev_host"],
    "moz_places_metadata": ["id", "place_id", "created_at", "updated_at", "total_view_time"],
}
_PAGES = """
    SELECT DISTINCT p.id, p.url FROM backwards CROSS JOIN moz_places AS p
    WHERE p.rev_host >= backwards.host AND p.rev_host < backwards.host || '~'
"""
_STATEMENT = f"""
    WITH {{listed}},
    backwards (host) AS (VALUES {{backwards}}),
    {addresses.addressed(_PAGES)},
    page (id, name) AS MATERIALIZED (SELECT id, {addresses.NAME} FROM addressed)
    SELECT m.id, m.created_at * 1000, page.name, m.total_view_time * 1000, m.updated_at
    FROM page CROSS JOIN moz_places_metadata AS m ON m.place_id = page.id
    WHERE page.name IS NOT NULL AND m.updated_at >= ?
"""  # noqa: S608  # our own words
_VIEWS = [*addresses.VIEWS, "backwards", "page"]


def _ask(path: str, names: Sequence[str], position: Position) -> Question:
    listed, values = addresses.listed(names)
    hosts = sorted({name.partition("/")[0] for name in names})
    values += map(addresses.reversed_host, hosts)
    values.append(max(0, position.last - _OVERLAP_MS))
    statement = _STATEMENT.format(listed=listed, backwards=", ".join(["(?)"] * len(hosts)))
    return Question(path, statement, values, _TABLES, _VIEWS, list(addresses.FUNCTIONS), MAX_BYTES)


def _judge(rows: Sequence[Sequence[Cell]], position: Position, now_us: int) -> Answer:
    visits = [visit for row in rows if (visit := visit_of(row, 0, now_us)) is not None]
    changed = [row[4] for row in rows]
    # Not beyond now: a clock that is set back must not hide what follows.
    newest = max((at for at in changed if isinstance(at, int)), default=0)
    return Answer(tuple(visits), Position(min(max(position.last, newest), now_us // 1000)))


HISTORY = History("places.sqlite", _ask, _judge)
