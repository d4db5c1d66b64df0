"""Figures: imports beside the yardstick, first ones and later ones."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from statistics import median

from aico.core.usage import Trigger
from bench.figure import Figure, Measurement, Setup
from bench.intervals import median_interval
from bench.ledgers import LedgerFile
from bench.pairs import Pair, measure_pairs
from bench.sides import FirstImport, FirstYardstick, LaterImport, WarmYardstick, open_importing

_GROWTH_COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
_GROWTH_REPEATS = 5
_LOOKS = 300


async def _measure_first(entry_count: int, setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, entry_count)
    subject, yardstick = FirstImport(ledger, setup.folder), FirstYardstick(ledger, setup.folder)
    return _measurement(await measure_pairs(subject.side, yardstick.side, setup.pair_count), ledger)


async def _measure_later(entry_count: int, changed: bool, setup: Setup) -> Measurement:
    ledger = LedgerFile(setup.folder, entry_count)
    yardstick = WarmYardstick(ledger, setup.folder)
    async with open_importing(ledger.path, setup.folder / "import") as importing:
        await importing.run(Trigger.STARTUP)
        subject = LaterImport(importing, ledger, changed=changed)
        pairs = await measure_pairs(subject.side, yardstick.side, setup.pair_count)
    yardstick.close()
    return _measurement(pairs, ledger)


def _measurement(pairs: Sequence[Pair], ledger: LedgerFile) -> Measurement:
    return Measurement(
        interval=median_interval([pair.ratio for pair in pairs]),
        sample_count=len(pairs),
        details={
            "import_ms": median(pair.subject.wall_s for pair in pairs) * 1000,
            "yardstick_ms": median(pair.yardstick.wall_s for pair in pairs) * 1000,
            "cpu_ratio": median(pair.cpu_ratio for pair in pairs),
            "entry_bytes": len(ledger.data) / ledger.entry_count,
        },
    )


async def _measure_look(setup: Setup) -> Measurement:
    """Time the watcher's work at a notification whose file is the one that was read."""
    ledger = LedgerFile(setup.folder, 100)
    samples = []
    async with open_importing(ledger.path, setup.folder / "import") as importing:
        await importing.run(Trigger.STARTUP)
        for _ in range(_LOOKS):
            began = time.perf_counter()
            look = await asyncio.to_thread(importing.intake.feed.look)
            is_known = importing.intake.feed.identity == look.identity
            samples.append((time.perf_counter() - began) * 1000)
            if not is_known:
                raise AssertionError("the file is not the one that was read")
    return Measurement(median_interval(samples), len(samples), {"worst_ms": max(samples)})


async def _measure_growth(setup: Setup) -> Measurement:
    """Time one changed entry in ever longer ledgers, beside the unavoidable work: reading and hashing the file."""
    details: dict[str, float] = {}
    ratios: list[float] = []
    for entry_count in _GROWTH_COUNTS:
        folder = setup.folder / str(entry_count)
        folder.mkdir()
        ledger = LedgerFile(folder, entry_count)
        async with open_importing(ledger.path, folder / "import") as importing:
            await importing.run(Trigger.STARTUP)
            repeats = setup.pair_count if entry_count == _GROWTH_COUNTS[-1] else _GROWTH_REPEATS
            subject = LaterImport(importing, ledger, changed=True)
            imports, looks = [], []
            for _ in range(repeats):
                timed = await subject.side.prepare()
                imports.append(await _seconds(timed))
                await subject.side.clear()
                looks.append(await _seconds(partial(_read_and_hash, ledger)))
        details[f"n{entry_count}_ms"] = median(imports) * 1000
        details[f"n{entry_count}_read_ms"] = median(looks) * 1000
        ratios = [mine / bare for mine, bare in zip(imports, looks, strict=True)]
        ledger.path.unlink()
    return Measurement(median_interval(ratios), len(ratios), details)


async def _read_and_hash(ledger: LedgerFile) -> None:
    hashlib.sha256(ledger.path.read_bytes()).digest()


async def _seconds(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def _figure(
    name: str, sentence: str, goal: float, measure: Callable[[Setup], Coroutine[None, None, Measurement]]
) -> Figure:
    return Figure(name, sentence, "x", goal, measure)


_YARDSTICK = "beside json.loads + one executemany upsert"
_WARM = "beside the same with all rows there"
IMPORT_FIGURES = (
    _figure(
        "first_import_10000",
        f"first import of 10,000 entries, everything included, {_YARDSTICK}",
        0.8,
        partial(_measure_first, 10_000),
    ),
    _figure(
        "first_import_100000", f"the same with 100,000 entries, {_YARDSTICK}", 0.8, partial(_measure_first, 100_000)
    ),
    _figure("one_changed_10000", f"one of 10,000 entries changed, {_WARM}", 0.2, partial(_measure_later, 10_000, True)),
    _figure(
        "one_changed_100000", f"one of 100,000 entries changed, {_WARM}", 0.3, partial(_measure_later, 100_000, True)
    ),
    _figure(
        "touched_10000",
        f"10,000 entries written again, no byte another, {_WARM}",
        0.1,
        partial(_measure_later, 10_000, False),
    ),
    _figure("touched_100000", f"the same with 100,000 entries, {_WARM}", 0.1, partial(_measure_later, 100_000, False)),
    Figure("known_file", "a notification about a file that was read already", "ms", 1.0, _measure_look),
    _figure(
        "growth_300000",
        "one of 300,000 entries changed, beside only reading and hashing the file; the curve from 1,000 on",
        1.5,
        _measure_growth,
    ),
)
