"""``python -m tests.real_tools.codex_forks CODEX CODEX``: two versions of Codex that share a home.

Each begins threads, some of which answer nothing yet, and both go on with them and fork them by their app servers, in
every order, against the fake API of ``tests.real_tools.codex``. The usage of the rollouts is held against that of the
API, by session. Each difference is printed, and ends the script with 1. Seen with ``@openai/codex`` 0.171.0, 0.128.0.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.real_tools.codex import CONFIG, MODEL, FakeApi, fake_api, fork_by_app_server, run_codex, threads_of
from tests.sources.codex.codex_home import CODEX
from tests.sources.line_homes import Sum, home_of

LIVES = (
    "begin, go, fork, go 0, go 1, fork 1, go 1, go 0",
    "fail, fork, go 0, go 1, fork 1, go 0, go 2",
    "fail, fork, swap, go 0, go 1, swap, go 1",
    "begin, swap, fork, go 1, swap, go 1, fork 1, swap, fork 1, go 0",
    "fail, swap, fork, go 1, go 0, swap, go 1, go 0, fork 1",
    "begin, swap, go 0, fork, swap, fork, go 0, go 1, go 2",
    "begin, swap, go 0, swap, go 0, fork, go 0, go 1",
)
"""The steps of a thread and its forks, by number. ``swap``: the other version goes on."""


class Life:
    """A thread and its forks."""

    def __init__(self, commands: tuple[str, str], home: Path) -> None:
        self._commands = commands
        self._home = home
        self._threads: list[str] = []
        self.owners: dict[int, str] = {}
        """The thread of each answer, by its number."""

    async def do(self, step: str) -> None:
        """Do one step."""
        word, _, place = step.partition(" ")
        before = len(FakeApi.sent)
        current, known = self._commands[0], set(threads_of(self._home))
        thread = self._threads[int(place or 0)] if self._threads else ""
        if word == "swap":
            self._commands = self._commands[::-1]
            return
        if word == "go":
            await run_codex(current, self._home, "resume", thread, "%%TOOL%% go on")
        elif word == "fork":
            thread = await fork_by_app_server(current, self._home, thread, "%%TOOL%% fork") or ""
            self._threads.append(thread)
        else:
            await run_codex(current, self._home, "%%FAIL%% fail" if word == "fail" else "%%TOOL%% begin")
            [thread] = set(threads_of(self._home)) - known
            self._threads.append(thread)
        for each in FakeApi.sent[before:]:
            self.owners[each.number] = thread


async def live(commands: tuple[str, str], home: Path, life: str) -> int:
    """Do all steps in one home, and return how many sums differ."""
    (home / "work").mkdir(parents=True)
    (home / ".codex").mkdir()
    with fake_api() as url:
        (home / ".codex/config.toml").write_text(CONFIG.format(model=MODEL, url=url))
        threads = Life(commands, home)
        for step in life.split(", "):
            await threads.do(step)
        sent = {each.number: each for each in FakeApi.sent if each.kind == "final"}
    expected: dict[str, Sum] = {}
    for number, each in sent.items():
        fresh, cached, written, output, _reasoning = each.as_row()
        more = Sum(1, fresh, cached, written, 0, output)
        owner = threads.owners[number]
        expected[owner] = Sum(*map(sum, zip(expected.get(owner, Sum(0, 0, 0, 0, 0, 0)), more, strict=True)))
    async with home_of(CODEX, home / ".codex") as read:
        await read.read()
        booked, states, refused = read.by_session(), read.states(), read.refused()
    pairs = {key: (expected.get(key), booked.get(key)) for key in expected.keys() | booked}
    different = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    print("DIFFERS" if different else "same", life, "| answers", len(sent), "states", states, "refused", refused)
    for key, (wanted, found) in different.items():
        print("  ", key, "billed", wanted, "booked", found)
    return len(different)


async def main(newer: str, older: str) -> int:
    """Live every life, begun by each of both."""
    different = 0
    for commands in ((newer, older), (older, newer)):
        print(commands[0])
        for life in LIVES:
            with tempfile.TemporaryDirectory(prefix="aico-codex-") as folder:
                different += await live(commands, Path(folder).resolve(), life)
    return different


if __name__ == "__main__":
    raise SystemExit(bool(asyncio.run(main(sys.argv[1], sys.argv[2]))))
