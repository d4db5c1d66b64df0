"""Pages, sums, one session and exports, by example: where periods end, what is listed, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from aico.core.db import questions
from aico.core.db.reader import Sort, StoredSession
from aico.core.db.sums_reader import Group, SessionCounts
from aico.core.errors import RequestInvalid, SessionUnknown
from aico.core.filters import UsageFilter
from aico.core.sums import NOTHING, REQUEST, Sums
from aico.core.usage import (
    SLOT_MS,
    TS_MAX,
    MeterReading,
    RequestState,
    SessionState,
    Tokens,
    Trigger,
    UsageEvent,
    digest,
)
from aico.features.usage.export import SESSION_COLUMNS, ExportFormat, ExportWriter, SessionLayout
from aico.features.usage.fields import sum_fields
from aico.features.usage.periods import Bucket
from aico.services.queries import SessionDetail, UsageQueries
from aico.services.shapes import session_fields
from aico.services.summary import Counted, UsageSummary, heaviest
from tests.core.repository_on_file import NOW_MS, Store, request, usage

UTC = ZoneInfo("UTC")
NOW_SLOT = NOW_MS // SLOT_MS
DAY = 96
ALL = UsageFilter()


def queries_of(store: Store) -> UsageQueries:
    """Return the questions of a program whose clock is the store's."""
    return UsageQueries(store.reader, lambda: store.now_ms)


async def list_all(
    store: Store, wanted: UsageFilter = ALL, sort: Sort = Sort.LAST, *, descending: bool = True
) -> list[StoredSession]:
    """Return all sessions inside ``wanted``."""
    page = await queries_of(store).list_sessions(wanted, sort, descending=descending, limit=1_000, offset=0)
    return page.items


async def list_names(store: Store, wanted: UsageFilter = ALL) -> set[str]:
    """Return the keys of the sessions inside ``wanted``."""
    return {item.key for item in await list_all(store, wanted)}


async def summarise(store: Store, wanted: UsageFilter = ALL, bucket: Bucket | None = None, *by: str) -> UsageSummary:
    """Return the summary in UTC."""
    return await queries_of(store).get_summary(wanted, bucket, UTC, by)


async def detail(store: Store, key: str, source: str = "tool", limit: int = 10, offset: int = 0) -> SessionDetail:
    """Return one session in UTC."""
    return await queries_of(store).get_session(source, key, limit=limit, offset=offset, bucket=None, zone=UTC)


async def test_groups_are_listed_most_expensive_first(store: Store) -> None:
    """At equal cost the one with more tokens comes first."""
    await store.take_in(
        [
            usage("1", model_id="cheap", total_cost=0.1),
            usage("2", model_id="dear", total_cost=9.0),
            usage("3", model_id=None, total_cost=0.0, tokens_in=5, tokens_out=0),
            usage("4", model_id="local", total_cost=0.0, tokens_in=3, tokens_out=3),
        ]
    )
    summary = await summarise(store, ALL, None, "model")
    assert list(summary.groups) == [("dear",), ("cheap",), ("local",), ("",)]
    assert summary.totals.counts == SessionCounts(4, 2)


async def test_days_ascend_and_follow_the_zone(store: Store) -> None:
    """The same moment belongs to another day elsewhere, in the series and in the groups."""
    before_midnight_in_paris = 1_774_738_800_000 - SLOT_MS
    await store.take_in([usage("1", ts=before_midnight_in_paris), usage("2", ts=before_midnight_in_paris + SLOT_MS)])
    first = before_midnight_in_paris // SLOT_MS
    wanted, days = UsageFilter(first, first + 2), ("day",)
    paris = await queries_of(store).get_summary(wanted, Bucket.DAY, ZoneInfo("Europe/Paris"), days)
    utc = await queries_of(store).get_summary(wanted, Bucket.DAY, UTC, days)
    assert [point.sums.get("input") for point in paris.series] == [100, 100]
    assert [point.sums.get("input") for point in utc.series] == [200]
    assert [(day, group.counts.sessions) for (day,), group in paris.groups.items()] == [
        ("2026-03-28", 1),
        ("2026-03-29", 1),
    ]
    assert [(day, group.counts.sessions) for (day,), group in utc.groups.items()] == [("2026-03-28", 2)]


async def test_groups_by_day_are_refused_for_more_days_than_there_may_be(store: Store) -> None:
    """The caller learns which parameter it is."""
    with pytest.raises(RequestInvalid) as caught:
        await summarise(store, UsageFilter(0, 1_001 * DAY), None, "day")
    assert caught.value.field == "by"


async def test_sessions_of_two_tools_are_told_apart_though_they_are_called_the_same(store: Store) -> None:
    """Groups by session are groups by source, too."""
    await store.take_in_of("one", [request("r", "same", nano=1)])
    await store.take_in_of("two", [request("r", "same", nano=2)])
    summary = await summarise(store, ALL, None, "session")
    assert summary.by == ("source", "session")
    assert [(names, group.sums.cost_nano) for names, group in summary.groups.items()] == [
        (("two", "same"), 2),
        (("one", "same"), 1),
    ]


def test_lightest_groups_are_left_over() -> None:
    """Beyond the limit the groups that weigh least are handed over apart; the others keep their order."""
    groups: dict[tuple[str, ...], Counted] = {
        (name,): Counted(sum_of_cost(cost), SessionCounts(1, 0)) for name, cost in (("a", 1), ("b", 9), ("c", 5))
    }
    kept, others = heaviest(groups, 2)
    assert list(kept) == [("b",), ("c",)]
    assert [other.sums.cost_nano for other in others] == [1]
    assert heaviest(groups, 3) == (groups, [])


def sum_of_cost(nano: int) -> Sums:
    """Return a sum of ``nano`` alone."""
    return Sums((*(0,) * 14, nano, 0, 0, 0))


async def test_summary_of_nothing_is_one_empty_bucket(store: Store) -> None:
    """Before the first import there is a stretch of time, and nothing in it."""
    summary = await summarise(store, ALL, None, "source")
    assert (summary.from_ms, summary.to_ms) == (NOW_SLOT * SLOT_MS, (NOW_SLOT + 1) * SLOT_MS)
    assert (summary.totals, summary.groups, summary.previous) == (Counted(NOTHING, SessionCounts(0, 0)), {}, None)
    assert [(point.sums, point.cumulative_nano) for point in summary.series] == [(NOTHING, 0)]


async def test_automatic_period_covers_all_that_is_stored(store: Store) -> None:
    """Without ends it goes from the first event to now, and the size of its buckets fits."""
    await store.take_in([usage("old", ts=NOW_MS - 50 * DAY * SLOT_MS), usage("new")])
    summary = await summarise(store)
    assert summary.from_ms // SLOT_MS == NOW_SLOT - 50 * DAY
    assert summary.to_ms // SLOT_MS == NOW_SLOT + 1
    assert (summary.bucket, summary.totals.counts.sessions) == (Bucket.DAY, 2)


async def test_automatic_period_of_a_source_begins_with_its_own_first_event(store: Store) -> None:
    """Another tool's history does not stretch it."""
    await store.take_in([usage("old", ts=NOW_MS - 50 * DAY * SLOT_MS)])
    await store.take_in_of("tool", [request(ts=NOW_MS - DAY * SLOT_MS)])
    summary = await summarise(store, UsageFilter(sources=("tool",)))
    assert summary.from_ms // SLOT_MS == NOW_SLOT - DAY


async def test_far_future_hides_nothing_of_the_next_day(store: Store) -> None:
    """One clock that is years ahead takes away no session of another that is two hours ahead."""
    await store.take_in([usage("now"), usage("soon", ts=NOW_MS + 8 * SLOT_MS)])
    since = UsageFilter(first_slot=NOW_SLOT)
    before = await list_names(store, since)
    await store.take_in([usage("far", ts=NOW_MS + 400 * DAY * SLOT_MS)])
    assert await list_names(store, since) == before == {"now", "soon"}


@pytest.mark.parametrize(("ahead", "is_inside"), [(DAY, True), (DAY + 1, False), (10**6, False)])
async def test_period_that_ends_now_leaves_out_what_lies_beyond_a_day_ahead(
    store: Store, ahead: int, is_inside: bool
) -> None:
    """A session dated further ahead is stored and can be asked for, but is no part of what ends now."""
    await store.take_in([usage("now"), usage("future", ts=NOW_MS + ahead * SLOT_MS)])
    since = UsageFilter(first_slot=NOW_SLOT)
    names = await list_names(store, since)
    assert names == ({"now", "future"} if is_inside else {"now"})
    assert (await summarise(store, since)).totals.counts.sessions == len(names)
    assert await list_names(store, UsageFilter(NOW_SLOT + 1, NOW_SLOT + ahead + 1)) == {"future"}


@pytest.mark.parametrize("ahead", [DAY + 1, 10**6, TS_MAX // SLOT_MS - NOW_SLOT])
async def test_everything_holds_what_is_dated_ahead_and_its_chart_does_not_stretch(store: Store, ahead: int) -> None:
    """Sums, days and sessions without any end hold it; in the series it is one point behind now."""
    await store.take_in([usage("old", ts=NOW_MS - 40 * DAY * SLOT_MS), usage("now")])
    before = await summarise(store)
    await store.take_in([usage("future", ts=NOW_MS + ahead * SLOT_MS)])
    assert await list_names(store) == {"old", "now", "future"}
    for bucket in (None, Bucket.HOUR):
        after = await summarise(store, ALL, bucket)
        assert after.totals.sums.cost_nano == 3 * before.totals.sums.cost_nano // 2
        assert Sums.total(point.sums for point in after.series) == after.totals.sums
        assert after.ahead_from_ms == after.series[-1].start_ms == before.to_ms
        assert after.series[-1].sums.cost_nano == before.totals.sums.cost_nano // 2
        assert after.to_ms == (NOW_SLOT + ahead + 1) * SLOT_MS
    assert len((await summarise(store)).series) == len(before.series) + 1
    days = await summarise(store, ALL, None, "day")
    assert Sums.total(group.sums for group in days.groups.values()) == days.totals.sums
    assert [count.counts.sessions for count in days.groups.values()] == [1, 1, 1]


async def test_clock_that_was_set_back_hides_nothing_of_everything(store: Store) -> None:
    """Then all usage is dated ahead."""
    await store.take_in([usage("a", ts=NOW_MS + 40 * DAY * SLOT_MS), usage("b", ts=NOW_MS + 90 * DAY * SLOT_MS)])
    summary = await summarise(store)
    assert (summary.totals.counts.sessions, len(summary.series)) == (2, 1)
    assert summary.ahead_from_ms == summary.from_ms == NOW_MS + 40 * DAY * SLOT_MS
    assert len((await summarise(store, ALL, None, "day")).groups) == 2


async def test_period_that_begins_ahead_of_everything_is_one_empty_slot(store: Store) -> None:
    """A ``from`` in the future is answered, not refused."""
    await store.take_in([usage()])
    first = NOW_SLOT + 10**6
    summary = await summarise(store, UsageFilter(first_slot=first))
    assert (summary.from_ms, summary.to_ms) == (first * SLOT_MS, (first + 1) * SLOT_MS)
    assert summary.totals == Counted(NOTHING, SessionCounts(0, 0))


@pytest.mark.parametrize("end", [0, 5, NOW_SLOT])
async def test_period_that_ends_before_everything_is_one_empty_slot(store: Store, end: int) -> None:
    """A ``to`` before the first event is answered, not refused."""
    await store.take_in([usage()])
    summary = await summarise(store, UsageFilter(end_slot=end))
    assert (summary.from_ms, summary.to_ms) == ((end - 1) * SLOT_MS, end * SLOT_MS)
    assert summary.totals == Counted(NOTHING, SessionCounts(0, 0))


@pytest.mark.parametrize(("first", "end"), [(5, 5), (6, 5)])
async def test_period_that_ends_before_it_begins_is_refused(store: Store, first: int, end: int) -> None:
    """An empty stretch is a mistake of the caller."""
    with pytest.raises(RequestInvalid) as caught:
        await summarise(store, UsageFilter(first, end))
    assert caught.value.field == "from"


async def test_explicit_bucket_beyond_the_limit_is_refused(store: Store) -> None:
    """The caller learns that its size is too fine for the stretch."""
    with pytest.raises(RequestInvalid) as caught:
        await summarise(store, UsageFilter(0, 1_001), Bucket.SLOT)
    assert caught.value.field == "bucket"


async def test_previous_period_is_the_equally_long_one_before(store: Store) -> None:
    """It gives the usage of the stretch before, under the same model."""
    await store.take_in(
        [
            usage("1", ts=NOW_MS),
            usage("2", ts=NOW_MS - 4 * SLOT_MS, total_cost=1.0),
            usage("3", ts=NOW_MS - 4 * SLOT_MS, total_cost=1.0, model_id="other"),
            usage("4", ts=NOW_MS - 8 * SLOT_MS, total_cost=1.0),
        ]
    )
    summary = await summarise(store, UsageFilter(NOW_SLOT - 3, NOW_SLOT + 1, models=("m",)))
    assert (summary.totals.sums.cost_nano, summary.totals.counts) == (250_000_000, SessionCounts(1, 0))
    assert summary.previous is not None
    assert (summary.previous.sums.cost_nano, summary.previous.counts) == (10**9, SessionCounts(1, 0))


async def test_fall_of_a_running_total_takes_nothing_from_any_day(store: Store) -> None:
    """Spent cost stays spent; the session says that its tool shows less now."""
    await store.take_in([usage(total_cost=1.0)])
    await store.take_in([usage(total_cost=0.4)])
    assert (await summarise(store)).totals.sums.cost_nano == 10**9
    (item,) = await list_all(store)
    assert (item.has_fallen, item.stated_nano, item.total.cost_nano) == (True, 400_000_000, 10**9)


def tie_rich() -> list[MeterReading]:
    """Return tasks that are equal in all that can be sorted by, but for their ids."""
    return [
        usage(f"{ts}{model}{cost}{n}", ts=NOW_MS + ts, model_id=model, tokens_in=n % 2, total_cost=cost)
        for ts, model, cost, n in product((0, 1), (None, "m"), (0.0, 0.5), range(3))
    ]


@pytest.mark.parametrize("sort", Sort)
async def test_sessions_are_listed_in_a_total_order(store: Store, sort: Sort) -> None:
    """Each column orders both ways, one the mirror of the other, and ties are broken by the id."""
    await store.take_in(tie_rich())
    ascending = await list_all(store, ALL, sort, descending=False)
    keys = [(sort_key(item, sort), item.key) for item in ascending]
    assert keys == sorted(keys)
    assert await list_all(store, ALL, sort, descending=True) == ascending[::-1]
    assert len({item.key for item in ascending}) == len(tie_rich())


def sort_key(item: StoredSession, sort: Sort) -> str | int:
    """Return what ``sort`` orders by; the unknown model comes before all others."""
    values: dict[Sort, str | int] = {
        Sort.LAST: item.last_ts,
        Sort.FIRST: item.first_ts,
        Sort.SESSION: item.key,
        Sort.SOURCE: item.source,
        Sort.MODEL: item.model,
        Sort.INPUT: item.spent.get("input"),
        Sort.CACHE_READ: item.spent.get("cache_read"),
        Sort.OUTPUT: item.spent.get("output"),
        Sort.TOKENS: item.spent.token_count,
        Sort.REQUESTS: item.spent.get("requests"),
        Sort.COST: item.spent.cost_nano,
    }
    return values[sort]


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_join_without_overlap_or_gap(store: Store, sort: Sort, descending: bool) -> None:
    """Page after page gives every session once, in the order of the whole; beyond the end there is nothing."""
    await store.take_in(tie_rich())
    queries = queries_of(store)
    pages = [
        await queries.list_sessions(ALL, sort, descending=descending, limit=7, offset=offset)
        for offset in range(0, 35, 7)
    ]
    assert [len(page.items) for page in pages] == [7, 7, 7, 3, 0]
    assert [item for page in pages for item in page.items] == await list_all(store, ALL, sort, descending=descending)
    assert {page.totals for page in pages} == {pages[0].totals}


@pytest.mark.parametrize("is_folded", [True, False])
async def test_pages_join_after_a_commit(store: Store, is_folded: bool) -> None:
    """Another order then; with ties, and whichever page comes first."""
    await store.take_in_of("tool", [request("1", "head"), request("2", "agent")._replace(parent="head")])
    await store.take_in(tie_rich())
    queries = queries_of(store)

    async def page(offset: int, limit: int = 7) -> list[str]:
        found = await queries.list_sessions(
            ALL, Sort.COST, descending=True, limit=limit, offset=offset, is_folded=is_folded
        )
        assert found.row_count == (25 if is_folded else 26) + len(more)
        return [item.key for item in found.items]

    for more in ([], [usage(task_id="more", total_cost=99.0)]):
        await store.take_in([*tie_rich(), *more])
        pages = [key for offset in range(0, 35, 7) for key in await page(offset)]
        assert pages == await page(0, 100)
        assert len(set(pages)) == len(pages)
        assert [key for offset in range(28, -1, -7) for key in reversed(await page(offset))] == pages[::-1]


async def test_brief_answers_lack_what_they_say_and_no_more(store: Store) -> None:
    """Sums and sessions are the same; sessions of groups, unpriced ones and the stretch before are left out."""
    await store.take_in(tie_rich())
    queries = queries_of(store)
    for first in (None, NOW_SLOT - 40):
        wanted = UsageFilter(first_slot=first)
        summary = await queries.get_summary(wanted, None, UTC, ("model",), Group.MODEL)
        brief = await queries.get_summary(wanted, None, UTC, ("model",), Group.MODEL, is_brief=True)
        uncounted = {names: Counted(group.sums, SessionCounts()) for names, group in summary.groups.items()}
        totals = Counted(summary.totals.sums, SessionCounts(summary.totals.counts.sessions))
        assert brief == summary._replace(groups=uncounted, totals=totals, previous=None)
        page = await queries.list_sessions(wanted, Sort.LAST, descending=True, limit=9, offset=0)
        short = await queries.list_sessions(wanted, Sort.LAST, descending=True, limit=9, offset=0, is_brief=True)
        assert short == replace(page, totals=Counted(page.totals.sums, SessionCounts(page.totals.counts.sessions)))


async def test_item_says_what_was_spent_inside_the_filter(store: Store) -> None:
    """Its own numbers are its whole life's, ``spent`` the part of the stretch and the model."""
    await store.take_in([usage(ts=NOW_MS - SLOT_MS, model_id="old", total_cost=1.0)])
    await store.take_in([usage(model_id="new", tokens_in=150, total_cost=1.25)])
    (now,) = await list_all(store, UsageFilter(first_slot=NOW_SLOT))
    (old,) = await list_all(store, UsageFilter(models=("old",)))
    assert (now.total.get("input"), now.total.cost_nano) == (150, 1_250_000_000)
    assert (now.spent.get("input"), now.spent.get("output"), now.spent.cost_nano) == (50, 0, 250_000_000)
    assert (old.spent.get("input"), old.spent.cost_nano, old.total) == (100, 10**9, now.total)


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
        ("PAYMENTS", {"it's"}),
        ("", {"a%b", "A_b", "it's", "vendor", "\u00c9t\u00c9"}),
    ],
)
async def test_text_is_searched_for_literally(store: Store, text: str, names: set[str]) -> None:
    """In ids, labels and models; no character of it is a pattern; only ASCII letters match whatever their case."""
    await store.take_in(
        [usage("a%b"), usage("A_b"), usage("it's"), usage("vendor", model_id="vendor/m_2"), usage("\u00c9t\u00c9")]
    )
    await store.writer.set_label("cline", "it's", "payments of May")
    assert await list_names(store, UsageFilter(text=text)) == names


async def test_unknown_model_can_be_asked_for(store: Store) -> None:
    """Its name in the filter is empty; none at all is every model, and several are any of them."""
    await store.take_in([usage("known"), usage("unknown", model_id=None), usage("third", model_id="x")])
    assert await list_names(store, UsageFilter(models=("",))) == {"unknown"}
    assert await list_names(store, UsageFilter(models=("", "x"))) == {"unknown", "third"}
    assert len(await list_all(store)) == 3


@pytest.mark.parametrize("begins_with", ["ledger", "sessions"])
async def test_tasks_of_one_origin_are_told_apart_whichever_was_read_first(store: Store, begins_with: str) -> None:
    """A task belongs to the strongest origin that states a number of it: the parts are disjoint, and all of it."""
    silent = usage("c", ts=NOW_MS, tokens_in=None, tokens_out=None, total_cost=None)
    readings = {
        "ledger": [usage("a"), usage("b"), usage("c")],
        "sessions": [usage("b", tokens_in=200), silent, usage("d")],
    }
    for origin in sorted(readings, reverse=begins_with == "sessions"):
        await store.take_in(readings[origin], origin)
    expected = {"ledger": {"a", "c"}, "sessions": {"b", "d"}}
    for origin, names in expected.items():
        wanted = UsageFilter(sources=("cline",), origin=origin)
        assert await list_names(store, wanted) == names
        assert {item.origin for item in await list_all(store, wanted)} == {origin}
        summary = await summarise(store, wanted, None, "model")
        page = await queries_of(store).list_sessions(wanted, Sort.LAST, descending=True, limit=9, offset=0)
        assert summary.totals == page.totals


async def test_session_is_shown_with_its_requests_its_children_and_its_series(store: Store) -> None:
    """Newest first, page by page; what it spent is everything, and its series adds up to that."""
    await store.take_in_of(
        "tool",
        [
            request("1", "s", ts=NOW_MS - DAY * SLOT_MS, nano=5),
            request("2", "s", model=None, nano=None),
            UsageEvent(digest("3"), "child", NOW_MS, "m", Tokens(1, 0, 0, 0, 1), 1, parent="s"),
            request("4", "s", ts=NOW_MS + 1, input=None, output=None, state=RequestState.UNMEASURED),
        ],
    )
    found = await detail(store, "s", limit=2)
    assert [(event.kind, event.ts, event.model, event.state) for event in found.events] == [
        (REQUEST, NOW_MS + 1, "m", RequestState.UNMEASURED),
        (REQUEST, NOW_MS, "", RequestState.FINAL),
    ]
    assert (found.event_count, [child.key for child in found.children]) == (3, ["child"])
    assert found.children[0].spent.get("input") == 1
    assert [event.costs.recorded for event in (await detail(store, "s", limit=2, offset=2)).events] == [5]
    assert found.session.spent == found.session.total
    assert found.series[-1].cumulative_nano == found.session.spent.cost_nano == 5
    assert sum(point.sums.get("requests") for point in found.series) == 3
    assert (found.from_ms // SLOT_MS, found.to_ms // SLOT_MS) == (NOW_SLOT - DAY, NOW_SLOT + 1)
    child = await detail(store, "child")
    assert child.session.parent == "s"
    assert child.parent is not None
    assert child.parent.key == "s"


async def test_sessions_fold_under_the_one_at_their_head(store: Store) -> None:
    """However deep they lie, their sums are its own; one whose head is not stored, or a ring, stands for itself."""

    def event(name: str, key: str, ts: int, nano: int, parent: str | None = None, model: str = "m") -> UsageEvent:
        return request(name, key, ts=NOW_MS + ts, nano=nano, model=model)._replace(parent=parent)

    await store.take_in_of(
        "tool",
        [
            event("1", "head", 0, 1),
            event("2", "agent", 90, 10, "head", "small"),
            event("3", "deep", 50, 100, "agent"),
            event("4", "alone", 60, 1_000),
            event("5", "orphan", 70, 10_000, "gone"),
            event("6", "ring", 10, 100_000, "round"),
            event("7", "round", 20, 1_000_000, "ring"),
        ],
    )
    await store.take_in_of("other", [event("1", "agent", 5, 10_000_000)])
    queries = queries_of(store)

    async def fold(wanted: UsageFilter = ALL, sort: Sort = Sort.LAST, limit: int = 9) -> list[tuple[str, int, int]]:
        page = await queries.list_sessions(wanted, sort, descending=True, limit=limit, offset=0, is_folded=True)
        single = await queries.list_sessions(wanted, sort, descending=True, limit=9, offset=0)
        assert page.totals == single.totals
        if limit == 9:
            assert page.row_count == len(page.items)
            assert Sums.total(item.spent for item in page.items) == page.totals.sums
        return [(f"{item.source}/{item.key}", item.folded_count, item.spent.cost_nano) for item in page.items]

    assert await fold() == [
        ("tool/head", 2, 111),
        ("tool/orphan", 0, 10_000),
        ("tool/alone", 0, 1_000),
        ("tool/round", 0, 1_000_000),
        ("tool/ring", 0, 100_000),
        ("other/agent", 0, 10_000_000),
    ]
    assert await fold(limit=1) == [("tool/head", 2, 111)]
    assert (await fold(sort=Sort.COST))[-1] == ("tool/head", 2, 111)
    assert await fold(UsageFilter(models=("small",))) == [("tool/head", 1, 10)]
    assert await fold(UsageFilter(sources=("other",))) == [("other/agent", 0, 10_000_000)]


@pytest.mark.parametrize(("source", "key"), [("tool", "other"), ("other", "s"), ("", "")])
async def test_session_that_is_not_stored_is_unknown(store: Store, source: str, key: str) -> None:
    """Neither another tool's nor a name that never was."""
    await store.take_in_of("tool", [request("1", "s")])
    with pytest.raises(SessionUnknown):
        await detail(store, key, source)


async def test_label_advances_the_revision_and_is_told(store: Store) -> None:
    """The fact to publish holds the session as it is now, with nothing spent by this commit."""
    await store.take_in([usage(total_cost=0.30000000000000004)])
    committed = await store.writer.set_label("cline", "a", "Payments")
    assert committed is not None
    (row,) = committed.rows
    assert (committed.receipt.revision, committed.receipt.trigger) == (2, Trigger.REQUEST)
    assert (committed.receipt.imported_count, committed.session_count) == (0, 1)
    assert (row.session, row.label, row.spent, row.total.cost_nano) == ("a", "Payments", NOTHING, 300_000_000)
    assert (row.origin, row.stated_nano, row.state) == ("ledger", 300_000_000, SessionState.UNKNOWN)
    assert await store.writer.set_label("cline", "a", "Payments") is None
    (item,) = await list_all(store)
    assert item.label == "Payments"
    await store.take_in([usage(tokens_in=101)])
    (item,) = await list_all(store)
    assert item.label == "Payments"
    committed = await store.writer.set_label("cline", "a", None)
    assert committed is not None
    assert committed.rows[0].label is None


@pytest.mark.parametrize(("source", "key"), [("cline", "b"), ("tool", "a")])
async def test_label_of_an_unknown_session_is_refused(store: Store, source: str, key: str) -> None:
    """Nothing is made, nothing advances."""
    await store.take_in([usage()])
    with pytest.raises(SessionUnknown):
        await store.writer.set_label(source, key, "x")
    assert (await store.writer.get_position())[1] == 1


async def test_task_that_begins_at_nothing_is_unpriced_once_it_has_tokens(store: Store) -> None:
    """A cost of 0 beside no tokens says nothing of the price of the tokens that follow."""
    await store.take_in([usage(tokens_in=0, tokens_out=0, total_cost=0.0)])
    await store.take_in([usage(tokens_in=5, tokens_out=0, total_cost=0.0)])
    totals = (await summarise(store)).totals
    assert (totals.sums.get("unpriced"), totals.counts) == (1, SessionCounts(1, 1))
    await store.take_in([usage(tokens_in=5, tokens_out=0, total_cost=0.5)])
    totals = (await summarise(store)).totals
    assert (totals.sums.get("unpriced"), totals.sums.cost_nano, totals.counts) == (0, 500_000_000, SessionCounts(1, 0))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize(("session", "bucket"), [("long", None), ("late", Bucket.DAY)])
async def test_session_of_any_moments_has_a_series(
    store: Store, session: str, bucket: Bucket | None, zone: str
) -> None:
    """Of more months than there may be buckets several are one; the last day of the calendar has a bucket."""
    await store.take_in([usage("long", ts=1), usage("late", ts=TS_MAX)])
    await store.take_in([usage("long", ts=TS_MAX, tokens_in=150)])
    queries = queries_of(store)
    found = await queries.get_session("cline", session, limit=1, offset=0, bucket=bucket, zone=ZoneInfo(zone))
    assert found.session.total.get("input") == sum(point.sums.get("input") for point in found.series)


async def test_sum_with_a_field_that_could_not_be_used_is_at_least(store: Store) -> None:
    """A number that is missing, and not counted in any other way, may be more than 0."""
    await store.take_in([usage(tokens_in=None)._replace(unknown=("tokensIn",))])
    assert sum_fields((await summarise(store)).totals.sums).is_at_least
    await store.take_in([usage(tokens_in=5)])
    assert not sum_fields((await summarise(store)).totals.sums).is_at_least


async def test_request_that_moves_away_leaves_no_session_behind(store: Store) -> None:
    """A request is counted where it is measured, and only there: by day, model and session."""
    open_ = request("r", "first", ts=NOW_MS - 2 * DAY * SLOT_MS, model=None, state=RequestState.OPEN, output=None)
    await store.take_in_of("tool", [open_, request("other", "first", ts=NOW_MS - 2 * DAY * SLOT_MS)])
    await store.take_in_of("tool", [request("r", "second", nano=3)])
    summary = await summarise(store, ALL, None, "model", "session")
    assert {names: group.counts.sessions for names, group in summary.groups.items()} == {
        ("tool", "m", "first"): 1,
        ("tool", "m", "second"): 1,
    }
    early = await summarise(store, UsageFilter(end_slot=NOW_SLOT - DAY))
    assert early.totals.counts.sessions == 1


async def test_sum_says_null_of_what_nobody_tells(store: Store) -> None:
    """A cache or cost of 0 is said only where it is known to be 0."""
    await store.take_in([usage(total_cost=0.0)])
    cline = sum_fields((await summarise(store)).totals.sums)
    assert (cline.cache_read_tokens, cline.reasoning_tokens, cline.cost_nano, cline.prompts) == (None,) * 4
    assert (cline.unpriced_requests, cline.lacking_cache_requests, cline.is_at_least) == (1, 1, True)
    await store.take_in_of("tool", [request(cache_read=0, nano=0)])
    tool = sum_fields((await summarise(store, UsageFilter(sources=("tool",)))).totals.sums)
    assert (tool.cache_read_tokens, tool.cost_nano, tool.recorded_cost_nano) == (0, 0, 0)
    assert (tool.list_cost_nano, tool.is_at_least) == (None, False)


async def test_session_says_null_of_what_its_tool_does_not_state(store: Store) -> None:
    """All of a session without a number; of another one its output alone. A stated 0 is 0."""
    silent = usage("silent", tokens_in=None, tokens_out=None, total_cost=None)
    half = usage("half", tokens_in=5, tokens_out=None, total_cost=0.5)
    await store.take_in([silent, half, usage("nil", tokens_in=0, tokens_out=0, total_cost=0.5)])
    for session in await list_all(store):
        shown, exported = session_fields(session), SessionLayout(UTC).rows([session])[0]
        for told in (shown, shown["spent"], dict(zip(SESSION_COLUMNS, exported, strict=True))):
            assert isinstance(told, dict)
            money = (told["recorded_cost_usd"], told["cost_usd"])
            assert (told["input_tokens"], told["output_tokens"], *money) == {
                "silent": (None,) * 4,
                "half": (5, None, 0.5, 0.5),
                "nil": (0, 0, 0.5, 0.5),
            }[session.key]


async def test_sum_says_null_where_all_of_it_is_unknown(store: Store) -> None:
    """Requests whose numbers are not known, or could not be used; with known ones beside them it says those."""
    await store.take_in_of(
        "tool",
        [
            request("1", "a", model="lost", input=None, output=None, state=RequestState.UNMEASURED),
            request("2", "b", model="broken", input=None, nano=7, unknown=("input",)),
            request("3", "c", model="cut", output=0, nano=7, state=RequestState.INTERRUPTED),
        ],
    )
    groups = (await summarise(store, ALL, None, "model")).groups
    told = {name: sum_fields(group.sums) for (name,), group in groups.items()}
    assert {name: (sums.input_tokens, sums.output_tokens, sums.cost_nano) for name, sums in told.items()} == {
        "lost": (None, None, None),
        "broken": (None, 10, 7),
        "cut": (100, None, 7),
    }
    whole = sum_fields((await summarise(store)).totals.sums)
    assert (whole.input_tokens, whole.output_tokens, whole.cost_nano) == (100, 10, 14)


@pytest.mark.slow
async def test_export_holds_every_task_once_across_its_pages(store: Store) -> None:
    """More tasks than fit on one page, newest first, and the filter of the page."""
    count = 5_001
    await store.take_in([usage(f"{n:05}", ts=NOW_MS - n) for n in range(count)])
    pieces = await queries_of(store).export_tasks(ALL, ExportWriter(ExportFormat.NDJSON))
    lines = "".join(pieces).splitlines()
    assert [line[: line.index(",")] for line in lines] == [f'{{"task_id": "{n:05}"' for n in range(count)]
    some = await queries_of(store).export_tasks(UsageFilter(text="00001"), ExportWriter(ExportFormat.NDJSON))
    assert "".join(some).splitlines() == lines[1:2]


async def test_export_of_tasks_is_of_cline_alone_and_that_of_sessions_of_all(store: Store) -> None:
    """The old export never shows another tool's sessions."""
    await store.take_in([usage("task")])
    await store.take_in_of("tool", [request("r", "session")])
    old = "".join(await queries_of(store).export_tasks(ALL, ExportWriter(ExportFormat.NDJSON)))
    new = "".join(await queries_of(store).export_sessions(ALL, ExportWriter(ExportFormat.NDJSON), SessionLayout(UTC)))
    assert ("task" in old, "session" in old) == (True, False)
    assert [line[: line.index(", ", 12)] for line in new.splitlines()] == ['{"source": "cline"', '{"source": "tool"']


def test_questions_need_no_newer_sqlite() -> None:
    """Ubuntu 22.04 has SQLite 3.37, without the operators ``->`` and ``->>``."""
    statements = [text for name, text in vars(questions).items() if name.isupper() and isinstance(text, str)]
    assert len(statements) > 5
    assert [text for text in statements if "->" in text] == []


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (questions.CHILDREN, ("tool", "s")),
        (questions.FAMILY, ("s",)),
        (questions.FAMILY_OF, ("tool", "s")),
        (questions.ORPHANS, (1,)),
        (questions.session_links("cost_usd", of_some=False), ()),
    ],
)
async def test_agents_are_looked_up(store: Store, statement: str, values: Sequence[str | int]) -> None:
    """By an index of sessions that others have started: each step of a family would walk over all sessions."""
    async with store.reader.snapshot() as snapshot:
        plan = await snapshot.ask(f"EXPLAIN QUERY PLAN {statement}", values)
    assert [step for *_, step in plan if "ix_session_parent" in step]
