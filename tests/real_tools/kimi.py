"""``python -m tests.real_tools.kimi {cli,code} COMMAND...``: Kimi CLI or Kimi Code against a fake API.

Runs it in a home of its own with a clean environment and a dummy key, and the service beside it: an answer, tools, an
agent, resumed sessions, reasoning, answers without usage, cut and failed ones, a compaction, an interruption. A fork is
copied as each tool's own function does it (``fork_session``, ``/fork``), which needs a terminal. The booked usage is
held against that of the fake API, the compaction of Kimi CLI as a gap; each difference is printed, and ends the script
with 1.
Held against ``kimi-cli`` 1.50.0 and ``@moonshot-ai/kimi-code`` 2.1.0.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.real_tools.fake_completions import CONTEXT, MODEL, fake_api, run_tool, tell_booked, watched

CONFIG = """
default_model = "fm"
telemetry = false
[models.fm]
provider = "p"
model = "{model}"
max_context_size = {context}
[providers.p]
type = "kimi"
base_url = "{url}/v1"
api_key = "dummy"
[loop_control]
max_retries_per_step = 1
"""
PROMPTS = (
    "say something",
    "%%TOOL%% use it",
    "%%AGENT%% start it",
    "%%THINK%% think",
    "%%BARE%% no usage",
    "%%CUT%% break off",
    "%%BIG%% nearly full",
    "after it",
)
AGENT = ("Agent", {"description": "look", "prompt": "answer", "subagent_type": "coder"})
TOOLS = {"cli": ("Shell", {"command": "echo hi"}), "code": ("Bash", {"command": "echo hi", "description": "say hi"})}
HOMES = {"cli": ".kimi", "code": ".kimi-code"}


def fork_cli(home: Path) -> None:
    """Copy a session up to its second turn, as ``fork_session`` of Kimi CLI does."""
    [wire] = (home / ".kimi" / "sessions").glob("*/*/wire.jsonl")
    lines, turns = [], 0
    for line in wire.read_text(encoding="utf-8").splitlines():
        turns += json.loads(line).get("message", {}).get("type") == "TurnBegin"
        if turns > 2:
            break
        lines.append(line + "\n")
    fork = wire.parents[1] / str(uuid.uuid4()) / "wire.jsonl"
    fork.parent.mkdir()
    fork.write_text("".join(lines), encoding="utf-8")


def fork_code(home: Path) -> None:
    """Copy a session and say so, as Kimi Code does."""
    wire = next((home / ".kimi-code" / "sessions").glob("*/*/agents/main/wire.jsonl"))
    fork = wire.parents[3] / f"session_{uuid.uuid4()}" / "agents" / "main" / "wire.jsonl"
    fork.parent.mkdir(parents=True)
    forked = {"type": "forked", "agentId": "main", "time": int(time.time() * 1000)}
    fork.write_bytes(wire.read_bytes() + json.dumps(forked).encode() + b"\n")


async def run_everything(kind: str, command: list[str], home: Path) -> int:
    """Run all forms; return how many things differ."""
    work = home / "work"
    work.mkdir(parents=True)
    (home / HOMES[kind]).mkdir()
    options = {"cli": ("-w", str(work), "--print", "--yolo"), "code": ()}[kind]
    with fake_api(TOOLS[kind], AGENT) as (url, sent):
        config = CONFIG.format(model=MODEL, context=CONTEXT, url=url)
        (home / HOMES[kind] / "config.toml").write_text(config, encoding="utf-8")
        variables = {"KIMI_CODE_NO_AUTO_UPDATE": "1", "KIMI_CLI_NO_AUTO_UPDATE": "1"}
        with watched(home, f"kimi-{kind}") as (frames, database):
            for number, prompt in enumerate(PROMPTS):
                flags = ("-C",) if number else ()
                await run_tool([*command, *options, *flags, "-p", prompt], home, variables)
            await run_tool([*command, *options, "-C", "-p", "%%WAIT%% for ever"], home, variables, until=8)
            (fork_cli if kind == "cli" else fork_code)(home)
            await run_tool([*command, *options, "-C", "-p", "%%FAIL%% fail"], home, variables)
            await asyncio.sleep(2)
            frames.tell_delays([each for each in sent if each.is_whole])
        return tell_booked(database, sent)


def main() -> int:
    """Run it in a home that goes away, in the folder for temporary files."""
    kind, *command = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_everything(kind, command or ["kimi"], Path(folder).resolve()))


if __name__ == "__main__":
    raise SystemExit(bool(main()))
