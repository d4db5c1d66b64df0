"""``make soak``: the faults of the tests many times over, then a service that lives under them for a while.

``ARGS="--minutes 60 --seed 7"`` says how long it lives and repeats what was drawn; ``--only life`` leaves the tests
out, ``--only tests`` the service; ``--tests PATHS`` takes some of the tests. It ends with a table, and not with 0 when
something was lost, grew or did not heal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory

import httpx

from tests.e2e.fake_page_socket import listening
from tests.e2e.server_process import ROOT, ServerProcess
from tests.emulator.fake_cline_process import ClineProcess
from tests.faults.database_audit import audit
from tests.faults.fault_counts import SEED_VARIABLE, SOAK_VARIABLE

PAUSE_MAX_S = 1.5
"""Between two faults: with the time that they take, far more than thirty writes a minute."""
WARM_UP_SHARE = 0.4
SLOPE_MAX_MIB_PER_HOUR = 20.0
SLOPE_MINUTES = 60
"""In a shorter life the messages that are kept for pages, and the tasks that are known, are still growing in number."""
LOG_LINES_MAX_PER_MINUTE = 400
HEAL_S = 20.0
SILENT_SOCKETS = 20
TESTS = ["tests/faults", "tests/ledger/test_parser_properties.py", "tests/ledger/test_repair.py"]
"""Those whose counts a soak raises."""


class Soak:
    """One service process, a Cline that writes without a rest, and what happens to both."""

    def __init__(self, folder: Path, rng: Random, minutes: float) -> None:
        self.folder, self.rng, self.minutes = folder, rng, minutes
        self.done: Counter[str] = Counter()
        self.samples: list[tuple[float, int, int]] = []
        """Seconds since the start, resident KiB, descriptors."""
        self.healed_s: list[float] = []

    async def run(self) -> dict[str, str]:
        """Live for the time that was asked for, and return the figures. Fails with AssertionError."""
        ledger = self.folder.resolve() / "cline" / "taskHistory.json"
        with ClineProcess(ledger, seed=self.rng.randrange(1 << 30), task_count=200, broken_count=3) as cline:
            with ServerProcess(self.folder) as server:
                started = time.monotonic()
                while time.monotonic() - started < self.minutes * 60:
                    await self._happen(server, cline)
                    self._measure(server, started)
                await self._heal(server, cline)
                lines = len(server.log().splitlines())
                assert "Traceback" not in server.log()
                assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
            found = await asyncio.to_thread(audit, server.database)
            assert found.tasks == cline.expected
        return self._figures(lines, found.revision, len(cline.updates))

    async def _happen(self, server: ServerProcess, cline: ClineProcess) -> None:
        faults = {
            "saves of Cline": self._save,
            "storms of saves": self._storm,
            "locks of the database": self._lock,
            "pages that came and went": self._visit,
            "pages that never read": self._ignore,
            "ledgers torn for a moment": self._tear,
            "requests at once": self._request,
        }
        name = self.rng.choices(list(faults), [12, 1, 1, 2, 0.3, 1, 2])[0]
        await faults[name](server, cline)
        self.done[name] += 1
        await asyncio.sleep(self.rng.random() * PAUSE_MAX_S)
        if self.rng.random() < 0.05:
            await self._heal(server, cline)

    async def _save(self, server: ServerProcess, cline: ClineProcess) -> None:
        await asyncio.to_thread(cline.step, self.rng.randrange(1, 4))

    async def _storm(self, server: ServerProcess, cline: ClineProcess) -> None:
        await asyncio.to_thread(cline.step, 200)

    async def _lock(self, server: ServerProcess, cline: ClineProcess) -> None:
        with closing(sqlite3.connect(server.database, isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            await self._save(server, cline)
            await asyncio.sleep(self.rng.random() * 4)
            other.execute("ROLLBACK")

    async def _visit(self, server: ServerProcess, cline: ClineProcess) -> None:
        async with listening(server.socket_url) as page:
            await page.until_kind("hello")
            await self._save(server, cline)
            if self.rng.random() < 0.5:
                page.connection.transport.abort()

    async def _ignore(self, server: ServerProcess, cline: ClineProcess) -> None:
        host, port = server.authority.split(":")
        request = f"GET /ws HTTP/1.1\r\nHost: {server.authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        writers = []
        for _ in range(SILENT_SOCKETS):
            _, writer = await asyncio.open_connection(host, int(port), limit=1)
            writer.write(request.encode())
            writers.append(writer)
        await asyncio.to_thread(cline.step, 100)
        for writer in writers:
            writer.transport.abort()

    async def _tear(self, server: ServerProcess, cline: ClineProcess) -> None:
        data = await asyncio.to_thread(server.ledger.read_bytes)
        await asyncio.to_thread(server.ledger.write_bytes, data[: self.rng.randrange(len(data))])
        await asyncio.sleep(self.rng.random())
        await self._save(server, cline)

    async def _request(self, server: ServerProcess, cline: ClineProcess) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=HEAL_S, trust_env=False) as client:
            imports = [client.post("/api/cline/import") for _ in range(10)]
            reads = [client.get("/api/cline/summary"), client.get("/api/cline/usage"), client.get("/metrics")]
            answers = await asyncio.gather(*imports, *reads)
        assert {answer.status_code for answer in answers} <= {200, 503}

    async def _heal(self, server: ServerProcess, cline: ClineProcess) -> None:
        """Let everything be quiet, and wait until what Cline says is what the service tells."""
        await asyncio.to_thread(cline.settle)
        started = time.monotonic()
        while (await asyncio.to_thread(audit, server.database)).tasks != cline.expected:
            assert time.monotonic() - started < HEAL_S, f"it does not heal; {server.log()[-2_000:]}"
            await asyncio.sleep(0.02)
        self.healed_s.append(time.monotonic() - started)

    def _measure(self, server: ServerProcess, started: float) -> None:
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        descriptors = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        self.samples.append((time.monotonic() - started, resident, descriptors))

    def _figures(self, lines: int, revision: int, updates: int) -> dict[str, str]:
        late = self.samples[int(len(self.samples) * WARM_UP_SHARE) :]
        slope = _slope([(at, resident / 1024) for at, resident, _ in late]) * 3_600
        descriptors = [count for _, _, count in late]
        assert lines < LOG_LINES_MAX_PER_MINUTE * max(1.0, self.minutes), f"{lines} lines of log"
        assert min(descriptors[-20:]) <= min(descriptors[:20]) + 4, "descriptors grow"
        assert slope < SLOPE_MAX_MIB_PER_HOUR or self.minutes < SLOPE_MINUTES, (
            f"memory grows by {slope:.1f} MiB an hour"
        )
        healed = sorted(self.healed_s)
        return {
            **{name: f"{count:,}" for name, count in sorted(self.done.items())},
            "saves of Cline in all": f"{updates:,}, {updates / self.minutes:,.0f} a minute",
            "committed changes": f"{revision:,}",
            "database = ledger after quiet": f"{len(healed)} of {len(healed)}, the longest after {healed[-1]:.2f} s",
            "resident memory": f"{late[0][1] / 1024:.1f} MiB, then {late[-1][1] / 1024:.1f} MiB ({slope:+.1f} MiB/h)",
            "descriptors": f"{min(descriptors)} to {max(descriptors)}, {descriptors[-1]} at the end",
            "lines of log": f"{lines:,}",
        }


def _slope(points: list[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def run_tests(paths: list[str], seed: int) -> int:
    """Run the tests of the faults with the counts of a soak, and return the exit code."""
    variables = {**os.environ, SOAK_VARIABLE: "1", SEED_VARIABLE: str(seed)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *paths], cwd=ROOT, env=variables, check=False
    ).returncode


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("SOAK_MINUTES", "10")))
    parser.add_argument("--seed", type=int, default=SystemRandom().getrandbits(32))
    parser.add_argument("--only", choices=["tests", "life"])
    parser.add_argument("--tests", nargs="+", default=TESTS)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201 - it is a command
    code = 0 if options.only == "life" else run_tests(options.tests, options.seed)
    if options.only != "tests":
        with TemporaryDirectory(prefix="aico-soak-") as name:
            soak = Soak(Path(name), Random(options.seed), options.minutes)  # noqa: S311 - reproducible on purpose
            figures = asyncio.run(soak.run())
        print(f"\nA life of {options.minutes:g} minutes, seed {options.seed}")  # noqa: T201
        for label, figure in figures.items():
            print(f"  {label:<32} {figure}")  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
