"""Sessions as CSV, JSON or NDJSON text. Pure: no I/O, no clock, no logging."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from aico.core.db.reader import ClineRow, StoredSession
from aico.core.money import exact_usd, nano_usd
from aico.core.sums import OWN
from aico.core.usage import SessionState
from aico.features.usage.fields import sum_fields, tells_only_totals

Cell: TypeAlias = str | int | Decimal | None
"""Money is a Decimal: a float would show noise that nobody wrote."""

TASK_COLUMNS = (
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
    "last_activity_local",
)
"""The first line of a CSV of Cline's tasks. ``last_activity`` is ``ts`` as ISO 8601 in UTC."""
SESSION_COLUMNS = (
    "source",
    "session_id",
    "label",
    "project",
    "model",
    "parent",
    "state",
    "started_at",
    "last_at",
    "last_activity",
    "last_activity_local",
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "recorded_cost_usd",
    "list_cost_usd",
    "cost_usd",
    "unpriced_requests",
    "unmeasured_requests",
    "interrupted_requests",
    "at_least_requests",
    "own_cost_usd",
)
"""The first line of a CSV of sessions. Numbers are the usage inside the filter; an empty one is unknown."""
LEDGER = "ledger"
"""The store of a task whose row does not say where it was read."""
_FORMULA = re.compile(r"(^|[,;|\t\r\n])(?=[\s\ufeff\u200b-\u200f]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
"""The places at which a spreadsheet might see a formula begin: the start, or behind a divider of cells in any language.

Blanks and invisible characters before it do not count; the last four are full-width forms.
Source: OWASP, CSV Injection.
"""


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


class Dialect(StrEnum):
    """The habits that a CSV follows."""

    STANDARD = "standard"
    """RFC 4180: comma, decimal point, UTF-8."""
    EXCEL_FR = "excel-fr"
    """A French Excel opens it by double click: semicolon, decimal comma, UTF-8 with BOM."""


class TaskLayout:
    """Cline's tasks in the columns that their export always had."""

    columns = TASK_COLUMNS

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        """Of the local time; None is the machine's."""

    def rows(self, page: Sequence[StoredSession], rows: Mapping[str, ClineRow]) -> list[list[Cell]]:
        """Return the cells of ``page``; ``rows`` are Cline's own of the tasks."""
        return [_task_cells(session, rows.get(session.key), self._zone) for session in page]


class SessionLayout:
    """Sessions of any source."""

    columns = SESSION_COLUMNS

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        """Of the local time; None is the machine's."""

    def rows(self, page: Sequence[StoredSession]) -> list[list[Cell]]:
        """Return the cells of ``page``."""
        return [self._cells(session) for session in page]

    def _cells(self, session: StoredSession) -> list[Cell]:
        fields, moment = sum_fields(session.spent, session.stated), _moment(session.last_ts)
        return [
            session.source,
            session.key,
            session.label,
            session.project,
            session.model or None,
            session.parent,
            None if session.state is SessionState.UNKNOWN else session.state.name.lower(),
            session.first_ts,
            session.last_ts,
            moment.isoformat(timespec="milliseconds"),
            _local(moment, self._zone),
            None if tells_only_totals(session.spent) else fields.requests,
            fields.input_tokens,
            fields.cache_read_tokens,
            fields.cache_write_5m_tokens,
            fields.cache_write_1h_tokens,
            fields.output_tokens,
            fields.reasoning_tokens,
            _money(fields.recorded_cost_nano),
            _money(fields.list_cost_nano),
            _money(fields.cost_nano),
            fields.unpriced_requests,
            fields.unmeasured_requests,
            fields.interrupted_requests,
            fields.at_least_requests,
            _money(session.spent.vector[OWN] or None),
        ]


class ExportWriter:
    """Turns pages of rows into pieces of text: :meth:`begin`, any number of :meth:`add`, :meth:`end`."""

    def __init__(self, export_format: ExportFormat, dialect: Dialect = Dialect.STANDARD) -> None:
        self._format = export_format
        self._is_french = dialect is Dialect.EXCEL_FR
        self._is_first = True
        self._columns: tuple[str, ...] = ()

    def begin(self, columns: Sequence[str]) -> str:
        """Return what stands before the first row, also once more; later rows have these ``columns``."""
        self._columns, self._is_first = tuple(columns), True
        if self._format is ExportFormat.CSV:
            return ("\ufeff" if self._is_french else "") + self._csv_lines([columns])
        return "[" if self._format is ExportFormat.JSON else ""

    def add(self, rows: Sequence[Sequence[Cell]]) -> str:
        """Return the text of ``rows``."""
        if self._format is ExportFormat.CSV:
            return self._csv_lines([[_guarded(value) for value in row] for row in rows])
        objects = [self._json_object(row) for row in rows]
        if self._format is ExportFormat.NDJSON:
            return "".join(f"{text}\n" for text in objects)
        lead = "" if self._is_first else ","
        self._is_first = self._is_first and not objects
        return "\n" + f"{lead}" + ",\n".join(objects) if objects else ""

    def end(self) -> str:
        """Return what stands after the last row."""
        return "\n]\n" if self._format is ExportFormat.JSON else ""

    def _json_object(self, row: Sequence[Cell]) -> str:
        members = (f'"{name}": {_json_value(value)}' for name, value in zip(self._columns, row, strict=True))
        return "{" + ", ".join(members) + "}"

    def _csv_lines(self, rows: Sequence[Sequence[Cell]]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";" if self._is_french else ",", lineterminator="\r\n")
        writer.writerows([[self._written(value) for value in row] for row in rows])
        return text.getvalue()

    def _written(self, value: Cell) -> str | int | None:
        """Return a number as a spreadsheet reads it: never with an exponent."""
        if not isinstance(value, Decimal):
            return value
        return f"{value:f}".replace(".", ",") if self._is_french else f"{value:f}"


def _task_cells(session: StoredSession, row: ClineRow | None, zone: tzinfo | None) -> list[Cell]:
    spent, whole = session.spent, session.total
    ts = session.last_ts if row is None else row.ts
    return [
        session.key,
        ts,
        _moment(ts).isoformat(timespec="milliseconds"),
        (session.model or None) if row is None else row.model_id,
        whole.get("input") if row is None else row.tokens_in,
        whole.get("output") if row is None else row.tokens_out,
        exact_usd(whole.cost_nano if row is None else nano_usd(row.total_cost)),
        session.seen_at if row is None else row.imported_at,
        spent.get("input"),
        spent.get("output"),
        exact_usd(spent.cost_nano),
        session.origin or LEDGER,
        _local(_moment(ts), zone),
    ]


def _moment(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // 1000, UTC).replace(microsecond=ts % 1000 * 1000)


def _local(moment: datetime, zone: tzinfo | None) -> str:
    try:
        local = moment.astimezone(zone)
    except OverflowError:
        # East of Greenwich the last hours of the year 9999 lie beyond the calendar.
        local = moment
    return local.isoformat(timespec="milliseconds")


def _money(nano: int | None) -> Decimal | None:
    return None if nano is None else exact_usd(nano)


def _json_value(value: Cell) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _guarded(value: Cell) -> Cell:
    """Return ``value`` so that no spreadsheet takes text of a tool for a formula."""
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value
