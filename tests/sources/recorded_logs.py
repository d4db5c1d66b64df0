"""Homes that real tools wrote, and what the rules of each tool must make of them; see ``tests/data``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec

from aico.features.sources.kimi_cli.parser import FORMAT as KIMI_CLI_FORMAT
from aico.features.sources.kimi_code.parser import FORMAT as KIMI_CODE_FORMAT
from aico.features.sources.pi.parser import FORMAT as PI_FORMAT
from tests.sources.line_homes import Sum, Tool

DATA = Path(__file__).parents[1] / "data"
KIMI_CLI = Tool("kimi-cli", "sessions", KIMI_CLI_FORMAT, "wire.jsonl")
KIMI_CODE = Tool("kimi-code", "sessions", KIMI_CODE_FORMAT, "wire.jsonl")
PI = Tool("pi", "sessions", PI_FORMAT)
UNKNOWN = ""
"""The model of Kimi CLI, whose sessions name none."""


class _Request(msgspec.Struct):
    n: int
    role: str
    model: str
    outcome: str
    prompt_tokens: int
    cached_in_prompt: int
    output: int

    def as_sum(self) -> Sum:
        """Return it in our words."""
        return Sum(1, self.prompt_tokens - self.cached_in_prompt, self.cached_in_prompt, 0, 0, self.output)


class _Truth(msgspec.Struct):
    requests: list[_Request]


class Recorded(NamedTuple):
    """A recorded home of one tool."""

    tool: Tool
    home: str
    root: str
    """The root below it."""
    elsewhere: tuple[int, ...] = ()
    """Requests that were billed and that no file of the tool has numbers of."""
    unmeasured: int = 0
    """Of these, how many are known to have been."""
    gaps: dict[str, int] = {}  # noqa: RUF012  # never changed
    prompts: int = 0

    @property
    def path(self) -> Path:
        """Return the root."""
        return DATA / self.home / self.root

    def truth(self) -> dict[str, Sum]:
        """Return by model what its API had sent, as far as it can be on disk."""
        sent = msgspec.json.decode((DATA / self.home / "truth.json").read_bytes(), type=_Truth).requests
        found: dict[str, Sum] = {}
        for each in sent:
            if each.n not in self.elsewhere:
                model = UNKNOWN if self.tool is KIMI_CLI else each.model
                found[model] = add(found.get(model), each.as_sum())
        return found


def add(one: Sum | None, other: Sum) -> Sum:
    """Return both together."""
    return other if one is None else Sum(*(a + b for a, b in zip(one, other, strict=True)))


HOMES = (
    Recorded(KIMI_CLI, "kimi_cli/resume_subagent_fork", ".kimi/sessions", prompts=4),
    Recorded(KIMI_CLI, "kimi_cli/compaction", ".kimi/sessions", (75,), gaps={"compaction": 1}, prompts=2),
    Recorded(KIMI_CLI, "kimi_cli/nousage", ".kimi/sessions", (52,), unmeasured=1, prompts=1),
    Recorded(KIMI_CLI, "kimi_code/migrated", ".kimi/sessions", (86,), prompts=4),
    Recorded(KIMI_CODE, "kimi_code/fork", ".kimi-code/sessions", prompts=3),
    Recorded(KIMI_CODE, "kimi_code/compaction", ".kimi-code/sessions", prompts=3),
    Recorded(KIMI_CODE, "kimi_code/tool_resume_models", ".kimi-code/sessions", prompts=3),
    Recorded(KIMI_CODE, "kimi_code/migrated", ".kimi-code/sessions", (50, 69, 70, 71, 72, 73, 77), prompts=2),
    Recorded(PI, "pi/resume_fork", ".pi/agent/sessions", prompts=3),
)


def copy_of(recorded: Recorded, folder: Path) -> Path:
    """Return a copy of its root that a test may change."""
    root = folder / "root"
    shutil.copytree(recorded.path, root)
    return root
