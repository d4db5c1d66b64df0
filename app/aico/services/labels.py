"""The user's own names of sessions: written, and told to every page."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from aico.core.db.writer import UsageWriter
from aico.core.receipts import UsageCommitted

LABEL_MAX = 200
"""Characters of a label."""
_REFUSED = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, halves of a character, and ends of lines."""
_TURNING = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
"""Characters that turn the direction of the text behind them, so that it reads as another."""


def clean_label(text: str | None) -> str | None:
    """Return ``text`` as a label, without blanks around it; None for a blank one. Raises ValueError with the reason."""
    label = (text or "").strip()
    if len(label) > LABEL_MAX:
        raise ValueError(f"must have at most {LABEL_MAX} characters")
    if any(unicodedata.category(character) in _REFUSED or character in _TURNING for character in label):
        raise ValueError("must not hold control characters")
    return label or None


async def set_label(
    writer: UsageWriter, publish: Callable[[UsageCommitted], None], source: str, session: str, label: str | None
) -> None:
    """Name a session, or take its name away, and tell it. Raises SessionUnknown, StorageBusy, StorageError."""
    committed = await writer.set_label(source, session, label)
    if committed is not None:
        # Nothing is awaited in between: revisions are published in the order in which they were committed.
        publish(committed)
