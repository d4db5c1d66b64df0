"""Invents a database of five sources, 100,000 sessions and 1,000,000 requests of a year, and knows its sums."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from aico.core.db.migrations import migrate
from aico.core.sums import REQUEST
from aico.core.usage import SLOT_MS
from bench.queries import ROLLUPS
from bench.sides import now_ms

_DAY_MS = 86_400_000
_YEAR_DAYS = 365
_HOURS = (7, 8, 9, 9, 10, 10, 11, 11, 13, 13, 14, 14, 15, 15, 16, 16, 17, 18, 20, 21)
"""Of UTC, in which sessions begin: most of them in the daytime."""
_REQUESTS = (1, 1, 2, 3, 4, 6, 8, 12, 18, 45)
"""Of sessions one after the other: ten each, on average."""
_PAUSE_MS = 240_000
"""Between two requests, at most."""
_CHILD_EVERY = 9
"""Among Claude Code's sessions."""
_MODEL_LIFE_DAYS = 120
_SEED = 7


class _Tool(NamedTuple):
    source: str
    origin: str
    share: int
    """Of a hundred sessions."""
    models: tuple[str, ...]
    states_costs: bool


_TOOLS = (
    _Tool("claude-code", "transcripts", 45, ("claude-opus-4-{}", "claude-sonnet-4-{}", "claude-haiku-4-{}"), False),
    _Tool("codex", "sessions", 25, ("gpt-5.{}-codex", "gpt-5.{}-mini"), False),
    _Tool("cline", "sessions", 12, ("maker/model-{}", "kimi-k2.{}"), True),
    _Tool("gemini-cli", "chats", 10, ("gemini-{}-pro", "gemini-{}-flash"), False),
    _Tool("opencode", "database", 8, ("opencode/model-{}", "local-{}"), True),
)
SESSIONS = 100_000
_EVENT = (
    "source, kind, key_high, key_low, origin, session, ts, model, input, cache_read, cache_write_5m, output, "
    "recorded_nano, list_nano, price_ref, state, context, unknown"
)


@dataclass(slots=True)
class Truth:
    """The invented usage, added up without a database."""

    end_ms: int
    """Behind the last request: a midnight of UTC."""
    by_day: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    """By source and day of UTC: requests, tokens, nano-dollars."""
    sessions_by_day: dict[int, set[int]] = field(default_factory=dict)

    def add(self, source: str, session: int, ts: int, tokens: int, nano: int) -> None:
        """Add one request."""
        day = ts // _DAY_MS
        sums = self.by_day.setdefault((source, day), [0, 0, 0])
        for place, number in enumerate((1, tokens, nano)):
            sums[place] += number
        self.sessions_by_day.setdefault(day, set()).add(session)

    def sums_of(self, days: int | None) -> dict[str, tuple[int, int, int]]:
        """Return requests, tokens and nano-dollars of each source in the last ``days`` (None: all of them)."""
        first = 0 if days is None else self.end_ms // _DAY_MS - days
        found: dict[str, list[int]] = {}
        for (source, day), sums in self.by_day.items():
            if day >= first:
                mine = found.setdefault(source, [0, 0, 0])
                mine[:] = map(sum, zip(mine, sums, strict=True))
        return {source: (sums[0], sums[1], sums[2]) for source, sums in found.items()}

    def count_sessions(self, days: int | None) -> int:
        """Return how many sessions there are in the last ``days``."""
        first = 0 if days is None else self.end_ms // _DAY_MS - days
        return len(set[int]().union(*(found for day, found in self.sessions_by_day.items() if day >= first)))


def invent_store(path: Path, session_count: int = SESSIONS) -> Truth:
    """Make the database at ``path``, whose folder is not there yet, every sum in it right. Blocking: half a minute."""
    path.parent.mkdir(mode=0o700)
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        return _Inventing(connection, session_count).run()


class _Inventing:
    def __init__(self, connection: sqlite3.Connection, session_count: int) -> None:
        self._connection = connection
        self._count = session_count
        self._rng = Random(_SEED)  # noqa: S311 - reproducible on purpose
        now = now_ms()
        self._end = (now // _DAY_MS + 1) * _DAY_MS
        self._truth = Truth(self._end)
        self._models: dict[str, int] = {}
        self._sources = {tool.source: self._insert("source", "name", tool.source) for tool in _TOOLS}
        self._origins = {
            tool.source: self._insert("origin", "source, name", self._sources[tool.source], tool.origin)
            for tool in _TOOLS
        }
        self._price = self._insert("price_ref", "list, entry", "invented", "seller/model")
        connection.execute("UPDATE source SET exact_since = ?", (self._end - _YEAR_DAYS * _DAY_MS,))

    def _insert(self, table: str, columns: str, *values: str | int) -> int:
        marks = ", ".join("?" * len(values))
        named = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {named} RETURNING id"
        [(number,)] = self._connection.execute(statement, values)
        return int(number)

    def run(self) -> Truth:
        self._connection.executemany(
            f"INSERT INTO usage_event ({_EVENT}) VALUES ({', '.join('?' * len(_EVENT.split(', ')))})", self._events()
        )
        for statement in ROLLUPS:
            self._connection.execute(statement.format(slot_ms=SLOT_MS, day_ms=_DAY_MS))
        self._connection.execute("UPDATE database_state SET revision = 1")
        return self._truth

    def _events(self) -> Iterator[tuple[str | int | None, ...]]:
        rng = self._rng
        tools = rng.choices(_TOOLS, [tool.share for tool in _TOOLS], k=self._count)
        heads: dict[str, str] = {}
        for number, tool in enumerate(tools, 1):
            # The last session ends before the end: none is dated ahead by more than the rest of today.
            day = self._end - _DAY_MS * (_YEAR_DAYS - number * (_YEAR_DAYS - 1) // self._count)
            moment = day + rng.choice(_HOURS) * 3_600_000 + rng.randrange(3_600_000) - _DAY_MS
            requests = _REQUESTS[number % len(_REQUESTS)]
            moments = [moment := moment + rng.randrange(_PAUSE_MS) for _ in range(requests)]
            models = [self._model_of(tool, ts) for ts in moments]
            key = f"{number:08x}-invented"
            is_child = tool.source == "claude-code" and number % _CHILD_EVERY == 0
            parent = heads.get(tool.source) if is_child else None
            heads[tool.source] = heads.get(tool.source, key) if is_child else key
            self._connection.execute(
                "INSERT INTO session (id, source, key, parent_key, first_ts, last_ts, model, state, seen_at, label,"
                " project) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)",
                (number, self._sources[tool.source], key, parent, moments[0], moments[-1], models[-1], moments[0],
                 f"Label {number}" if number % 50 == 0 else None, f"project-{number % 40}"),
            )  # fmt: skip
            for place, (ts, model) in enumerate(zip(moments, models, strict=True)):
                tokens = (rng.randrange(20, 4_000), rng.randrange(90_000), rng.randrange(6_000), rng.randrange(1_500))
                nano = 1_000 * (3 * tokens[0] + tokens[2] * 4 + tokens[3] * 15) + 300 * tokens[1]
                is_priced = rng.random() < 0.98
                costs = (None, None) if not is_priced else (nano, None) if tool.states_costs else (None, nano)
                self._truth.add(tool.source, number, ts, sum(tokens), nano if is_priced else 0)
                yield (
                    self._sources[tool.source], REQUEST.code, number, place, self._origins[tool.source], number, ts,
                    model, *tokens, *costs, self._price if costs[1] else None, 0, "", "",
                )  # fmt: skip

    def _model_of(self, tool: _Tool, ts: int) -> int:
        pattern = self._rng.choice(tool.models)
        name = pattern.format((ts - self._end) // (_MODEL_LIFE_DAYS * _DAY_MS) + 5)
        if name not in self._models:
            self._models[name] = self._insert("model", "name", name)
        return self._models[name]
