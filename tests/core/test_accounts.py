"""The invariant: whatever sources say, in whatever order, the accounts say what was spent, and all sums agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.filters import UsageFilter
from aico.core.sums import GROWTH, REQUEST, SUM_COLUMNS, Sums
from aico.core.usage import SLOT_MS, TOKENS, MeterReading, Record, RequestState, SessionState, UsageEvent, digest
from tests.core.database_damage import failed_checks
from tests.core.random_entries import histories, readings
from tests.core.reference_accounts import Books, Event, best_of
from tests.core.repository_on_file import (
    NOW_MS,
    Row,
    Store,
    copy_of_template,
    open_store,
    read_rows,
    request,
    temporary_database,
    usage,
)
from tests.hypothesis_profiles import examples

STRONGEST = "sessions"
ORIGINS = ("ledger", "sessions", "hub")
_EVENTS = f"""
    SELECT s.key, e.ts / {SLOT_MS}, m.name, {", ".join(TOKENS)}, recorded_nano, e.state FROM usage_event AS e
    JOIN session AS s ON s.id = e.session JOIN model AS m ON m.id = e.model WHERE e.kind = ?
"""  # noqa: S608  # our own names


@dataclass(frozen=True)
class Step:
    """One reading of one of Cline's origins, and how it is stored."""

    listed: list[MeterReading]
    origin: str
    run_limit: int
    is_restarted: bool


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    """Draw readings of the ledger, the session store and the hub, by turns."""
    listed = draw(histories(readings(("1", "it's", "日本"), is_partial=True)))
    return [
        Step(entries, draw(st.sampled_from(ORIGINS)), draw(st.sampled_from([1, 2, 10_000])), draw(st.booleans()))
        for entries in listed
    ]


def read_growth(path: Path) -> dict[tuple[str, int, str], Event]:
    """Return the stored growth by session, slot and model."""
    rows = read_rows(path, _EVENTS, GROWTH.code)
    found = {}
    for session, slot, model, *numbers, state in rows:
        known = tuple(None if number is None else int(number) for number in numbers)
        found[str(session), int(slot or 0), str(model)] = (known, RequestState(int(state or 0)).name)
    assert len(found) == len(rows)
    return found


def read_sums(path: Path) -> dict[str, dict[Row, Sums]]:
    """Return every table of sums; their keys have names, because numbers depend on the order of what was stored."""
    columns = ", ".join(f"t.{name}" for name in SUM_COLUMNS)
    model = "(SELECT name FROM model WHERE id = t.model)"
    session = "(SELECT key FROM session WHERE id = t.session)"
    return {
        table: {
            row[: -len(SUM_COLUMNS)]: Sums.of([int(number or 0) for number in row[-len(SUM_COLUMNS) :]])
            for row in read_rows(path, f"SELECT {key}, {columns} FROM {table} AS t")  # noqa: S608  # our own names
        }
        for table, key in (
            ("usage_slot", f"slot, {model}"),
            ("usage_day", f"day, {model}"),
            ("usage_session_day", f"day, {session}, {model}"),
            ("usage_total", model),
        )
    }


def read_marks(path: Path) -> dict[tuple[str, int, str], set[str]]:
    """Return the fields that could not be used, of each growth."""
    statement = f"""
        SELECT s.key, e.ts / {SLOT_MS}, m.name, unknown FROM usage_event AS e JOIN session AS s ON s.id = e.session
        JOIN model AS m ON m.id = e.model WHERE e.kind = ?
    """  # noqa: S608  # our own names
    rows = read_rows(path, statement, GROWTH.code)
    return {(str(session), int(slot or 0), str(model)): set(str(words).split()) for session, slot, model, words in rows}


def normalised(growth: dict[tuple[str, int, str], Event], books: Books) -> dict[tuple[str, int, str], Event]:
    """Return ``growth`` with a cost of 0 for what has no tokens: there is nothing that could have a price.

    Of a session that has a price, tokens of an unknown cost are at least 0, beside others or alone.
    """
    found = {}
    for key, (numbers, state) in growth.items():
        is_part = any(numbers[:5]) and numbers[6] is None and books.is_priced(key[0])
        has_cost = is_part or not any(numbers[:5])
        known = (*numbers[:6], numbers[6] or 0) if has_cost else numbers
        found[key] = known, RequestState.AT_LEAST.name if is_part else state
    return found


async def live_through(path: Path, life: list[Step]) -> None:
    """Store every reading, and hold the database against the model after each of them."""
    books, revision, counters = Books(), 0, dict[tuple[str, str], Sums]()
    async with open_store(path) as store:
        for step in life:
            store.now_ms += 1_000
            if step.is_restarted:
                store.forget_what_is_known()
            for entry in step.listed:
                meter = STRONGEST if step.origin == "hub" else step.origin
                books.take_in(entry, meter, step.origin, is_strongest=step.origin != "ledger")
            revision += len(await store.take_in(step.listed, step.origin, step.run_limit))
            assert normalised(read_growth(path), books) == normalised(books.events(), books)
            assert read_marks(path) == books.marks
            assert failed_checks(path) == []
            grown = await store.list_counters()
            for key, was in counters.items():
                tokens, now = slice(0, 6), grown[key]
                assert all(a >= b for a, b in zip(now.vector[tokens], was.vector[tokens], strict=True))
                assert now.cost_nano >= was.cost_nano
            counters = grown
            before = read_sums(path)
            await store.take_in(step.listed, step.origin, step.run_limit)
            assert read_sums(path) == before
            revision = int(read_rows(path, "SELECT revision FROM database_state")[0][0] or 0)
    runs = [row[0] for row in read_rows(path, "SELECT revision FROM import_run ORDER BY id")]
    assert runs == list(range(1, revision + 1))


@settings(max_examples=examples(0.5))
@given(lives())
def test_accounts_equal_the_high_water_through_every_life(life: list[Step]) -> None:
    """Growth by session, slot and model is the model's; every check passes; the same input again books nothing."""
    with temporary_database() as path:
        asyncio.run(live_through(path, life))


KEYS = ("a", "b", "c")


def records() -> st.SearchStrategy[UsageEvent]:
    """Return a strategy for one record of one of three requests; time, session and model are those of the request."""
    number = st.one_of(st.none(), st.integers(0, 9), st.just(10**12))

    def build(name: str, numbers: list[int | None], state: RequestState, unknown: tuple[str, ...]) -> UsageEvent:
        place = KEYS.index(name)
        made = request(name, session=f"s{place % 2}", ts=NOW_MS + place * SLOT_MS, model=("m", None, "n")[place])
        tokens = made.tokens._replace(input=numbers[0], cache_read=numbers[1], output=numbers[2])
        return made._replace(tokens=tokens, recorded_nano=numbers[3], state=state, unknown=unknown)

    return st.builds(
        build,
        st.sampled_from(KEYS),
        st.lists(number, min_size=4, max_size=4),
        st.sampled_from(RequestState),
        st.sampled_from([(), ("x",), ("y", "x")]),
    )


async def store_requests(folder: Path, listed: Sequence[UsageEvent], size: int) -> Path:
    """Return a database that holds ``listed``, stored in their order in batches of ``size``."""
    path = copy_of_template(folder)
    async with open_store(path) as store:
        for start in range(0, len(listed), size):
            await store.take_in_of("tool", listed[start : start + size])
        before = read_rows(path, "SELECT * FROM database_state")
        assert await store.take_in_of("tool", listed) is None
        assert read_rows(path, "SELECT * FROM database_state") == before
    return path


@settings(max_examples=examples(0.5))
@given(
    st.lists(records(), min_size=1, max_size=8).flatmap(
        lambda listed: st.tuples(st.just(listed), st.permutations(listed))
    )
)
def test_requests_add_up_to_the_same_in_every_order(orders: tuple[list[UsageEvent], list[UsageEvent]]) -> None:
    """A record that knows more raises the numbers, one that knows less lowers none, and none counts twice."""
    found = []
    for size, listed in enumerate(orders, 1):
        with TemporaryDirectory() as folder:
            path = asyncio.run(store_requests(Path(folder), listed, size))
            assert failed_checks(path) == []
            found.append(read_sums(path))
            rows = read_rows(path, _EVENTS, REQUEST.code)
            expected = [
                best_of([record for record in listed if record.key == digest(name)])
                for name in KEYS
                if any(record.key == digest(name) for record in listed)
            ]
            assert sorted([row[3:] for row in rows], key=repr) == sorted(
                [(*numbers, state.value) for numbers, state, _unknown in expected], key=repr
            )
            partial = sum(bool(unknown) for _numbers, _state, unknown in expected)
            assert read_rows(path, "SELECT SUM(partial) FROM usage_total") == [(partial,)]
    assert found[0] == found[1]


@pytest.mark.parametrize("origin", ["ledger", "sessions"])
async def test_session_that_gets_a_price_was_priced_all_along(store: Store, origin: str) -> None:
    """A cost of 0 may be an unknown price: with the first cost above 0, of whichever origin, nothing is unpriced."""
    await store.take_in([usage(total_cost=0.0)])
    await store.take_in([usage(total_cost=0.0, tokens_in=150, ts=NOW_MS + SLOT_MS)])
    assert read_rows(store.path, "SELECT unpriced, recorded_nano FROM usage_total") == [(2, 0)]
    await store.take_in([usage(total_cost=0.5, tokens_in=150, ts=NOW_MS + 2 * SLOT_MS)], origin)
    assert read_rows(store.path, "SELECT unpriced, recorded_nano FROM usage_total") == [(0, 500_000_000)]
    assert failed_checks(store.path) == []


async def test_session_that_another_origin_priced_stays_priced(store: Store) -> None:
    """An origin that knows no price books its growth at no cost; the session is not unpriced for that."""
    await store.take_in([usage(total_cost=0.5)])
    await store.take_in([usage(total_cost=0.0, tokens_in=150, ts=NOW_MS + SLOT_MS)], "sessions")
    assert read_rows(store.path, "SELECT unpriced, recorded_nano FROM usage_total") == [(0, 500_000_000)]
    assert read_rows(store.path, "SELECT input, recorded_nano FROM usage_event") == [(100, 500_000_000), (50, 0)]


async def test_growth_whose_cost_is_not_stated_is_unpriced_until_it_is(store: Store) -> None:
    """Its cost is unknown, not 0; the next total that states a cost includes it."""
    await store.take_in([usage(total_cost=0.5, tokens_in=10)])
    await store.take_in([usage(total_cost=None, tokens_in=1_000, ts=NOW_MS + SLOT_MS)])
    costs = "SELECT input, recorded_nano, state FROM usage_event ORDER BY ts"
    assert read_rows(store.path, costs) == [(10, 500_000_000, 0), (990, None, 0)]
    assert read_rows(store.path, "SELECT unpriced, recorded_nano FROM usage_total") == [(1, 500_000_000)]
    await store.take_in([usage(total_cost=0.75, tokens_in=1_000, ts=NOW_MS + 2 * SLOT_MS)])
    assert read_rows(store.path, costs) == [(10, 500_000_000, 0), (990, 0, 0), (0, 250_000_000, 0)]
    assert read_rows(store.path, "SELECT unpriced, recorded_nano FROM usage_total") == [(0, 750_000_000)]
    assert failed_checks(store.path) == []


async def test_growth_beside_one_whose_cost_is_stated_makes_that_a_lower_bound(store: Store) -> None:
    """They share a slot, and so an event: its cost is at least what is stated, until the rest is."""
    await store.take_in([usage(total_cost=0.5, tokens_in=10)])
    await store.take_in([usage(total_cost=None, tokens_in=1_000, ts=NOW_MS + 1)])
    costs = "SELECT input, recorded_nano, state FROM usage_event ORDER BY ts"
    assert read_rows(store.path, costs) == [(1_000, 500_000_000, RequestState.AT_LEAST)]
    assert read_rows(store.path, "SELECT unpriced, at_least FROM usage_total") == [(0, 1)]
    await store.take_in([usage(total_cost=0.75, tokens_in=1_000, ts=NOW_MS + SLOT_MS)])
    assert read_rows(store.path, costs) == [(1_000, 500_000_000, 0), (0, 250_000_000, 0)]
    assert read_rows(store.path, "SELECT unpriced, at_least FROM usage_total") == [(0, 0)]
    assert failed_checks(store.path) == []


async def test_totals_of_a_weaker_origin_include_no_growth_of_a_stronger_one(store: Store) -> None:
    """A cost of the ledger is not the cost of growth that the session store alone has seen."""
    await store.take_in([usage(total_cost=0.5, tokens_in=10)])
    await store.take_in([usage(total_cost=None, tokens_in=1_000, ts=NOW_MS + SLOT_MS)], "sessions")
    await store.take_in([usage(total_cost=0.6, tokens_in=11, ts=NOW_MS + 2 * SLOT_MS)])
    assert read_rows(store.path, "SELECT unpriced FROM usage_total") == [(1,)]
    await store.take_in([usage(total_cost=0.9, tokens_in=1_000, ts=NOW_MS + 3 * SLOT_MS)], "sessions")
    assert read_rows(store.path, "SELECT unpriced FROM usage_total") == [(0,)]
    assert failed_checks(store.path) == []


@pytest.mark.parametrize("later_ms", [1, SLOT_MS])
async def test_field_that_can_be_used_again_leaves_no_growth_in_part(store: Store, later_ms: int) -> None:
    """A field unknown in the first growth is in the next one; a field that is unknown now is marked in its turn."""
    in_part = usage(tokens_in=None)._replace(unknown=("tokensIn",))
    await store.take_in([in_part])
    assert read_rows(store.path, "SELECT partial FROM usage_total") == [(1,)]
    other = usage(total_cost=None, tokens_in=5, tokens_out=11, ts=NOW_MS + later_ms)._replace(unknown=("totalCost",))
    await store.take_in([other])
    assert read_rows(store.path, "SELECT unknown FROM usage_event ORDER BY ts DESC LIMIT 1") == [("totalCost",)]
    assert read_rows(store.path, "SELECT partial FROM usage_total") == [(1,)]
    # The same cost as before: nothing grows, and it is known all the same.
    await store.take_in([usage(tokens_in=5, tokens_out=11, ts=NOW_MS + 2 * later_ms)])
    assert read_rows(store.path, "SELECT partial, unpriced, at_least FROM usage_total") == [(0, 0, 0)]
    assert failed_checks(store.path) == []


async def test_growth_that_a_second_origin_of_a_meter_saw_is_marked_by_what_that_one_lacked(store: Store) -> None:
    """The hub's reading is booked without a field; the session store, whose word counts, can use it."""
    await store.take_in([usage()], "sessions")
    in_part = usage(tokens_in=None, tokens_out=20, ts=NOW_MS + SLOT_MS)._replace(unknown=("tokensIn",))
    await store.take_in([in_part], "hub")
    marks = "SELECT unknown FROM usage_event ORDER BY ts"
    assert read_rows(store.path, marks) == [("",), ("tokensIn",)]
    # The same totals: nothing grows, and they are known to be whole.
    whole = usage(tokens_out=20, ts=NOW_MS + SLOT_MS)
    await store.take_in([whole], "sessions")
    assert read_rows(store.path, marks) == [("",), ("",)]
    assert await store.take_in([in_part], "hub") == []
    assert await store.take_in([whole], "sessions") == []
    assert failed_checks(store.path) == []


async def test_cost_without_tokens_is_unmeasured(store: Store) -> None:
    """The money counts; no tokens are known, which is not the same as none."""
    await store.take_in([usage(tokens_in=None, tokens_out=None, total_cost=0.5)])
    assert read_rows(store.path, "SELECT unmeasured, recorded_nano FROM usage_total") == [(1, 500_000_000)]
    await store.take_in([usage(total_cost=0.5)])
    assert read_rows(store.path, "SELECT unmeasured, recorded_nano, input FROM usage_total") == [(0, 500_000_000, 100)]
    assert failed_checks(store.path) == []


@pytest.mark.parametrize("origin", ["ledger", "sessions"])
async def test_session_that_was_silent_is_measured_when_it_speaks(store: Store, origin: str) -> None:
    """Its first sight was booked as a call without numbers; the numbers replace it, of whichever origin they are."""
    await store.take_in([usage(tokens_in=None, tokens_out=None, total_cost=None)])
    assert read_rows(store.path, "SELECT unmeasured, input FROM usage_total") == [(1, 0)]
    await store.take_in([usage(ts=NOW_MS + SLOT_MS)], origin)
    assert read_rows(store.path, "SELECT unmeasured, input FROM usage_total") == [(0, 100)]
    assert failed_checks(store.path) == []


async def test_two_readings_of_a_session_in_one_batch_are_two_readings(store: Store) -> None:
    """A field that the second one makes known holds for the first one, too."""
    await store.take_in([usage(total_cost=0.0), usage(total_cost=1.0, tokens_in=150, ts=NOW_MS + SLOT_MS)])
    assert read_rows(store.path, "SELECT unpriced, input, recorded_usd FROM usage_total") == [(0, 150, 1)]
    assert failed_checks(store.path) == []


async def test_origins_of_one_meter_never_count_twice(store: Store) -> None:
    """The session store and the hub read the same totals: each number counts by its high water."""
    await store.take_in([usage(tokens_in=100)], "sessions")
    await store.take_in([usage(tokens_in=120, total_cost=None)], "hub")
    await store.take_in([usage(tokens_in=110)], "sessions")
    assert read_rows(store.path, "SELECT input, output, recorded_nano FROM usage_total") == [(120, 10, 250_000_000)]
    assert read_rows(store.path, "SELECT tokens_in, total_cost FROM cline_task_usage") == [(120, 0.25)]
    assert failed_checks(store.path) == []


async def test_further_origin_books_what_exceeds_what_the_session_has_booked(store: Store) -> None:
    """Then its own growth; the row follows the stronger origin, whichever was read first."""
    for first, second in (("ledger", "sessions"), ("sessions", "ledger")):
        task = first
        await store.take_in([usage(task, tokens_in=100)], first)
        await store.take_in([usage(task, tokens_in=130)], second)
        await store.take_in([usage(task, tokens_in=131)], second)
        spent = "SELECT SUM(e.input) FROM usage_event AS e JOIN session AS s ON s.id = e.session WHERE s.key = ?"
        assert read_rows(store.path, spent, task) == [(131,)]
        row = "SELECT tokens_in FROM cline_task_usage WHERE task_id = ?"
        assert read_rows(store.path, row, task) == [(131 if second == "sessions" else 100,)]
        async with store.reader.snapshot() as snapshot:
            session = await snapshot.find_session("cline", task)
        assert session is not None
        assert session.origin == "sessions"
    assert failed_checks(store.path) == []


async def test_silent_origin_takes_no_number_from_a_task_that_another_one_knows(store: Store) -> None:
    """It tells the state; numbers, time and model stay those of the origin that states them, also after a restart."""
    silent = usage(ts=NOW_MS - 10**9, model_id="first", tokens_in=None, tokens_out=None, total_cost=None)
    await store.take_in([silent._replace(state=SessionState.RUNNING)], "sessions")
    await store.take_in([usage()])
    assert len(await store.take_in([silent._replace(state=SessionState.INTERRUPTED, ts=NOW_MS + 5)], "sessions")) == 1
    row = "SELECT ts, model_id, tokens_in, tokens_out, total_cost FROM cline_task_usage"
    assert read_rows(store.path, row) == [(NOW_MS, "m", 100, 10, 0.25)]
    assert read_rows(store.path, "SELECT last_ts, state FROM session") == [(NOW_MS, SessionState.INTERRUPTED)]
    for _start in range(2):
        assert await store.take_in([usage()]) == []
        assert await store.take_in([silent._replace(state=SessionState.INTERRUPTED, ts=NOW_MS + 5)], "sessions") == []
    assert failed_checks(store.path) == []


@pytest.mark.parametrize("origin", ["ledger", "sessions"])
async def test_start_of_a_session_moves_no_usage(store: Store, origin: str) -> None:
    """A stored session begins at the start that is told later, of a silent origin too; its usage stays where it was."""
    start = NOW_MS - 3 * 86_400_000
    await store.take_in([usage()])
    days = read_rows(store.path, "SELECT day, recorded_nano FROM usage_session_day")
    silent = usage(ts=NOW_MS + 5, model_id=None, tokens_in=None, tokens_out=None, total_cost=None)
    told = (usage() if origin == "ledger" else silent)._replace(started_ts=start)
    assert len(await store.take_in([told], origin)) == 1
    assert read_rows(store.path, "SELECT first_ts, last_ts FROM session") == [(start, NOW_MS)]
    assert read_rows(store.path, "SELECT day, recorded_nano FROM usage_session_day") == days
    assert await store.take_in([told], origin) == []
    assert failed_checks(store.path) == []


async def test_start_behind_the_last_activity_is_none(store: Store) -> None:
    """A session does not begin after it was used."""
    await store.take_in([usage()._replace(started_ts=NOW_MS + 5)])
    assert read_rows(store.path, "SELECT first_ts, last_ts FROM session") == [(NOW_MS, NOW_MS)]


@pytest.mark.parametrize("at_once", [False, True])
async def test_running_total_beside_requests_books_what_exceeds_them(store: Store, at_once: bool) -> None:
    """A tool that writes both down is not counted twice, also where one batch holds both."""
    total = MeterReading("s", NOW_MS + SLOT_MS, "m", 100, None, None, None, 20, None, 5e-9)
    requests = (request("1", input=60, nano=5), request("2", input=30))
    batches: list[list[Record]] = [[total, *requests]] if at_once else [[*requests], [total]]
    for batch in batches:
        await store.take_in_of("tool", batch)
    assert read_rows(store.path, "SELECT input, output, recorded_nano, requests FROM usage_total") == [(100, 20, 5, 2)]
    assert failed_checks(store.path) == []


async def test_growth_is_booked_on_the_model_that_spent_it(store: Store) -> None:
    """After a switch the difference goes to the new model, in the slot of the new time."""
    await store.take_in([usage(model_id="old", total_cost=1.0)])
    await store.take_in([usage(model_id="new", ts=NOW_MS + SLOT_MS, total_cost=1.5)])
    slot = NOW_MS // SLOT_MS
    assert {key: numbers[6] for key, (numbers, _state) in read_growth(store.path).items()} == {
        ("a", slot, "old"): 10**9,
        ("a", slot + 1, "new"): 5 * 10**8,
    }


async def test_change_of_time_or_model_alone_books_nothing(store: Store) -> None:
    """It writes the row and a revision."""
    await store.take_in([usage()])
    before = read_growth(store.path)
    assert len(await store.take_in([usage(ts=NOW_MS + 10**9)])) == 1
    assert len(await store.take_in([usage(ts=NOW_MS + 10**9, model_id="other")])) == 1
    assert read_growth(store.path) == before
    assert read_rows(store.path, "SELECT model_id, ts FROM cline_task_usage") == [("other", NOW_MS + 10**9)]


async def test_known_model_is_kept_when_the_tool_forgets_it(store: Store) -> None:
    """An entry that lost its model goes on with the one that is known; nothing is written for that alone."""
    await store.take_in([usage(model_id="m")])
    assert await store.take_in([usage(model_id=None)]) == []
    await store.take_in([usage(model_id=None, tokens_in=101)])
    assert read_rows(store.path, "SELECT model_id, tokens_in FROM cline_task_usage") == [("m", 101)]


async def test_first_sight_of_a_task_that_spent_nothing_is_noted(store: Store) -> None:
    """A task of zeros counts as a task in the slot in which it appeared; it is not unpriced."""
    await store.take_in([usage(tokens_in=0, tokens_out=0, total_cost=0.0, model_id=None)])
    ((key, (numbers, state)),) = read_growth(store.path).items()
    assert key == ("a", NOW_MS // SLOT_MS, "")
    assert (numbers[:6], state) == ((0, None, None, None, 0, None), "FINAL")
    assert read_rows(store.path, "SELECT unpriced, unmeasured FROM usage_total") == [(0, 0)]


async def test_renamed_request_is_renamed_and_not_added(store: Store) -> None:
    """A parser that names requests anew names the former key; a second time changes nothing."""
    await store.take_in_of("tool", [request("old", nano=5)])
    renamed = request("new", nano=5)._replace(former_key=digest("old"))
    assert await store.take_in_of("tool", [renamed]) is not None
    assert await store.take_in_of("tool", [renamed]) is None
    assert await store.take_in_of("tool", [request("new", nano=5)]) is None
    assert read_rows(store.path, "SELECT requests, recorded_nano FROM usage_total") == [(1, 5)]
    assert failed_checks(store.path) == []


async def test_key_that_was_given_up_is_free_in_the_same_batch(store: Store) -> None:
    """An old copy under the former key does not keep the batch from being stored."""
    await store.take_in_of("tool", [request("old")])
    renamed = request("new")._replace(former_key=digest("old"))
    assert await store.take_in_of("tool", [renamed, request("old", session="copy")]) is not None
    assert failed_checks(store.path) == []


async def test_request_that_another_session_repeats_stays_where_it_was(store: Store) -> None:
    """A fork copies requests: they count once, where they were first; what it knows better is told of the owner."""
    await store.take_in_of("tool", [request("1", session="first", output=3)])
    committed = await store.take_in_of(
        "tool", [request("1", session="fork", ts=NOW_MS + SLOT_MS, model="n", output=7), request("2", session="fork")]
    )
    assert committed is not None
    assert {row.session: row.spent.get("output") for row in committed.rows} == {"first": 4, "fork": 10}
    assert read_rows(store.path, "SELECT s.key, output, ts FROM usage_event JOIN session AS s ON s.id = session") == [
        ("first", 7, NOW_MS),
        ("fork", 10, NOW_MS),
    ]
    assert await store.take_in_of("tool", [request("1", session="other fork", output=7)]) is None
    assert read_rows(store.path, "SELECT COUNT(*) FROM session") == [(2,)]


async def test_open_request_moves_to_where_it_was_measured(store: Store) -> None:
    """A sent request may be measured later, elsewhere and by another model: it leaves nothing behind."""
    await store.take_in_of("tool", [request("1", input=5, output=None, state=RequestState.OPEN)])
    await store.take_in_of("tool", [request("1", session="t", ts=NOW_MS + 100 * SLOT_MS, model="n", input=4, output=9)])
    assert read_rows(
        store.path,
        "SELECT m.name, input, output, requests FROM usage_total JOIN model AS m ON m.id = model ORDER BY 1",
    ) == [("m", 0, 0, 0), ("n", 4, 9, 1)]
    assert failed_checks(store.path) == []


async def test_model_of_a_record_that_changes_nothing_gets_its_number(store: Store) -> None:
    """It is known from then on; the next request of that model is stored under its name."""
    await store.take_in_of("tool", [request("1")])
    assert await store.take_in_of("tool", [request("1", model="later")]) is None
    await store.take_in_of("tool", [request("2", model="later")])
    assert failed_checks(store.path) == []
    assert read_rows(store.path, "SELECT m.name FROM usage_event JOIN model AS m ON m.id = model") == [
        ("m",),
        ("later",),
    ]


@pytest.mark.slow
async def test_accounts_hold_a_hundred_thousand_maximal_tasks(store: Store) -> None:
    """No sum overflows 64 bits, in the tables or in the questions: 10**17 tokens and 10**20 nano-dollars."""
    count = 100_000
    largest = [usage(f"t{number}", tokens_in=10**12, tokens_out=10**12, total_cost=1e6) for number in range(count)]
    expected = (count * 10**12, count * 10**12, count * 10**15)
    assert len(await store.take_in(largest, run_limit=count - 1)) == 2
    slot = NOW_MS // SLOT_MS
    async with store.reader.snapshot() as snapshot:
        found = [await snapshot.get_sums(UsageFilter()), *(await snapshot.list_totals()).values()]
        found += (await snapshot.list_counters()).values()
        for wanted in (UsageFilter(), UsageFilter(text="t")):
            (bucket,) = await snapshot.list_bucket_sums(wanted, [slot], slot + 1)
            found += bucket.values()
            assert (await snapshot.count_sessions(wanted)).sessions == count
    assert [(sums.get("input"), sums.get("output"), sums.cost_nano) for sums in found] == [expected] * 5
