"""``python -m tests.faults.importer_killer ROUNDS SEED FOLDER``: kills imports, and checks the database after each.

Each round forks a child that opens the database with the real pipeline, imports the ledger as it is, and then one
generation after the other; every commit that was published is acknowledged on a pipe. The child is killed at a random
moment: before a statement or a commit, or from outside after so many acknowledgements and some milliseconds. Its
database must be whole, hold everything acknowledged, and let the next child go on.

A program of its own: forking is safe only in a process without threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

from aico.core.db.database import Database
from aico.core.db.revisions import list_revisions
from aico.core.db.writer import UsageWriter
from aico.core.receipts import UsageCommitted
from aico.core.usage import Trigger
from aico.features.demo.writer import replace_file
from aico.features.files.feed import Reading, ReadLimits
from aico.features.sources.cline import LEDGER, SOURCE
from aico.services.ingest import Ingest
from aico.services.intake import Intake
from tests.faults.database_audit import Audit, audit
from tests.faults.stepped_service import trace

ENTRIES = 60
RUN_LIMIT = 25
_STATEMENTS = 500
"""More than the migrations and one generation need."""
_ACKNOWLEDGED = 9
_DELAY_S = 0.03
_HANG_S = 60
_FIRST_TS = 1_772_000_000_000
_STEP_MS = 400_000


def ledger_of(generation: int) -> bytes:
    """Return a ledger whose every entry says of which generation it is; totals rise and fall."""
    rng = Random(generation)  # noqa: S311 - reproducible on purpose
    fields = [(rng.randrange(10**6), rng.randrange(10**6), rng.randrange(10**7) / 10**5) for _ in range(ENTRIES)]
    entries = [
        {
            "id": f"task-{number:03}",
            "ts": _FIRST_TS + generation * _STEP_MS,
            "tokensIn": tokens_in,
            "tokensOut": tokens_out,
            "totalCost": cost,
            "modelId": f"model-{(number + generation) % 3}",
        }
        for number, (tokens_in, tokens_out, cost) in enumerate(fields)
    ]
    return json.dumps(entries).encode()


def generation_of(ts: int) -> int:
    """Return the generation of an entry of this ``ts``."""
    return (ts - _FIRST_TS) // _STEP_MS


async def import_generations(
    database_path: Path, ledger: Path, pipe: int, first: int, *, look: Callable[[str], None] | None, only_one: bool
) -> None:
    """Import the ``first`` generation, then one after the other; acknowledge each committed run."""
    database = Database(database_path)
    await database.open()
    if look is not None:
        await trace(database, look)
    writer = UsageWriter(database, _now_ms)
    intake = Intake(SOURCE, LEDGER, LEDGER.open(str(ledger), ReadLimits(1 << 20, 1, lambda: 0)))
    await intake.resume(writer)

    def acknowledge(committed: UsageCommitted, _intake: Intake, _reading: Reading) -> None:
        newest = generation_of(committed.rows[0].last_ts)
        os.write(pipe, f"{committed.receipt.revision} {newest}\n".encode())

    ingest = Ingest(writer, acknowledge, _now_ms, RUN_LIMIT)
    ingest.add(intake)
    for generation in count(first):
        replace_file(ledger, ledger_of(generation))
        await ingest.run(Trigger.WATCH, (intake.key,))
        if only_one:
            assert await ingest.finish(intake.key) is None
            break
    await ingest.close()
    await database.close()


def die_before_statement(fatal: int) -> Callable[[str], None]:
    """Let this process kill itself before the ``fatal``-th statement or commit; return what is to see the writer's."""
    numbers = count()

    def die(*_arguments: object) -> None:
        if next(numbers) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return die


class Nemesis:
    """Kills one child after the other, and keeps what they acknowledged."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self.database = folder / "data" / "observer.db"
        self.ledger = folder / "taskHistory.json"
        self.rng = rng
        self.acknowledged = (0, 0)
        """Greatest acknowledged revision, and the generation that it began or went on with."""
        replace_file(self.ledger, ledger_of(1))

    def live_and_die(self) -> None:
        """Let a child import until it is killed."""
        fatal = self.rng.randrange(_STATEMENTS) if self.rng.random() < 0.5 else None
        child, pipe = self._fork(fatal, only_one=False)
        try:
            lines = _lines(pipe)
            if fatal is None:
                self._take(lines, self.rng.randrange(_ACKNOWLEDGED))
                # A random moment of what follows: nothing is waited for.
                select.select([], [], [], self.rng.random() * _DELAY_S)
                os.kill(child, signal.SIGKILL)
            self._take(lines, None)
        finally:
            assert _end(child, pipe) == -signal.SIGKILL

    def live(self) -> None:
        """Let a child import what stands in the ledger, and end."""
        child, pipe = self._fork(None, only_one=True)
        try:
            self._take(_lines(pipe), None)
            assert os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT) is not None
        finally:
            assert _end(child, pipe) == 0

    def _fork(self, fatal: int | None, *, only_one: bool) -> tuple[int, int]:
        """Return a child and the pipe on which it acknowledges."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            look = None if fatal is None else die_before_statement(fatal)
            # It begins with what stands there.
            first = generation_of(json.loads(self.ledger.read_bytes())[0]["ts"])
            asyncio.run(import_generations(self.database, self.ledger, writing, first, look=look, only_one=only_one))
            os._exit(0)
        os.close(writing)
        return child, reading

    def _take(self, lines: Iterator[str], most: int | None) -> None:
        """Read acknowledgements: so many, or all until the child is gone. None is missing, none comes twice."""
        for number, line in enumerate(lines if most != 0 else ()):
            revision, generation = map(int, line.split())
            assert revision == self.acknowledged[0] + 1
            self.acknowledged = (revision, generation)
            if most is not None and number + 1 >= most:
                return

    def check(self) -> Audit | None:
        """Fail unless the database is whole and holds what was acknowledged; None when it was never made."""
        if not self.acknowledged[0] and not _is_migrated(self.database):
            return None
        found = audit(self.database)
        revision, generation = self.acknowledged
        # Nobody was told of at most the one run that was committed when the end came.
        assert revision <= found.revision <= revision + 1
        self.acknowledged = (found.revision, generation)
        held = [generation_of(found.tasks[task_id].ts) for task_id in sorted(found.tasks)]
        assert held == sorted(held, reverse=True)
        assert not held or held[0] >= generation
        for start in range(0, len(held), RUN_LIMIT):
            assert len(set(held[start : start + RUN_LIMIT])) == 1, "a transaction was stored in part"
        return found


def _end(child: int, pipe: int) -> int:
    """Return how ``child`` ended; one that hangs is killed."""
    os.close(pipe)
    os.kill(child, signal.SIGKILL)  # ended or not, it is there until it is waited for
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _lines(pipe: int) -> Iterator[str]:
    """Yield whole lines until the other end is closed; a hang is a failure."""
    rest = b""
    deadline = time.monotonic() + _HANG_S
    while True:
        assert select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0], "the importer hangs"
        piece = os.read(pipe, 65_536)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode()


def _is_migrated(path: Path) -> bool:
    # The newest revision is written last: a child that dies before it has promised nothing.
    return path.exists() and f"{list_revisions()[-1]}".encode() in path.read_bytes() + _log_of(path)


def _log_of(path: Path) -> bytes:
    log = path.with_name(f"{path.name}-wal")
    return log.read_bytes() if log.exists() else b""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main(rounds: int, seed: str, folder: Path) -> None:
    """Kill ``rounds`` children, then let one catch up with the ledger; print the revision at the end."""
    nemesis = Nemesis(folder, Random(seed))  # noqa: S311 - reproducible on purpose
    for number in range(rounds):
        try:
            nemesis.live_and_die()
            nemesis.check()
        except AssertionError as error:
            raise AssertionError(f"kill {number} of seed {seed}: {error}") from error
    nemesis.live()
    found = nemesis.check()
    assert found is not None
    entries = json.loads(nemesis.ledger.read_bytes())
    assert {usage.ts for usage in found.tasks.values()} == {entry["ts"] for entry in entries}
    assert set(found.tasks) == {entry["id"] for entry in entries}
    print(json.dumps({"revision": found.revision}))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
