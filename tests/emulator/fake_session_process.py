"""``python -m tests.emulator.fake_session_process PATH``: holds the session store open and obeys its parent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.fake_session_store import FIRST_MS, Json, SessionStore

_ROOT = Path(__file__).resolve().parents[2]


class SessionProcess:
    """A test's handle on that process: each call returns when it is done. The calls block for milliseconds."""

    def __init__(self, path: Path) -> None:
        self._command = [sys.executable, "-m", "tests.emulator.fake_session_process", str(path)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._await()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    def put(self, session_id: str, metadata: Json, updated_ms: int = FIRST_MS) -> None:
        """Write one session."""
        self._ask({"put": [session_id, metadata, updated_ms]})

    def fill(self, count: int) -> None:
        """Write ``count`` sessions one after the other, each in its own transaction, and check them in meanwhile."""
        self._ask({"fill": count})

    def start_filling(self, count: int) -> None:
        """Begin to do that, and do not wait."""
        self._send({"fill": count})

    def await_done(self) -> None:
        """Wait for what was begun."""
        self._await()

    def kill(self) -> None:
        """End it as a crash does: the log stays."""
        self._process.kill()

    def _ask(self, order: Json) -> None:
        self._send(order)
        self._await()

    def _send(self, order: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _await(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"


def main(path: str) -> None:
    """Obey until standard input ends."""
    store = SessionStore(Path(path))
    _report()
    for line in sys.stdin:
        order = json.loads(line)
        if "put" in order:
            session_id, metadata, updated_ms = order["put"]
            store.put(session_id, metadata, updated_ms=updated_ms)
        else:
            fill(store, order["fill"])
        _report()
    store.close()


def _report() -> None:
    sys.stdout.write("done\n")
    sys.stdout.flush()


def fill(store: SessionStore, count: int) -> None:
    """Write pairs that belong together: in every committed state the two costs are equal."""
    for number in range(count):
        store.connection.execute("BEGIN IMMEDIATE")
        for session_id in ("left", "right"):
            metadata = {
                "tokensIn": number,
                "tokensOut": number,
                "totalCost": number / 8,
                "padding": "x" * (number % 9000),
            }
            store.put(session_id, metadata, updated_ms=FIRST_MS + number)
        store.connection.execute("COMMIT")
        if number % 7 == 0:
            store.checkpoint("RESTART" if number % 3 else "TRUNCATE")


if __name__ == "__main__":
    main(sys.argv[1])
