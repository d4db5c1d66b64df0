"""Figure: a first import of 10,000 entries beside the yardstick."""

from __future__ import annotations

from statistics import median

from bench.figure import Figure, Measurement, Setup
from bench.intervals import median_interval
from bench.pairs import measure_pairs
from bench.sides import FirstImport, FirstYardstick, write_ledger

_ENTRY_COUNT = 10_000


async def _measure(setup: Setup) -> Measurement:
    ledger = write_ledger(setup.folder, _ENTRY_COUNT)
    subject = FirstImport(ledger, setup.folder, _ENTRY_COUNT)
    yardstick = FirstYardstick(ledger, setup.folder)
    pairs = await measure_pairs(subject.side, yardstick.side, setup.pair_count)
    return Measurement(
        interval=median_interval([pair.ratio for pair in pairs]),
        sample_count=len(pairs),
        details={
            "import_ms": median(pair.subject.wall_s for pair in pairs) * 1000,
            "yardstick_ms": median(pair.yardstick.wall_s for pair in pairs) * 1000,
            "cpu_ratio": median(pair.cpu_ratio for pair in pairs),
            "ledger_mib": ledger.stat().st_size / 2**20,
        },
    )


FIRST_IMPORT = Figure(
    name="first_import_10000",
    sentence="first import of 10,000 entries, everything included, beside json.loads + one executemany upsert",
    unit="x",
    goal=1.25,
    measure=_measure,
)
