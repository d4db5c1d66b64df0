"""The ledger of the demonstration grows, and nothing alarming happens to it."""

from __future__ import annotations

import json

import pytest

from aico.features.demo.entry import LedgerEntry
from aico.features.demo.growing import GrowingLedger

NOW_MS = 1_772_000_000_000


def entries_of(ledger: GrowingLedger) -> dict[str, LedgerEntry]:
    """Return the entries that the ledger's bytes hold, by id."""
    return {entry["id"]: entry for entry in json.loads(ledger.to_json())}


@pytest.mark.slow
def test_growing_ledger_lets_no_task_vanish() -> None:
    """People who watch the demonstration see tasks appear and grow, and none go."""
    ledger = GrowingLedger(1, NOW_MS, task_count=40, days=45)
    first = before = entries_of(ledger)
    for number in range(500):
        ledger.step(NOW_MS + 1_200 * (number + 1))
        after = entries_of(ledger)
        assert set(before) <= set(after)
        before = after
    assert len(before) > len(first)
    assert sum(entry["tokensOut"] for entry in before.values()) > sum(entry["tokensOut"] for entry in first.values())


def test_growing_ledger_repeats_its_bytes_for_the_same_seed() -> None:
    """The same arguments and steps give the same bytes, another seed gives others."""
    same, again, other = (GrowingLedger(seed, NOW_MS, task_count=40, days=45) for seed in (1, 1, 2))
    for number in range(60):
        for ledger in (same, again, other):
            ledger.step(NOW_MS + 1_200 * (number + 1))
    assert same.to_json() == again.to_json() != other.to_json()


def test_growing_ledger_never_goes_back_in_time() -> None:
    """A clock that is set back does not give two tasks one moment: each step is later than the one before."""
    ledger = GrowingLedger(1, NOW_MS, task_count=0, days=45)
    for _ in range(3):
        ledger.step(NOW_MS - 5_000)
    assert max(entry["ts"] for entry in entries_of(ledger).values()) == NOW_MS + 3
