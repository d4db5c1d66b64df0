"""A fake API's notes of its answers, beside the home that the real tool wrote meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from tests.sources.home_reading import Spent

DATA = Path(__file__).parents[1] / "data"


class Request(msgspec.Struct):
    """One request and its usage, in the words of the API."""

    role: str
    model: str
    outcome: str
    prompt_tokens: int
    cached_in_prompt: int
    output: int
    thoughts: int


class _Truth(msgspec.Struct):
    requests: list[Request]


def requests_of(home: Path) -> list[Request]:
    """Return every request that was answered while ``home`` was written."""
    return msgspec.json.decode((home / "truth.json").read_bytes(), type=_Truth).requests


def sum_of(requests: list[Request], *, has_thoughts_apart: bool) -> dict[str, Spent]:
    """Return by model what ``requests`` are billed for; without usage in an answer, only that they were made.

    Failed ones are not billed.
    """
    sums: dict[str, Spent] = {}
    for each in requests:
        fresh, output = each.prompt_tokens - each.cached_in_prompt, each.output
        output += each.thoughts if has_thoughts_apart else 0
        spent = Spent(1, fresh, each.cached_in_prompt, output, each.thoughts) if each.outcome == "ok" else Spent(1)
        if each.outcome == "failed":
            continue
        sums[each.model] = Spent(*map(sum, zip(sums.get(each.model, Spent()), spent, strict=True)))
    return sums


def place(recorded: Path, folder: Path) -> Path:
    """Copy a recorded home to where the tool would have written it; return the home."""
    shutil.copytree(recorded, folder, ignore=shutil.ignore_patterns("truth.json"), dirs_exist_ok=True)
    return folder
