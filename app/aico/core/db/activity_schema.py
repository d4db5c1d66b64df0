"""The tables of activity. Storage only, like :mod:`aico.core.db.schema`. No path, title, address or line is stored."""

from __future__ import annotations

from sqlmodel import Field, Index, SQLModel, UniqueConstraint

_CLUSTERED = {"sqlite_with_rowid": False}


class ActivitySubject(SQLModel, table=True):
    """A listed app, command or site, as one kind sees it in one place."""

    __tablename__ = "activity_subject"
    __table_args__ = (UniqueConstraint("kind", "name", "place"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    name: str
    place: str
    """The shell or the browser; empty for programs."""
    category: str
    """As it was last."""


class ActivitySpan(SQLModel, table=True):
    """A stretch of uninterrupted use."""

    __tablename__ = "activity_span"
    __table_args__ = (Index("ix_activity_span_start_ms", "start_ms"), _CLUSTERED)

    subject: int = Field(primary_key=True)
    start_ms: int = Field(primary_key=True)
    """Epoch milliseconds."""
    duration_ms: int


class ActivitySlot(SQLModel, table=True):
    """The sum of a subject's use in a slot of 15 minutes.

    The key comes first: else SQLite's check of a clustered table takes whole rows for damaged.
    """

    __tablename__ = "activity_slot"
    __table_args__ = (_CLUSTERED,)

    slot: int = Field(primary_key=True)
    subject: int = Field(primary_key=True)
    duration_ms: int
    count: int


class ActivityTotal(SQLModel, table=True):
    """The sum of all time, of what was forgotten too. It never falls."""

    __tablename__ = "activity_total"

    subject: int = Field(primary_key=True)
    duration_ms: int
    count: int
    cost_nano: int
    """The time at the hourly rate of its day, in nano-dollars: an estimate, never money."""
    last_ms: int
    """End of the last use, epoch milliseconds."""


class ActivityCheckpoint(SQLModel, table=True):
    """How far a place was read."""

    __tablename__ = "activity_checkpoint"
    __table_args__ = (_CLUSTERED,)

    kind: str = Field(primary_key=True)
    place: str = Field(primary_key=True)
    """A digest of its path, in hexadecimal digits."""
    position: str
    """The reader's own."""
    read_at: int


class ActivityForgotten(SQLModel, table=True):
    """A time that was forgotten: no history, and no report that comes late, brings it back."""

    __tablename__ = "activity_forgotten"
    __table_args__ = (_CLUSTERED,)

    kind: str = Field(primary_key=True)
    from_ms: int = Field(primary_key=True)
    to_ms: int = Field(primary_key=True)
    """Exclusive, and never later than the moment at which it was forgotten."""
    forgotten_at: int


class ActivityForgottenTotal(SQLModel, table=True):
    """The forgotten part of a subject's total: the total itself stays, because counters never fall."""

    __tablename__ = "activity_forgotten_total"

    subject: int = Field(primary_key=True)
    duration_ms: int
    count: int
