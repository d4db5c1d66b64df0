"""Invents the spending of a person with Cline, to the nano-dollar, and the store in which Cline recorded it.

The same seed gives the same home. No I/O, no clock, no logging.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import NamedTuple

from aico.features.demo.texts import CANARY_PREFIX

NANO = 1_000_000_000
_DAY_MS = 86_400_000
_TURN_MS = 25_000
_DAYS = 20


class Price(StrEnum):
    """How a list of prices relates to the cost that Cline recorded."""

    LISTED = "at list price"
    OWN = "own deployment name"
    NONE = "recorded as 0"


class Model(NamedTuple):
    """A model and its recorded prices: nano-dollars per token, which are dollars per million times a thousand."""

    model_id: str
    provider: str
    price: Price
    share: int
    tokens_in: int = 0
    tokens_out: int = 0
    cache_writes: int = 0
    cache_reads: int = 0


MODELS = (
    Model("claude-sonnet-4-5-20250929", "anthropic", Price.LISTED, 40, 3_000, 15_000, 3_750, 300),
    Model("claude-haiku-4-5-20251001", "anthropic", Price.LISTED, 20, 1_000, 5_000, 1_250, 100),
    Model("gpt-5.1", "openai-native", Price.LISTED, 20, 1_250, 10_000, 0, 125),
    Model("team-gpt-4o-prod", "openai", Price.OWN, 8, 2_000, 8_000),
    Model("z-ai/glm-5", "zai", Price.NONE, 6),
    Model("deepseek-v4-flash", "ollama", Price.NONE, 6),
)


class Kind(StrEnum):
    """Which of Cline's stores a home has."""

    CLASSIC = "classic"
    """The ledger and, beside it, a folder per task: Cline before 2026-05."""
    CURRENT = "current"
    """The session store and, beside it, a folder per session."""
    MIXED = "mixed"
    """A frozen ledger, newer sessions, and tasks of the ledger that were resumed as sessions."""


class Request(NamedTuple):
    """One answer of a model: tokens without the cached ones, cached ones, and the cost that Cline recorded."""

    ts: int
    model: Model
    tokens_in: int
    tokens_out: int
    cache_writes: int
    cache_reads: int

    @property
    def cost_nano_usd(self) -> int:
        """The cost that is recorded for it."""
        model = self.model
        return (
            self.tokens_in * model.tokens_in
            + self.tokens_out * model.tokens_out
            + self.cache_writes * model.cache_writes
            + self.cache_reads * model.cache_reads
        )

    @property
    def cost_usd(self) -> float:
        """The same as Cline's JSON says it."""
        return self.cost_nano_usd / NANO


@dataclass
class Task:
    """One task: its spending while the ledger was written, and after that, alone and through its subagents."""

    task_id: str
    prompt: str
    model: Model
    in_ledger: list[Request] = field(default_factory=list)
    in_sessions: list[Request] = field(default_factory=list)
    of_agents: list[list[Request]] = field(default_factory=list)

    @property
    def own(self) -> list[Request]:
        """Everything that it spent itself, the oldest first."""
        return [*self.in_ledger, *self.in_sessions]

    @property
    def requests(self) -> Iterator[Request]:
        """Everything that it spent."""
        yield from self.own
        for agent in self.of_agents:
            yield from agent


class Sums(NamedTuple):
    """Sums of requests."""

    tokens_in: int
    tokens_out: int
    cache_writes: int
    cache_reads: int
    cost_nano_usd: int

    @classmethod
    def of(cls, requests: Iterable[Request]) -> Sums:
        """Add up."""
        rows = [
            (one.tokens_in, one.tokens_out, one.cache_writes, one.cache_reads, one.cost_nano_usd) for one in requests
        ]
        return cls(*(sum(column) for column in zip(*rows, strict=True))) if rows else cls(0, 0, 0, 0, 0)

    @property
    def cost_usd(self) -> float:
        """The cost as Cline's JSON says it."""
        return self.cost_nano_usd / NANO


@dataclass
class Home:
    """All tasks of one person, the oldest first."""

    name: str
    kind: Kind
    tasks: list[Task]

    @property
    def truth(self) -> Sums:
        """The spending of all tasks."""
        return Sums.of(request for task in self.tasks for request in task.requests)

    def told(self) -> str:
        """Return the truth as one line of text."""
        truth = self.truth
        resumed = sum(bool(task.in_ledger and task.in_sessions) for task in self.tasks)
        agents = sum(len(task.of_agents) for task in self.tasks)
        by_price = ", ".join(
            f"{price} ${Sums.of(r for t in self.tasks for r in t.requests if r.model.price is price).cost_usd:.9f}"
            for price in Price
        )
        return (
            f"{self.name}: {len(self.tasks)} tasks ({resumed} resumed, {agents} subagents), "
            f"tokens in {truth.tokens_in}, out {truth.tokens_out}, cache written {truth.cache_writes}, "
            f"read {truth.cache_reads}, cost ${truth.cost_usd:.9f} ({by_price})"
        )


class HomeMaker:
    """Draws homes. ``plain`` ones hold the easy cases: one store's tasks, models at list price, no subagents."""

    def __init__(self, seed: int, now_ms: int) -> None:
        self._rng = Random(seed)  # noqa: S311 - reproducible, and nothing depends on its being unpredictable
        self._now_ms = now_ms

    def home(self, kind: Kind, count: int, *, plain: bool) -> Home:
        """Return a home of ``count`` tasks."""
        name = f"{kind}, {'plain' if plain else 'real'}"
        first_ms = self._now_ms - _DAYS * _DAY_MS
        step_ms = (_DAYS - 1) * _DAY_MS // count
        starts = (first_ms + index * step_ms + self._rng.randrange(step_ms) for index in range(count))
        models = [model for model in MODELS if model.price is Price.LISTED or not plain]
        return Home(name, kind, [self._task(kind, start, index / count, models) for index, start in enumerate(starts)])

    def grow(self, home: Home, task: Task, ts: int) -> None:
        """Add one more request to ``task``, in the store that is written now."""
        request = self._requests(task.model, ts, 1)[0]
        (task.in_ledger if home.kind is Kind.CLASSIC else task.in_sessions).append(request)

    def _task(self, kind: Kind, start_ms: int, age: float, models: Sequence[Model]) -> Task:
        rng = self._rng
        model = rng.choices(models, [one.share for one in models])[0]
        task = Task(str(start_ms), f"{CANARY_PREFIX}{rng.getrandbits(64):016x} write a poem", model)
        requests = self._requests(model, start_ms + 3_000, rng.randrange(1, 9))
        moved = kind is Kind.CURRENT or (kind is Kind.MIXED and age >= 0.5)
        (task.in_sessions if moved else task.in_ledger).extend(requests)
        if kind is Kind.MIXED and not moved and rng.random() < 0.2:
            task.in_sessions = self._requests(model, self._now_ms - _DAY_MS // 2, rng.randrange(1, 5))
        if moved and len(models) == len(MODELS) and rng.random() < 0.15:
            agents = range(rng.randrange(1, 3))
            task.of_agents = [self._requests(model, start_ms + 5_000, rng.randrange(1, 4)) for _ in agents]
        return task

    def _requests(self, model: Model, first_ms: int, count: int) -> list[Request]:
        rng = self._rng
        found = []
        for index in range(count):
            cached = bool(model.cache_reads) or model.price is Price.NONE
            found.append(
                Request(
                    first_ms + index * _TURN_MS,
                    model,
                    rng.randrange(20, 4_000) if cached else rng.randrange(9_000, 40_000),
                    rng.randrange(50, 2_500),
                    rng.randrange(500, 9_000) if model.cache_writes else 0,
                    rng.randrange(8_000, 60_000) if cached and index else 0,
                )
            )
        return found
