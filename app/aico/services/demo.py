"""The demonstration: a made-up ledger that keeps growing, written the way Cline writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from aico.features.demo.growing import GrowingLedger
from aico.features.demo.writer import write_by_rename

STEP_S = 1.2
"""Between two changes: slow enough to be followed with the eye."""
TASK_COUNT = 240
DAYS = 45


async def grow_ledger(path: Path, seed: int, now_ms: Callable[[], int]) -> None:
    """Write a ledger to ``path`` and let it grow until cancelled. The directory exists."""
    ledger = GrowingLedger(seed, now_ms(), task_count=TASK_COUNT, days=DAYS)
    while True:
        await write_by_rename(path, ledger.to_json())
        await asyncio.sleep(STEP_S)
        ledger.step(now_ms())
