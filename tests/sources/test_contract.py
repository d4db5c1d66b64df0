"""The contract of the house, for every source of the registry and for two invented ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aico.core.db.upkeep.verification import verify
from aico.core.usage import Trigger
from aico.features.sources.cline.hub import NAME as HUB_NAME
from aico.features.sources.cline.sessions import NAME as SESSIONS_NAME
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Source
from bench.fake_session_store import SECRET, SessionStore, core_metadata, usage
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.quick_variants import first_is_quick
from tests.sources.claude_code.claude_home import CANARY, Clock, Transcript, uuid_of
from tests.sources.codex.codex_home import write_home as write_codex
from tests.sources.copilot_cli.fake_session_store import CANARY as TURN
from tests.sources.copilot_cli.fake_session_store import CopilotStore
from tests.sources.fake_wires import write_kimi_cli, write_kimi_code, write_pi
from tests.sources.feeds import NOW_MS
from tests.sources.gemini_cli.gemini_home import write_home as write_gemini_cli
from tests.sources.invented import SOURCE as INVENTED
from tests.sources.invented_lines import SOURCE as INVENTED_LINES
from tests.sources.invented_lines import model, say, use
from tests.sources.opencode.fake_message_store import CANARY as MESSAGE
from tests.sources.opencode.fake_message_store import MessageStore
from tests.sources.pipeline import pipeline, stored_events, stored_sums
from tests.sources.qwen_code.qwen_home import write_home as write_qwen_code
from tests.sources.vibe.fake_vibe import write_vibe

STAGES = 4


@dataclass(frozen=True, slots=True)
class Tool:
    """A source, and what fakes its tool: it writes stages below a home, each of which says more than the one before."""

    source: Source
    write: Callable[[Path, int], None]


def write_invented(home: Path, stage: int) -> None:
    """Write what nobody's tool would."""
    rows = [[f"s{number}", NOW_MS - number * 900_000, 100 * (stage + 1)] for number in range(5 * (stage + 1))]
    path = home / ".invented" / "usage.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows), encoding="utf-8")


def write_cline(home: Path, stage: int) -> None:
    """Write a ledger and both databases as Cline does, with conversation in each."""
    entries = [
        {
            "id": f"{1_770_000_000_000 + number}",
            "ts": NOW_MS - (STAGES - stage) * 3_600_000 - number * 86_400_000,
            "task": f"{CANARY} {number}",
            "tokensIn": 1_000 * (stage + 1) + number,
            "tokensOut": 10 * (stage + 1),
            "totalCost": round(0.125 * (stage + 1), 6),
            "modelId": f"model-{number % 3}",
            "cwdOnTaskInitialization": f"/home/{CANARY}",
        }
        for number in range(6 * (stage + 1))
    ]
    path = home / ".cline" / "data" / "state" / "taskHistory.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, separators=(",", ":")), encoding="utf-8")
    write_cline_databases(home, stage)


def write_cline_databases(home: Path, stage: int) -> None:
    """Write sessions that the store and the hub know, each at another moment, and some that only one of them knows."""
    path = home / ".cline" / "data" / "db" / SESSIONS_NAME
    for database in (path, path.with_name(HUB_NAME)):
        database.unlink(missing_ok=True)
    store, hub = SessionStore(path), HubEventsStore(path.with_name(HUB_NAME))
    for number in range(4 * (stage + 1)):
        moment_ms = NOW_MS - (STAGES - stage) * 3_600_000 - number * 86_400_000
        total = usage(2_000 * (stage + 1) + number, 20 * (stage + 1), 0.25 * (stage + 1), read=100)
        broken = {"inputTokens": None} if number % 4 == 1 else {"outputTokens": -1} if number % 4 == 2 else {}
        if number % 8:
            alone = {**total, **(broken if number % 3 else {})}
            store.put(f"s{number}", core_metadata(alone, alone), updated_ms=moment_ms)
        if number % 8 != 7:
            later_ms = moment_ms + (60_000 if number % 2 else -60_000)
            hub.add("usage.updated", f"s{number}", later_ms, usage_payload(f"s{number}", {**total, **broken}))
        hub.say(f"s{number}", moment_ms)
    store.close()
    hub.close()


def write_claude_code(home: Path, stage: int) -> None:
    """Write sessions as Claude Code does, with agents, forks, and a total at the end of each stage."""
    root, clock = home / ".claude" / "projects", Clock()
    shutil.rmtree(root, ignore_errors=True)
    for number in range(2):
        first = 100 * number
        session = Transcript(root, uuid_of("session", number), clock)
        agent = Transcript(root, uuid_of("session", number), clock, agent=f"a{number}")
        for turn in range(first, first + 3 * (stage + 1), 3):
            session.turn(turn)
            agent.turn(turn + 1)
            session.turn(turn + 2)
            session.tool_result()
        session.total(range(first, first + 3 * (stage + 1)), 7)
        fork = session.fork(root, uuid_of("fork", number))
        for turn in range(first + 50, first + 51 + stage):
            fork.turn(turn)


def write_messages(path: Path, stage: int) -> None:
    """Write sessions, agents and forks as OpenCode does: answers that grow, fail, and that nobody measured."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    store = MessageStore(path)
    for number in range(3):
        name, first = f"s{number}", NOW_MS - (number + 1) * 86_400_000
        store.session(name, first)
        store.session(f"{name}-agent", first, parent=name)
        for turn in range(4 * (stage + 1)):
            at = first + turn * 60_000
            store.prompt(name, at)
            tokens = (100 + turn, 10, turn, 50, 5) if turn % 4 else (0, 0, 0, 0, 0)
            store.answer(name, at + 10, at + 20, tokens, cost=0.125)
            store.answer(f"{name}-agent", at + 11, at + 21, tokens, model=f"model-{number}")
            store.answer(name, at + 30, None if turn == 4 * stage + 3 else at + 40, tokens)
        store.fork(name, f"{name}-fork", first + 3_600_000)
        for turn in range(stage + 1):
            store.answer(f"{name}-fork", first + 3_700_000 + turn, first + 3_700_001 + turn, (1, 2, 3, 4, 5))
    store.close()


def write_opencode(home: Path, stage: int) -> None:
    """Write the database of OpenCode, and one of another channel."""
    for name in ("opencode.db", "opencode-dev.db"):
        write_messages(home / ".local" / "share" / "opencode" / name, stage)


def write_kilo(home: Path, stage: int) -> None:
    """Write the database of Kilo."""
    write_messages(home / ".local" / "share" / "kilo" / "kilo.db", stage)


def write_copilot_cli(home: Path, stage: int) -> None:
    """Write calls that were measured, and calls that were not."""
    path = home / ".copilot" / "session-store.db"
    path.unlink(missing_ok=True)
    store = CopilotStore(path)
    for number in range(5 * (stage + 1)):
        counts = (1_000 + number, 10, 100, None, None) if number % 5 else (None,) * 5
        store.call(f"s{number % 3}", NOW_MS - number * 3_600_000, counts, model=f"model-{number % 2}")
    store.close()


def write_invented_lines(home: Path, stage: int) -> None:
    """Write logs with prompts between the requests, a copied request, a bad line, and half a line at the end."""
    for session in range(3):
        lines = [model(f"model-{session}")]
        for number in range(4 * (stage + 1)):
            lines.append(say(f"{CANARY} {number}"))
            lines.append(use(f"{session}-{number}", number, session=f"s{session}", ts=NOW_MS - number * 3_600_000))
        lines += [use("0-0", 0, session="s0", ts=NOW_MS), b'{"spent": "' + CANARY.encode() + b'"}\n']
        path = home / ".lines" / "logs" / "work" / f"{session}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(lines) + use(f"{session}-{4 * (stage + 1)}", session=CANARY)[:-9])


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "claude-code": write_claude_code,
    "cline": write_cline,
    "codex": write_codex,
    "copilot-cli": write_copilot_cli,
    "gemini-cli": write_gemini_cli,
    "invented": write_invented,
    "invented-lines": write_invented_lines,
    "kilo": write_kilo,
    "kimi-cli": write_kimi_cli,
    "kimi-code": write_kimi_code,
    "opencode": write_opencode,
    "pi": write_pi,
    "qwen-code": write_qwen_code,
    "vibe": write_vibe,
}
TOOLS = [Tool(source, WRITERS[source.id]) for source in (*SOURCES, INVENTED, INVENTED_LINES)]
LIKE_ANOTHER = {"kilo"}
"""Their reader, parser and rules are those of another source: a quick run looks at that one."""


@pytest.fixture(
    params=[pytest.param(tool, marks=[pytest.mark.slow] * (tool.source.id in LIKE_ANOTHER)) for tool in TOOLS],
    ids=lambda tool: tool.source.id,
)
def tool(request: pytest.FixtureRequest) -> Tool:
    """Return each known source in turn, and two that nobody wrote."""
    found = request.param
    assert isinstance(found, Tool)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home under its real path."""
    home = tmp_path.resolve() / "home"
    home.mkdir()
    return home


def fresh(tmp_path: Path, name: str) -> Path:
    """Return an empty folder for another database."""
    folder = tmp_path / name
    folder.mkdir()
    return folder


async def test_same_input_twice_changes_nothing(tmp_path: Path, home: Path, tool: Tool) -> None:
    """Neither in one process nor after a restart: no row, no revision, no message."""
    tool.write(home, STAGES - 1)
    folder = fresh(tmp_path, "data")
    async with pipeline(folder, [tool.source], home) as first:
        await first.read()
        before, count = stored_events(folder), len(first.committed)
        await first.read()
        assert len(first.committed) == count > 0
    async with pipeline(folder, [tool.source], home) as again:
        await again.read()
        assert again.committed == []
    assert stored_events(folder) == before != []


@pytest.mark.parametrize("stage", first_is_quick(1, 0, *range(2, STAGES - 1)))
async def test_any_earlier_state_then_the_rest_books_as_much_as_the_whole(
    tmp_path: Path, home: Path, tool: Tool, stage: int
) -> None:
    """Read early and often, or once at the end: every source and model spent the same."""
    early, late = fresh(tmp_path, "early"), fresh(tmp_path, "late")
    for each in (stage, STAGES - 1):
        tool.write(home, each)
        async with pipeline(early, [tool.source], home) as reading:
            await reading.read()
    async with pipeline(late, [tool.source], home) as reading:
        await reading.read()
    assert by_model(early) == by_model(late) != {}


async def test_size_of_a_transaction_makes_no_difference(tmp_path: Path, home: Path, tool: Tool) -> None:
    """Written three records at a time, the same events and sums come out."""
    tool.write(home, STAGES - 1)
    small, large = fresh(tmp_path, "small"), fresh(tmp_path, "large")
    async with pipeline(small, [tool.source], home, max_entries_per_run=3) as reading:
        receipts = await reading.read()
        assert sum(receipt.remaining_count for receipt in receipts) == 0
        assert len(reading.committed) > 1
    async with pipeline(large, [tool.source], home) as reading:
        await reading.read()
    assert stored_events(small) == stored_events(large)
    assert stored_sums(small) == stored_sums(large)


async def test_everything_adds_up(tmp_path: Path, home: Path, tool: Tool) -> None:
    """Events, slots, days, totals and meters say the same after every stage, also after one that says less again."""
    folder = fresh(tmp_path, "data")
    for stage in (0, 2, 1, 3, 0):
        tool.write(home, stage)
        async with pipeline(folder, [tool.source], home) as reading:
            await reading.read(Trigger.WATCH)
        assert [check for check in verify(folder / "observer.db") if not check.ok] == []
        assert all(number >= 0 for sums in stored_sums(folder).values() for number in sums)


async def test_nothing_conversational_is_stored(tmp_path: Path, home: Path, tool: Tool) -> None:
    """No conversation and no folder is in a byte of the database or its log, or in a fact that is published."""
    folder = fresh(tmp_path, "data")
    tool.write(home, STAGES - 1)
    async with pipeline(folder, [tool.source], home) as reading:
        await reading.read()
        stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
        told = repr(reading.committed)
    assert b"SQLite format 3" in stored
    for canary in (CANARY, SECRET, MESSAGE, TURN):
        assert canary not in told
        assert canary.encode() not in stored


def by_model(folder: Path) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return what is booked by source and model."""
    sums: dict[tuple[str, str], tuple[int, ...]] = {}
    for (source, name, _day), numbers in stored_sums(folder).items():
        known = sums.get((source, name), (0,) * len(numbers))
        sums[source, name] = tuple(a + b for a, b in zip(known, numbers, strict=True))
    return sums
