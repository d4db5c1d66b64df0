"""How far places were read: asked for when it is needed, in the thread that reads, and not kept in memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing

from aico.core.db.json_values import json_of

_POSITION = """
    SELECT position FROM checkpoint WHERE source = (SELECT id FROM source WHERE name = ?) AND place = ?
    AND epoch = (SELECT epoch FROM database_state)
"""
# A name is of hexadecimal digits: whatever begins with it comes before the next letter.
_ALL = """
    SELECT substr(place, length(?2) + 1), position FROM checkpoint
    WHERE source = (SELECT id FROM source WHERE name = ?1) AND place > ?2 AND place < ?2 || 'g'
    AND epoch = (SELECT epoch FROM database_state)
"""
_SOME = """
    SELECT substr(place, length(?2) + 1), position FROM checkpoint
    WHERE source = (SELECT id FROM source WHERE name = ?1) AND place IN (SELECT ?2 || value FROM json_each(?3))
    AND epoch = (SELECT epoch FROM database_state)
"""
_log = logging.getLogger(__name__)


class StoredPositions:
    """The checkpoints of one place, and of the files below it: places whose names begin with its own.

    Each call opens a connection for itself and blocks. A checkpoint that cannot be read costs a reading from the
    beginning, and no money: then there is none.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        source: str,
        place: str,
        note_error: Callable[[sqlite3.Error], None],
    ) -> None:
        """``note_error`` is told why a checkpoint cannot be read."""
        self._connect = connect
        self._note_error = note_error
        self._source = source
        self._place = place

    def find_own(self) -> str | None:
        """Return the position of the place itself."""
        return next((str(position) for (position,) in self._select(_POSITION)), None)

    def read_all(self) -> Iterator[tuple[bytes, str]]:
        """Yield the rest of the name of each file below it, and its position."""
        return ((bytes.fromhex(name), position) for name, position in self._select(_ALL))

    def find(self, files: Collection[bytes]) -> dict[bytes, str]:
        """Return the positions of ``files``, those that are stored."""
        found = self._select(_SOME, json_of(each.hex() for each in files))
        return {bytes.fromhex(name): position for name, position in found}

    def _select(self, statement: str, *values: str) -> Iterator[sqlite3.Row]:
        try:
            with closing(self._connect()) as connection:
                yield from connection.execute(statement, (self._source, self._place, *values))
        except sqlite3.Error as error:
            self._note_error(error)
            _log.debug("checkpoints could not be read: %s", error)
