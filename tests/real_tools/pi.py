"""``python -m tests.real_tools.pi COMMAND...``: the real command line of pi against a fake API.

Runs it in a home of its own with a clean environment and a dummy key, and the service beside it: an answer, tools, a
resumed and a forked session, reasoning, answers without usage, cut and failed ones, a compaction. The booked usage is
held against that of the fake API, the compaction as a gap, or by versions that tell its usage as the sum of its calls;
each difference is printed, and ends the script with 1. pi has no agents. Without a command it is ``pi``; held against
``@mariozechner/pi-coding-agent`` 0.73.1 and ``@earendil-works/pi-coding-agent`` 1.6.0, which needs Node.js 22.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.real_tools.fake_completions import CONTEXT, MODEL, fake_api, run_tool, tell_booked, watched

FORMS = (
    ("say something",),
    ("-c", "%%TOOL%% use it"),
    ("-c", "%%THINK%% think"),
    ("-c", "%%BARE%% no usage"),
    ("-c", "%%BIG%% nearly full"),
    ("-c", "after it"),
    ("-c", "%%CUT%% break off"),
)
VARIABLES = {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1"}


def configure(home: Path, url: str) -> None:
    """Write pi's settings."""
    folder = home / ".pi" / "agent"
    folder.mkdir(parents=True)
    cost = {"input": 2, "output": 10, "cacheRead": 0.2, "cacheWrite": 2}
    model = {"id": MODEL, "contextWindow": CONTEXT, "maxTokens": 8_000, "reasoning": True, "cost": cost}
    provider = {"baseUrl": f"{url}/v1", "api": "openai-completions", "apiKey": "dummy", "models": [model]}
    (folder / "models.json").write_text(json.dumps({"providers": {"fake": provider}}), encoding="utf-8")
    # Else newer versions find nothing to compact in a history of a few words.
    settings = {"retry": {"enabled": False}, "compaction": {"keepRecentTokens": 10}}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


async def run_everything(command: list[str], home: Path) -> int:
    """Run all forms; return how many things differ."""
    (home / "work").mkdir(parents=True)
    tool = ("bash", {"command": "echo hi"})
    with fake_api(tool, tool) as (url, sent):
        configure(home, url)
        with watched(home, "pi") as (frames, database):
            for *flags, prompt in FORMS:
                options = ("--provider", "fake", "--model", MODEL, "--thinking", "off", *flags, "-p", prompt)
                await run_tool([*command, *options], home, VARIABLES)
            [session] = (home / ".pi" / "agent" / "sessions").rglob("*.jsonl")
            fork = ("--provider", "fake", "--model", MODEL, "--fork", str(session), "-p", "in a fork")
            await run_tool([*command, *fork], home, VARIABLES)
            await run_tool([*command, *fork[:4], "-c", "-p", "%%WAIT%% for ever"], home, VARIABLES, until=5)
            await run_tool([*command, *fork[:4], "-c", "-p", "%%FAIL%% fail"], home, VARIABLES)
            await asyncio.sleep(2)
            frames.tell_delays([each for each in sent if each.is_whole])
        return tell_booked(database, sent)


def main() -> int:
    """Run it in a home that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_everything(sys.argv[1:] or ["pi"], Path(folder).resolve()))


if __name__ == "__main__":
    raise SystemExit(bool(main()))
