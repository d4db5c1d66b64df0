"""``python -m tests.real_tools.vibe COMMAND...``: the real command line of Mistral Vibe against a fake API.

Runs it in a home of its own with a clean environment and a dummy key, and the service beside it: an answer, tools, an
agent that is asked twice, resumed sessions, reasoning, an answer without usage, failed ones, an interruption. The sum
of the booked usage is held against that of the fake API; each difference is printed, and ends the script with 1.
Without a command it is ``vibe``; held against ``mistral-vibe`` 3.0.3.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.real_tools.fake_completions import MODEL, fake_api, run_tool, watched

CONFIG = """
active_model = "fake"
enable_telemetry = false
enable_update_checks = false
[[providers]]
name = "own"
api_base = "{url}/v1"
api_key_env_var = "OWN_KEY"
api_style = "openai"
backend = "generic"
[[models]]
name = "{model}"
provider = "own"
alias = "fake"
auto_compact_threshold = {threshold}
"""
LOOK = """
async function main() {
  await tools.agents.spawn({ name: "look", message: "%%TOOL%% look" });
  for (const words of ["%%THINK%% look again", ""]) {
    for (let left = 60; left > 0; left--) {
      await tools.self.sleep({ seconds: 0.5 });
      const { agents } = await tools.agents.list({});
      if (agents.every((each) => each.status !== "running")) break;
    }
    if (words) await tools.agents.send_message({ agent_path: "look", message: words });
  }
  return await tools.agents.list({});
}
"""
PROMPTS = (
    "say something",
    "%%TOOL%% use it",
    "%%AGENT%% start it",
    "%%THINK%% think",
    "once more",
    "%%BARE%% no usage",
)


async def run_everything(command: list[str], home: Path) -> int:
    """Run all forms; return how many things differ."""
    work = home / "work"
    work.mkdir(parents=True)
    (home / ".vibe").mkdir()
    tool = ("bash", {"command": "echo hi"})
    with fake_api(tool, ("run_typescript", {"code": LOOK})) as (url, sent):
        config = CONFIG.format(model=MODEL, url=url, threshold=200_000)
        (home / ".vibe" / "config.toml").write_text(config, encoding="utf-8")
        options = ("--workdir", str(work), "--trust", "--auto-approve")
        variables = {"OWN_KEY": "dummy", "MISTRAL_API_KEY": "dummy"}
        with watched(home, "vibe") as (frames, database):
            for number, prompt in enumerate(PROMPTS):
                flags = ("-c",) if number else ()
                await run_tool([*command, *options, *flags, "-p", prompt], home, variables)
            for prompt, until in (("%%WAIT%% for ever", 10), ("%%FAIL%% fail", 60)):
                await run_tool([*command, *options, "-c", "-p", prompt], home, variables, until=until)
            await asyncio.sleep(2)
            frames.tell_delays([each for each in sent if each.is_whole])
        columns = "SUM(d.input), SUM(d.cache_read), SUM(d.output)"
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(
                f"SELECT s.key, s.parent_key, m.name, {columns} FROM usage_session_day AS d "  # noqa: S608
                "JOIN session AS s ON s.id = d.session JOIN model AS m ON m.id = d.model GROUP BY 1, 2, 3"
            ).fetchall()
    for row in rows:
        print(row)
    for each in sent:
        print(each.number, sorted(each.marks), each.as_sum() if each.is_whole else "not whole")
    whole = [each for each in sent if each.is_whole]
    expected = [sum(e.prompt - e.cached for e in whole), sum(e.cached for e in whole), sum(e.output for e in whole)]
    booked = [sum(row[place] for row in rows) for place in (3, 4, 5)]
    print("expected", expected, "booked", booked)
    return int(expected != booked)


def main() -> int:
    """Run it in a home that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run_everything(sys.argv[1:] or ["vibe"], Path(folder).resolve()))


if __name__ == "__main__":
    raise SystemExit(bool(main()))
