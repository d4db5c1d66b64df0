"""Cline's changes of one entry while a task runs; each function returns a new entry. No I/O, no clock, no logging."""

from __future__ import annotations

from random import Random

from aico.features.demo.entry import LedgerEntry
from aico.features.demo.prices import DemoModel
from aico.features.demo.turns import Spending, spend_turn

_BYTES_PER_TOKEN = 4
_LARGEST_CONTEXT_TOKENS = 90_000


def grown(rng: Random, entry: LedgerEntry, model: DemoModel, ts: int) -> LedgerEntry:
    """Return ``entry`` after one more reply of ``model`` at ``ts``."""
    spending = spend_turn(rng, _spending_of(entry), model)
    after = entry.copy()
    after["ts"] = ts
    after["tokensIn"] = spending.tokens_in
    after["tokensOut"] = spending.tokens_out
    after["totalCost"] = spending.cost_usd
    if "cacheWrites" in after:
        after["cacheWrites"] = spending.cache_writes
        after["cacheReads"] = spending.cache_reads
    if "size" in after:
        after["size"] = spending.size_bytes
    after["modelId"] = model.model_id
    after["apiProvider"] = model.provider
    return after


def restored(rng: Random, entry: LedgerEntry) -> LedgerEntry:
    """Return ``entry`` after a checkpoint was restored: smaller totals, and a ``ts`` that may lie further back."""
    kept = rng.uniform(0.3, 0.95)
    after = entry.copy()
    after["tokensIn"] = int(entry["tokensIn"] * kept)
    after["tokensOut"] = int(entry["tokensOut"] * kept)
    after["totalCost"] = entry["totalCost"] * kept
    if rng.random() < 0.5:
        after["ts"] = max(int(entry["id"]), entry["ts"] - rng.randrange(1_000, 3_600_000))
    return after


def starred(entry: LedgerEntry) -> LedgerEntry:
    """Return ``entry`` with its star toggled; nothing that costs money changes."""
    after = entry.copy()
    after["isFavorited"] = not entry.get("isFavorited", False)
    return after


def _spending_of(entry: LedgerEntry) -> Spending:
    size_bytes = entry.get("size", 0)
    context = max(1, min(size_bytes // _BYTES_PER_TOKEN, _LARGEST_CONTEXT_TOKENS))
    return Spending(
        tokens_in=entry["tokensIn"],
        tokens_out=entry["tokensOut"],
        cache_writes=entry.get("cacheWrites", 0),
        cache_reads=entry.get("cacheReads", 0),
        cost_usd=entry["totalCost"],
        size_bytes=size_bytes,
        context_tokens=context if entry["tokensIn"] else 0,
    )
