"""Elements of the array that no version of Cline should write. Pure data."""

from __future__ import annotations

from collections.abc import Mapping

from aico.features.demo.texts import CANARY_PREFIX
from tests.emulator.ledger_truth import Task

_TS = 1_772_000_000_000
_GOOD = {"ts": _TS, "task": f"{CANARY_PREFIX}broken", "tokensIn": 1, "tokensOut": 1, "totalCost": 0.1}

REFUSED_ENTRIES: tuple[object, ...] = (
    None,
    f"{CANARY_PREFIX}text",
    {**_GOOD},
    {"id": "", **_GOOD},
    {"id": "broken-null", **_GOOD, "ts": None},
    [],
)
"""Every one of them is refused alone; none ever costs a good entry."""

PARTIAL_ENTRIES: tuple[object, ...] = (
    {"id": "broken-negative", **_GOOD, "tokensIn": -1},
    {"id": "broken-boolean", **_GOOD, "tokensOut": True},
    {"id": "broken-huge", **_GOOD, "tokensIn": 2**63},
    {"id": "broken-cost", **_GOOD, "totalCost": "much"},
)
"""Of every one of them one field is unknown, and the others count."""

PARTIAL_TASKS: Mapping[str, Task] = {
    "broken-negative": Task("broken-negative", _TS, None, 0, 1, 0.1),
    "broken-boolean": Task("broken-boolean", _TS, None, 1, 0, 0.1),
    "broken-huge": Task("broken-huge", _TS, None, 0, 1, 0.1),
    "broken-cost": Task("broken-cost", _TS, None, 1, 1, 0.0),
}
"""The rows that are told of them: an unknown number as 0."""

BROKEN_ENTRIES = (*REFUSED_ENTRIES, *PARTIAL_ENTRIES)
