"""The shapes of the answers about the service itself."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from app.api.schemas import ReceiptOut, RejectionOut, Schema
from app.core.domain import ImportReceipt, Trigger
from app.core.events import WatcherState
from app.services.kimi_monitor import KimiProxyState, Reason, State


class LastImportOut(Schema):
    """The last completed reading, also when nothing changed."""

    at: int = Field(description="Epoch milliseconds.")
    trigger: Trigger
    imported_count: int
    added_count: int
    updated_count: int
    skipped_count: int
    error_count: int
    remaining_count: int
    duration_ms: float
    rejections: list[RejectionOut]

    @classmethod
    def of(cls, receipt: ImportReceipt) -> Self:
        """Return the answer for ``receipt``."""
        shared = ReceiptOut.of(receipt).model_dump(exclude={"latest_ts", "revision"})
        return cls(at=receipt.finished_at_ms, **shared)


class WatcherOut(Schema):
    """What the watcher does, since when, and what is wrong."""

    state: WatcherState
    since: int
    reason: str | None


class LedgerOut(Schema):
    """The allowlisted file."""

    path: str
    chosen_by: str
    exists: bool
    size_bytes: int | None
    written_at: int | None = Field(description="Epoch milliseconds.")


class BudgetOut(Schema):
    """What the operator means to spend."""

    daily_usd: float | None
    monthly_usd: float | None


class KimiProxyOut(Schema):
    """The health of the Kimi Proxy that is configured."""

    state: State
    reason: Reason | None = Field(description="With `up`: it is up, but refuses the secret.")
    since: int | None = Field(description="Epoch milliseconds.")

    @classmethod
    def of(cls, proxy: KimiProxyState) -> Self:
        """Return the answer for ``proxy``."""
        return cls(state=proxy.state, reason=proxy.reason, since=proxy.since_ms)


class StatusOut(Schema):
    """How the service is."""

    latest_ts: int | None
    task_count: int
    last_import: LastImportOut | None
    watcher: WatcherOut
    ledger: LedgerOut
    revision: int
    epoch: str
    exact_since: int | None
    kimi_proxy: KimiProxyOut | None
    budget: BudgetOut
    demo: bool
    version: str


class HealthOut(Schema):
    """Whether the process, or all that it needs, is well."""

    status: Literal["ok", "unavailable"]
    reasons: list[str] = Field(default_factory=list, description="Codes; empty when all is well.")
