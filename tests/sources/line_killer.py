"""Kills the reading of logs before each of its statements in turn. Run with a home, a folder, a step, and a source.

A file of its own: forking is safe only in a process without threads.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from sqlite3 import connect
from unittest.mock import patch

from aico.core.usage import Trigger
from aico.features.files import line_feed
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from tests.core.writer_killer import MortalConnection
from tests.sources.invented_lines import SOURCE as INVENTED
from tests.sources.pipeline import pipeline


async def read(folder: Path, home: Path, sources: Sequence[Source], fatal: int | None = None) -> None:
    """Read all logs of ``sources`` below ``home`` into the database in ``folder``, in small parts."""
    async with pipeline(folder, sources, home) as reading:
        if fatal is not None:
            MortalConnection.fatal = fatal
            MortalConnection.numbers = count()
        await reading.read(Trigger.STARTUP)


def read_until(folder: Path, home: Path, sources: Sequence[Source], fatal: int) -> bool:
    """Read in a process that dies before statement ``fatal``; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        mortal = partial(connect, factory=MortalConnection)
        with (
            patch("aico.core.db.database.sqlite3.connect", mortal),
            patch.object(line_feed, "CHUNK_FILES", 2),
            patch.object(line_feed, "CHUNK_BYTES", 400),
        ):
            asyncio.run(read(folder, home, sources, fatal))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(home: Path, folder: Path, step: int, name: str) -> None:
    """Leave a database in ``folder`` for every moment of death, or every ``step``-th one."""
    sources = [each for each in (*SOURCES, INVENTED) if each.id == name]
    for fatal in count(0, step):
        (folder / f"{fatal:03}").mkdir()
        if read_until(folder / f"{fatal:03}", home, sources, fatal):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
