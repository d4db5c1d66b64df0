"""The shape of what is known of limits: never added to a sum."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from aico.services.limit_windows import LimitOrigin, LimitWindow
from aico.services.shapes import Schema
from aico.services.summary_fields import usd_or_none


class LimitOut(Schema):
    """A window of a limit."""

    source: str | None = Field(description="Null: a budget of every source.")
    plan: str = Field(description="The tool's own name of the limit, or that of a budget; empty where it has none.")
    window: str = Field(
        description="The tool's own name of the window; `five_hours` or `week` of an estimate; a budget's period."
    )
    window_minutes: int | None
    used_share: float | None = Field(
        description="1 is all of it. Null once a tool's window has begun anew, where no limit is stated, or where "
        "`used_usd` is not known."
    )
    used_usd: float | None = Field(
        description="Of an estimate the value at list prices, or the cost of a tool without such a value; of a budget "
        "money. Null where a tool states a share, or no price is known."
    )
    limit_usd: float | None = Field(description="What the user has stated.")
    tokens: int | None = Field(description="Of an estimate: all kinds.")
    at_least: bool = Field(description="Something inside has no price or no tokens.")
    started_at: int | None = Field(description="Epoch milliseconds, as are all moments.")
    resets_at: int | None = Field(description="When the window begins anew.")
    origin: LimitOrigin = Field(description="Who says so: the tool itself, our estimate, or a budget of the user's.")
    as_of: int = Field(description="When the tool wrote it, or now.")
    usd_per_hour: float | None = Field(description="What was used in the last 60 minutes; null if it is not known.")
    reached_at: int | None = Field(
        description="When all of it is used at that rate; null: not before it begins anew, or not known."
    )

    @classmethod
    def of(cls, window: LimitWindow) -> Self:
        """Return the shape of ``window``."""
        return cls(
            source=window.source,
            plan=window.plan,
            window=window.window,
            window_minutes=window.window_minutes,
            used_share=window.used_share,
            used_usd=usd_or_none(window.used_nano),
            limit_usd=usd_or_none(window.limit_nano),
            tokens=window.tokens,
            at_least=window.is_at_least,
            started_at=window.started_at,
            resets_at=window.resets_at,
            origin=window.origin,
            as_of=window.as_of,
            usd_per_hour=usd_or_none(window.per_hour_nano),
            reached_at=window.reached_at,
        )
