"""Forgetting: everything of a session goes, nothing else changes, and it does not come back."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from aico.core.db.sums_reader import LaterUse
from aico.core.db.terms_writer import store_plans
from aico.core.db.upkeep.backups import get_position
from aico.core.db.upkeep.forgetting import forget, preview_forgetting
from aico.core.errors import StorageBusy
from aico.core.terms import Plan
from aico.core.usage import RequestState, digest
from tests.core.database_damage import close_log, failed_checks
from tests.core.repository_on_file import NOW_MS, Store, read_rows, request, usage

DAY_MS = 86_400_000
TABLES = ("usage_event", "usage_session_day", "meter", "gap")


@pytest.fixture
async def three(store: Store) -> Store:
    """Return a store of two sessions of a tool, and of three tasks: one fell, one changed its model."""
    await store.take_in([usage("a", tokens_in=500), usage("b", ts=NOW_MS - DAY_MS), usage("c", total_cost=3.0)])
    await store.take_in([usage("a", tokens_in=200), usage("b", tokens_in=900, model_id="other")])
    await store.take_in_of("tool", [request("1", session="a", nano=5), request("2", session="t", cache_read=7)])
    return store


def keys_in(store: Store, table: str) -> set[object]:
    """Return the sessions that a table holds, by source and key."""
    names = f"SELECT DISTINCT s.source, s.key FROM {table} JOIN session AS s ON s.id = session"  # noqa: S608  # our own
    return {tuple(row) for row in read_rows(store.path, names)}


async def test_forgetting_says_first_what_would_go(three: Store) -> None:
    """The preview counts and adds up what would go, and changes nothing."""
    position = get_position(three.path)
    going = preview_forgetting(three.path, "cline", ["a", "nobody", "b"], None)
    assert going.sessions == ("a", "b")
    assert going.unknown == ("nobody",)
    assert (going.spent.get("input"), going.spent.get("output"), going.spent.cost_nano) == (1_400, 20, 500_000_000)
    assert read_rows(three.path, "SELECT COUNT(*) FROM cline_task_usage") == [(3,)]
    assert get_position(three.path) == position


async def test_forgetting_counts_no_cost_that_a_plan_has_paid_for(three: Store) -> None:
    """The cost of usage that would go is the same as in every other sum."""
    with closing(sqlite3.connect(three.path)) as connection, connection:
        connection.execute("UPDATE usage_event SET list_nano = 9 WHERE recorded_nano IS NULL AND cache_read = 7")
    assert preview_forgetting(three.path, "tool", ["a", "t"], None).spent.cost_nano == 14
    await store_plans(three.database, NOW_MS, put_=[Plan("tool", 0, "USD", 1)])
    spent = preview_forgetting(three.path, "tool", ["a", "t"], None).spent
    assert (spent.cost_nano, spent.get("list")) == (5, 9)


async def test_forgetting_before_a_moment_means_the_last_activity(three: Store) -> None:
    """A session that went on after the moment stays, also with what it spent before."""
    await three.take_in([usage("b", ts=NOW_MS, tokens_in=901, model_id="other")])
    assert preview_forgetting(three.path, "cline", [], NOW_MS).sessions == ()
    await three.take_in([usage("old", ts=NOW_MS - 1)])
    assert preview_forgetting(three.path, "cline", [], NOW_MS).sessions == ("old",)
    assert preview_forgetting(three.path, "tool", [], NOW_MS + 1).sessions == ("a", "t")
    assert preview_forgetting(three.path, "nobody", [], NOW_MS + 1).sessions == ()


async def test_forgetting_removes_a_session_from_every_table(three: Store) -> None:
    """Rows, events, sums and meters go in one transaction; its key stays as forgotten; the accounts agree."""
    counters = await three.list_counters()
    position = get_position(three.path)
    forget(three.path, "cline", ["a", "b"], NOW_MS)
    left = {(1, "c"), (2, "a"), (2, "t")}
    assert {table: keys_in(three, table) - left for table in TABLES} == {table: set() for table in TABLES}
    assert read_rows(three.path, "SELECT source, key FROM session ORDER BY 1, 2") == sorted(left)
    assert read_rows(three.path, "SELECT task_id FROM cline_task_usage") == [("c",)]
    assert read_rows(three.path, "SELECT source, key, forgotten_at FROM forgotten") == [
        (1, "a", NOW_MS),
        (1, "b", NOW_MS),
    ]
    assert await three.list_counters() == counters
    assert read_rows(three.path, "SELECT SUM(input), SUM(recorded_usd) FROM usage_total WHERE source = 1") == [(100, 3)]
    other = "SELECT 1 FROM usage_slot JOIN model AS m ON m.id = model WHERE m.name = 'other'"
    assert read_rows(three.path, other) == []
    assert failed_checks(three.path) == []
    after = get_position(three.path)
    assert after.epoch != position.epoch
    assert after.revision == position.revision + 1


async def test_forgotten_session_does_not_come_back(three: Store) -> None:
    """The next readings hold it still, as it was and grown; it counts as skipped, and others are stored."""
    forget(three.path, "cline", ["a"], NOW_MS)
    for tokens_in in (200, 5_000):
        (event,) = await three.take_in([usage("a", tokens_in=tokens_in), usage("d", tokens_in=tokens_in)])
        assert [row.session for row in event.rows] == ["d"]
        assert event.receipt.skipped_count == 1
    assert failed_checks(three.path) == []


async def test_forgotten_requests_do_not_come_back_in_a_copy(three: Store) -> None:
    """Of a tool's session bare keys stay: a fork, a copy or a restored file brings none of its requests back."""
    forget(three.path, "tool", ["t"], NOW_MS)
    assert read_rows(three.path, "SELECT source, kind FROM forgotten_key") == [(2, 0)]
    assert await three.take_in_of("tool", [request("2", session="fork", cache_read=7)]) is None
    assert await three.take_in_of("other tool", [request("2", session="fork", cache_read=7)]) is not None
    assert failed_checks(three.path) == []


async def test_forgotten_request_does_not_come_back_under_another_key(three: Store) -> None:
    """A parser that names requests anew names the key that was forgotten."""
    forget(three.path, "tool", ["a"], NOW_MS)
    renamed = request("new", session="copy", nano=5)._replace(former_key=digest("1"))
    assert await three.take_in_of("tool", [renamed]) is None
    assert failed_checks(three.path) == []


async def test_forgotten_request_without_numbers_takes_no_measured_one_along(three: Store) -> None:
    """A key without counts may stand for any request of a relay with one id: only the renaming is left out."""
    bare = request("bare", session="zeros", input=None, output=None, state=RequestState.UNMEASURED)
    await three.take_in_of("tool", [bare._replace(is_bare=True)])
    forget(three.path, "tool", ["zeros"], NOW_MS)
    later = [request(name, session="later")._replace(former_key=digest("bare")) for name in ("x", "y")]
    assert await three.take_in_of("tool", [bare._replace(session="copy", is_bare=True), *later]) is not None
    assert read_rows(
        three.path,
        "SELECT s.key, COUNT(*) FROM usage_event JOIN session AS s ON s.id = session "
        "WHERE s.key NOT IN ('a', 'b', 'c', 't') GROUP BY 1",
    ) == [("later", 2)]
    assert failed_checks(three.path) == []


async def test_forgotten_request_does_not_come_back_without_its_numbers(store: Store) -> None:
    """A bare copy whose message was forgotten is dropped; that of another message and another tool is not."""
    measured = request("1", session="a")
    zeros = request("zeros", session="fork", input=None, output=None, state=RequestState.UNMEASURED)
    copy = zeros._replace(key=measured.key[:8] + digest("zeros")[:8], is_bare=True)
    await store.take_in_of("tool", [measured, request("2", session="b")])
    forget(store.path, "tool", ["a"], NOW_MS)
    assert await store.take_in_of("tool", [copy]) is None
    assert await store.take_in_of("tool", [zeros._replace(is_bare=True)]) is not None
    assert await store.take_in_of("other tool", [copy]) is not None
    assert failed_checks(store.path) == []


async def test_use_that_comes_after_forgetting_is_told_and_never_counted(store: Store) -> None:
    """Each request once, however often its file is read; what was there before says nothing; agents are included."""
    await store.take_in([usage("task")])
    old = request("1", session="s", ts=NOW_MS + 9_000)  # its clock is ahead
    await store.take_in_of("tool", [old, request("2", session="other")])
    forget(store.path, "tool", ["s"], NOW_MS)
    forget(store.path, "cline", ["task"], NOW_MS)
    store.forget_what_is_known()
    await store.take_in([usage("task")])
    await store.take_in_of("tool", [old, request("3", session="s", ts=NOW_MS)])
    async with store.reader.snapshot() as snapshot:
        assert await snapshot.list_later_uses() == {}
    later = [
        request("4", session="s", ts=NOW_MS + 1),
        request("5", session="s", ts=NOW_MS + 2),
        request("6", session="s/a", ts=NOW_MS + 3)._replace(parent="s"),
    ]
    for _time in range(2):
        await store.take_in([usage("task", ts=NOW_MS + 1, total_cost=9.0)])
        assert await store.take_in_of("tool", [old, *later]) is None
        store.forget_what_is_known()
    async with store.reader.snapshot() as snapshot:
        assert await snapshot.list_later_uses() == {"cline": LaterUse(1, 0), "tool": LaterUse(2, 3)}
        assert [await snapshot.is_forgotten(key) for key in ("s", "s/a", "other")] == [True, True, False]
    assert read_rows(store.path, "SELECT key FROM session") == [("other",)]
    assert failed_checks(store.path) == []


async def test_agents_go_with_the_session_that_started_them(store: Store) -> None:
    """The preview names them and theirs; what they do later is not taken in, nor what those start that are new."""
    main, agent = request("1", session="s"), request("2", session="s/a")._replace(parent="s")
    deep = request("3", session="deep")._replace(parent="s/a")
    await store.take_in_of("tool", [main, agent, deep, request("4", session="other")])
    await store.take_in_of("other tool", [request("1", session="x")._replace(parent="s")])
    going = preview_forgetting(store.path, "tool", ["s"], None)
    assert (going.sessions, going.spent.get("requests")) == (("deep", "s", "s/a"), 3)
    forget(store.path, "tool", ["s"], NOW_MS)
    assert read_rows(store.path, "SELECT key FROM session ORDER BY key") == [("other",), ("x",)]
    new = [
        request("7", session="newest")._replace(parent="new"),
        request("6", session="new")._replace(parent="deep"),
        request("5", session="s/a")._replace(parent="s"),
    ]
    assert await store.take_in_of("tool", new) is None
    # The parent of a session is not told every time.
    assert await store.take_in_of("tool", [request("8", session="newest")]) is None
    assert failed_checks(store.path) == []


async def test_agents_of_a_session_that_is_not_stored_can_be_forgotten(store: Store) -> None:
    """A session may have agents and nothing of its own: its name stands for them."""
    await store.take_in_of("tool", [request("2", session="s/a")._replace(parent="s")])
    going = preview_forgetting(store.path, "tool", ["s", "nobody"], None)
    assert (going.sessions, going.unknown) == (("s/a",), ("nobody", "s"))
    forget(store.path, "tool", going.sessions, NOW_MS)
    assert read_rows(store.path, "SELECT COUNT(*) FROM session") == [(0,)]
    assert failed_checks(store.path) == []


async def test_session_whose_agents_went_on_stays_with_forgetting_before_a_moment(store: Store) -> None:
    """A moment means the last activity of a session and of everything that it started."""
    old = [
        request("1", session="s", ts=NOW_MS - DAY_MS),
        request("2", session="done", ts=NOW_MS - DAY_MS)._replace(parent="s"),
        request("3", session="middle", ts=NOW_MS - DAY_MS)._replace(parent="s"),
    ]
    await store.take_in_of("tool", [*old, request("4", session="late")._replace(parent="middle")])
    assert preview_forgetting(store.path, "tool", [], NOW_MS).sessions == ("done",)
    assert preview_forgetting(store.path, "tool", [], NOW_MS + 1).sessions == ("done", "late", "middle", "s")


async def test_counters_go_on_after_forgetting(three: Store) -> None:
    """Forgotten usage is no debt: the next token shows at once."""
    before = (await three.list_counters())["cline", "m"]
    forget(three.path, "cline", ["a", "b", "c"], NOW_MS)
    await three.take_in([usage("d", tokens_in=1, tokens_out=0, total_cost=0.0)])
    after = (await three.list_counters())["cline", "m"]
    assert after.get("input") == before.get("input") + 1
    forget(three.path, "cline", ["d"], NOW_MS)
    assert (await three.list_counters())["cline", "m"] == after


async def test_forgetting_leaves_no_byte_of_the_session(three: Store) -> None:
    """Removed bytes are overwritten: only the key of the session is left, as forgotten."""
    await three.take_in([usage("canary-session", model_id="m")])
    await three.take_in_of("tool", [request("x", session="canary-tool")])
    forget(three.path, "cline", ["canary-session"], NOW_MS)
    forget(three.path, "tool", ["canary-tool"], NOW_MS)
    close_log(three.path)
    assert three.path.read_bytes().count(b"canary-session") == 1
    assert three.path.read_bytes().count(b"canary-tool") == 1


async def test_forgetting_everything_leaves_a_database_that_goes_on(three: Store) -> None:
    """Without any session there are no sums; new ones are stored as ever."""
    forget(three.path, "cline", ["a", "b", "c"], NOW_MS)
    forget(three.path, "tool", ["a", "t"], NOW_MS)
    assert read_rows(three.path, "SELECT COUNT(*) FROM usage_total") == [(0,)]
    await three.take_in([usage("d")])
    assert failed_checks(three.path) == []


@pytest.mark.slow
async def test_forgetting_waits_for_nobody_and_does_nothing_by_halves(three: Store) -> None:
    """While another program holds the lock it is refused, and everything stays."""
    with closing(sqlite3.connect(three.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            forget(three.path, "cline", ["a"], NOW_MS)
    assert read_rows(three.path, "SELECT COUNT(*) FROM cline_task_usage") == [(3,)]
    assert failed_checks(three.path) == []
