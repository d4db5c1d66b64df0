"""The shapes of old requests and answers, and of errors."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from aico.core.receipts import ImportReceipt
from aico.core.usage import Trigger
from aico.services.shapes import RejectionOut, Schema, list_rejections


class ImportRequest(Schema):
    """The optional body of an import."""

    path: str | None = Field(default=None, description="Absent, null, or letter for letter the allowlisted path.")


class ReceiptOut(Schema):
    """The result of an import run."""

    imported_count: int = Field(description="Entries written: added and changed.")
    skipped_count: int = Field(description="Valid entries with nothing to do.")
    error_count: int = Field(description="Invalid entries.")
    latest_ts: int | None = Field(description="Greatest last activity of all tasks, epoch milliseconds.")
    added_count: int
    updated_count: int
    partial_count: int = Field(description="Entries that were taken without a field that could not be used.")
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
            partial_count=receipt.partial_count,
            remaining_count=receipt.remaining_count,
            revision=receipt.revision,
            duration_ms=receipt.duration_ms,
            rejections=list_rejections(receipt.rejections, receipt.origin),
            trigger=receipt.trigger,
        )


class ProblemOut(Schema):
    """An error as of RFC 9457. It never holds text of a tool's file."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
