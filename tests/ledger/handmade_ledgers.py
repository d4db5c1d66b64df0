"""Ledgers as bytes, built by hand so that a test can say exactly what stands in the file. No I/O."""

from __future__ import annotations

from aico.core.domain import Rejection, RejectionCode, TaskUsage
from aico.features.ledger.parser import ParsedLedger, parse_ledger

CANARY = "CANARY-prompt"
GOOD = TaskUsage("1772000000000", 1_772_000_100_000, "moonshotai/kimi-k2.5", 1200, 340, 0.125)
"""What :func:`entry` says when nothing is asked of it."""
_FIELDS = {
    "id": f'"{GOOD.task_id}"',
    "ts": f"{GOOD.ts}",
    "task": f'"{CANARY}"',
    "tokensIn": f"{GOOD.tokens_in}",
    "tokensOut": f"{GOOD.tokens_out}",
    "totalCost": f"{GOOD.total_cost!r}",
    "modelId": f'"{GOOD.model_id}"',
}


def entry(**fields: str | bytes | None) -> bytes:
    """Return a good entry whose ``fields`` are replaced by raw JSON, added, or (None) left out."""
    parts = []
    for name, value in {**_FIELDS, **fields}.items():
        if value is not None:
            parts.append(f'"{name}":'.encode() + (value if isinstance(value, bytes) else value.encode()))
    return b"{" + b",".join(parts) + b"}"


def entry_of(usage: TaskUsage) -> bytes:
    """Return the entry from which ``usage`` is read."""
    model = None if usage.model_id is None else f'"{usage.model_id}"'
    return entry(
        id=f'"{usage.task_id}"',
        ts=str(usage.ts),
        tokensIn=str(usage.tokens_in),
        tokensOut=str(usage.tokens_out),
        totalCost=repr(usage.total_cost),
        modelId=model,
    )


def ledger(*elements: bytes) -> bytes:
    """Return the array of ``elements``."""
    return b"[" + b",".join(elements) + b"]"


def ledger_of(*usages: TaskUsage) -> bytes:
    """Return the ledger from which ``usages`` are read."""
    return ledger(*map(entry_of, usages))


def tasks(count: int, *, first: int = 0) -> list[TaskUsage]:
    """Return ``count`` different tasks; the later in the list, the later their ``ts``."""
    numbers = range(first, first + count)
    return [TaskUsage(f"task-{n:04}", GOOD.ts + n * 1000, f"model-{n % 3}", n * 10, n, n / 8) for n in numbers]


def parse(data: bytes) -> ParsedLedger:
    """Parse a copy of ``data``."""
    return parse_ledger(bytearray(data))


def judged(element: bytes) -> TaskUsage | tuple[RejectionCode, str | None]:
    """Return what a ledger of this one element says: its value, or code and field of its rejection."""
    parsed = parse(ledger(element))
    if parsed.entries:
        (usage,) = parsed.entries
        return usage
    (rejection,) = parsed.rejections
    return rejection.code, rejection.field


def length_of(parsed: ParsedLedger) -> int:
    """Return the length of the array, as the parser's counts say it."""
    return len(parsed.entries) + parsed.duplicate_count + len(parsed.rejections)


def rejections(*reasons: tuple[int, RejectionCode, str | None]) -> tuple[Rejection, ...]:
    """Return rejections written short."""
    return tuple(Rejection(*reason) for reason in reasons)
