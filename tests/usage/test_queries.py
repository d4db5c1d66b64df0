"""For any question, every answer adds up to the same events, to the last nano-dollar."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.db.reader import Sort
from aico.core.db.sums_reader import Group, SessionCounts
from aico.core.errors import SessionUnknown
from aico.core.filters import UsageFilter
from aico.core.sums import Sums
from aico.core.usage import (
    SLOT_MS,
    MeterReading,
    PromptSeen,
    Record,
    RequestState,
    SessionState,
    Tokens,
    UsageEvent,
    digest,
)
from aico.features.usage.periods import Bucket
from aico.services.queries import UsageQueries
from aico.services.summary import Counted, UsageSummary
from tests.core.repository_on_file import NOW_MS, Store, open_store, temporary_database
from tests.hypothesis_profiles import examples
from tests.usage.reference_usage import (
    ReferenceUsage,
    Spent,
    count_unpriced,
    grouped,
    names_of,
    sessions_of,
    sums_of,
)

NOW_SLOT = NOW_MS // SLOT_MS
UTC, PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")
DAY = 96
ALL = UsageFilter()

MODELS = (None, "m", "vendor/m_2", "M%")
MOMENTS = tuple(
    NOW_MS + shift * SLOT_MS + more
    for shift, more in ((0, 0), (0, 1), (-1, 0), (1, 0), (-3, 7), (40, 0), (-50, 0), (-90, 0), (-500, 0))
)
SESSIONS = ("1", "2", "a%b", "A_b", "it's")
LABELS = (None, "Payments", "a'b", "50 %")
COUNTS = st.one_of(st.sampled_from([0, 1, 7, 10**12]), st.integers(0, 10**12))
MAYBE = st.one_of(st.none(), COUNTS)
COSTS = st.one_of(
    st.none(),
    st.sampled_from([0.0, 0.1, 0.30000000000000004, 5e-10, 1.5e-9, 12.345678901, 1e6, 999_999.9999999995]),
    st.floats(0, 1e6),
)
NANOS = st.one_of(st.none(), st.sampled_from([0, 1, 10**15]), st.integers(0, 10**15))
STATES = (RequestState.FINAL, RequestState.OPEN, RequestState.INTERRUPTED, RequestState.AT_LEAST)


@st.composite
def requests(draw: st.DrawFn) -> UsageEvent:
    """Draw a request of few keys: its record is repeated, gets better and worse, and moves."""
    state = draw(st.sampled_from([*STATES, RequestState.UNMEASURED]))
    tokens = (
        Tokens()
        if state is RequestState.UNMEASURED
        else draw(st.builds(Tokens, COUNTS, MAYBE, MAYBE, MAYBE, COUNTS, st.none()))
    )
    return UsageEvent(
        digest(draw(st.integers(0, 9))),
        draw(st.sampled_from(SESSIONS)),
        draw(st.sampled_from(MOMENTS)),
        draw(st.sampled_from(MODELS)),
        tokens,
        None if state is RequestState.UNMEASURED else draw(NANOS),
        state,
        draw(st.sampled_from([None, *SESSIONS])),
    )


READINGS = st.builds(
    MeterReading,
    session=st.sampled_from(SESSIONS),
    ts=st.sampled_from(MOMENTS),
    model=st.sampled_from(MODELS),
    input=COUNTS,
    cache_read=st.none(),
    cache_write_5m=st.none(),
    cache_write_1h=st.none(),
    output=COUNTS,
    reasoning=st.none(),
    cost_usd=COSTS,
    state=st.just(SessionState.UNKNOWN),
    parent=st.none(),
    unknown=st.just(()),
    forked_from=st.none(),
    started_ts=st.none(),
)
PROMPTS = st.builds(
    PromptSeen,
    key=st.integers(0, 5).map(digest),
    session=st.sampled_from(SESSIONS),
    ts=st.sampled_from(MOMENTS),
    model=st.sampled_from([name for name in MODELS if name]),
    parent=st.none(),
    claim=st.none(),
)
BATCHES = st.one_of(
    st.tuples(st.just("log-tool"), st.lists(st.one_of(requests(), PROMPTS), max_size=6)),
    st.tuples(st.just("other-log"), st.lists(requests(), max_size=4)),
    st.tuples(st.sampled_from(["cline", "meter-tool"]), st.lists(READINGS, max_size=5, unique_by=lambda r: r.session)),
)
SOURCES = ("log-tool", "other-log", "cline", "meter-tool")
SLOTS = st.one_of(st.none(), st.integers(NOW_SLOT - 520, NOW_SLOT + 60))
TEXTS = ("a", "A", "_", "%", "'", "m", "vendor/", "", "zzz", "\\", "M%", "\u00e9", "pay")


@st.composite
def filters(draw: st.DrawFn) -> UsageFilter:
    """Draw a filter whose stretch is not empty."""
    first, end = draw(SLOTS), draw(SLOTS)
    if first is not None and end is not None and first >= end:
        first, end = end, first + 1
    return UsageFilter(
        first,
        end,
        sources=draw(st.lists(st.sampled_from([*SOURCES, "never-seen"]), max_size=3, unique=True).map(tuple)),
        models=draw(st.lists(st.sampled_from(["", "m", "M%", "other"]), max_size=2, unique=True).map(tuple)),
        text=draw(st.one_of(st.none(), st.sampled_from(TEXTS))),
    )


GROUPS = st.lists(st.sampled_from(["source", "model", "session", "project", "day"]), max_size=3, unique=True)
QUESTIONS = st.tuples(filters(), st.sampled_from([Bucket.SLOT, Bucket.HOUR, Bucket.DAY]), GROUPS)


def queries_of(store: Store) -> UsageQueries:
    """Return the questions of a program whose clock is the store's."""
    return UsageQueries(store.reader, lambda: store.now_ms)


def counted(many: Sequence[Spent]) -> Counted:
    """Return sums and counts by the reference."""
    return Counted(sums_of(many), SessionCounts(len(sessions_of(many)), count_unpriced(many)))


async def compare(
    path: Path,
    batches: Sequence[tuple[str, list[Record]]],
    labels: Sequence[tuple[str, str | None]],
    asked: Sequence[tuple[UsageFilter, Bucket, list[str]]],
) -> None:
    """Write everything, and hold every answer against the reference."""
    reference = ReferenceUsage()
    async with open_store(path) as store:
        for source, records in batches:
            await store.take_in_of(source, records, "ledger" if source == "cline" else "files")
            reference.take(source, records, store.now_ms)
        for session, label in labels:
            try:
                await store.writer.set_label("log-tool", session, label)
                reference.labels["log-tool", session] = label
            except SessionUnknown:
                continue
        for wanted, bucket, by in [(ALL, Bucket.WEEK, ["source", "model"]), *asked]:
            split = Group.MODEL if "source" in by else Group.SOURCE
            summary = await queries_of(store).get_summary(wanted, bucket, PARIS, by, split)
            first, end = summary.from_ms // SLOT_MS, summary.to_ms // SLOT_MS
            inside = reference.inside(wanted, first, end)
            assert_summary_equals(summary, wanted, reference, inside)
            await assert_sessions_equal(store, wanted, summary.totals, inside)


def assert_summary_equals(
    summary: UsageSummary, wanted: UsageFilter, reference: ReferenceUsage, inside: list[Spent]
) -> None:
    """Compare totals, groups, series and the previous stretch."""
    first, end = summary.from_ms // SLOT_MS, summary.to_ms // SLOT_MS
    assert wanted.first_slot in {None, first}
    assert wanted.end_slot in {None, end}
    assert summary.totals == counted(inside)
    groups = grouped(inside, lambda spent: names_of(spent, summary.by, PARIS))
    expected = {names: counted(own) for names, own in groups.items()}
    assert summary.groups == (expected if summary.by else {(): counted(inside)})
    ends = [*(point.start_ms for point in summary.series[1:]), summary.to_ms]
    running = 0
    for point, end_ms in zip(summary.series, ends, strict=True):
        running += point.sums.cost_nano
        part = [spent for spent in inside if point.start_ms <= spent.slot * SLOT_MS < end_ms]
        assert (point.sums, point.cumulative_nano) == (sums_of(part), running)
        names = grouped(part, lambda spent: names_of(spent, [str(summary.split)], PARIS))
        shares = {name: sums[summary.series.index(point)] for name, sums in summary.parts.items()}
        assert shares == {name: sums_of(names.get((name,), ())) for name in summary.parts}
        assert Sums.total(shares.values()) == point.sums
    assert Sums.total(point.sums for point in summary.series) == summary.totals.sums
    before = reference.inside(wanted, 2 * first - end, first)
    assert summary.previous == (None if wanted.first_slot is None else counted(before))


async def assert_sessions_equal(store: Store, wanted: UsageFilter, totals: Counted, inside: list[Spent]) -> None:
    """Compare the page of sessions, page by page, with the same events."""
    found: dict[tuple[str, ...], Sums] = {}
    models: dict[tuple[str, ...], int | None] = {}
    while True:
        page = await queries_of(store).list_sessions(wanted, Sort.COST, descending=True, limit=3, offset=len(found))
        assert page.totals == totals
        if not page.items:
            break
        found.update({(item.source, item.key): item.spent for item in page.items})
        models.update({(item.source, item.key): item.model_count for item in page.items})
    assert found == {names: sums_of(own) for names, own in sessions_of(inside).items()}
    for names, own in sessions_of(inside).items():
        assert (models[names] or 0) >= len({spent.model for spent in own})
    assert len(found) == totals.counts.sessions


@settings(max_examples=examples(0.5))
@given(
    st.lists(BATCHES, min_size=1, max_size=8),
    st.lists(st.tuples(st.sampled_from(SESSIONS), st.sampled_from(LABELS)), max_size=3),
    st.lists(QUESTIONS, min_size=5, max_size=5),
)
def test_every_answer_is_the_sum_of_the_same_events(
    batches: list[tuple[str, list[Record]]],
    labels: list[tuple[str, str | None]],
    asked: list[tuple[UsageFilter, Bucket, list[str]]],
) -> None:
    """Totals, groups, series, previous stretch and sessions equal a model that adds up every event in Python.

    Requests get better, move and fork, running totals rise and fall, several sources call their sessions the same.
    """
    with temporary_database() as path:
        asyncio.run(compare(path, batches, labels, asked))
