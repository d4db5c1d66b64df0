"""The short-lived process that reads the session store, so that conversation text never is in the service's memory.

Whole pages of the database pass through this process, and with them prompts and titles; they end with it. What leaves
it is one JSON document on standard output: the rows of ``STATEMENT``, or a code, a reason in our words, and what of
ours is missing. It writes
no file, by its own limits. Standard library only, so that it starts in some 30 milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import resource
import sys
from collections.abc import Sequence

from aico.features.files.opening import DatabaseFiles, Refused
from aico.features.sessions.image import read_image
from aico.features.sessions.statement import ask

CPU_LIMIT_S = 20
_COPIES = 6
"""How often the database is in memory at most: as it was read, as SQLite wants it, as a copy of SQLite's; its log."""
_OWN_BYTES = 1 << 29
"""Memory for everything else: the interpreter, the rows, their order."""
_PR_SET_DUMPABLE = 4  # Source: prctl(2)


def main(arguments: Sequence[str]) -> None:
    """Print what the store at the first argument says, at most so many bytes long, changed since the third."""
    path, max_bytes, since = arguments
    _limit(int(max_bytes))
    try:
        answer: dict[str, object] = {"rows": _read(path, int(max_bytes), since)}
    except Refused as refused:
        answer = {"code": refused.code, "reason": refused.reason, "missing": refused.missing}
    except Exception as error:  # noqa: BLE001  # a trace could show what was being read
        answer = {"code": "unreadable", "reason": type(error).__name__}
    json.dump(answer, sys.stdout, separators=(",", ":"))


def _read(path: str, max_bytes: int, since: str) -> list[Sequence[object]]:
    directory = DatabaseFiles(path, max_bytes)
    try:
        image = read_image(directory)
    finally:
        directory.close()
    return list(ask(image, since))


def _limit(max_bytes: int) -> None:
    """Let this process write no file, leave no core dump, take bounded memory, and not run for ever.

    A database may be made so that it never ends: pages may lead to the same pages again and again.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # No limit forbids dumps to a collecting program, nor others to attach; and it is not inherited.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        with contextlib.suppress(ValueError, OverflowError):  # already less, or more than there is
            resource.setrlimit(resource.RLIMIT_AS, (_COPIES * max_bytes + _OWN_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))


if __name__ == "__main__":
    main(sys.argv[1:])
