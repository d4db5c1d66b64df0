"""The old shapes of Cline's tasks, in answers and messages: a thin layer over sessions and sums."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from aico.core.db.reader import ClineRow, StoredSession
from aico.core.money import usd
from aico.core.receipts import FreshSession
from aico.core.sums import Sums
from aico.features.usage.periods import Bucket
from aico.services.queries import CLINE, SessionPage
from aico.services.shapes import Schema, StateName, state_name, stored_session
from aico.services.summary import Counted, SeriesPoint, UsageSummary
from aico.services.summary_fields import Fields

LEDGER = "ledger"
"""The store of a task whose numbers no other one states."""


class SpentOut(Schema):
    """Tokens and cost spent."""

    tokens_in: int
    tokens_out: int
    total_cost: float


class UsageItem(SpentOut):
    """A task: its own numbers are those of its whole life, ``spent`` is the part inside the filter."""

    task_id: str
    ts: int = Field(description="Last activity, epoch milliseconds.")
    model_id: str | None
    imported_at: int = Field(description="First seen, epoch milliseconds.")
    store: str = Field(description="Where its numbers were read: ledger, sessions, hub.")
    spent: SpentOut
    state: StateName | None = Field(description="Null: Cline does not tell.")
    has_fallen: bool = Field(description="Cline shows less now than it once did.")
    unknown: list[str] = Field(description="Names of fields that could not be used.")
    unstated: list[str] = Field(description="Which of the three numbers are 0 because nothing is known of them.")


class TotalsOut(SpentOut):
    """A sum with the tasks behind it."""

    task_count: int = Field(description="Distinct tasks.")
    unpriced_task_count: int = Field(description="Tasks that spent tokens at a recorded cost of 0.")
    unmeasured_count: int = Field(description="Running totals and requests of which no number is known.")

    @classmethod
    def of(cls, totals: Counted) -> Self:
        """Return the answer for ``totals``."""
        return cls.model_validate(totals_fields(totals))


class UsageOut(Schema):
    """A page of tasks."""

    items: list[UsageItem]
    limit: int
    offset: int
    total: int = Field(description="Tasks on all pages.")
    totals: TotalsOut
    revision: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, page: SessionPage, limit: int, offset: int) -> Self:
        """Return the answer for ``page``."""
        return cls(
            items=[
                UsageItem.model_validate(task_fields(session, page.task_rows.get(session.key), session.spent))
                for session in page.items
            ],
            limit=limit,
            offset=offset,
            total=page.totals.counts.sessions,
            totals=TotalsOut.of(page.totals),
            revision=page.revision,
        )


class ModelTotalsOut(TotalsOut):
    """The sum of one model."""

    model_id: str | None = None


class TaskSeriesPointOut(SpentOut):
    """One bucket."""

    start: int = Field(description="Epoch milliseconds.")
    cumulative_cost: float

    @classmethod
    def of(cls, point: SeriesPoint) -> Self:
        """Return the answer for ``point``."""
        return cls.model_validate(
            {"start": point.start_ms, "cumulative_cost": usd(point.cumulative_nano), **spent_fields(point.sums)}
        )


class TaskSummaryOut(BaseModel):
    """Sums of a stretch of time: all of them are made of the same events."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    from_: int = Field(alias="from", description="Epoch milliseconds, rounded out to a quarter of an hour.")
    to: int = Field(description="Exclusive; rounded likewise.")
    tz: str
    bucket: Bucket
    exact_since: int | None = Field(description="From when on usage was observed as it happened, epoch milliseconds.")
    totals: TotalsOut
    previous: TotalsOut | None = Field(description="The equally long stretch before; null without `from`.")
    by_model: list[ModelTotalsOut]
    series: list[TaskSeriesPointOut]
    revision: int = Field(description="Number of the last committed change that is contained.")

    @classmethod
    def of(cls, summary: UsageSummary, tz: str) -> Self:
        """Return the answer for ``summary``, which is told apart by model."""
        models = [
            ModelTotalsOut.model_validate({"model_id": model or None, **totals_fields(group)})
            for (model,), group in summary.groups.items()
        ]
        return cls(
            from_=summary.from_ms,
            to=summary.to_ms,
            tz=tz,
            bucket=summary.bucket,
            exact_since=summary.exact_since.get(CLINE),
            totals=TotalsOut.of(summary.totals),
            previous=None if summary.previous is None else TotalsOut.of(summary.previous),
            by_model=models,
            series=[TaskSeriesPointOut.of(point) for point in summary.series],
            revision=summary.revision,
        )


def spent_fields(sums: Sums) -> Fields:
    """Return a sum in the three old fields; dollars are divided here, once, from the integer."""
    return {"tokens_in": sums.get("input"), "tokens_out": sums.get("output"), "total_cost": usd(sums.cost_nano)}


def totals_fields(totals: Counted) -> Fields:
    """Return a sum with the tasks behind it."""
    counts = totals.counts
    return {
        **spent_fields(totals.sums),
        "task_count": counts.sessions,
        "unpriced_task_count": counts.unpriced,
        "unmeasured_count": totals.sums.get("unmeasured"),
    }


def task_fields(session: StoredSession, row: ClineRow | None, spent: Sums) -> Fields:
    """Return a task as it stands in pages and messages; ``row`` is None for one that states no running total."""
    if row is None:
        own = {"ts": session.last_ts, "model_id": session.model or None, **spent_fields(session.total)}
        own |= {"imported_at": session.seen_at}
    else:
        own = {
            "ts": row.ts,
            "model_id": row.model_id,
            "tokens_in": row.tokens_in,
            "tokens_out": row.tokens_out,
            "total_cost": row.total_cost,
            "imported_at": row.imported_at,
        }
    return {
        "task_id": session.key,
        **own,
        "store": session.origin or LEDGER,
        "spent": spent_fields(spent),
        "state": state_name(session.state),
        "has_fallen": session.has_fallen,
        "unknown": list(session.unknown),
        "unstated": _list_unstated(session),
    }


def _list_unstated(session: StoredSession) -> list[str]:
    """Return the names of the three old numbers that are 0 where the tool states none."""
    total = session.total
    if session.stated is None:
        is_silent = total.get("unmeasured") > 0 and total.token_count == 0 and total.cost_nano == 0
        return list(SpentOut.model_fields) if is_silent else []
    stated = (session.stated.input, session.stated.output, session.stated_nano)
    spent = spent_fields(total)
    return [
        name for name, number in zip(SpentOut.model_fields, stated, strict=True) if number is None and not spent[name]
    ]


def fresh_task_fields(fresh: FreshSession) -> Fields:
    """Return a task that a commit has changed; its ``spent`` is unfiltered: the task's whole."""
    row = None
    if fresh.stated is not None:
        row = ClineRow(
            task_id=fresh.session,
            ts=fresh.last_ts,
            model_id=fresh.model or None,
            tokens_in=fresh.stated.input or 0,
            tokens_out=fresh.stated.output or 0,
            total_cost=fresh.stated_usd or 0.0,
            imported_at=fresh.seen_at,
        )
    return task_fields(stored_session(fresh), row, fresh.total)
