"""The shapes of what a look at the page answers first. Money is divided here, once."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import ConfigDict, Field

from aico.core.money import usd
from aico.core.sums import Sums
from aico.features.usage.fields import sum_fields
from aico.services.glance import Glance, Heat
from aico.services.shapes import Schema, SumsOut
from aico.services.summary_fields import usd_or_none


class RangeOut(Schema):
    """Two amounts in US dollars between which something will probably be."""

    low_usd: float
    high_usd: float


class UsualOut(Schema):
    """A usual day of the same name, up to the same time of day."""

    cost_usd: float | None = Field(description="The median of up to eight; null before there are four.")
    days_needed: int = Field(description="Days until there are four.")


class LastUseOut(Schema):
    """When a model was last used."""

    at: int = Field(description="Epoch milliseconds.")
    source: str | None


class TodayOut(Schema):
    """The spending since local midnight."""

    day: date
    totals: SumsOut
    hours: list[float | None] = Field(
        description="Cost in US dollars of each local hour, those to come included; null: nobody says what it cost."
    )
    usual: UsualOut


class MonthOut(Schema):
    """The spending since the first of the month."""

    first: date
    last: date
    totals: SumsOut
    projected: RangeOut | None = Field(description="What it will probably come to; null in the first days.")


class OverviewOut(Schema):
    """Today and this month, of everything, whatever is filtered elsewhere."""

    at: int = Field(description="Epoch milliseconds.")
    tz: str
    today: TodayOut
    month: MonthOut
    last_use: LastUseOut | None
    database_id: str
    commit_seq: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, glance: Glance, tz: str) -> Self:
        """Return the shape of ``glance``."""
        overview = glance.overview
        day = overview.now.date()
        usual, projected = overview.usual, overview.projected
        last = overview.last_use_ms
        return cls(
            at=round(overview.now.timestamp() * 1000),
            tz=tz,
            today=TodayOut(
                day=day,
                totals=SumsOut.of(Sums.total(overview.today.values())),
                hours=[usd_or_none(sum_fields(point.sums).cost_nano) for point in glance.hours],
                usual=UsualOut(cost_usd=None if usual.nano is None else usd(usual.nano), days_needed=usual.days_needed),
            ),
            month=MonthOut(
                first=day.replace(day=1),
                last=overview.month_end,
                totals=SumsOut.of(Sums.total(overview.month.values())),
                projected=None
                if projected is None
                else RangeOut(low_usd=usd(projected.low), high_usd=usd(projected.high)),
            ),
            last_use=None if last is None else LastUseOut(at=last, source=glance.last_source),
            database_id=glance.epoch,
            commit_seq=glance.revision,
        )


class HeatOut(Schema):
    """When it was spent, as cells of equal meaning."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: int = Field(alias="from", description="Epoch milliseconds.")
    to: int = Field(description="Exclusive.")
    tz: str
    first: date | None = Field(description="By day: that of the first cell. Null: hours of a week, from Monday 00:00.")
    cost_usd: list[float | None] = Field(description="Null: something was used, and nobody says what it cost.")
    tokens: list[int] = Field(description="All kinds.")
    database_id: str
    commit_seq: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, heat: Heat, tz: str) -> Self:
        """Return the shape of ``heat``."""
        return cls(
            from_=heat.from_ms,
            to=heat.to_ms,
            tz=tz,
            first=heat.first,
            cost_usd=[usd_or_none(nano) for nano in heat.cost_nano],
            tokens=heat.tokens,
            database_id=heat.epoch,
            commit_seq=heat.revision,
        )
