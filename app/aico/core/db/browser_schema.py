"""The tables of browsers: the counted visits of histories, and the extensions that are paired."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

_CLUSTERED = {"sqlite_with_rowid": False}


class ActivityVisit(SQLModel, table=True):
    """The counted part of a visit to a listed site: a history that is copied or moved counts nothing again."""

    __tablename__ = "activity_visit"
    __table_args__ = (_CLUSTERED,)

    at_us: int = Field(primary_key=True)
    """When it began, epoch microseconds."""
    name: str = Field(primary_key=True)
    """The listed one."""
    duration_ms: int


class ActivityPairing(SQLModel, table=True):
    """An extension that may report. Its token is not kept, only a digest of it."""

    __tablename__ = "activity_pairing"

    id: int | None = Field(default=None, primary_key=True)
    token: str = Field(unique=True)
    """SHA-256, in hexadecimal digits."""
    created_at: int
    browser: str | None
    """As its first report said; None before."""
    paired_at: int | None
    """Its first report: from then on its browser's history does not count."""
    last_at: int | None
    """Its last report."""
    until_ms: int
    """Up to when its time is counted: nothing before it counts again."""
    ended_at: int | None


class ActivityBatch(SQLModel, table=True):
    """A report that was taken: the same one counts once."""

    __tablename__ = "activity_batch"
    __table_args__ = (_CLUSTERED,)

    pairing: int = Field(primary_key=True)
    batch: str = Field(primary_key=True)
    at: int = Field(index=True)
