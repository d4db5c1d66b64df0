"""Runs a real command line beside our service, and holds what it records and when that is shown against what was sent.

The tool gets a home of its own below the temporary directory, an empty environment and a dummy key.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from websockets.asyncio.client import connect

from aico.core.usage import RequestState
from aico.features.sources.source import Source, Surroundings
from tests.e2e.server_process import ServerProcess
from tests.real_tools.fake_openai import Sent, fake_openai
from tests.sources.sqlite_homes import Spent, add, events_of, read_all, sum_booked

ORDINARY = {"AICO_TICK_S": "2", "AICO_RESCAN_INTERVAL_S": "60", "AICO_DEBOUNCE_MS": "50"}
_LIMIT_S = 180
_OUTPUT = re.compile(rb'"output":([0-9]+)')
Environment = Callable[[Path, str], Mapping[str, str]]
"""Makes the tool's variables of its home and the address of the API."""


class Run:
    """One call of the command line; one that is to be interrupted gets that after so many seconds."""

    def __init__(self, *words: str, interrupted_after_s: float | None = None) -> None:
        self.words = words
        self.interrupted_after_s = interrupted_after_s


async def observe(source: Source, command: str, environment: Environment, runs: Sequence[Run]) -> int:
    """Do ``runs`` in one home; print what differs and what it took; return 1 where something differs."""
    with tempfile.TemporaryDirectory(prefix="aico-tool-") as name, fake_openai() as (address, sent):
        home = Path(name).resolve()
        (home / "project").mkdir()
        variables = {"HOME": str(home), "PATH": _path(), "TERM": "dumb", **environment(home, address)}
        (place,) = source.origins[0].places(Surroundings(home, {}))
        Path(place.path).mkdir(parents=True, exist_ok=True)
        frames: list[tuple[float, int]] = []
        written = WrittenNumbers(Path(place.path))
        written.start()
        with ServerProcess(home, {**ORDINARY, "AICO_SOURCES": source.id}) as server:
            watching = asyncio.create_task(_watch(server.socket_url, source.id, frames))
            for run in runs:
                await _run([command, *run.words], home / "project", variables, run.interrupted_after_s)
            await asyncio.sleep(3)
            watching.cancel()
            await asyncio.wait({watching})
            written.is_over.set()
            with server.client() as client:
                total = client.get("/api/summary", params={"source": source.id, "from": 0}).json()["totals"]
        events = {event.key: event for event in events_of(await read_all(source, Path(place.path)))}.values()
        booked = sum_booked([event for event in events if any(event.tokens)])
        return _compare(sent, booked, [event.state for event in events], total, frames, written.seen)


class WrittenNumbers(threading.Thread):
    """Looks in the databases of a folder, and in their logs, when each output stands there: so long the tool takes.

    Tools write it as JSON: ``"output":301``; of those that do not, nothing is found.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self.seen: dict[int, float] = {}
        """When each was there, epoch seconds."""
        self.is_over = threading.Event()

    def run(self) -> None:
        """Look, until it is over."""
        known: dict[Path, tuple[int, int]] = {}
        while not self.is_over.wait(0.005):
            for path in self._folder.glob("*.db*"):
                try:
                    status = path.stat()
                    if known.get(path) == (status.st_size, status.st_mtime_ns):
                        continue
                    now, data = time.time(), path.read_bytes()
                except OSError:
                    continue
                known[path] = status.st_size, status.st_mtime_ns
                for number in _OUTPUT.findall(data):
                    self.seen.setdefault(int(number), now)


def _path() -> str:
    node = shutil.which("node") or "/usr/bin/node"
    return f"{Path(node).parent}:/usr/bin:/bin"


async def _run(words: list[str], folder: Path, variables: Mapping[str, str], interrupted_after_s: float | None) -> None:
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(interrupted_after_s or _LIMIT_S):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGINT)
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    print(f"{words[1:]}: exit {process.returncode}")


async def _watch(url: str, source: str, frames: list[tuple[float, int]]) -> None:
    """Note when frames come, and how much output each of them tells."""
    async with connect(url, open_timeout=30) as socket:
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] == "usage_updated" and message["source"] == source:
                more = sum((row["spent"] or {}).get("output_tokens") or 0 for row in message["rows"])
                frames.append((time.time(), more))


def _compare(
    sent: Sequence[Sent],
    booked: Mapping[str, Spent],
    states: Sequence[RequestState],
    total: Mapping[str, object],
    frames: Sequence[tuple[float, int]],
    written: Mapping[int, float],
) -> int:
    """Print both, and how long after its end an answer was written, and was shown."""
    expected: dict[str, Spent] = {}
    answers = [each for each in sent if each.outcome == "ok" and not each.is_title]
    for each in answers:
        more = Spent(1, each.prompt - each.cached, each.cached, each.output, each.thought)
        expected[each.model] = add(expected.get(each.model), more)
    counted = {state.name: list(states).count(state) for state in set(states)}
    lost = {outcome: sum(each.outcome == outcome for each in sent) for outcome in {each.outcome for each in sent}}
    print("sent:", dict(sorted(lost.items())), "titles:", sum(each.is_title for each in sent))
    print("recorded:", dict(sorted(counted.items())))
    print("service:", {name: total[name] for name in ("requests", "unmeasured_requests", "output_tokens", "prompts")})
    took, shown, wanted = [], 0, 0
    waiting = sorted(answers, key=lambda each: each.ended_s)
    place = 0
    for answer in waiting:
        wanted += answer.output
        while shown < wanted and place < len(frames):
            shown += frames[place][1]
            place += 1
        if shown >= wanted:
            took.append(frames[place - 1][0] - answer.ended_s)
    late = [written[number] - each.ended_s for each in waiting if (number := each.output - each.thought) in written]
    print("from the end of an answer to its number in a file:", ", ".join(f"{each * 1e3:.0f} ms" for each in late))
    print("from the end of an answer to its frame:", ", ".join(f"{each * 1e3:.0f} ms" for each in took))
    is_same = dict(booked) == expected and shown == wanted
    print("the same" if is_same else f"DIFFERENT: sent {expected}, booked {dict(booked)}, shown {shown} of {wanted}")
    return 0 if is_same else 1


def main(source: Source, environment: Environment, runs: Sequence[Run]) -> None:
    """Run with the command line that the first argument names."""
    sys.exit(asyncio.run(observe(source, sys.argv[1], environment, runs)))
