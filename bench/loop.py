"""Figures: how long an import holds up the event loop at one piece."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from functools import partial
from statistics import median

from aico.core.usage import Trigger
from bench.figure import Figure, Measurement, Setup
from bench.intervals import median_interval
from bench.ledgers import LedgerFile
from bench.sides import open_importing

_LOOK_S = 0.001


async def _longest_block_s(ledger: LedgerFile, setup: Setup) -> float:
    """Return the longest distance of two looks at the clock during a first import, less the distance meant."""
    async with open_importing(ledger.path, setup.folder / "import") as importing:
        gc.collect()
        longest = 0.0
        done = asyncio.Event()

        async def look() -> None:
            nonlocal longest
            before = time.perf_counter()
            while not done.is_set():
                await asyncio.sleep(_LOOK_S)
                now = time.perf_counter()
                longest = max(longest, now - before - _LOOK_S)
                before = now

        looking = asyncio.create_task(look())
        await asyncio.sleep(0)
        await importing.run(Trigger.STARTUP)
        done.set()
        await looking
        return longest


async def _measure_ms(entry_count: int, setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, entry_count)
    samples = [await _longest_block_s(ledger, setup) * 1000 for _ in range(setup.pair_count + 1)][1:]
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


async def _measure_ratio(entry_count: int, setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, entry_count)
    blocks, loads = [], []
    for _ in range(setup.pair_count):
        blocks.append(await _longest_block_s(ledger, setup))
        began = time.perf_counter()
        json.loads(ledger.data)
        loads.append(time.perf_counter() - began)
    ratios = [block / load for block, load in zip(blocks, loads, strict=True)]
    return Measurement(median_interval(ratios), len(ratios), {"block_ms": median(blocks) * 1000})


LOOP_FIGURES = (
    Figure(
        "loop_block_10000",
        "the longest time that a first import of 10,000 entries held up everything else",
        "ms",
        50.0,
        partial(_measure_ms, 10_000),
    ),
    Figure(
        "loop_block_100000",
        "the same with 100,000 entries, beside json.loads of the ledger",
        "x",
        0.25,
        partial(_measure_ratio, 100_000),
    ),
)
