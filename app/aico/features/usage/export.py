"""Tasks as CSV, JSON or NDJSON text. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from aico.core.domain import Store
from aico.core.money import usd
from aico.core.usage_reader import SpentTask

COLUMNS = (
    "task_id",
    "ts",
    "last_activity",
    "model_id",
    "tokens_in",
    "tokens_out",
    "total_cost",
    "imported_at",
    "spent_tokens_in",
    "spent_tokens_out",
    "spent_total_cost",
    "store",
)
"""The first line of the CSV. ``last_activity`` is ``ts`` as ISO 8601 in UTC."""
_FORMULA = re.compile(r"(^|[,;|\t\r\n])(?=[\s\ufeff\u200b-\u200f]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet might see a formula begin: at the start, or behind what may divide cells in its language.

Blanks and invisible characters before it do not count; the last four are full-width forms.
Source: OWASP, CSV Injection.
"""


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


class Dialect(StrEnum):
    """Whose habits a CSV follows."""

    STANDARD = "standard"
    """RFC 4180: comma, decimal point, UTF-8."""
    EXCEL_FR = "excel-fr"
    """What a French Excel opens by double click: semicolon, decimal comma, UTF-8 with BOM."""


class ExportWriter:
    """Turns pages of tasks into pieces of text: :meth:`begin`, any number of :meth:`add`, :meth:`end`."""

    def __init__(self, export_format: ExportFormat, dialect: Dialect = Dialect.STANDARD) -> None:
        self._format = export_format
        self._is_french = dialect is Dialect.EXCEL_FR
        self._is_first = True

    def begin(self) -> str:
        """Return what stands before the first task."""
        if self._format is ExportFormat.CSV:
            return ("\ufeff" if self._is_french else "") + self._csv_lines([COLUMNS])
        return "[" if self._format is ExportFormat.JSON else ""

    def add(self, tasks: Sequence[SpentTask], stores: Mapping[str, Store]) -> str:
        """Return the text of ``tasks``; ``stores`` says where those were read that are not the ledger's."""
        rows = [_values(task, stores.get(task.usage.task_id, Store.LEDGER)) for task in tasks]
        if self._format is ExportFormat.CSV:
            return self._csv_lines([[_guarded(value) for value in row] for row in rows])
        objects = [json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) for row in rows]
        if self._format is ExportFormat.NDJSON:
            return "".join(f"{text}\n" for text in objects)
        lead = "" if self._is_first else ","
        self._is_first = self._is_first and not objects
        return "\n" + f"{lead}" + ",\n".join(objects) if objects else ""

    def end(self) -> str:
        """Return what stands after the last task."""
        return "\n]\n" if self._format is ExportFormat.JSON else ""

    def _csv_lines(self, rows: Sequence[Sequence[str | int | float | None]]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";" if self._is_french else ",", lineterminator="\r\n")
        writer.writerows([[_with_comma(value) for value in row] for row in rows] if self._is_french else rows)
        return text.getvalue()


def _with_comma(value: str | float | None) -> str | int | None:
    """Return a number as a French spreadsheet reads it: never with an exponent."""
    return f"{Decimal(repr(value)):f}".replace(".", ",") if isinstance(value, float) else value


def _values(task: SpentTask, store: Store) -> list[str | int | float | None]:
    usage, spent = task.usage, task.spent
    moment = datetime.fromtimestamp(usage.ts // 1000, UTC).replace(microsecond=usage.ts % 1000 * 1000)
    return [
        usage.task_id,
        usage.ts,
        moment.isoformat(timespec="milliseconds"),
        usage.model_id,
        usage.tokens_in,
        usage.tokens_out,
        usage.total_cost,
        task.imported_at,
        spent.tokens_in,
        spent.tokens_out,
        usd(spent.cost_nano_usd),
        store.value,
    ]


def _guarded(value: str | float | None) -> str | float | None:
    """Return ``value`` so that no spreadsheet takes text of the ledger for a formula."""
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
