"""Exports can be read back, and no spreadsheet takes a name for a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.accounting import Amount
from aico.core.domain import Store
from aico.core.usage_reader import SpentTask
from aico.features.usage.export import COLUMNS, Dialect, ExportFormat, ExportWriter
from tests.core.random_entries import entries
from tests.core.repository_on_file import NOW_MS, usage

NAMES = ("plain", "=1+1", 'say "hi", twice', "a;b", "\u00e9\U0001f642", "it's")
STORES = {"plain": Store.SESSIONS, "a;b": Store.SESSIONS}
TASKS = st.builds(
    SpentTask,
    usage=entries(task_ids=NAMES, models=(None, "m", "@m")),
    imported_at=st.just(NOW_MS),
    spent=st.builds(Amount, *(st.integers(-(10**15), 10**15) for _ in range(3))),
)
PAGES = st.lists(st.lists(TASKS, max_size=3), max_size=4)


def task(task_id: str = "a", model_id: str | None = "m", ts: int = 0, nano: int = 5) -> SpentTask:
    """Return a task that spent 0.000000005 dollars."""
    return SpentTask(usage(task_id, model_id=model_id, ts=ts), NOW_MS, Amount(1, 2, nano))


def write(
    pages: Sequence[Sequence[SpentTask]], export_format: ExportFormat, dialect: Dialect = Dialect.STANDARD
) -> str:
    """Return the whole text of an export."""
    writer = ExportWriter(export_format, dialect)
    return "".join([writer.begin(), *(writer.add(page, STORES) for page in pages), writer.end()])


def read_csv(text: str, delimiter: str = ",") -> list[list[str]]:
    """Return the cells as a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def expected_values(item: SpentTask) -> list[str | int | float | None]:
    """Return what a program that reads the export back must find, apart from the moment in words."""
    row, spent = item.usage, item.spent
    numbers = [row.tokens_in, row.tokens_out, row.total_cost, item.imported_at, spent.tokens_in, spent.tokens_out]
    store = STORES.get(row.task_id, Store.LEDGER).value
    return [row.task_id, row.ts, row.model_id, *numbers, spent.cost_nano_usd / 10**9, store]


def without_moment(cells: dict[str, str | int | float | None]) -> list[str | int | float | None]:
    """Return the values of an exported object without ``last_activity``."""
    assert tuple(cells) == COLUMNS
    return [value for name, value in cells.items() if name != "last_activity"]


@given(PAGES)
def test_json_reads_back_as_it_was(pages: list[list[SpentTask]]) -> None:
    """One array, whatever the pages, empty ones in between too."""
    found = json.loads(write(pages, ExportFormat.JSON))
    assert [without_moment(item) for item in found] == [expected_values(item) for page in pages for item in page]


@given(PAGES)
def test_ndjson_reads_back_as_it_was(pages: list[list[SpentTask]]) -> None:
    """One object a line, each line ended."""
    text = write(pages, ExportFormat.NDJSON)
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    assert [without_moment(item) for item in lines] == [expected_values(item) for page in pages for item in page]
    assert text == "" or text.endswith("}\n")


@given(PAGES, st.sampled_from(Dialect))
def test_csv_reads_back_as_it_was(pages: list[list[SpentTask]], dialect: Dialect) -> None:
    """The same cells in both dialects: quotes, separators and lines in names part nothing."""
    is_french = dialect is Dialect.EXCEL_FR
    text = write(pages, ExportFormat.CSV, dialect)
    head, *rows = read_csv(text.removeprefix("\ufeff"), ";" if is_french else ",")
    assert tuple(head) == COLUMNS
    for cells, item in zip(rows, (item for page in pages for item in page), strict=True):
        assert cells[0].removeprefix("'") == item.usage.task_id
        assert cells[3].removeprefix("'") == (item.usage.model_id or "")
        assert float(cells[6].replace(",", ".")) == item.usage.total_cost
        assert float(cells[10].replace(",", ".")) == item.spent.cost_nano_usd / 10**9
        assert cells[11] == expected_values(item)[-1]
        assert [cells[n] for n in (1, 4, 5, 7)] == [str(expected_values(item)[n]) for n in (1, 3, 4, 6)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("dialect", Dialect)
def test_csv_guards_against_formulas(start: str, dialect: Dialect) -> None:
    """A name that a spreadsheet would compute is text, as task and as model."""
    text = write([[task(f"{start}1+1", f"{start}cmd|' /C calc'!A0")]], ExportFormat.CSV, dialect)
    cells = read_csv(text, ";" if dialect is Dialect.EXCEL_FR else ",")[1]
    assert (cells[0], cells[3]) == (f"'{start}1+1", f"'{start}cmd|' /C calc'!A0")


@pytest.mark.parametrize(
    ("name", "guarded"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a, @b", "a,' @b"),
        (" =1", "' =1"),
        ("\u200b=1", "'\u200b=1"),
        ("a=b", "a=b"),
        ("x-y", "x-y"),
    ],
)
def test_csv_guards_where_another_language_divides_cells(name: str, guarded: str) -> None:
    """A semicolon ends a cell in Paris, and blanks before a formula do not count; an ordinary name stays as it is."""
    cells = read_csv(write([[task(name)]], ExportFormat.CSV), ",")[1]
    assert cells[0] == guarded


def test_csv_leaves_negative_numbers_alone() -> None:
    """What was taken back is a number, not a formula."""
    assert read_csv(write([[task(nano=-1_500_000_000)]], ExportFormat.CSV))[1][10] == "-1.5"


def test_csv_ends_its_lines_as_its_standard_asks() -> None:
    """RFC 4180: CRLF, and no byte-order mark; the moment is ISO 8601 in UTC."""
    assert write([[task(model_id=None, ts=1_500)]], ExportFormat.CSV) == (
        ",".join(COLUMNS) + "\r\na,1500,1970-01-01T00:00:01.500+00:00,,100,10,0.25,1772000100000,1,2,5e-09,ledger\r\n"
    )


def test_csv_for_a_french_excel_opens_by_double_click() -> None:
    """Byte-order mark, semicolons, decimal commas, and never an exponent."""
    assert write([[task(ts=1_500)]], ExportFormat.CSV, Dialect.EXCEL_FR) == (
        "\ufeff"
        + ";".join(COLUMNS)
        + "\r\na;1500;1970-01-01T00:00:01.500+00:00;m;100;10;0,25;1772000100000;1;2;0,000000005;ledger\r\n"
    )


def test_export_names_the_last_moment_that_there_is() -> None:
    """The end of the year 9999 is a valid ``ts``."""
    (item,) = json.loads(write([[task(ts=253_402_300_799_999)]], ExportFormat.JSON))
    assert item["last_activity"] == "9999-12-31T23:59:59.999+00:00"


@pytest.mark.parametrize(
    ("export_format", "text"),
    [(ExportFormat.CSV, ",".join(COLUMNS) + "\r\n"), (ExportFormat.JSON, "[\n]\n"), (ExportFormat.NDJSON, "")],
)
@pytest.mark.parametrize("pages", [[], [[]], [[], []]])
def test_export_of_nothing_is_whole(export_format: ExportFormat, text: str, pages: list[list[SpentTask]]) -> None:
    """An empty export is a header, an empty array, or nothing at all."""
    assert write(pages, export_format) == text
