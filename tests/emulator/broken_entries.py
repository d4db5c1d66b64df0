"""Elements of the array that no version of Cline should write, each with a reason to be refused. Pure data."""

from __future__ import annotations

from aico.features.demo.texts import CANARY_PREFIX

_GOOD = {"ts": 1_772_000_000_000, "task": f"{CANARY_PREFIX}broken", "tokensIn": 1, "tokensOut": 1, "totalCost": 0.1}

BROKEN_ENTRIES: tuple[object, ...] = (
    None,
    f"{CANARY_PREFIX}text",
    {**_GOOD},
    {"id": "broken-negative", **_GOOD, "tokensIn": -1},
    {"id": "broken-boolean", **_GOOD, "tokensOut": True},
    {"id": "broken-huge", **_GOOD, "tokensIn": 2**63},
    {"id": "broken-cost", **_GOOD, "totalCost": "much"},
    {"id": "", **_GOOD},
    {"id": "broken-null", **_GOOD, "ts": None},
    [],
)
"""Every one of them is refused alone; none ever costs a good entry."""
