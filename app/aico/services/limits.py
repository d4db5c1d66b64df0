"""What is known of the limits of plans: windows as the tools state them, never added to a sum."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from aico.core.db.reader import StoredPlanWindow, UsageReader
from aico.services.shapes import Schema


class LimitOut(Schema):
    """A window of a plan's limit, as it was told last."""

    source: str
    plan: str = Field(description="The tool's own name of the limit; empty where it has none.")
    window: str = Field(description="The tool's own name of the window.")
    window_minutes: int | None
    used_share: float | None = Field(
        description="1 is all of it. Null once the window has begun anew: what was used since is not known."
    )
    resets_at: int | None = Field(description="When the window begins anew, epoch milliseconds.")
    origin: Literal["tool"] = Field(description="Who says so: the tool itself.")
    as_of: int = Field(description="When the tool wrote it, epoch milliseconds.")

    @classmethod
    def of(cls, window: StoredPlanWindow, now_ms: int) -> Self:
        """Return the shape of ``window``."""
        is_over = window.resets_at is not None and window.resets_at <= now_ms
        return cls(
            source=window.source,
            plan=window.plan,
            window=window.name,
            window_minutes=window.minutes,
            used_share=None if is_over else window.used_hundredths / 10_000,
            resets_at=window.resets_at,
            origin="tool",
            as_of=window.at,
        )


async def list_limits(reader: UsageReader, now_ms: int) -> list[LimitOut]:
    """Return every known window. Raises StorageBusy, StorageError."""
    async with reader.snapshot() as snapshot:
        return [LimitOut.of(window, now_ms) for window in await snapshot.list_plan_windows()]
