"""Exports can be read back to the last digit, and no spreadsheet takes a name for a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.db.reader import ClineRow, StoredSession
from aico.core.money import nano_usd
from aico.core.sums import COUNTS, MONEY, Sums
from aico.core.usage import TOKENS, SessionState
from aico.features.usage.export import (
    SESSION_COLUMNS,
    TASK_COLUMNS,
    Cell,
    Dialect,
    ExportFormat,
    ExportWriter,
    SessionLayout,
    TaskLayout,
)
from tests.core.repository_on_file import NOW_MS

NAMES = ("plain", "=1+1", 'say "hi", twice', "a;b", "\u00e9\U0001f642", "it's", "back\\slash", "line\nbreak")
PARIS = ZoneInfo("Europe/Paris")
_ORDER = (*TOKENS, *COUNTS, *MONEY)


def sums(**numbers: int) -> Sums:
    """Return a sum of which only what matters needs to be said."""
    return Sums(tuple(numbers.get(name, 0) for name in _ORDER))


def session(key: str = "a", *, ts: int = 0, model: str = "m", spent: Sums | None = None) -> StoredSession:
    """Return a session that spent 0.000000005 dollars."""
    spent = sums(input=1, output=2, recorded=5) if spent is None else spent
    state = SessionState.UNKNOWN
    return StoredSession(1, "cline", key, None, None, None, ts, ts, NOW_MS, model, state, spent, spent)


def row(task_id: str = "a", *, ts: int = 0, model_id: str | None = "m", cost: float = 0.25) -> ClineRow:
    """Return Cline's own row of a task."""
    return ClineRow(task_id, ts, model_id, 100, 10, cost, NOW_MS)


def write(
    pages: Sequence[Sequence[Sequence[Cell]]],
    export_format: ExportFormat,
    dialect: Dialect = Dialect.STANDARD,
    columns: Sequence[str] = TASK_COLUMNS,
) -> str:
    """Return the whole text of an export."""
    writer = ExportWriter(export_format, dialect)
    return "".join([writer.begin(columns), *(writer.add(page) for page in pages), writer.end()])


def write_task(
    key: str = "a",
    export_format: ExportFormat = ExportFormat.CSV,
    dialect: Dialect = Dialect.STANDARD,
    **of_row: object,
) -> str:
    """Return the export of one task."""
    known = row(key, **of_row)  # type: ignore[arg-type]  # the keywords of the helper above
    cells = TaskLayout(ZoneInfo("Europe/Paris")).rows(
        [session(key, ts=known.ts, model=known.model_id or "")], {key: known}
    )
    return write([cells], export_format, dialect)


def read_csv(text: str, delimiter: str = ",") -> list[list[str]]:
    """Return the cells as a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


CELLS = st.one_of(
    st.none(),
    st.sampled_from(NAMES),
    st.integers(-(10**15), 10**15),
    st.integers(-(10**24), 10**24).map(lambda nano: Decimal(nano).scaleb(-9)),
)
PAGES = st.lists(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=3), max_size=4)
THREE = ("one", "two", "three")


def flat(pages: Sequence[Sequence[Sequence[Cell]]]) -> list[dict[str, Cell]]:
    """Return the rows of all pages by column."""
    return [dict(zip(THREE, cells, strict=True)) for page in pages for cells in page]


def read_json(text: str) -> object:
    """Return what a program finds that reads numbers exactly."""
    return json.loads(text, parse_float=Decimal)


def as_read(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return what JSON tells of a row: a whole number of dollars is an integer."""
    return {
        name: int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
        for name, value in cells.items()
    }


def plain(pages: list[list[list[Cell]]]) -> list[list[list[Cell]]]:
    """Return ``pages`` with money as the layouts write it: without zeros at its end."""
    return [
        [[value.normalize() if isinstance(value, Decimal) and value else value for value in cells] for cells in page]
        for page in pages
    ]


@pytest.mark.parametrize("export_format", ExportFormat)
def test_export_that_is_begun_again_is_whole(export_format: ExportFormat) -> None:
    """A look at a file that changed meanwhile is made again, with the same writer."""
    writer = ExportWriter(export_format)
    texts = ["".join([writer.begin(THREE), writer.add([[1, 2, 3]]), writer.end()]) for _ in range(2)]
    assert texts[0] == texts[1]


@given(PAGES)
def test_json_reads_back_as_it_was(pages: list[list[list[Cell]]]) -> None:
    """One array, whatever the pages, empty ones in between too; money to the last digit."""
    found = read_json(write(plain(pages), ExportFormat.JSON, columns=THREE))
    assert isinstance(found, list)
    assert [as_read(each) for each in found] == [as_read(cells) for cells in flat(pages)]


@given(PAGES)
def test_ndjson_reads_back_as_it_was(pages: list[list[list[Cell]]]) -> None:
    """One object a line, each line ended."""
    text = write(plain(pages), ExportFormat.NDJSON, columns=THREE)
    lines = [read_json(line) for line in text.split("\n")[:-1]]
    assert [as_read(each) for each in lines if isinstance(each, dict)] == [as_read(cells) for cells in flat(pages)]
    assert text == "" or text.endswith("}\n")


@given(PAGES, st.sampled_from(Dialect))
def test_csv_reads_back_as_it_was(pages: list[list[list[Cell]]], dialect: Dialect) -> None:
    """The same cells in both dialects: quotes, separators and lines in names part nothing."""
    is_french = dialect is Dialect.EXCEL_FR
    text = write(plain(pages), ExportFormat.CSV, dialect, THREE)
    head, *rows = read_csv(text.removeprefix("\ufeff"), ";" if is_french else ",")
    assert tuple(head) == THREE
    for cells, expected in zip(rows, flat(pages), strict=True):
        for cell, value in zip(cells, expected.values(), strict=True):
            if isinstance(value, Decimal):
                assert Decimal(cell.replace(",", ".") if is_french else cell) == value
            else:
                assert cell.replace("'", "") == ("" if value is None else str(value).replace("'", ""))


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (0.10033215000000001, "0.10033215"),
        (0.1 + 0.2, "0.3"),
        (5e-9, "0.000000005"),
        (0.0, "0"),
        (1000.5, "1000.5"),
        (100.0, "100"),
        (1e6, "1000000"),
    ],
)
@pytest.mark.parametrize("export_format", ExportFormat)
def test_money_is_exact_and_without_noise(cost: float, text: str, export_format: ExportFormat) -> None:
    """In every format an amount is the shortest exact decimal, never with an exponent."""
    written = write_task(export_format=export_format, cost=cost)
    if export_format is ExportFormat.CSV:
        assert read_csv(written)[1][6] == text
    else:
        assert f'"total_cost": {text},' in written


def test_sum_beyond_what_a_float_holds_is_exact() -> None:
    """A hundred million dollars and one nano-dollar are written as that."""
    spent = sums(input=1, recorded=10**17 + 1)
    cells = SessionLayout(PARIS).rows([session(spent=spent)])
    text = write([cells], ExportFormat.JSON, columns=SESSION_COLUMNS)
    assert '"cost_usd": 100000000.000000001,' in text


def test_session_is_exported_with_its_moment_here_and_in_utc() -> None:
    """An unknown number is empty, not 0; the local time says its distance from UTC."""
    spent = sums(input=100, output=20, requests=2, lacking_cache=2, recorded=nano_usd(0.25))
    ts = 1_774_738_800_000  # midnight in Paris, an hour before the clocks go forward
    text = write([SessionLayout(PARIS).rows([session(ts=ts, spent=spent)])], ExportFormat.CSV, columns=SESSION_COLUMNS)
    head, cells = read_csv(text)
    found = dict(zip(head, cells, strict=True))
    assert found["last_activity"] == "2026-03-28T23:00:00.000+00:00"
    assert found["last_activity_local"] == "2026-03-29T00:00:00.000+01:00"
    assert {name: found[name] for name in SESSION_COLUMNS[11:]} == {
        "requests": "2",
        "input_tokens": "100",
        "cache_read_tokens": "",
        "cache_write_5m_tokens": "",
        "cache_write_1h_tokens": "",
        "output_tokens": "20",
        "reasoning_tokens": "",
        "recorded_cost_usd": "0.25",
        "list_cost_usd": "",
        "cost_usd": "0.25",
        "unpriced_requests": "0",
        "unmeasured_requests": "0",
        "interrupted_requests": "0",
        "at_least_requests": "0",
        "own_cost_usd": "",
    }


def test_session_is_exported_with_what_it_costs_at_own_prices() -> None:
    """Beside what counts, of which it is a part: the last column, so that those before it stay where they were."""
    spent = sums(input=100, requests=2, recorded=nano_usd(0.25), own=nano_usd(1.5))
    head, cells = read_csv(
        write([SessionLayout(PARIS).rows([session(spent=spent)])], ExportFormat.CSV, columns=SESSION_COLUMNS)
    )
    found = dict(zip(head, cells, strict=True))
    assert (head[-1], found["own_cost_usd"], found["cost_usd"]) == ("own_cost_usd", "1.5", "1.75")


@pytest.mark.parametrize("zone", [PARIS, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("America/Anchorage"), None])
def test_export_names_the_last_moment_that_there_is(zone: ZoneInfo | None) -> None:
    """The end of the year 9999 is a valid moment, in every zone."""
    cells = SessionLayout(zone).rows([session(ts=253_402_300_799_999)])
    (item,) = json.loads(write([cells], ExportFormat.JSON, columns=SESSION_COLUMNS))
    assert item["last_activity"] == "9999-12-31T23:59:59.999+00:00"
    assert item["last_activity_local"][:4] == "9999"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("dialect", Dialect)
def test_csv_guards_against_formulas(start: str, dialect: Dialect) -> None:
    """A name that a spreadsheet would compute is text, as task and as model."""
    text = write_task(f"{start}1+1", dialect=dialect, model_id=f"{start}cmd|' /C calc'!A0")
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
    assert read_csv(write_task(name))[1][0] == guarded


def test_csv_guards_the_users_own_label() -> None:
    """A label is text as any other."""
    labelled = session()
    cells = SessionLayout(PARIS).rows([labelled])
    cells[0][2] = "=HYPERLINK(1)"
    assert read_csv(write([cells], ExportFormat.CSV, columns=SESSION_COLUMNS))[1][2] == "'=HYPERLINK(1)"


def test_csv_leaves_negative_numbers_alone() -> None:
    """A number is no formula, whatever its sign."""
    text = write([[["a", -1, Decimal("-1.5")]]], ExportFormat.CSV, columns=THREE)
    assert read_csv(text)[1] == ["a", "-1", "-1.5"]


def test_csv_ends_its_lines_as_its_standard_asks() -> None:
    """RFC 4180: CRLF, and no byte-order mark; the moment is ISO 8601 in UTC."""
    assert write_task(model_id=None, ts=1_500) == (
        ",".join(TASK_COLUMNS)
        + "\r\na,1500,1970-01-01T00:00:01.500+00:00,,100,10,0.25,1772000100000,1,2,0.000000005,ledger,"
        "1970-01-01T01:00:01.500+01:00\r\n"
    )


def test_csv_for_a_french_excel_opens_by_double_click() -> None:
    """Byte-order mark, semicolons, decimal commas, and never an exponent."""
    assert write_task(dialect=Dialect.EXCEL_FR, ts=1_500) == (
        "\ufeff"
        + ";".join(TASK_COLUMNS)
        + "\r\na;1500;1970-01-01T00:00:01.500+00:00;m;100;10;0,25;1772000100000;1;2;0,000000005;ledger;"
        "1970-01-01T01:00:01.500+01:00\r\n"
    )


@pytest.mark.parametrize(
    ("export_format", "text"),
    [(ExportFormat.CSV, ",".join(TASK_COLUMNS) + "\r\n"), (ExportFormat.JSON, "[\n]\n"), (ExportFormat.NDJSON, "")],
)
@pytest.mark.parametrize("pages", [[], [[]], [[], []]])
def test_export_of_nothing_is_whole(export_format: ExportFormat, text: str, pages: list[list[list[Cell]]]) -> None:
    """An empty export is a header, an empty array, or nothing at all."""
    assert write(pages, export_format) == text
