"""Kills a migration before each of its statements in turn, and says how many there were. Run as a program.

A file of its own: forking is safe only in a process without threads.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

import sqlalchemy
from sqlalchemy import event

from aico.core.db.migrations import migrate


def migrate_until(path: Path, revision: str, fatal: int) -> bool:
    """Migrate ``path`` in a process that dies before statement ``fatal``; return whether it reached ``revision``."""
    child = os.fork()
    if child == 0:
        numbers = count()

        def die(*_arguments: object) -> None:
            if next(numbers) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(sqlalchemy.Engine, "before_cursor_execute", die)
        event.listen(sqlalchemy.Engine, "commit", die)
        migrate(path, revision)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(begin: Path, revision: str, folder: Path) -> None:
    """Leave a database in ``folder`` for every moment of death: killed there, then migrated again."""
    for fatal in count():
        path = Path(shutil.copy(begin, folder / f"{fatal:03}.db"))
        has_ended = migrate_until(path, revision, fatal)
        migrate(path, revision)
        if has_ended:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
