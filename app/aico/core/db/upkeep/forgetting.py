"""Removing sessions on request: their spending goes, and no import brings it back.

All functions block: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from aico.core.db.questions import EVENT_AS_MONEY, KEYS
from aico.core.db.upkeep import rebuilding
from aico.core.db.upkeep.sqlite_files import connect, in_our_words, transaction
from aico.core.sums import SUM_COLUMNS, Sums

# A session goes on as long as one that it has started does.
_MATCHING = """
    WITH RECURSIVE late(source, key, parent_key) AS (
        SELECT s.source, s.key, s.parent_key FROM session AS s JOIN source AS t ON t.id = s.source
        WHERE t.name = ?1 AND s.last_ts >= ?2
        UNION SELECT s.source, s.key, s.parent_key FROM late JOIN session AS s
        ON s.source = late.source AND s.key = late.parent_key
    )
    SELECT s.key FROM session AS s JOIN source AS t ON t.id = s.source
    WHERE t.name = ?1 AND (s.source, s.key) NOT IN (SELECT source, key FROM late)
"""
_STORED = "SELECT key, label FROM session JOIN chosen USING (id) ORDER BY key"
_SPENT = f"""
    SELECT {", ".join(f"SUM({name})" for name in SUM_COLUMNS)} FROM (
        SELECT {EVENT_AS_MONEY} FROM usage_event WHERE session IN (SELECT id FROM chosen)
    )
"""  # noqa: S608  # our own names
_REMEMBER = """
    INSERT OR REPLACE INTO forgotten (source, key, forgotten_at)
    SELECT source, key, ? FROM session JOIN chosen USING (id)
"""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The sessions that go, or would go."""

    sessions: tuple[str, ...]
    """Stored sessions, in order."""
    unknown: tuple[str, ...]
    """Sessions that were named and are not stored."""
    spent: Sums
    """The spending of the sessions together."""
    labels: Mapping[str, str | None]
    """The user's own name of each stored session; None where it has none."""


def find_sessions(path: Path, begin: str, source: str | None) -> list[tuple[str, str]]:
    """Return source and key of the sessions that ``begin`` means, those of ``source`` alone if it is given.

    These are the ones of exactly that key, else those whose key begins like that, twenty at most; none for a blank
    one. A session that another one has started is meant by its whole key alone. Raises StorageBusy, StorageError.
    """
    if not begin:
        return []
    with in_our_words(), closing(connect(path, "ro")) as connection:
        found = [(str(name), str(key)) for name, key, *_ in connection.execute(KEYS, (begin,))]
    found = [each for each in found if source in {None, each[0]}]
    return [each for each in found if each[1] == begin] or found


def preview_forgetting(path: Path, source: str, named: Sequence[str], before_ms: int | None) -> Forgetting:
    """Return what would go of the database at ``path``; write nothing. Raises StorageBusy, StorageError.

    ``named`` are keys of sessions of ``source``; ``before_ms`` means every session of it whose last activity, and that
    of the sessions that it has started, lies before that moment (epoch milliseconds). Those go with it.
    """
    with in_our_words(), closing(connect(path, "ro")) as connection:
        connection.execute("BEGIN")
        if before_ms is not None:
            named = [*named, *(str(key) for (key,) in connection.execute(_MATCHING, (source, before_ms)))]
        rebuilding.choose_sessions(connection, source, named)
        labels = dict(connection.execute(_STORED).fetchall())
        spent = Sums.of(connection.execute(_SPENT).fetchone())
    return Forgetting(tuple(labels), tuple(sorted(set(named) - labels.keys())), spent, labels)


def forget(path: Path, source: str, sessions: Sequence[str], now_ms: int) -> None:
    """Remove the stored ``sessions`` of ``source`` in one transaction, and keep their keys as forgotten.

    The sessions that they have started go with them. The epoch is another one afterwards, so a page that showed them
    reads again; counters that only grow stay as they are. Nobody else may hold stored values in memory: the caller has
    the instance's lock. Raises StorageBusy, StorageError.
    """
    with in_our_words(), closing(connect(path)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        # Removed data is overwritten, too.
        connection.execute("PRAGMA secure_delete=ON")
        with transaction(connection):
            rebuilding.choose_sessions(connection, source, sessions)
            connection.execute(_REMEMBER, (now_ms,))
            rebuilding.remove_chosen(connection)
            rebuilding.begin_epoch(connection, 0)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
