"""The shapes of the answers about the service itself."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from aico.api.schemas import ReceiptOut
from aico.core.db.upkeep.recovery import Recovery
from aico.core.events import WatcherState
from aico.core.receipts import ImportReceipt
from aico.core.telemetry import Outcome
from aico.core.usage import Trigger
from aico.services.currency import CurrencyOut
from aico.services.export_state import ExportState
from aico.services.kimi_monitor import KimiProxyState, Reason, State
from aico.services.price_shapes import PricingOut
from aico.services.projects import ProjectsOut
from aico.services.shapes import RejectionOut, Schema
from aico.services.source_shapes import OriginOut, SourceOut
from aico.services.status import SessionsStatus


class LastImportOut(Schema):
    """The last completed reading, also when nothing changed."""

    at: int = Field(description="Epoch milliseconds.")
    trigger: Trigger
    imported_count: int
    added_count: int
    updated_count: int
    skipped_count: int
    error_count: int
    partial_count: int
    remaining_count: int
    duration_ms: float
    rejections: list[RejectionOut]

    @classmethod
    def of(cls, receipt: ImportReceipt) -> Self:
        """Return the answer for ``receipt``."""
        shared = ReceiptOut.of(receipt).model_dump(exclude={"latest_ts", "revision"})
        return cls(at=receipt.finished_at_ms, **shared)


class SourceImportOut(LastImportOut):
    """The last completed reading of any source."""

    source: str
    origin: str

    @classmethod
    def of(cls, receipt: ImportReceipt) -> Self:
        """Return the answer for ``receipt``."""
        return cls(source=receipt.source, origin=receipt.origin, **LastImportOut.of(receipt).model_dump())


class WatcherOut(Schema):
    """The state of the watcher, its beginning, and the fault if there is one."""

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
    frozen_since: int | None = Field(description="The same, when that is so long ago that Cline may write elsewhere.")


class SessionsOut(Schema):
    """The session store, where it is asked for."""

    path: str
    exists: bool
    size_bytes: int | None
    written_at: int | None = Field(description="Epoch milliseconds.")
    watcher: WatcherOut
    problem: str | None = Field(description="What is wrong, in a sentence; never a word of the store.")
    missing: list[str] = Field(description="With the reason `sessions_format`: the table or columns that it lacks.")
    task_count: int = Field(description="Tasks whose numbers were read there.")
    last_import: LastImportOut | None

    @classmethod
    def of(cls, sessions: SessionsStatus) -> Self:
        """Return the answer for ``sessions``."""
        look, state, receipt = sessions.look, sessions.state, sessions.last_receipt
        return cls(
            path=sessions.path,
            exists=look is not None,
            size_bytes=None if look is None else look.size_bytes,
            written_at=None if look is None else look.written_ns // 1_000_000,
            watcher=WatcherOut(state=state.state, since=state.since_ms, reason=state.reason),
            problem=sessions.problem,
            missing=list(sessions.missing),
            task_count=sessions.task_count,
            last_import=None if receipt is None else LastImportOut.of(receipt),
        )


class BudgetOut(Schema):
    """The amounts that the operator means to spend."""

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


class OtlpOut(Schema):
    """How the way out to the collector is that is configured. Never its token."""

    endpoint: str = Field(description="Host and port.")
    state: Outcome | None = Field(description="What became of the last export; null before the first.")
    since: int | None = Field(description="Epoch milliseconds.")
    accepted_at: int | None = Field(description="When the collector took an export last, epoch milliseconds.")

    @classmethod
    def of(cls, state: ExportState) -> Self:
        """Return the answer for ``state``."""
        return cls(endpoint=state.endpoint, state=state.outcome, since=state.since_ms, accepted_at=state.accepted_at_ms)


class RecoveryOut(Schema):
    """A lost database that was replaced, for as long as the lost file lies beside the new one."""

    at: int = Field(description="Epoch milliseconds.")
    set_aside: str = Field(description="Name of the lost file.")
    backup: str | None = Field(description="Name of the backup that took its place.")
    backup_at: int | None = Field(description="When that backup was made, epoch milliseconds.")
    text: str = Field(description="What happened and what may be missing.")

    @classmethod
    def of(cls, recovery: Recovery) -> Self:
        """Return the answer for ``recovery``."""
        return cls(
            at=recovery.at_ms,
            set_aside=recovery.set_aside,
            backup=recovery.backup,
            backup_at=recovery.backup_at_ms,
            text=recovery.describe(),
        )


class StatusOut(Schema):
    """How the service is, for all sources."""

    latest_ts: int | None = Field(description="Greatest last activity of all sessions, epoch milliseconds.")
    last_import: SourceImportOut | None = Field(description="The last completed reading of any source.")
    sources: list[SourceOut]
    database_id: str
    commit_seq: int
    recovery: RecoveryOut | None
    currency: CurrencyOut | None = Field(description="What amounts are shown in; null: US dollars, as here.")
    pricing: PricingOut | None = Field(
        description="How far the present prices were brought to what is stored; null: to all of it."
    )
    kimi_proxy: KimiProxyOut | None
    otlp: OtlpOut | None = Field(description="Null unless an endpoint is set.")
    projects: ProjectsOut
    numbers_go_to: list[str] = Field(
        description="Hosts, with their ports, that numbers are sent to: the collector's, the webhook's."
    )
    command: str = Field(description="What starts `aico` from any folder of this machine, as a shell takes it.")
    demo: bool
    version: str


class TaskStatusOut(Schema):
    """How the service is, as far as Cline goes."""

    latest_ts: int | None
    task_count: int
    last_import: LastImportOut | None
    watcher: WatcherOut
    ledger: LedgerOut
    sessions: SessionsOut | None = Field(description="Null unless the session store is read.")
    origins: list[OriginOut] = Field(description="Everything of Cline's that can be read: how it is, on or off.")
    revision: int
    epoch: str
    exact_since: int | None
    recovery: RecoveryOut | None
    kimi_proxy: KimiProxyOut | None
    budget: BudgetOut
    demo: bool
    version: str


class HealthOut(Schema):
    """The health of the process, or of all that it needs."""

    status: Literal["ok", "unavailable"]
    reasons: list[str] = Field(default_factory=list, description="Codes; empty when all is well.")
