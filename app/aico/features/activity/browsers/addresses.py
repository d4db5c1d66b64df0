"""The SQL that compares addresses with the list, so that no other address leaves a history. No I/O.

Addresses are as browsers store them: in lower case as far as the host goes, with a slash behind it. Each step is a
table of its own, made once (``MATERIALIZED``): SQLite would else repeat a step in every place that names it.
"""

from __future__ import annotations

from collections.abc import Iterable

from aico.features.files.sqlite_question import Cell

FUNCTIONS = ("substr", "instr", "length", "rtrim", "max", "min", "coalesce")
"""The functions that the expressions below call."""
SLASH = "instr(substr({0}, 9), '/')"
"""The position of the slash behind the authority, from the ninth letter on; 0 if there is none, which is no address."""
VIEWS = ["listed", "authority", "bare", "addressed"]
"""The tables of :func:`listed` and :func:`addressed`."""


def listed(names: Iterable[str]) -> tuple[str, list[Cell]]:
    """Return the SQL of a table ``listed (name, host, path)``, and the cells that are bound to it.

    ``host`` has a dot in front. ``path`` is empty, or begins with a slash and ends with none.
    """
    rows = [(name, *_divide(name)) for name in names]
    places = ", ".join(["(?, ?, ?)"] * len(rows))
    return f"listed (name, host, path) AS MATERIALIZED (VALUES {places})", [cell for row in rows for cell in row]


def reversed_host(host: str) -> str:
    """Return a host as Firefox stores it: backwards, with a dot at the end. It begins those of all its subdomains."""
    return f"{host[::-1]}."


def addressed(rows: str) -> str:
    """Return the SQL of a table ``addressed (id, host, path)`` for a query ``rows`` of (id, url).

    ``host`` has a dot in front; a user before it, a port and a last dot behind it are gone.
    """
    slash = SLASH.format("url")
    return f"""
    authority (id, text, path) AS MATERIALIZED (
        SELECT id, substr(url, instr(url, '//') + 2, {slash} + 7 - instr(url, '//') - 1), substr(url, {slash} + 8)
        FROM ({rows})
    ),
    bare (id, text, path) AS MATERIALIZED (SELECT id, substr(text, instr(text, '@') + 1), path FROM authority),
    addressed (id, host, path) AS MATERIALIZED (
        SELECT id, rtrim('.' || CASE instr(text, ':') WHEN 0 THEN text ELSE substr(text, 1, instr(text, ':') - 1) END,
            '.'), path
        FROM bare
    )"""  # noqa: S608  # our own words


IS_HOST = "substr(addressed.host, -length(listed.host)) = listed.host"
"""True if a host is the listed one or a subdomain of it, by whole labels."""


_SHORTEST = "(SELECT min(length(host)) FROM listed)"
MAY_BE_HOST = f"substr(addressed.host, -{_SHORTEST}) IN (SELECT substr(host, -{_SHORTEST}) FROM listed)"  # noqa: S608
"""True if a host ends as a listed one does. That holds for all listed hosts; it is one look-up for any list."""


def is_path(path: str, name: str) -> str:
    """Return the SQL of whether a path begins with a listed one, by whole parts."""
    behind = f"substr({path}, length({name}) + 1, 1)"
    return f"({name} = '' OR (substr({path}, 1, length({name})) = {name} AND {behind} IN ('', '/', '?', '#')))"


NAME = f"""(
    SELECT listed.name FROM listed WHERE {IS_HOST} AND {is_path("addressed.path", "listed.path")}
    ORDER BY length(listed.host) DESC, length(listed.path) DESC LIMIT 1
)"""  # noqa: S608  # likewise
"""The longest listed name for an address, by whole parts of its path; NULL for all others."""


def _divide(name: str) -> tuple[str, str]:
    host, slash, path = name.partition("/")
    return f".{host}", slash + path.rstrip("/")
