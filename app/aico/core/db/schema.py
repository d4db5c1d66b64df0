"""The tables' shapes. Storage only: these classes accept wrong types, so they never carry a request or an answer."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Field, Index, SQLModel, UniqueConstraint

_CLUSTERED = {"sqlite_with_rowid": False}
"""Tables that are looked up by their primary key are stored inside that key: one tree less to write."""


class _Sums(SQLModel):
    """The columns of every table of sums: :data:`aico.core.sums.SUM_COLUMNS`."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    requests: int
    prompts: int
    unpriced: int
    unmeasured: int
    interrupted: int
    at_least: int
    lacking_cache: int
    partial: int
    recorded_usd: int
    """Whole dollars; with ``recorded_nano`` the exact sum."""
    recorded_nano: int
    """Nano-dollars besides the whole dollars; not normalised."""
    own_usd: int
    own_nano: int
    listed_usd: int
    listed_nano: int
    list_usd: int
    list_nano: int


class _Tokens(SQLModel):
    """Tokens by kind as a tool tells them: NULL is unknown."""

    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None


# Keys of clustered tables are classes of their own, so that their columns come first: SQLite before 3.41 takes the
# other columns of such a table for NULL when it checks a database. Columns of the last base come first.


class _ModelKey(SQLModel):
    source: int = Field(primary_key=True)
    model: int = Field(primary_key=True)


class _SlotKey(SQLModel):
    source: int = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    """``ts // 900_000``."""
    model: int = Field(primary_key=True)


class _DayKey(SQLModel):
    source: int = Field(primary_key=True)
    day: int = Field(primary_key=True)
    """Days of UTC since the epoch: ``slot // 96``."""
    model: int = Field(primary_key=True)


class _SessionDayKey(SQLModel):
    source: int = Field(primary_key=True)
    day: int = Field(primary_key=True)
    session: int = Field(primary_key=True)
    model: int = Field(primary_key=True)


class _GapKey(SQLModel):
    session: int = Field(primary_key=True)
    model: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    at: int = Field(primary_key=True)
    """Of a total, its moment; 0 where a gap itself is known."""


class Source(SQLModel, table=True):
    """A tool whose usage is stored. Its number stands in every larger key."""

    __tablename__ = "source"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    exact_since: int | None = None
    """The end of its first reading, epoch milliseconds: from then on usage is seen as it happens."""


class Origin(SQLModel, table=True):
    """A kind of place in which a tool writes usage."""

    __tablename__ = "origin"
    __table_args__ = (UniqueConstraint("source", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    source: int
    name: str


class Model(SQLModel, table=True):
    """A model, in the order in which the models were first seen. ``''`` is the unknown model."""

    __tablename__ = "model"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)


class PriceRef(SQLModel, table=True):
    """The sources of list prices."""

    __tablename__ = "price_ref"
    __table_args__ = (UniqueConstraint("list", "entry"),)

    id: int | None = Field(default=None, primary_key=True)
    list: str
    """The list and its version."""
    entry: str
    """Seller and model, divided by a slash; and by what its prices were multiplied."""


class PriceList(SQLModel, table=True):
    """One row: the list that was asked last for the price of everything that had none."""

    __tablename__ = "price_list"
    __table_args__ = (_CLUSTERED,)

    name: str = Field(primary_key=True)
    """The list and its version."""
    asked_at: int
    """When that ended, epoch milliseconds."""


class OwnPrice(SQLModel, table=True):
    """A price that the user set: see :class:`aico.core.own_prices.OwnPrice`. Those of the settings are not here."""

    __tablename__ = "own_price"
    __table_args__ = (_CLUSTERED,)

    model: str = Field(primary_key=True)
    valid_from: int = Field(primary_key=True)
    """Days since 1970, UTC; 0 is always."""
    input: int
    """Micro-dollars a million tokens, as are all of them."""
    output: int
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None


class PricingJob(SQLModel, table=True):
    """How far prices were brought to the stored events: a start goes on where the last one was ended."""

    __tablename__ = "pricing_job"
    __table_args__ = (_CLUSTERED,)

    name: str = Field(primary_key=True)
    goal: str
    """The prices that the events get: a digest of the own prices, or the name of a list."""
    source: int
    """The last source that was begun."""
    after: int
    """The last of its events that was looked at."""
    is_done: bool


class PriceReview(SQLModel, table=True):
    """A newer list that the user let replace the prices of older ones, and the change by that."""

    __tablename__ = "price_review"

    id: int | None = Field(default=None, primary_key=True)
    at: int
    """When it ended, epoch milliseconds."""
    list: str
    """The list and its version."""
    requests: int
    """Requests whose list price is another one now."""
    before_usd: int
    before_nano: int
    after_usd: int
    after_nano: int


class CountedCost(SQLModel, table=True):
    """The cost at which counters have counted an event whose price has changed since: they never count it again."""

    __tablename__ = "counted_cost"
    __table_args__ = (_CLUSTERED,)

    event: int = Field(primary_key=True)
    basis: int
    """The place, in :data:`aico.core.sums.COST_PARTS`, of the side that stated it."""
    nano: int


class Rate(SQLModel, table=True):
    """At most one row: the currency that amounts are shown in, at the user's own rate."""

    __tablename__ = "rate"
    __table_args__ = (_CLUSTERED,)

    code: str = Field(primary_key=True)
    """Three capital letters."""
    per_usd: str
    """Of its units in a US dollar, in decimal digits."""
    as_of: int
    """The day of the rate: days since 1970."""


class Session(SQLModel, table=True):
    """A session of a tool: a task of Cline's, a thread, a conversation. Never deleted by an import."""

    __tablename__ = "session"
    __table_args__ = (
        UniqueConstraint("source", "key"),
        Index("ix_session_last", "source", "last_ts"),
        Index("ix_session_parent", "source", "parent_key", sqlite_where=text("parent_key IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: int
    key: str
    """The tool's own id."""
    parent_key: str | None = None
    """The session that started this one."""
    first_ts: int
    """Epoch milliseconds, as are all moments."""
    last_ts: int
    model: int
    """The model that was used last."""
    state: int
    """See :class:`aico.core.usage.SessionState`."""
    seen_at: int
    """When it was first stored."""
    label: str | None = None
    """The user's own name for it."""
    project: str | None = None
    """The last name of its working folder, only if the user asks for that."""


class UsageEvent(_Tokens, table=True):
    """Usage at one moment: a request, or the growth of a running total within a slot. Never deleted by an import."""

    __tablename__ = "usage_event"
    __table_args__ = (
        UniqueConstraint("source", "kind", "key_high", "key_low"),
        Index("ix_usage_event_session", "session", "ts"),
        Index("ix_usage_event_ts", "ts"),
        Index("ix_usage_event_open", "source", "ts", sqlite_where=text("state = 1")),
        Index("ix_usage_event_own", "source", sqlite_where=text("own_nano IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: int
    kind: int
    """See :data:`aico.core.sums.REQUEST` and its neighbours."""
    key_high: int
    key_low: int
    """The key, 16 bytes as two signed integers."""
    origin: int
    session: int
    ts: int
    model: int
    recorded_nano: int | None = None
    """The tool's own cost. NULL in all three costs is unpriced."""
    own_nano: int | None = None
    """At the user's own price, where the tool states no cost."""
    list_nano: int | None = None
    price_ref: int | None = None
    """The source of the list price, see :class:`PriceRef`; NULL: there is no list price."""
    context: str = ""
    state: int
    """See :class:`aico.core.usage.RequestState`."""
    unknown: str = ""
    """Names of fields that could not be used, divided by blanks."""
    claim: int | None = None
    """How well it is known that the session made it, 0 the best; NULL where the tool copies no request."""


class Meter(SQLModel, table=True):
    """The running total of a session as its tool states it, and its high water."""

    __tablename__ = "meter"
    __table_args__ = (_CLUSTERED,)

    session: int = Field(primary_key=True)
    origin: int = Field(primary_key=True)
    last_input: int | None = None
    last_cache_read: int | None = None
    last_cache_write_5m: int | None = None
    last_cache_write_1h: int | None = None
    last_output: int | None = None
    last_reasoning: int | None = None
    last_nano: int | None = None
    high_input: int | None = None
    high_cache_read: int | None = None
    high_cache_write_5m: int | None = None
    high_cache_write_1h: int | None = None
    high_output: int | None = None
    high_reasoning: int | None = None
    high_nano: int | None = None
    unknown: str = ""
    is_joint: bool = False
    stated_by: int
    """The origin whose word counts; see :class:`aico.core.metering.Meter`."""


class Inherited(SQLModel, table=True):
    """The beginning of a forked session's running total: the other session has spent that."""

    __table_args__ = (_CLUSTERED,)

    source: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    """The fork's."""
    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    nano: int | None = None


class UsageSlot(_Sums, _SlotKey, table=True):
    """The events summed over sessions, by slot of 15 minutes and model."""

    __tablename__ = "usage_slot"
    __table_args__ = (_CLUSTERED,)


class UsageDay(_Sums, _DayKey, table=True):
    """The slots summed by day: long stretches are read from here, and only their ends from the slots."""

    __tablename__ = "usage_day"
    __table_args__ = (_CLUSTERED,)


class UsageSessionDay(_Sums, _SessionDayKey, table=True):
    """The events summed by session, day and model: sessions and periods are counted from these."""

    __tablename__ = "usage_session_day"
    __table_args__ = (Index("ix_usage_session_day_session", "session"), _CLUSTERED)


class UsageTotal(_Sums, _ModelKey, table=True):
    """The events summed over all time. It falls only when something is forgotten or an older backup restored."""

    __tablename__ = "usage_total"
    __table_args__ = (_CLUSTERED,)


class ForgottenTotal(_Sums, _ModelKey, table=True):
    """The events of all that was forgotten, summed: counters go on from the totals and these."""

    __tablename__ = "forgotten_total"
    __table_args__ = (_CLUSTERED,)


class CounterFloor(_Sums, _ModelKey, table=True):
    """The values of counters when a backup was restored or a total fell: they never show less."""

    __tablename__ = "counter_floor"
    __table_args__ = (_CLUSTERED,)


class CounterShift(_Sums, _ModelKey, table=True):
    """The part of counters beside the totals: the costs in :class:`CountedCost` less what the same events cost now."""

    __tablename__ = "counter_shift"
    __table_args__ = (_CLUSTERED,)


class Gap(_Tokens, _GapKey, table=True):
    """Calls that a tool bills and does not record, as far as it lets us know."""

    __tablename__ = "gap"
    __table_args__ = (_CLUSTERED,)

    requests: int | None = None
    heir_of: str | None = None
    heir_since: int | None = None
    recorded_count: int | None = None
    """See :class:`aico.core.usage.GapReading` for these three."""


class Checkpoint(SQLModel, table=True):
    """How far a place was read."""

    __tablename__ = "checkpoint"
    __table_args__ = (_CLUSTERED,)

    source: int = Field(primary_key=True)
    place: str = Field(primary_key=True)
    """A digest of its path, in hexadecimal digits; the path itself is never stored."""
    origin: int
    epoch: str
    """The database that took it; one that was restored or from which sessions were removed is another."""
    position: str
    """The reader's own."""
    read_at: int


class Forgotten(SQLModel, table=True):
    """A session that was removed on request: no import shall bring it back."""

    __tablename__ = "forgotten"
    __table_args__ = (_CLUSTERED,)

    source: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    forgotten_at: int


class ForgottenKey(SQLModel, table=True):
    """An event of a forgotten session: no copy of it in another session shall bring it back.

    Two kinds stand for no event: see :mod:`aico.core.db.keys`.
    """

    __tablename__ = "forgotten_key"
    __table_args__ = (_CLUSTERED,)

    source: int = Field(primary_key=True)
    kind: int = Field(primary_key=True)
    key_high: int = Field(primary_key=True)
    key_low: int = Field(primary_key=True)


class PlanState(SQLModel, table=True):
    """The last known state of a window of a plan, as the tool states it."""

    __tablename__ = "plan_state"
    __table_args__ = (_CLUSTERED,)

    source: int = Field(primary_key=True)
    plan: str = Field(primary_key=True)
    """The tool's own name of the limit, or empty."""
    name: str = Field(primary_key=True)
    """The tool's own name of the window."""
    used_hundredths: int
    """Of a percent."""
    minutes: int | None = None
    resets_at: int | None = None
    at: int
    """When that was written, epoch milliseconds."""


class Budget(SQLModel, table=True):
    """The amount that the user means to spend: see :class:`aico.core.terms.Budget`."""

    __tablename__ = "budget"
    __table_args__ = (_CLUSTERED,)

    name: str = Field(primary_key=True)
    period: str
    amount_nano: int
    source: str | None = None
    """By name, as the model below: it may be named before anything of it is stored."""
    model: str | None = None
    project: str | None = None
    fixed_by: str | None = None
    """The setting that it was copied from at the last start; NULL where the user set it here."""
    set_at: int


class BudgetFired(SQLModel, table=True):
    """A share of a budget that was reached in a period: told once, and never taken back."""

    __tablename__ = "budget_fired"
    __table_args__ = (_CLUSTERED,)

    budget: str = Field(primary_key=True)
    terms: str = Field(primary_key=True)
    """Of a budget with this amount for this part of everything."""
    since: str = Field(primary_key=True)
    """The first local day of the period, ``YYYY-MM-DD``."""
    threshold: int = Field(primary_key=True)
    """Per cent."""
    period: str
    amount_nano: int
    spent_nano: int
    """When it was reached."""
    is_at_least: bool
    at: int
    """When that was seen, epoch milliseconds."""
    delivery: int
    """See :class:`aico.core.db.fired.Delivery`."""
    tries: int
    """How often the webhook was called."""


class Plan(SQLModel, table=True):
    """A source that is paid by subscription: see :class:`aico.core.terms.Plan`."""

    __tablename__ = "plan"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    price_nano: int
    currency: str
    renews_on: int
    five_hours_nano: int | None = None
    week_nano: int | None = None
    fixed_by: str | None = None
    set_at: int


class PlanValue(SQLModel, table=True):
    """The part that counters of money omit: list prices of usage that a plan paid for. They never fall, nor jump."""

    __tablename__ = "plan_value"
    __table_args__ = (_CLUSTERED,)

    source: int = Field(primary_key=True)
    model: int = Field(primary_key=True)
    start_usd: int
    """The value of the counter of list prices when the present plan began; with ``start_nano``."""
    start_nano: int
    done_usd: int
    """The amounts that plans paid for before they ended; with ``done_nano``."""
    done_nano: int


class SourceChoice(SQLModel, table=True):
    """The user's switch of an origin: it holds for one machine and one set of places."""

    __tablename__ = "source_choice"
    __table_args__ = (_CLUSTERED,)

    source: str = Field(primary_key=True)
    origin: str = Field(primary_key=True)
    machine: str = Field(primary_key=True)
    """A digest of the machine's identity and of the home directory."""
    root: str = Field(primary_key=True)
    """A digest of the places."""
    is_on: bool
    changed_at: int


class ClineTaskUsage(SQLModel, table=True):
    """The last known totals of each task of Cline's, as Cline states them. Never deleted by an import."""

    __tablename__ = "cline_task_usage"
    __table_args__ = (_CLUSTERED,)

    task_id: str = Field(primary_key=True)
    ts: int = Field(index=True)
    """Last activity, epoch milliseconds."""
    model_id: str | None = None
    tokens_in: int
    """0, or the last good number, where the tool's is unknown; so are the two below."""
    tokens_out: int
    total_cost: float
    """US dollars, the ledger's own number."""
    imported_at: int
    """First seen, epoch milliseconds."""
    updated_at: int
    """Last written, epoch milliseconds."""


class ImportRun(SQLModel, table=True):
    """A reading that changed something, or a failure when it began or ended. The last 10,000 are kept."""

    __tablename__ = "import_run"

    id: int | None = Field(default=None, primary_key=True)
    source: str
    origin: str = ""
    """Empty in rows that an older version wrote."""
    trigger: str
    finished_at: int
    """Epoch milliseconds."""
    duration_ms: float
    added_count: int = 0
    updated_count: int = 0
    skipped_count: int = 0
    error_count: int = 0
    partial_count: int = 0
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
