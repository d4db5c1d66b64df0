"""Ledgers, built by hand so that a test can say exactly what stands in the file."""

from __future__ import annotations

import os
from datetime import UTC
from pathlib import Path

from aico.core.usage import MeterReading, Rejection, RejectionCode
from aico.features.files.parsed import Parsed
from aico.features.sources.cline.ledger import LedgerParser

CANARY = "CANARY-prompt"
PARSER = LedgerParser(UTC)
GOOD_TS = 1_772_000_100_000


def reading(session: str, ts: int | None, model: str | None, tokens: tuple[int, int], cost: float) -> MeterReading:
    """Return the reading of a whole entry: tokens in and out, nothing of caches; its id may be its start."""
    started = int(session) if session.isdecimal() and len(session) == len(str(GOOD_TS)) else None
    counts = tokens[0], None, None, None, tokens[1], None
    return MeterReading(session, ts, model, *counts, cost, started_ts=started)


GOOD = reading("1772000000000", GOOD_TS, "moonshotai/kimi-k2.5", (1200, 340), 0.125)
"""The reading of :func:`entry` without arguments."""
_FIELDS = {
    "id": f'"{GOOD.session}"',
    "ts": f"{GOOD.ts}",
    "task": f'"{CANARY}"',
    "tokensIn": f"{GOOD.input}",
    "tokensOut": f"{GOOD.output}",
    "totalCost": f"{GOOD.cost_usd!r}",
    "modelId": f'"{GOOD.model}"',
}


def entry(**fields: str | bytes | None) -> bytes:
    """Return a good entry whose ``fields`` are replaced by raw JSON, added, or (None) left out."""
    parts = []
    for name, value in {**_FIELDS, **fields}.items():
        if value is not None:
            parts.append(f'"{name}":'.encode() + (value if isinstance(value, bytes) else value.encode()))
    return b"{" + b",".join(parts) + b"}"


def entry_of(usage: MeterReading) -> bytes:
    """Return the entry from which ``usage`` is read."""
    model = None if usage.model is None else f'"{usage.model}"'
    return entry(
        id=f'"{usage.session}"',
        ts=str(usage.ts),
        tokensIn=str(usage.input),
        tokensOut=str(usage.output),
        totalCost=repr(usage.cost_usd),
        modelId=model,
    )


def ledger(*elements: bytes) -> bytes:
    """Return the array of ``elements``."""
    return b"[" + b",".join(elements) + b"]"


def ledger_of(*usages: MeterReading) -> bytes:
    """Return the ledger from which ``usages`` are read."""
    return ledger(*map(entry_of, usages))


def tasks(count: int, *, first: int = 0) -> list[MeterReading]:
    """Return ``count`` different tasks; the later in the list, the later their ``ts``."""
    numbers = range(first, first + count)
    return [reading(f"task-{n:04}", GOOD_TS + n * 1000, f"model-{n % 3}", (n * 10, n), n / 8) for n in numbers]


def parse(data: bytes) -> Parsed:
    """Parse a copy of ``data``."""
    return PARSER.parse(bytearray(data))


def judged(element: bytes) -> MeterReading | tuple[RejectionCode, str | None]:
    """Return what a ledger of this one element says: a whole reading, or code and field of what cannot be used."""
    parsed = parse(ledger(element))
    unusable = parsed.rejections or parsed.partials
    if unusable:
        (first, *_) = unusable
        return first.code, first.field
    (record,) = parsed.records
    assert isinstance(record, MeterReading)
    return record


def partial(element: bytes) -> tuple[MeterReading, list[tuple[RejectionCode, str | None]]]:
    """Return the readings of a ledger of this one element, and code and field of each part that cannot be used."""
    parsed = parse(ledger(element))
    (record,) = parsed.records
    assert isinstance(record, MeterReading)
    assert parsed.partial_count == bool(parsed.partials)
    return record, [(each.code, each.field) for each in parsed.partials]


def rejections(*reasons: tuple[int, RejectionCode, str | None]) -> tuple[Rejection, ...]:
    """Return rejections written short."""
    return tuple(Rejection(*reason) for reason in reasons)


class LedgerFile:
    """Cline, as far as a reading is concerned: somebody who writes the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, data: bytes) -> None:
        """Truncate and write, long ago."""
        self.path.write_bytes(data)
        os.utime(self.path, (1_600_000_000, 1_600_000_000))
