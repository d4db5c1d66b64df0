"""``python -m tests.faults.nonstop_ledger_writer WAY ENTRIES SEED LEDGER``: writes one generation after the other.

As fast as it can and in one way, from the first line of its standard input until that closes; then it completes the
last one and prints its number. ``append`` makes no ledgers: the file grows, and begins anew where it would fill the
disk.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen

from aico.features.demo.writer import replace_file
from tests.emulator.ways_of_writing import Way, write_ledger
from tests.faults.generation_ledgers import Generations

ROOT = Path(__file__).resolve().parents[2]
APPEND = "append"
_APPENDED_MAX = 32 << 20
HANG_S = 60


class RestlessWriter:
    """The parent's end of the process."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process
        self.last = -1
        """The generation that stands in the file when the writer has stopped."""

    def stop(self) -> int:
        """Let it complete its last generation, and return the number."""
        answer, _ = self._process.communicate(timeout=HANG_S)
        assert self._process.returncode == 0
        self.last = int(answer.split()[-1])
        return self.last


@contextmanager
def writing(path: Path, way: str, *, entry_count: int, seed: int) -> Iterator[RestlessWriter]:
    """Let a second process write ``path`` until the block ends or it is stopped; the first file stands there before."""
    command = [sys.executable, "-m", "tests.faults.nonstop_ledger_writer", way, str(entry_count), str(seed), str(path)]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) as process:
        writer = RestlessWriter(process)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"
            yield writer
            if writer.last < 0:
                writer.stop()
        finally:
            if process.poll() is None:
                process.kill()


def main(way: str, entry_count: int, seed: int, path: Path) -> None:
    """Write until nobody wants it any more."""
    generations = Generations(entry_count, seed)
    replace_file(path, generations.ledger(0))
    print("0", flush=True)  # noqa: T201 - the answer
    parent = threading.Thread(target=sys.stdin.read, daemon=True)
    parent.start()
    rng = Random(seed)  # noqa: S311 - reproducible on purpose
    for number in count(1):
        if way == APPEND:
            _append(path, generations.ledger(0))
        else:
            write_ledger(Way(way), path, generations.ledger(number), rng)
        if not parent.is_alive():
            print(number, flush=True)  # noqa: T201 - the answer
            return


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        if os.fstat(descriptor).st_size > _APPENDED_MAX:
            os.ftruncate(descriptor, 0)
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
