"""The made-up person's work with one tool: chance, a clock, and the bytes that the tool appends. No I/O, no logging."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple, TypeAlias
from uuid import UUID

from aico.features.demo.js_json import stringify
from aico.features.demo.prices import DemoModel
from aico.features.demo.turns import Spending, spend_turn

Fields: TypeAlias = dict[str, object]
SAID = "made up for the demonstration"
"""Stands in each place in which a tool keeps words of a conversation."""
FOLDER = "made-up"
"""The project that the made-up person works on."""


class Answer(NamedTuple):
    """The tokens that one request is billed for; ``fresh``, ``read`` and ``written`` are disjoint."""

    model: str
    fresh: int
    read: int
    written: int
    output: int
    thinking: int
    """Of ``output``."""


class Desk:
    """The same chance, moments and calls give the same bytes."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now_ms = 0
        self._appended: dict[str, bytearray] = {}

    def tick(self, ms: int = 5) -> str:
        """Let time pass; return the moment as every tool writes it."""
        self.now_ms += ms
        moment = datetime.fromtimestamp(self.now_ms / 1000, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{self.now_ms % 1000:03}Z"

    def make_id(self, *, version: int = 4) -> str:
        """Return a UUID of version 4, or of version 7, which bears the moment."""
        value = self.rng.getrandbits(128)
        if version == 4:
            return str(UUID(int=value, version=4))
        value = self.now_ms << 80 | 7 << 76 | (value >> 52 & 0xFFF) << 64 | 2 << 62 | value & (1 << 62) - 1
        return str(UUID(int=value))

    def append(self, path: str, line: Mapping[str, object]) -> None:
        """Let the tool append a line to its file at ``path``, which is below the home."""
        self._appended.setdefault(path, bytearray()).extend(stringify(line) + b"\n")

    def take(self) -> dict[str, bytearray]:
        """Return the bytes that were appended since the last call, by path."""
        appended, self._appended = self._appended, {}
        return appended

    def draw(self, model: DemoModel, before: Spending) -> tuple[Answer, Spending]:
        """Return one more request of a conversation, and the conversation's totals with it."""
        after = spend_turn(self.rng, before, model)
        fresh, output, written, read = (now - was for now, was in zip(after[:4], before[:4], strict=True))
        return Answer(model.model_id, int(fresh), int(read), int(written), int(output), int(output) // 3), after

    def draw_hidden(self, model: DemoModel) -> Answer:
        """Return a request that is billed and that the tool writes nowhere, such as that for a title."""
        return Answer(model.model_id, self.rng.randrange(300, 900), 0, 0, self.rng.randrange(10, 40), 0)
