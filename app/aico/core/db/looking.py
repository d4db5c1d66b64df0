"""One look at the stored numbers by a command: without a library, without a trace, all of it one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from aico.core.db.at_once import run_at_once
from aico.core.db.revisions import list_revisions
from aico.core.db.sums_reader import Ask, SumsSnapshot
from aico.core.db.upkeep.inspection import check_file, find_known_revision
from aico.core.db.upkeep.sqlite_files import READER_PRAGMAS, connect_at, in_our_words, look_again
from aico.core.errors import StorageAbsent, StorageOlder

T = TypeVar("T")


def look(path: Path, work: Callable[[SumsSnapshot], Coroutine[None, None, T]]) -> T:
    """Return what ``work`` makes of the numbers in the database at ``path``; ``work`` awaits nothing but its snapshot.

    The schema is looked at in the same snapshot: nothing is read that another version has written. A file that a
    service begins to write meanwhile is looked at anew. Raises StorageAbsent, StorageForeign, StorageNewer,
    StorageOlder, StorageBusy, StorageError. Blocking.
    """
    check_file(path)
    with in_our_words():
        return look_again(path, partial(_look, path, work))


def _look(path: Path, work: Callable[[SumsSnapshot], Coroutine[None, None, T]], address: str) -> T:
    with closing(connect_at(address)) as connection:
        connection.executescript(";".join(READER_PRAGMAS))
        connection.execute("BEGIN")
        revision = find_known_revision(connection)
        if revision is None:
            raise StorageAbsent(str(path))
        if revision != list_revisions()[-1]:
            raise StorageOlder

        async def answer(ask: Ask) -> T:
            return await work(await SumsSnapshot.of(ask))

        return run_at_once(connection, answer)
