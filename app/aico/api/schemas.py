"""The shapes of requests and answers. Money is US dollars, divided once from integer nano-dollars."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from aico.core.accounting import Amount
from aico.core.domain import UNKNOWN_MODEL, ImportReceipt, Store, Trigger
from aico.core.money import usd
from aico.core.usage_reader import SpentTask, Totals
from aico.features.usage.periods import Bucket
from aico.services.queries import SeriesPoint, UsagePage, UsageSummary


class Schema(BaseModel):
    """Immutable, and without room for what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ImportRequest(Schema):
    """The optional body of an import."""

    path: str | None = Field(default=None, description="Absent, null, or letter for letter the allowlisted path.")


class RejectionOut(Schema):
    """A refused entry of the ledger: where and why, never what it says."""

    index: int
    code: str
    field: str | None


class ReceiptOut(Schema):
    """The result of an import run."""

    imported_count: int = Field(description="Entries written: added and changed.")
    skipped_count: int = Field(description="Valid entries with nothing to do.")
    error_count: int = Field(description="Invalid entries.")
    latest_ts: int | None = Field(description="Greatest last activity of all tasks, epoch milliseconds.")
    added_count: int
    updated_count: int
    remaining_count: int = Field(description="Entries that follow at once, in further runs.")
    revision: int
    duration_ms: float
    rejections: list[RejectionOut] = Field(description="The first 20.")
    trigger: Trigger

    @classmethod
    def of(cls, receipt: ImportReceipt) -> Self:
        """Return the answer for ``receipt``."""
        return cls(
            imported_count=receipt.imported_count,
            skipped_count=receipt.skipped_count,
            error_count=receipt.error_count,
            latest_ts=receipt.latest_ts,
            added_count=receipt.added_count,
            updated_count=receipt.updated_count,
            remaining_count=receipt.remaining_count,
            revision=receipt.revision,
            duration_ms=receipt.duration_ms,
            rejections=[RejectionOut(index=r.index, code=r.code, field=r.field) for r in receipt.rejections],
            trigger=receipt.trigger,
        )


class SpentOut(Schema):
    """What was spent."""

    tokens_in: int
    tokens_out: int
    total_cost: float

    @classmethod
    def fields_of(cls, amount: Amount) -> dict[str, int | float]:
        """Return the three fields of ``amount``."""
        return {
            "tokens_in": amount.tokens_in,
            "tokens_out": amount.tokens_out,
            "total_cost": usd(amount.cost_nano_usd),
        }


class UsageItem(SpentOut):
    """A task: its own numbers are those of its whole life, ``spent`` is the part inside the filter."""

    task_id: str
    ts: int = Field(description="Last activity, epoch milliseconds.")
    model_id: str | None
    imported_at: int = Field(description="First seen, epoch milliseconds.")
    store: Store = Field(description="Where its numbers were read.")
    spent: SpentOut

    @classmethod
    def of(cls, task: SpentTask, store: Store) -> Self:
        """Return the item for ``task``."""
        spent = SpentOut.model_validate(SpentOut.fields_of(task.spent))
        return cls(**task.usage._asdict(), imported_at=task.imported_at, store=store, spent=spent)


class TotalsOut(SpentOut):
    """A sum with the tasks behind it."""

    task_count: int = Field(description="Distinct tasks.")
    unpriced_task_count: int = Field(description="Tasks that spent tokens at a recorded cost of 0.")

    @classmethod
    def of(cls, totals: Totals) -> Self:
        """Return the answer for ``totals``."""
        return cls.model_validate(
            {
                **cls.fields_of(totals.amount),
                "task_count": totals.task_count,
                "unpriced_task_count": totals.unpriced_task_count,
            }
        )


class UsageOut(Schema):
    """A page of tasks."""

    items: list[UsageItem]
    limit: int
    offset: int
    total: int = Field(description="Tasks on all pages.")
    totals: TotalsOut
    revision: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, page: UsagePage, limit: int, offset: int) -> Self:
        """Return the answer for ``page``."""
        return cls(
            items=[UsageItem.of(task, page.stores.get(task.usage.task_id, Store.LEDGER)) for task in page.items],
            limit=limit,
            offset=offset,
            total=page.totals.task_count,
            totals=TotalsOut.of(page.totals),
            revision=page.revision,
        )


class ModelTotalsOut(TotalsOut):
    """The sum of one model."""

    model_id: str | None = None


class SeriesPointOut(SpentOut):
    """One bucket."""

    start: int = Field(description="Epoch milliseconds.")
    cumulative_cost: float

    @classmethod
    def of(cls, point: SeriesPoint) -> Self:
        """Return the answer for ``point``."""
        fields = cls.fields_of(point.amount)
        return cls.model_validate(
            {"start": point.start_ms, "cumulative_cost": usd(point.cumulative_cost_nano_usd), **fields}
        )


class SummaryOut(BaseModel):
    """Sums of a stretch of time: all of them are made of the same deltas."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: int = Field(alias="from", description="Epoch milliseconds, rounded out to a quarter of an hour.")
    to: int = Field(description="Exclusive; rounded likewise.")
    tz: str
    bucket: Bucket
    exact_since: int | None = Field(description="From when on usage was observed as it happened, epoch milliseconds.")
    totals: TotalsOut
    previous: TotalsOut | None = Field(description="The equally long stretch before; null without `from`.")
    by_model: list[ModelTotalsOut]
    series: list[SeriesPointOut]
    revision: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, summary: UsageSummary, tz: str, exact_since: int | None) -> Self:
        """Return the answer for ``summary``."""
        models = [
            ModelTotalsOut(model_id=None if model == UNKNOWN_MODEL else model, **TotalsOut.of(totals).model_dump())
            for model, totals in summary.by_model.items()
        ]
        return cls(
            from_=summary.from_ms,
            to=summary.to_ms,
            tz=tz,
            bucket=summary.bucket,
            exact_since=exact_since,
            totals=TotalsOut.of(summary.totals),
            previous=None if summary.previous is None else TotalsOut.of(summary.previous),
            by_model=models,
            series=[SeriesPointOut.of(point) for point in summary.series],
            revision=summary.revision,
        )


class ProblemOut(Schema):
    """An error as of RFC 9457. It never holds text of the ledger."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
