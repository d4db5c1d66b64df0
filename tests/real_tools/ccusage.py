"""``python -m tests.real_tools.ccusage CCUSAGE``: the recorded homes as ccusage and as this program read them.

``CCUSAGE`` is the command of ccusage 20.0.24, the newest version with a program for Linux on x64. Each recorded home is
laid out below the temporary directory as its tool would have left it; both programs read it there, and a table is
printed: all tokens that the fake API had billed, that this program books, and that ccusage reports. Nothing leaves
this machine: ccusage runs with ``--offline`` and an empty environment. ``docs/peers.md`` explains each difference.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from aico.core.usage import RequestState
from aico.features.sources.registry import SOURCES
from aico.features.sources.source import Origin, Surroundings
from tests.sources.home_reading import new_books, read
from tests.sources.sqlite_homes import restore

DATA = Path(__file__).parents[1] / "data"
TIMEOUT_S = 120


class Tool(NamedTuple):
    """A tool whose homes are recorded."""

    folder: str
    """The recorded folder below the home."""
    report: str
    """Its name in ccusage."""
    sources: tuple[str, ...]
    """Its names in this program; ccusage takes both tools of one maker together."""


TOOLS = {
    "claude_code": Tool(".claude", "claude", ("claude-code",)),
    "codex": Tool(".codex", "codex", ("codex",)),
    "copilot_cli": Tool(".copilot", "copilot", ("copilot-cli",)),
    "gemini_cli": Tool(".gemini", "gemini", ("gemini-cli",)),
    "kilo": Tool(".local/share/kilo", "kilo", ("kilo",)),
    "kimi_cli": Tool("", "kimi", ("kimi-cli", "kimi-code")),
    "kimi_code": Tool("", "kimi", ("kimi-cli", "kimi-code")),
    "opencode": Tool(".local/share/opencode", "opencode", ("opencode",)),
    "pi": Tool("", "pi", ("pi",)),
    "qwen_code": Tool(".qwen", "qwen", ("qwen-code",)),
}


class Tokens(NamedTuple):
    """Tokens of disjoint kinds; output holds reasoning."""

    input: int
    cache_read: int
    cache_write: int
    output: int


class _Totals(msgspec.Struct):
    input: int = msgspec.field(name="inputTokens")
    cache_read: int = msgspec.field(name="cacheReadTokens")
    cache_write: int = msgspec.field(name="cacheCreationTokens")
    output: int = msgspec.field(name="outputTokens")
    all: int = msgspec.field(name="totalTokens")


class _Report(msgspec.Struct):
    totals: _Totals | None = None


class _Truth(msgspec.Struct):
    requests: list[dict[str, object]]
    totals: dict[str, object] = {}  # never changed
    semantics: str = ""


def place(recorded: Path, tool: Tool, home: Path) -> None:
    """Lay out a recorded home as its tool would have left it."""
    for each in sorted(recorded.iterdir()):
        if each.suffix == ".sql":
            restore(home / tool.folder, each)
        elif each.is_dir():
            shutil.copytree(each, home / tool.folder / each.name)
        elif each.name != "truth.json":
            (home / tool.folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(each, home / tool.folder)


def billed(recorded: Path) -> tuple[int, int]:
    """Return how many requests the fake API answered, and all tokens of them."""
    truth = msgspec.json.decode((recorded / "truth.json").read_bytes(), type=_Truth)
    completed = truth.totals.get("completed")
    if isinstance(completed, dict):
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        return int(completed["requests"]), sum(int(completed.get(name, 0)) for name in names)
    names = ("prompt_tokens", "output", *(("thoughts",) if "EXCLUDES" in truth.semantics else ()))
    return len(truth.requests), sum(int(str(each[name])) for each in truth.requests for name in names)


async def booked(tool: Tool, home: Path) -> tuple[int, int, Tokens]:
    """Return how many requests this program books, how many of them were not measured, and the tokens."""
    async with new_books() as books:
        for source in SOURCES:
            if source.id in tool.sources:
                found = [origin.id for origin in source.origins if _is_there(origin, home)]
                await read(books, source, home, origins=found)
        writes = "IFNULL(SUM(cache_write_5m), 0) + IFNULL(SUM(cache_write_1h), 0)"
        columns = f"SUM(requests), SUM(input), SUM(cache_read), {writes}, SUM(output)"
        numbers = [int(str(each or 0)) for each in books.ask(f"SELECT {columns} FROM usage_total")[0]]  # noqa: S608
        lost = books.states().get(RequestState.UNMEASURED.value, 0)
    return numbers[0], lost, Tokens(*numbers[1:])


def _is_there(origin: Origin, home: Path) -> bool:
    return any(Path(place.path).exists() for place in origin.places(Surroundings(home, {})))


def reported(command: str, report: str, home: Path) -> tuple[int, Tokens | None]:
    """Return all tokens that ccusage reports, and of which kinds; no kinds where it finds no usage."""
    said = subprocess.run(  # the command is the caller's
        [command, report, "daily", "--json", "--offline"],
        env={"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    totals = msgspec.json.decode(said.stdout, type=_Report).totals
    if totals is None:
        return 0, None
    return totals.all, Tokens(totals.input, totals.cache_read, totals.cache_write, totals.output)


async def main(command: str) -> None:
    """Print the table, and below it the kinds of tokens where both programs report others."""
    print("| home | requests | tokens billed | here | of which requests are unmeasured | ccusage |")
    print("|---|---:|---:|---:|---:|---:|")
    others: list[str] = []
    for name, tool in TOOLS.items():
        for recorded in sorted(path.parent for path in (DATA / name).glob("*/truth.json")):
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder).resolve()
                place(recorded, tool, home)
                sent, tokens = billed(recorded)
                requests, lost, ours = await booked(tool, home)
                total, theirs = reported(command, tool.report, home)
            label = f"`{name}/{recorded.name}`"
            print(f"| {label} | {sent} | {tokens:,} | {sum(ours):,} in {requests} | {lost} | {total:,} |")
            if theirs is not None and ours != theirs:
                others.append(f"{label}: here {ours}, ccusage {theirs}")
    print("", *others, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
