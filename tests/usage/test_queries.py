"""Whatever is asked for, every answer adds up to the same deltas, to the last nano-dollar."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core import usage_statements
from aico.core.accounting import ZERO, Amount
from aico.core.domain import QUARTER_MS, TaskUsage
from aico.core.errors import RequestInvalid
from aico.core.filters import UsageFilter
from aico.core.usage_reader import Sort, SpentTask, Totals
from aico.features.usage.export import ExportFormat, ExportWriter
from aico.features.usage.periods import Bucket
from aico.services.queries import UsageQueries, UsageSummary
from tests.core.random_entries import MODELS, MOMENTS, TASK_IDS, entries, winners
from tests.core.repository_on_file import NOW_MS, Store, open_store, read_rows, temporary_database, usage

UTC = ZoneInfo("UTC")
NOW_QUARTER = NOW_MS // QUARTER_MS
DAY = 96
ALL = UsageFilter()


@dataclass(frozen=True)
class StoredDelta:
    """One row of the deltas, as a second program reads it."""

    quarter: int
    task_id: str
    model: str
    amount: Amount


def read_deltas(path: Path) -> list[StoredDelta]:
    """Return every delta."""
    rows = read_rows(path, "SELECT quarter, task_id, model, tokens_in, tokens_out, cost_nano_usd FROM usage_delta")
    return [
        StoredDelta(int(q or 0), str(task), str(model), Amount(*(int(value or 0) for value in amount)))
        for q, task, model, *amount in rows
    ]


def add(amounts: Iterable[Amount]) -> Amount:
    """Return the sum."""
    total = ZERO
    for amount in amounts:
        total = Amount(*(left + right for left, right in zip(total, amount, strict=True)))
    return total


def lower(text: str) -> str:
    """Return ``text`` with its ASCII letters small."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def is_inside(delta: StoredDelta, wanted: UsageFilter, first: int, end: int) -> bool:
    """Return whether the filter asks for ``delta``, by the words of the contract."""
    return (
        first <= delta.quarter < end
        and wanted.model in {None, delta.model}
        and (wanted.text is None or any(lower(wanted.text) in lower(name) for name in (delta.task_id, delta.model)))
    )


def stretch_of(summary: UsageSummary) -> tuple[int, int]:
    """Return the quarters that the summary says it is about."""
    return summary.from_ms // QUARTER_MS, summary.to_ms // QUARTER_MS


def spent_by_task(deltas: list[StoredDelta]) -> dict[str, Amount]:
    """Return the sum of ``deltas`` by task."""
    return {task_id: add(d.amount for d in deltas if d.task_id == task_id) for task_id in {d.task_id for d in deltas}}


def total(deltas: list[StoredDelta]) -> Totals:
    """Return sum, distinct tasks and unpriced tasks of ``deltas``."""
    spent = spent_by_task(deltas)
    unpriced = sum(amount.cost_nano_usd == 0 and amount.tokens_in + amount.tokens_out > 0 for amount in spent.values())
    return Totals(add(spent.values()), len(spent), unpriced)


def queries_of(store: Store) -> UsageQueries:
    """Return the questions of a program whose clock is the store's."""
    return UsageQueries(store.reader, lambda: store.now_ms)


async def list_all(store: Store, wanted: UsageFilter, sort: Sort = Sort.TS, *, descending: bool) -> list[SpentTask]:
    """Return all tasks inside ``wanted``."""
    return (await queries_of(store).list_usage(wanted, sort, descending=descending, limit=1_000, offset=0)).items


async def summarise(store: Store, wanted: UsageFilter = ALL, bucket: Bucket | None = None) -> UsageSummary:
    """Return the summary in UTC."""
    return await queries_of(store).get_summary(wanted, bucket, UTC)


QUARTERS = st.one_of(st.none(), st.integers(NOW_QUARTER - 520, NOW_QUARTER + 60))
TEXTS = ("a", "A", "_", "%", "'", "m", "vendor/", "", "zzz", "\\", "M%", "\u00e9")


@st.composite
def filters(draw: st.DrawFn) -> UsageFilter:
    """Draw a filter whose stretch is not empty."""
    first, end = draw(QUARTERS), draw(QUARTERS)
    if first is not None and end is not None and first >= end:
        first, end = end, first + 1
    model = draw(st.sampled_from([None, *(model or "" for model in MODELS), "other"]))
    return UsageFilter(first, end, model, draw(st.one_of(st.none(), st.sampled_from(TEXTS))))


async def compare(
    path: Path, readings: list[list[TaskUsage]], asked: list[tuple[UsageFilter, Bucket]], caught_up: set[int]
) -> None:
    """Import ``readings`` and hold every answer against the deltas in the file."""
    async with open_store(path) as store:
        for number, reading in enumerate(readings):
            await store.take_in(winners(reading))
            if number in caught_up:
                await store.repository.catch_up()
        deltas = read_deltas(path)
        for wanted, bucket in [(ALL, Bucket.WEEK), *asked]:
            summary = await summarise(store, wanted, bucket)
            assert_summary_equals(summary, wanted, deltas)
            page = await queries_of(store).list_usage(wanted, Sort.TS, descending=True, limit=1_000, offset=0)
            assert page.totals == summary.totals
            inside = [d for d in deltas if is_inside(d, wanted, *stretch_of(summary))]
            assert {item.usage.task_id: item.spent for item in page.items} == spent_by_task(inside)
            assert len(page.items) == page.totals.task_count
            known = await store.repository.get_known()
            assert all(known.tasks[item.usage.task_id] == item.usage for item in page.items)


def assert_summary_equals(summary: UsageSummary, wanted: UsageFilter, deltas: list[StoredDelta]) -> None:
    """Compare totals, models, series and the previous stretch with sums over ``deltas``."""
    first, end = stretch_of(summary)
    assert wanted.first_quarter in {None, first}
    assert wanted.end_quarter in {None, end}
    inside = [delta for delta in deltas if is_inside(delta, wanted, first, end)]
    assert summary.totals == total(inside)
    assert summary.by_model == {
        model: total([delta for delta in inside if delta.model == model]) for model in {d.model for d in inside}
    }
    assert add(point.amount for point in summary.series) == summary.totals.amount
    ends = [*(point.start_ms for point in summary.series[1:]), summary.to_ms]
    running = 0
    for point, end_ms in zip(summary.series, ends, strict=True):
        part = [d.amount for d in inside if point.start_ms <= d.quarter * QUARTER_MS < end_ms]
        running += point.amount.cost_nano_usd
        assert (point.amount, point.cumulative_cost_nano_usd) == (add(part), running)
    before = [delta for delta in deltas if is_inside(delta, wanted, 2 * first - end, first)]
    assert summary.previous == (None if wanted.first_quarter is None else total(before))


@given(
    st.lists(st.lists(entries(), max_size=6), min_size=1, max_size=4),
    st.lists(st.tuples(filters(), st.sampled_from([Bucket.QUARTER, Bucket.HOUR, Bucket.DAY])), min_size=6, max_size=6),
    st.sets(st.integers(0, 3)),
)
def test_every_answer_is_the_sum_of_the_same_deltas(
    readings: list[list[TaskUsage]], asked: list[tuple[UsageFilter, Bucket]], caught_up: set[int]
) -> None:
    """Totals of page and summary, models, series and previous stretch equal sums over the deltas.

    Whether the sums by task are current, and since which reading, makes no difference.
    """
    with temporary_database() as path:
        asyncio.run(compare(path, readings, asked, caught_up))


async def test_models_are_listed_most_expensive_first(store: Store) -> None:
    """At equal cost the one with more tokens comes first."""
    await store.take_in(
        [
            usage("1", model_id="cheap", total_cost=0.1),
            usage("2", model_id="dear", total_cost=9.0),
            usage("3", model_id=None, total_cost=0.0, tokens_in=5, tokens_out=0),
            usage("4", model_id="local", total_cost=0.0, tokens_in=3, tokens_out=3),
        ]
    )
    summary = await summarise(store)
    assert list(summary.by_model) == ["dear", "cheap", "local", ""]
    assert summary.totals.unpriced_task_count == 2


async def test_summary_of_nothing_is_one_empty_bucket(store: Store) -> None:
    """Before the first import there is a stretch of time, and nothing in it."""
    summary = await summarise(store)
    assert (summary.from_ms, summary.to_ms) == (NOW_QUARTER * QUARTER_MS, (NOW_QUARTER + 1) * QUARTER_MS)
    assert (summary.totals, summary.by_model, summary.previous) == (Totals(ZERO, 0, 0), {}, None)
    assert [(point.amount, point.cumulative_cost_nano_usd) for point in summary.series] == [(ZERO, 0)]


async def test_automatic_period_covers_all_that_is_stored(store: Store) -> None:
    """Without ends it goes from the first delta to now, and the size of its buckets fits."""
    await store.take_in([usage("old", ts=NOW_MS - 50 * DAY * QUARTER_MS), usage("new")])
    summary = await summarise(store)
    assert summary.from_ms // QUARTER_MS == NOW_QUARTER - 50 * DAY
    assert summary.to_ms // QUARTER_MS == NOW_QUARTER + 1
    assert (summary.bucket, summary.totals.task_count) == (Bucket.DAY, 2)


async def test_far_future_hides_nothing_of_the_next_day(store: Store) -> None:
    """One clock that is years ahead takes away no entry of another that is two hours ahead."""
    await store.take_in([usage("now"), usage("soon", ts=NOW_MS + 8 * QUARTER_MS)])
    before = await list_all(store, UsageFilter(), descending=True)
    await store.take_in([usage("far", ts=NOW_MS + 400 * DAY * QUARTER_MS)])
    assert [item.usage.task_id for item in await list_all(store, UsageFilter(), descending=True)] == [
        i.usage.task_id for i in before
    ]
    assert len(before) == 2


@pytest.mark.parametrize(("ahead", "is_inside"), [(DAY, True), (DAY + 1, False), (10**6, False)])
async def test_automatic_period_leaves_out_what_lies_beyond_a_day_ahead(
    store: Store, ahead: int, is_inside: bool
) -> None:
    """A task dated further ahead is stored and can be asked for, but does not stretch what is shown."""
    future = usage("future", ts=NOW_MS + ahead * QUARTER_MS)
    await store.take_in([usage("now"), future])
    names = {item.usage.task_id for item in await list_all(store, ALL, descending=True)}
    asked = UsageFilter(first_quarter=NOW_QUARTER + 1, end_quarter=NOW_QUARTER + ahead + 1)
    assert names == ({"now", "future"} if is_inside else {"now"})
    assert (await summarise(store)).totals.task_count == len(names)
    assert [item.usage for item in await list_all(store, asked, descending=True)] == [future]


async def test_period_that_begins_ahead_of_everything_is_one_empty_quarter(store: Store) -> None:
    """A ``from`` in the future is answered, not refused."""
    await store.take_in([usage()])
    first = NOW_QUARTER + 10**6
    summary = await summarise(store, UsageFilter(first_quarter=first))
    assert (summary.from_ms, summary.to_ms) == (first * QUARTER_MS, (first + 1) * QUARTER_MS)
    assert summary.totals == Totals(ZERO, 0, 0)


@pytest.mark.parametrize("end", [0, 5, NOW_QUARTER])
async def test_period_that_ends_before_everything_is_one_empty_quarter(store: Store, end: int) -> None:
    """A ``to`` before the first delta is answered, not refused."""
    await store.take_in([usage()])
    summary = await summarise(store, UsageFilter(end_quarter=end))
    assert (summary.from_ms, summary.to_ms) == ((end - 1) * QUARTER_MS, end * QUARTER_MS)
    assert summary.totals == Totals(ZERO, 0, 0)


@pytest.mark.parametrize(("first", "end"), [(5, 5), (6, 5)])
async def test_period_that_ends_before_it_begins_is_refused(store: Store, first: int, end: int) -> None:
    """An empty stretch is a mistake of the caller."""
    with pytest.raises(RequestInvalid) as caught:
        await summarise(store, UsageFilter(first_quarter=first, end_quarter=end))
    assert caught.value.field == "from"


async def test_explicit_bucket_beyond_the_limit_is_refused(store: Store) -> None:
    """The caller learns that its size is too fine for the stretch."""
    with pytest.raises(RequestInvalid) as caught:
        await summarise(store, UsageFilter(first_quarter=0, end_quarter=1_001), Bucket.QUARTER)
    assert caught.value.field == "bucket"


async def test_previous_period_is_the_equally_long_one_before(store: Store) -> None:
    """What was spent in the stretch before, under the same model."""
    await store.take_in(
        [
            usage("1", ts=NOW_MS),
            usage("2", ts=NOW_MS - 4 * QUARTER_MS, total_cost=1.0),
            usage("3", ts=NOW_MS - 4 * QUARTER_MS, total_cost=1.0, model_id="other"),
            usage("4", ts=NOW_MS - 8 * QUARTER_MS, total_cost=1.0),
        ]
    )
    summary = await summarise(store, UsageFilter(NOW_QUARTER - 3, NOW_QUARTER + 1, model="m"))
    assert summary.totals == Totals(Amount(100, 10, 250_000_000), 1, 0)
    assert summary.previous == Totals(Amount(100, 10, 10**9), 1, 0)


async def test_days_of_the_series_follow_the_zone(store: Store) -> None:
    """The same moment belongs to another day elsewhere."""
    before_midnight_in_paris = 1_774_738_800_000 - QUARTER_MS
    await store.take_in([usage("1", ts=before_midnight_in_paris), usage("2", ts=before_midnight_in_paris + QUARTER_MS)])
    first = before_midnight_in_paris // QUARTER_MS
    wanted = UsageFilter(first, first + 2)
    paris = await queries_of(store).get_summary(wanted, Bucket.DAY, ZoneInfo("Europe/Paris"))
    utc = await queries_of(store).get_summary(wanted, Bucket.DAY, UTC)
    assert [point.amount.tokens_in for point in paris.series] == [100, 100]
    assert [point.amount.tokens_in for point in utc.series] == [200]


def tie_rich() -> list[TaskUsage]:
    """Return tasks that are equal in all that can be sorted by, but for their ids."""
    return [
        usage(f"{ts}{model}{cost}{n}", ts=NOW_MS + ts, model_id=model, tokens_in=n % 2, total_cost=cost)
        for ts in (0, 1)
        for model in (None, "m")
        for cost in (0.0, 0.5)
        for n in range(3)
    ]


@pytest.mark.parametrize("sort", Sort)
async def test_tasks_are_listed_in_a_total_order(store: Store, sort: Sort) -> None:
    """Each column orders both ways, one the mirror of the other, and ties are broken by the id."""
    await store.take_in(tie_rich())
    ascending = await list_all(store, ALL, sort, descending=False)
    keys = [sort_key(item, sort) for item in ascending]
    assert keys == sorted(keys)
    assert await list_all(store, ALL, sort, descending=True) == ascending[::-1]
    assert len({item.usage.task_id for item in ascending}) == len(tie_rich())


def sort_key(item: SpentTask, sort: Sort) -> tuple[str | int, str]:
    """Return what ``sort`` orders by; the unknown model comes before all others."""
    values: dict[Sort, str | int] = {
        Sort.TS: item.usage.ts,
        Sort.TASK_ID: item.usage.task_id,
        Sort.MODEL_ID: item.usage.model_id or "",
        Sort.TOKENS_IN: item.spent.tokens_in,
        Sort.TOKENS_OUT: item.spent.tokens_out,
        Sort.TOTAL_COST: item.spent.cost_nano_usd,
    }
    return values[sort], item.usage.task_id


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_join_without_overlap_or_gap(store: Store, sort: Sort, descending: bool) -> None:
    """Page after page gives every task once, in the order of the whole; beyond the end there is nothing."""
    await store.take_in(tie_rich())
    queries = queries_of(store)
    pages = [
        await queries.list_usage(ALL, sort, descending=descending, limit=7, offset=offset) for offset in range(0, 35, 7)
    ]
    assert [len(page.items) for page in pages] == [7, 7, 7, 3, 0]
    assert [item for page in pages for item in page.items] == await list_all(store, ALL, sort, descending=descending)
    assert {page.totals for page in pages} == {pages[0].totals}


async def test_item_says_what_was_spent_inside_the_filter(store: Store) -> None:
    """The row holds lifetime values, ``spent`` the part of the stretch and the model."""
    await store.take_in([usage(ts=NOW_MS - QUARTER_MS, model_id="old", total_cost=1.0)])
    latest = usage(model_id="new", tokens_in=150, total_cost=1.25)
    await store.take_in([latest])
    (now,) = await list_all(store, UsageFilter(first_quarter=NOW_QUARTER), descending=True)
    (old,) = await list_all(store, UsageFilter(model="old"), descending=True)
    assert (now.usage, now.spent, now.imported_at) == (latest, Amount(50, 0, 250_000_000), NOW_MS)
    assert (old.usage, old.spent) == (latest, Amount(100, 10, 10**9))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("%", {"a%b"}),
        ("_", {"A_b", "vendor"}),
        ("a_b", {"A_b"}),
        ("'", {"it's"}),
        ("' OR 1=1 --", set()),
        ("\\", set()),
        ("*", set()),
        ("VENDOR/M_2", {"vendor"}),
        ("\u00c9T", {"\u00c9t\u00c9"}),
        ("\u00e9t", set()),
        ("b", {"a%b", "A_b"}),
        ("", {"a%b", "A_b", "it's", "vendor", "\u00c9t\u00c9"}),
    ],
)
async def test_text_is_searched_for_literally(store: Store, text: str, names: set[str]) -> None:
    """No character of it is a pattern; only ASCII letters match whatever their case."""
    await store.take_in(
        [usage("a%b"), usage("A_b"), usage("it's"), usage("vendor", model_id="vendor/m_2"), usage("\u00c9t\u00c9")]
    )
    found = await list_all(store, UsageFilter(text=text), descending=True)
    assert {item.usage.task_id for item in found} == names


async def test_unknown_model_can_be_asked_for(store: Store) -> None:
    """Its name in the filter is empty; none at all is every model."""
    await store.take_in([usage("known"), usage("unknown", model_id=None)])
    unknown = await list_all(store, UsageFilter(model=""), descending=True)
    assert [item.usage.task_id for item in unknown] == ["unknown"]
    assert len(await list_all(store, ALL, descending=True)) == 2


async def test_export_holds_every_task_once_across_its_pages(store: Store) -> None:
    """More tasks than fit on one page, newest first, and the filter of the page."""
    count = 5_001
    await store.take_in([usage(f"{n:05}", ts=NOW_MS - n) for n in range(count)])
    pieces = await queries_of(store).export(ALL, ExportWriter(ExportFormat.NDJSON))
    lines = "".join(pieces).splitlines()
    assert [line[: line.index(",")] for line in lines] == [f'{{"task_id": "{n:05}"' for n in range(count)]
    some = await queries_of(store).export(UsageFilter(text="00001"), ExportWriter(ExportFormat.NDJSON))
    assert "".join(some).splitlines() == lines[1:2]


async def test_counters_and_model_totals_come_from_the_same_history(store: Store) -> None:
    """Counters keep what was taken back, sums do not."""
    await store.take_in([usage(tokens_in=10)])
    await store.take_in([usage(tokens_in=4)])
    async with store.reader.snapshot() as snapshot:
        counters, sums = await snapshot.list_counters(), await snapshot.list_model_totals()
    assert counters == {"m": Amount(10, 10, 250_000_000)}
    assert sums == {"m": Amount(4, 10, 250_000_000)}


def test_questions_need_no_newer_sqlite() -> None:
    """Ubuntu 22.04 has SQLite 3.37, without the operators ``->`` and ``->>``."""
    statements = [text for name, text in vars(usage_statements).items() if name.isupper() and isinstance(text, str)]
    assert len(statements) > 5
    assert [text for text in statements if "->" in text] == []


def test_pools_hold_what_the_filters_ask_for() -> None:
    """The random data and the random filters meet."""
    assert {"a%b", "A_b", "it's"} < set(TASK_IDS)
    assert min(MOMENTS) // QUARTER_MS >= NOW_QUARTER - 520
