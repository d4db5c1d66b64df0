"""The tables' shapes. Storage only: these classes accept wrong types, so they never carry a request or an answer."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

_CLUSTERED = {"sqlite_with_rowid": False}
"""Tables whose primary key is all that they are looked up by are stored inside that key: one tree less to write.

In the largest ones the newest comes first in the key (migration 0005): imports write it first, and a tree grows
soonest at its end. SQLModel cannot say that.
"""


class ClineTaskUsage(SQLModel, table=True):
    """The last known totals of each task of Cline's, as the ledger states them. Never deleted by an import."""

    __tablename__ = "cline_task_usage"
    __table_args__ = (_CLUSTERED,)

    task_id: str = Field(primary_key=True)
    ts: int = Field(index=True)
    """Last activity, epoch milliseconds."""
    model_id: str | None = None
    tokens_in: int
    tokens_out: int
    total_cost: float
    """US dollars, the ledger's own number."""
    imported_at: int
    """First seen, epoch milliseconds."""
    updated_at: int
    """Last written, epoch milliseconds."""


class UsageDelta(SQLModel, table=True):
    """What was spent when: one row per task, model and quarter of an hour, differences added up."""

    __tablename__ = "usage_delta"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    quarter: int = Field(primary_key=True)
    """Quarters of an hour since the epoch: ``ts // 900_000``. Early in the key: a period is one stretch of the tree."""
    task_id: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    """``''`` is the unknown model."""
    tokens_in: int
    tokens_out: int
    cost_nano_usd: int


class UsageRollup(SQLModel, table=True):
    """The deltas summed over tasks: serves sums over long periods. Current for a :class:`SummedSource`."""

    __tablename__ = "usage_rollup"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    quarter: int = Field(primary_key=True)
    model: str = Field(primary_key=True)
    tokens_in: int
    tokens_out: int
    cost_usd: int
    """Whole dollars; with ``cost_nano`` the exact sum. One column of nano-dollars would overflow at nine billion."""
    cost_nano: int
    """Nano-dollars besides the whole dollars; not normalised."""


class UsageTotal(SQLModel, table=True):
    """The deltas summed over all time, kept in the same transaction: serves the sums of everything."""

    __tablename__ = "usage_total"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    tokens_in: int
    tokens_out: int
    cost_usd: int
    """Whole dollars, as in the rollup."""
    cost_nano: int
    """Nano-dollars besides the whole dollars; not normalised."""


class UsageTaskDay(SQLModel, table=True):
    """The deltas summed by task, model and day: what periods are counted from. Current for a :class:`SummedSource`."""

    __tablename__ = "usage_task_day"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    day: int = Field(primary_key=True)
    """Days of UTC since the epoch: ``quarter // 96``."""
    model: str = Field(primary_key=True)
    """Before the task: a day's models are added up as they come."""
    task_id: str = Field(primary_key=True)
    tokens_in: int
    tokens_out: int
    cost_nano_usd: int


class UsageTaskModel(SQLModel, table=True):
    """The deltas summed by model and task: what models are counted from. Current for a :class:`SummedSource`."""

    __tablename__ = "usage_task_model"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    task_id: str = Field(primary_key=True)
    tokens_in: int
    tokens_out: int
    cost_nano_usd: int


class UsageCounter(SQLModel, table=True):
    """Growth above the highest totals that each task ever had: what a counter that never falls may show.

    The order of the rows is the order in which the models were first seen.
    """

    __tablename__ = "usage_counter"

    source: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    tokens_in: int
    tokens_out: int
    cost_usd: int
    """Whole dollars; with ``cost_nano`` the exact sum. One column of nano-dollars would overflow at nine billion."""
    cost_nano: int
    """Nano-dollars besides the whole dollars; not normalised."""


class TaskPeak(SQLModel, table=True):
    """The highest totals of a task whose row is below them now, or not there since a backup was restored."""

    __tablename__ = "task_peak"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    task_id: str = Field(primary_key=True)
    tokens_in: int
    tokens_out: int
    cost_nano_usd: int


class TaskStore(SQLModel, table=True):
    """Where a task's row was read from, for tasks of any store but the source's first; the others have no row here."""

    __tablename__ = "task_store"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    task_id: str = Field(primary_key=True)
    store: str


class StoreReading(SQLModel, table=True):
    """The last reading of a store whose end was committed."""

    __tablename__ = "store_reading"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    epoch: str
    """The database that took it; one that was restored or from which tasks were removed is another."""
    identity: str
    """What ``stat`` said of the store, as text; compared by inequality only."""


class ForgottenTask(SQLModel, table=True):
    """A task whose usage was removed on request: the next import shall not bring it back."""

    __tablename__ = "forgotten_task"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    task_id: str = Field(primary_key=True)
    forgotten_at: int
    """Epoch milliseconds."""


class ImportRun(SQLModel, table=True):
    """A reading that changed something, or a failure when it began or ended. The last 10,000 are kept."""

    __tablename__ = "import_run"

    id: int | None = Field(default=None, primary_key=True)
    source: str
    trigger: str
    finished_at: int
    """Epoch milliseconds."""
    duration_ms: float
    added_count: int = 0
    updated_count: int = 0
    skipped_count: int = 0
    error_count: int = 0
    remaining_count: int = 0
    revision: int | None = None
    """None when the run committed no change."""
    error_code: str | None = None
    """None when the run succeeded."""


class DatabaseState(SQLModel, table=True):
    """One row: the identity of this database and the number of its last committed change."""

    __tablename__ = "database_state"

    id: int = Field(default=1, primary_key=True)
    epoch: str
    """Random identity of this database; a restored or new one has another."""
    revision: int
    """Gapless number of committed changes."""


class SourceState(SQLModel, table=True):
    """One row per source: since when its usage is observed as it happens."""

    __tablename__ = "source_state"

    source: str = Field(primary_key=True)
    exact_since: int
    """End of the first import, epoch milliseconds."""


class SummedSource(SQLModel, table=True):
    """A source whose derived sums are current: rollup, sums by task. A large import takes the row away for a while."""

    __tablename__ = "summed_source"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
