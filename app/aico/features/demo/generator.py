"""A realistic made-up ledger: the same seed gives the same bytes. No I/O, no clock, no logging."""

from __future__ import annotations

import math
from random import Random

from aico.features.demo.entry import LedgerEntry
from aico.features.demo.hours import draw_start_ms
from aico.features.demo.prices import MODELS, DemoModel
from aico.features.demo.prompts import write_checkpoint_error, write_path, write_prompt
from aico.features.demo.turns import Spending, spend_task

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHARES = tuple(model.share for model in MODELS)
_ERA_ULID = 0.05
_ERA_MODEL = 0.12
_ERA_PROVIDER = 0.75
"""Up to which part of the ledger, oldest first, entries lack a key that a later Cline added."""
_SECONDS_PER_TURN = 25


class LedgerGenerator:
    """Draws entries of tasks that were worked on in the ``days`` before ``now_ms``."""

    def __init__(self, seed: int, now_ms: int, *, days: int = 90) -> None:
        self.rng = Random(seed)  # noqa: S311 - reproducible, and nothing depends on its being unpredictable
        self._now_ms = now_ms
        self._days = days
        self._used_ids: set[int] = set()

    def entries(self, count: int) -> list[LedgerEntry]:
        """Return ``count`` entries of finished tasks in order of their start, the oldest first, as Cline keeps them."""
        starts = sorted(self._draw_start() for _ in range(count))
        return [self._finished(start_ms, index / count) for index, start_ms in enumerate(starts)]

    def begin(self, now_ms: int) -> LedgerEntry:
        """Return the entry of a task that begins now: no reply yet, so no tokens and no model."""
        return self._entry(self._reserve(now_ms), now_ms, Spending(), era=1.0)

    def draw_model(self) -> DemoModel:
        """Return a model, the popular ones more often."""
        return self.rng.choices(MODELS, _SHARES)[0]

    def _draw_start(self) -> int:
        return self._reserve(draw_start_ms(self.rng, self._now_ms, days=self._days))

    def _reserve(self, start_ms: int) -> int:
        """Return the first free id from ``start_ms`` on: two tasks never begin in the same millisecond."""
        while start_ms in self._used_ids:
            start_ms += 1
        self._used_ids.add(start_ms)
        return start_ms

    def _finished(self, start_ms: int, era: float) -> LedgerEntry:
        model = self.draw_model()
        spending = spend_task(self.rng, model)
        turns_ms = spending.size_bytes // 4_000 * _SECONDS_PER_TURN * 1000
        last_ms = start_ms + int(turns_ms * math.exp(self.rng.gauss(0, 0.5))) + 1_500
        entry = self._entry(start_ms, min(last_ms, max(self._now_ms, start_ms)), spending, era=era)
        if era >= _ERA_MODEL:
            entry["modelId"] = "" if self.rng.random() < 0.02 else model.model_id
        if era >= _ERA_PROVIDER:
            entry["apiProvider"] = model.provider
        return entry

    def _entry(self, start_ms: int, ts: int, spending: Spending, *, era: float) -> LedgerEntry:
        """Return an entry with everything but the model; keys are added in Cline's order."""
        rng = self.rng
        entry: LedgerEntry = {"id": str(start_ms)}  # type: ignore[typeddict-item]  # filled in below, in order
        if era >= _ERA_ULID:
            entry["ulid"] = _draw_ulid(rng, start_ms)
        entry["ts"] = ts
        entry["task"] = write_prompt(rng)
        entry["tokensIn"] = spending.tokens_in
        entry["tokensOut"] = spending.tokens_out
        if era >= _ERA_ULID:
            entry["cacheWrites"] = spending.cache_writes
            entry["cacheReads"] = spending.cache_reads
        entry["totalCost"] = spending.cost_usd
        if rng.random() < 0.95:
            entry["size"] = spending.size_bytes
        _add_circumstances(rng, entry, era)
        return entry


def _add_circumstances(rng: Random, entry: LedgerEntry, era: float) -> None:
    """Add the circumstances of the task, each key only as often as it really occurs."""
    if rng.random() < 0.4:
        entry["shadowGitConfigWorkTree"] = write_path(rng)
    if rng.random() < 0.85:
        entry["cwdOnTaskInitialization"] = write_path(rng)
    if entry["tokensIn"] > 0 and rng.random() < 0.1:
        entry["conversationHistoryDeletedRange"] = [2, 2 * rng.randrange(2, 60) + 1]
    if era >= _ERA_ULID:
        entry["isFavorited"] = rng.random() < 0.06
    elif rng.random() < 0.5:
        entry["isLegacy"] = True
    if rng.random() < 0.03:
        entry["checkpointManagerErrorMessage"] = write_checkpoint_error(rng)


def _draw_ulid(rng: Random, at_ms: int) -> str:
    """Return a ULID: ten digits of time, sixteen of chance, in Crockford's base 32."""
    value = at_ms << 80 | rng.getrandbits(80)
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))
