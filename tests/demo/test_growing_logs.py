"""The made-up logs of Claude Code, Codex and Gemini CLI: what they mean to be billed is what is booked."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from aico.core.usage import RequestState
from aico.features.demo.desk import SAID, Answer, Desk
from aico.features.demo.prices import DemoModel
from aico.features.demo.tools import GrowingLogs
from aico.features.demo.turns import Spending
from aico.features.demo.writer import append_lines
from aico.features.sources.source import Surroundings
from aico.services import demo
from aico.services.demo import SWITCHED_ON, GrowingFiles, sources_below
from tests.core.repository_on_file import copy_of_template
from tests.sources.feeds import NOW_MS
from tests.sources.pipeline import Pipeline, pipeline, stored_sums

TOOLS = ("claude-code", "codex", "gemini-cli")
"""In the order in which their desks are made."""
Sums = dict[tuple[str, str], tuple[int, ...]]
EDITORS_LEDGER = ".config/Code/User/globalStorage/saoudrizwan.claude-dev/state/taskHistory.json"


class NotingDesk(Desk):
    """Keeps what was billed."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.written: list[Answer] = []
        self.hidden: list[Answer] = []

    def draw(self, model: DemoModel, before: Spending) -> tuple[Answer, Spending]:
        """Note an answer that the tool writes."""
        answer, after = super().draw(model, before)
        self.written.append(answer)
        return answer, after

    def draw_hidden(self, model: DemoModel) -> Answer:
        """Note one that it does not write."""
        self.hidden.append(super().draw_hidden(model))
        return self.hidden[-1]


class Work:
    """Logs below a home, what was billed there, and what is booked of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.desks: list[NotingDesk] = []
        self.logs = GrowingLogs(7, NOW_MS, session_count=6, days=20, make_desk=self._make_desk)
        append_lines(home, self.logs.take())

    def _make_desk(self, rng: Random) -> Desk:
        self.desks.append(NotingDesk(rng))
        return self.desks[-1]

    def go_on(self, count: int) -> None:
        """Let ``count`` exchanges happen, and write them."""
        for number in range(count):
            self.logs.step(NOW_MS + 1_200 * number)
        append_lines(self.home, self.logs.take())

    def billed(self) -> Sums:
        """Return input, cache read, cache written and output by tool and model."""
        sums: Sums = {}
        for tool, desk in zip(TOOLS, self.desks, strict=True):
            for each in desk.written:
                known = sums.get((tool, each.model), (0, 0, 0, 0))
                sums[tool, each.model] = tuple(map(sum, zip(known, each[1:5], strict=True)))
        return sums

    def text(self) -> str:
        """Return all that the tools wrote."""
        return "".join(path.read_text(encoding="utf-8") for path in self.home.rglob("*.jsonl"))


def booked(folder: Path) -> Sums:
    """Return the same of what is stored."""
    sums: Sums = {}
    for (source, model, _day), row in stored_sums(folder).items():
        sums[source, model] = tuple(map(sum, zip(sums.get((source, model), (0, 0, 0, 0)), row[:4], strict=True)))
    return sums


def unmeasured(folder: Path) -> dict[str, int]:
    """Return how many requests have no numbers, by source."""
    statement = "SELECT s.name, COUNT(*) FROM usage_event AS e JOIN source AS s ON s.id = e.source WHERE e.state = ?"
    with closing(sqlite3.connect(folder / "observer.db")) as connection:
        return dict(connection.execute(f"{statement} GROUP BY 1", (RequestState.UNMEASURED,)))


async def gap(reading: Pipeline) -> tuple[int | None, ...]:
    """Return what Claude Code was billed for and did not write."""
    async with reading.reader.snapshot() as snapshot:
        gaps = await snapshot.list_gaps("claude-code")
    return tuple(gaps["unrecorded"][1])


async def test_what_is_meant_to_be_billed_is_what_is_booked(tmp_path: Path) -> None:
    """By source and model, forks and all; hidden calls are the gap, and answers without numbers are told."""
    folder = copy_of_template(tmp_path).parent
    work = Work(tmp_path)
    sources = [
        replace(source, origins=tuple(origin for origin in source.origins if origin.is_on_by_default))
        for source in sources_below(tmp_path)
        if source.id in TOOLS
    ]
    async with pipeline(folder, sources, Path("/nowhere")) as reading:
        receipts = await reading.read()
        assert sum(receipt.error_count + receipt.partial_count for receipt in receipts) == 0
        before = booked(folder)
        assert before == work.billed()
        hidden = work.desks[0].hidden
        sums = (sum(each.fresh for each in hidden), 0, 0, 0, sum(each.output for each in hidden), 0)
        assert (await gap(reading)) == sums
        work.go_on(60)
        await reading.read()
        after = booked(folder)
        assert after == work.billed()
    assert {source for source, _model in after} == set(TOOLS)
    assert all(sum(after[each]) >= sum(before[each]) for each in before)
    assert sum(map(sum, after.values())) > sum(map(sum, before.values()))
    assert set(unmeasured(folder)) == set(TOOLS)
    text = work.text()
    for mark in ('"requestSessionId"', '"agentId"', '"forked_from_id"', '"0.140.0"', '"$set":{"messages"'):
        assert mark in text
    assert SAID.encode() not in (folder / "observer.db").read_bytes()


def test_logs_repeat_their_bytes_for_the_same_seed() -> None:
    """The same arguments and steps give the same bytes, another seed gives others."""
    same, again, other = (GrowingLogs(seed, NOW_MS, session_count=2, days=20) for seed in (1, 1, 2))
    for number in range(20):
        for logs in (same, again, other):
            logs.step(NOW_MS + 1_200 * number)
    taken = same.take()
    assert taken == again.take() != other.take()
    assert same.take() == {}


def test_sources_of_the_demonstration_lie_below_its_home(tmp_path: Path) -> None:
    """With any home and any variables of the user, only the made-up ledger and logs are read."""
    user, home = tmp_path / "user", tmp_path / "home"
    ledger = user / EDITORS_LEDGER
    ledger.parent.mkdir(parents=True)
    ledger.touch()
    names = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "QWEN_HOME", "KIMI_SHARE_DIR", "CLINE_DIR")
    around = Surroundings(user, dict.fromkeys(names, f"{user}/of-the-user"))
    sources = sources_below(home)
    origins = [(source.id, origin) for source in sources for origin in source.origins]
    places = [place.path for _, origin in origins for place in origin.places(around)]
    assert len(places) >= len(origins)
    assert [path for path in places if not path.startswith(f"{home}/")] == []
    looks = [origin.elsewhere for _, origin in origins if origin.elsewhere is not None]
    assert looks
    assert [found for look in looks for found in look(around)] == []
    on = {(source, origin.id) for source, origin in origins if origin.is_on_by_default}
    assert on == SWITCHED_ON | {("cline", "ledger")}


class ToldFiles(GrowingFiles):
    """Tells of each time that it has written."""

    def __init__(self, home: Path) -> None:
        (home / "state").mkdir()
        super().__init__(home / "state" / "taskHistory.json", home, 7, lambda: NOW_MS)
        self.written = asyncio.Queue[None]()

    async def write(self) -> None:
        """Write, and tell."""
        await super().write()
        self.written.put_nowait(None)


async def test_files_of_the_demonstration_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger and each of the logs, until the end; nothing is written beside them."""
    monkeypatch.setattr(demo, "STEP_S", 0)
    monkeypatch.setattr(demo, "SESSION_COUNT", 2)
    files = ToldFiles(tmp_path)
    await files.write()
    before = _sizes(tmp_path)
    growing = asyncio.create_task(files.grow())
    async with asyncio.timeout(60):
        while not all(_sizes(tmp_path)[name] > size for name, size in before.items()):
            await files.written.get()
    growing.cancel()
    await asyncio.wait({growing})
    assert growing.cancelled()
    assert set(before) == {".claude", ".codex", ".gemini", "state"}


def _sizes(home: Path) -> dict[str, int]:
    """Return how many bytes lie in each folder of a home."""
    return {
        folder.name: sum(path.stat().st_size for path in folder.rglob("*.json*") if ".tmp." not in path.name)
        for folder in home.iterdir()
    }
