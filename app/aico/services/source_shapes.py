"""The shapes of sources and their switches, in answers and commands."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from aico.core.errors import SourceError, StorageError
from aico.core.receipts import ImportReceipt
from aico.core.usage import Tokens, Trigger
from aico.features.usage.fields import sum_fields
from aico.services.ingest import is_absence
from aico.services.intake import IntakeKey
from aico.services.shapes import RejectionOut, Schema, list_rejections
from aico.services.source_states import Found, GapState, OriginState, SourceUsage
from aico.services.summary_fields import Fields, usd_or_none


class FoundOut(Schema):
    """The files in the known places of a source, by metadata only."""

    files: int
    bytes: int
    last_written_at: int = Field(description="Epoch milliseconds.")

    @classmethod
    def of(cls, found: Found) -> Self:
        """Return the shape of ``found``."""
        return cls(files=found.files, bytes=found.bytes, last_written_at=found.last_written_at_ms)


class ElsewhereFileOut(Schema):
    """A file in a known place that is not read, by its metadata."""

    path: str
    bytes: int
    last_written_at: int = Field(description="Epoch milliseconds.")


class ElsewhereOut(Schema):
    """Files of an origin in other known places, such as those of other editors."""

    files: list[ElsewhereFileOut] = Field(description="The last written first.")
    setting: str = Field(description="Lines of the configuration file by which they are read, too.")

    @classmethod
    def of(cls, origin: OriginState) -> Self | None:
        """Return the shape of what lies elsewhere; None where nothing does."""
        if origin.elsewhere_setting is None:
            return None
        files = [
            ElsewhereFileOut(path=file.path, bytes=file.size_bytes, last_written_at=file.written_ms)
            for file in origin.elsewhere
        ]
        return cls(files=files, setting=origin.elsewhere_setting)


class OriginOut(Schema):
    """One kind of place in which a tool writes usage."""

    id: str
    title: str
    enabled: bool
    found: bool = Field(description="Something that may be read lies in one of its places.")
    look: FoundOut | None = Field(description="What lies there.")
    state: str = Field(description="`off`, or how its watcher is: of several places the worst.")
    reason: str | None = Field(description="An error code; null when all is well.")
    fixed_by: str | None = Field(description="The setting that decides whether it is read; null: the switch does.")
    problem: str | None = Field(description="What is wrong, in a sentence; never a word of the tool's files.")
    off_since: int | None = Field(description="Since when the user's switch is off, if it was ever set.")
    since: int | None = Field(description="Since when it is in this state, epoch milliseconds; null while it is off.")
    paths: list[str] = Field(description="Those of its places that are in this state.")
    never_read: str = Field(description="What else lies in its places and is never read; empty: nothing.")
    missing: list[str] = Field(description="What a file of another version lacks: tables, columns or fields.")
    counting: bool = Field(description="It is being counted for the first time: `found` is no answer yet.")
    elsewhere: ElsewhereOut | None = Field(description="What of it lies in other known places and is not read.")

    @classmethod
    def of(cls, origin: OriginState) -> Self:
        """Return the shape of ``origin``."""
        return cls(
            id=origin.id,
            title=origin.title,
            enabled=origin.enabled,
            found=origin.found is not None,
            look=None if origin.found is None else FoundOut.of(origin.found),
            state=origin.state,
            reason=origin.reason,
            fixed_by=origin.fixed_by,
            problem=origin.problem,
            off_since=origin.off_since_ms,
            since=origin.since_ms,
            paths=list(origin.paths),
            never_read=origin.never_read,
            missing=list(origin.missing),
            counting=not origin.is_counted,
            elsewhere=ElsewhereOut.of(origin),
        )


class ReadingOut(Schema):
    """The progress of a large reading."""

    bytes_done: int = Field(description="The share of `bytes_total` whose records are stored.")
    bytes_total: int = Field(description="Of the files that are being read.")


class LastReadingOut(Schema):
    """The newest completed reading of a source, also when nothing changed."""

    at: int = Field(description="Epoch milliseconds.")
    origin: str
    trigger: Trigger
    added_count: int
    updated_count: int
    skipped_count: int
    partial_count: int
    error_count: int
    remaining_count: int
    duration_ms: float
    rejections: list[RejectionOut] = Field(description="The first 20.")

    @classmethod
    def of(cls, receipt: ImportReceipt) -> Self:
        """Return the shape of ``receipt``."""
        return cls(
            at=receipt.finished_at_ms,
            origin=receipt.origin,
            trigger=receipt.trigger,
            added_count=receipt.added_count,
            updated_count=receipt.updated_count,
            skipped_count=receipt.skipped_count,
            partial_count=receipt.partial_count,
            error_count=receipt.error_count,
            remaining_count=receipt.remaining_count,
            duration_ms=receipt.duration_ms,
            rejections=list_rejections(receipt.rejections, receipt.origin),
        )


class GapOut(Schema):
    """A kind of calls that a tool bills and does not record."""

    kind: str
    title: str
    known_requests: int | None
    known_tokens: dict[str, int] | None = Field(description="By kind, as far as they are known.")

    @classmethod
    def of(cls, gap: GapState, known: tuple[int | None, Tokens] | None) -> Self:
        """Return the shape of ``gap``, with what is stored of it."""
        requests, tokens = known or (gap.known_requests, gap.known_tokens or Tokens())
        told = {f"{name}_tokens": number for name, number in tokens._asdict().items() if number is not None}
        return cls(kind=gap.kind, title=gap.title, known_requests=requests, known_tokens=told or None)


class SourceOut(Schema):
    """A tool whose usage can be read, found or not."""

    id: str
    title: str
    enabled: bool = Field(description="Any of its origins is read.")
    origins: list[OriginOut]
    fixed_by: str | None = Field(description="The setting that decides it for all origins; null: a switch has a say.")
    found: FoundOut | None
    state: str = Field(description="`off`, or the worst state of its origins that are read; `waiting`: all wait.")
    reason: str | None
    reading: ReadingOut | None
    last_read_at: int | None = Field(description="Epoch milliseconds.")
    last_reading: LastReadingOut | None = Field(description="What was read then; null before the first one.")
    sessions: int
    future_sessions: int = Field(description="Of them, those dated more than a day ahead: only *All* shows them.")
    future_cost_usd: float | None = Field(description="What is dated so; null where no price of it is known.")
    requests: int
    unmeasured_requests: int
    forgotten_sessions: int = Field(
        description="Forgotten sessions in which the tool went on: what it adds is not counted."
    )
    forgotten_requests: int = Field(description="The requests that it added; 0 where it writes totals only.")
    gaps: list[GapOut]

    @classmethod
    def of(cls, usage: SourceUsage) -> Self:
        """Return the shape of a source."""
        state, receipt = usage.state, usage.state.last_receipt
        done, total = state.reading or (0, 0)
        return cls(
            id=state.id,
            title=state.title,
            enabled=state.enabled,
            origins=[OriginOut.of(origin) for origin in state.origins],
            fixed_by=state.fixed_by,
            found=None if state.found is None else FoundOut.of(state.found),
            state=state.state,
            reason=state.reason,
            reading=None if state.reading is None else ReadingOut(bytes_done=done, bytes_total=total),
            last_read_at=None if receipt is None else receipt.finished_at_ms,
            last_reading=None if receipt is None else LastReadingOut.of(receipt),
            sessions=usage.session_count,
            future_sessions=usage.future_count,
            future_cost_usd=usd_or_none(sum_fields(usage.future_sums).cost_nano),
            requests=usage.sums.get("requests"),
            unmeasured_requests=usage.sums.get("unmeasured"),
            forgotten_sessions=usage.later.sessions,
            forgotten_requests=usage.later.requests,
            gaps=[GapOut.of(gap, usage.gaps.get(gap.kind)) for gap in state.gaps],
        )


class SourceFailureOut(Schema):
    """A place that could not be read; which file it is, is told by `detail` alone."""

    source: str
    origin: str
    code: str = Field(description="That of the error.")
    detail: str = Field(description="What is wrong, in a sentence; never a word of the tool's files.")
    hint: str = Field(description="What to do.")
    absent: bool = Field(description="It is not there (yet): nothing is wrong.")

    @classmethod
    def of(cls, key: IntakeKey, error: SourceError | StorageError) -> Self:
        """Return the shape of ``error``, with which a reading of ``key`` has failed."""
        return cls(
            source=key.source,
            origin=key.origin,
            code=error.code,
            detail=str(error),
            hint=error.hint,
            absent=is_absence(error),
        )


def source_fields(usage: SourceUsage) -> Fields:
    """Return the fields of a source, for a command."""
    return SourceOut.of(usage).model_dump(mode="json")


def failure_fields(key: IntakeKey, error: SourceError | StorageError) -> Fields:
    """Return the fields of a place that could not be read, for a command."""
    return SourceFailureOut.of(key, error).model_dump(mode="json")
