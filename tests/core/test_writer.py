"""The writer: one transaction for each batch, and knowledge that never outlives what it is about."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from aico.core.db import import_runs
from aico.core.db.checkpoints import StoredPositions
from aico.core.db.reader import StoredSource
from aico.core.db.terms import list_plan_windows
from aico.core.db.upkeep.forgetting import forget
from aico.core.db.writer import FRESH_ROWS_MAX, PLAN_AHEAD_MS, UNHEARD_ROWS_MAX
from aico.core.errors import StorageBusy
from aico.core.usage import (
    GapReading,
    MeterReading,
    PlanReading,
    PlanWindow,
    PromptSeen,
    SessionState,
    Tokens,
    digest,
)
from tests.core.database_damage import close_log, failed_checks
from tests.core.repository_on_file import NOW_MS, Row, Store, copy_of_template, read_rows, request, usage
from tests.core.writer_killer import prepare, write
from tests.quick_variants import first_is_quick

ROOT = Path(__file__).resolve().parents[2]


def change_behind_its_back(store: Store, *statements: str) -> None:
    """Run ``statements`` as another program."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def read_cost(store: Store) -> list[int]:
    """Return the sum of all events."""
    return [int(row[0] or 0) for row in read_rows(store.path, "SELECT SUM(recorded_nano) FROM usage_event")]


async def test_writer_begins_without_anything(store: Store) -> None:
    """A new database has an epoch, the revision 0, and no run; nothing was read yet."""
    epoch, revision = await store.writer.get_position()
    assert len(epoch) == 16
    assert revision == 0
    async with store.reader.snapshot() as snapshot:
        assert (snapshot.epoch, snapshot.revision) == (epoch, 0)
        assert await snapshot.list_sources() == [StoredSource("cline", None, 0, None)]
        assert await snapshot.list_last_runs("cline") == []


async def test_writer_returns_the_fact_to_publish(store: Store) -> None:
    """The event names the sessions with the time of their first sight, the newest first, and the new position."""
    await store.take_in([usage("old", ts=5)])
    store.now_ms += 7
    (event,) = await store.take_in([usage("new", ts=9), usage("old", ts=8, tokens_in=130)])
    epoch, _revision = await store.writer.get_position()
    assert [(row.session, row.last_ts, row.seen_at) for row in event.rows] == [
        ("new", 9, NOW_MS + 7),
        ("old", 8, NOW_MS),
    ]
    assert [(row.spent.get("input"), row.total.get("input")) for row in event.rows] == [(100, 100), (30, 130)]
    assert [row.stated.input for row in event.rows if row.stated is not None] == [100, 130]
    assert (event.epoch, event.session_count, event.rows_truncated) == (epoch, 2, False)
    receipt = event.receipt
    assert (receipt.added_count, receipt.updated_count, receipt.revision, receipt.latest_ts) == (1, 1, 2, 9)
    assert receipt.imported_count == 2


async def test_writer_counts_what_changes_nothing(store: Store) -> None:
    """Equal readings are skipped, without a revision or a run."""
    await store.take_in([usage("a"), usage("b")])
    receipt, committed = await store.writer.apply(store.batch([usage("a"), usage("b")]))
    assert committed is None
    assert (receipt.skipped_count, receipt.imported_count, receipt.revision) == (2, 0, 1)
    assert read_rows(store.path, "SELECT COUNT(*) FROM import_run") == [(1,)]


@pytest.mark.parametrize(("is_heard", "limit"), [(True, FRESH_ROWS_MAX), (False, UNHEARD_ROWS_MAX)])
@pytest.mark.parametrize("is_known", [False, True])
async def test_writer_names_the_newest_sessions_of_many(
    store: Store, *, is_heard: bool, limit: int, is_known: bool
) -> None:
    """A message carries at most so many rows, fewer while nobody listens, and says that there are more."""
    if is_known:
        await store.take_in([usage(f"t{number}", ts=number, tokens_in=1) for number in range(limit + 1)])
    store.is_heard = is_heard
    (event,) = await store.take_in([usage(f"t{number}", ts=number) for number in range(limit + 1)])
    assert event.rows_truncated
    assert [row.last_ts for row in event.rows] == list(range(limit, 0, -1))
    (last,) = await store.take_in([usage(f"u{number}", ts=number) for number in range(limit)])
    assert (last.rows_truncated, len(last.rows)) == (False, limit)


async def test_writer_keeps_the_end_of_the_first_reading(store: Store) -> None:
    """``exact_since`` is written once, for each source, also by a reading that finds nothing; not by a part of one."""
    await store.writer.apply(store.batch([usage()], remaining_count=1))
    store.now_ms += 5
    await store.writer.apply(store.batch([]))
    store.now_ms += 5
    await store.take_in([usage(tokens_in=101)])
    await store.take_in_of("tool", [request()])
    async with store.reader.snapshot() as snapshot:
        assert [(source.name, source.exact_since) for source in await snapshot.list_sources()] == [
            ("cline", NOW_MS + 5),
            ("tool", NOW_MS + 10),
        ]


@pytest.mark.parametrize(
    ("second", "latest"),
    [
        ([usage("a", ts=3)], 5),
        ([usage("b", ts=4)], 4),
        ([usage("a", ts=9)], 9),
        ([usage("b", ts=2), usage("a", ts=7)], 7),
        ([usage("c", ts=1)], 5),
    ],
)
async def test_writer_knows_the_latest_moment(store: Store, second: list[MeterReading], latest: int) -> None:
    """Also when the session that held it falls back."""
    await store.take_in([usage("a", ts=2), usage("b", ts=5)])
    (event,) = await store.take_in(second)
    assert event.receipt.latest_ts == latest


async def test_reading_without_a_moment_is_of_the_first_sight(store: Store) -> None:
    """It keeps that moment when it is read again."""
    await store.take_in([usage(ts=None)])
    store.now_ms += 10**6
    assert await store.take_in([usage(ts=None)]) == []
    await store.take_in([usage(ts=None, tokens_in=101)])
    assert read_rows(store.path, "SELECT ts, tokens_in FROM cline_task_usage") == [(NOW_MS, 101)]


async def test_writer_keeps_parents_states_prompts_and_gaps(store: Store) -> None:
    """A parent is kept as soon as it is known; a prompt counts once; a gap replaces what was said before."""
    await store.take_in_of("tool", [request("1")._replace(session="child")])
    prompt = PromptSeen(digest("p"), "child", NOW_MS)
    gap = GapReading("child", "m", "titles", 2, Tokens(input=5))
    assert await store.take_in_of("tool", [request("1", session="child")._replace(parent="s"), prompt, prompt, gap])
    assert await store.take_in_of("tool", [gap._replace(requests=3)])
    assert read_rows(store.path, "SELECT parent_key FROM session") == [("s",)]
    assert read_rows(store.path, "SELECT requests, prompts FROM usage_total") == [(1, 1)]
    async with store.reader.snapshot() as snapshot:
        assert await snapshot.list_gaps("tool") == {"titles": (3, Tokens(input=5))}
        assert [child.key for child in await snapshot.list_children("tool", "s")] == ["child"]
    await store.take_in([usage()._replace(state=SessionState.RUNNING)])
    await store.take_in([usage(tokens_in=101)])
    assert read_rows(store.path, "SELECT state FROM session WHERE key = 'a'") == [(SessionState.RUNNING.value,)]
    assert failed_checks(store.path) == []


async def test_plan_that_a_wrong_clock_dated_ahead_is_no_state(store: Store) -> None:
    """It would be the newest one for ever; one that was stored while our own clock was ahead gives way, too."""
    now = store.now_ms

    async def say(at: int, used: int) -> list[tuple[int, int]]:
        await store.take_in_of("codex", [PlanReading("codex", at, (PlanWindow("primary", used, 300, None),))])
        async with store.reader.snapshot() as snapshot:
            return [(window.used_hundredths, window.at) for window in await list_plan_windows(snapshot.ask)]

    store.now_ms = now + 86_400_000
    assert await say(now + 86_400_000, 99) == [(99, now + 86_400_000)]
    store.now_ms = now
    assert await say(now - 1, 10) == [(10, now - 1)]
    assert await say(now + PLAN_AHEAD_MS + 1, 20) == [(10, now - 1)]
    assert await say(now + PLAN_AHEAD_MS, 30) == [(30, now + PLAN_AHEAD_MS)]


async def test_state_without_numbers_is_taken_from_an_origin_that_has_none_yet(store: Store) -> None:
    """The numbers stay those of the other origin."""
    await store.take_in([usage()])
    silent = usage(model_id=None, tokens_in=None, tokens_out=None, total_cost=None)
    (event,) = await store.take_in([silent._replace(state=SessionState.DONE)], "sessions")
    assert event.rows[0].state is SessionState.DONE
    assert read_rows(store.path, "SELECT tokens_in, total_cost FROM cline_task_usage") == [(100, 0.25)]
    assert failed_checks(store.path) == []


async def test_writer_reads_anew_after_a_failure(store: Store) -> None:
    """A write that failed leaves nothing behind, neither in the file nor in what is known."""
    await store.take_in([usage()])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy):
            await store.take_in([usage(total_cost=1.0, model_id="new"), usage("b")])
        connection.execute("ROLLBACK")
    (event,) = await store.take_in([usage(total_cost=1.0, model_id="new"), usage("b")])
    assert event.receipt.revision == 2
    assert read_cost(store) == [1_250_000_000]
    assert failed_checks(store.path) == []


async def test_writer_builds_on_what_another_writer_has_left(store: Store) -> None:
    """A revision that moved on its own is no ground to build on: what is there is read first."""
    await store.take_in([usage()])
    change_behind_its_back(
        store,
        "UPDATE database_state SET revision = 7",
        "INSERT INTO model (id, name) VALUES (77, 'theirs')",
        "INSERT INTO session (id, source, key, first_ts, last_ts, model, state, seen_at) "
        "VALUES (50, 1, 'b', 1, 1, 77, 0, 1)",
    )
    (event,) = await store.take_in([usage(model_id="ours", total_cost=1.0), usage("c", model_id="theirs")])
    assert event.receipt.revision == 8
    assert read_cost(store) == [1_250_000_000]
    assert failed_checks(store.path) == []


async def test_writer_never_counts_twice_when_an_import_is_cancelled(store: Store) -> None:
    """Cancelled at any moment and imported again, the events say what the rows say, and revisions have no gap."""
    for number in range(1, 31):
        entries = [usage(str(task), total_cost=float(number)) for task in range(3)]
        caller = asyncio.create_task(store.take_in(entries, run_limit=2))
        for _ in range(number * number):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait([caller])
        await store.take_in(entries)
        assert read_cost(store) == [3 * number * 10**9]
    revisions = [row[0] for row in read_rows(store.path, "SELECT revision FROM import_run ORDER BY id")]
    assert revisions == list(range(1, len(revisions) + 1))
    assert failed_checks(store.path) == []


async def test_writer_knows_what_a_cancelled_caller_left_running(store: Store) -> None:
    """The next batch is compared with it, however late it ends."""
    await store.take_in([usage()])
    entered, proceed = threading.Event(), threading.Event()

    def linger(_connection: sqlite3.Connection) -> None:
        entered.set()
        assert proceed.wait(60)

    blocker = asyncio.create_task(store.database.write(linger))
    await asyncio.to_thread(entered.wait, 60)
    caller = asyncio.create_task(store.take_in([usage(total_cost=1.0)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    following = asyncio.create_task(store.take_in([usage(total_cost=1.0)]))
    proceed.set()
    await blocker
    assert await following == []
    assert read_cost(store) == [10**9]


def read_everything(path: Path) -> dict[str, list[Row]]:
    """Return every row of every table, but for the times that runs took."""
    names = [str(name) for (name,) in read_rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: read_rows(path, f"SELECT * FROM {name}") for name in names if name != "import_run"}  # noqa: S608
    return found | {"import_run": read_rows(path, "SELECT id, source, added_count, revision FROM import_run")}


@pytest.mark.slow
@pytest.mark.parametrize("step", first_is_quick(8, 1))
def test_writer_killed_before_any_statement_leaves_a_whole_transaction(tmp_path: Path, step: int) -> None:
    """Each transaction is there or not; what is written again after that is what would have been written at once."""
    begin, folder = copy_of_template(tmp_path), tmp_path / "killed"
    folder.mkdir()
    asyncio.run(prepare(begin))
    close_log(begin)
    whole = tmp_path / "whole.db"
    whole.write_bytes(begin.read_bytes())
    asyncio.run(write(whole))
    assert failed_checks(whole) == []
    subprocess.run([sys.executable, "-m", "tests.core.writer_killer", begin, folder, str(step)], cwd=ROOT, check=True)
    killed = sorted(folder.glob("*.db"))
    assert len(killed) > 40 / step
    positions = set()
    for path in killed:
        assert failed_checks(path) == []
        positions |= set(read_rows(path, "SELECT revision FROM database_state"))
        asyncio.run(write(path))
        assert without_epoch(read_everything(path)) == without_epoch(read_everything(whole))
    assert positions == {(2,), (3,), (4,)}


def without_epoch(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return ``tables`` without the epoch: each database has its own."""
    return tables | {"database_state": [row[2:] for row in tables["database_state"]]}


async def test_writer_knows_which_runs_were_one_reading(store: Store) -> None:
    """The runs of the last reading are told together, without those of the reading before."""

    async def record(added_count: int, remaining_count: int, skipped_count: int = 0) -> None:
        counted = replace(store.receipt(added_count), remaining_count=remaining_count, skipped_count=skipped_count)
        await store.writer.record_run(counted, None)

    async def counts() -> list[int]:
        async with store.reader.snapshot() as snapshot:
            return [run.added_count for run in await snapshot.list_last_runs("cline")]

    await record(2, 1)
    await record(1, 0)
    assert await counts() == [2, 1]
    # A reading that was broken off after its first run, and the one that found the rest.
    await record(4, 5)
    assert await counts() == [4]
    await record(5, 0, skipped_count=4)
    assert await counts() == [5]
    await record(2, 3)
    await record(2, 1)
    await record(1, 0)
    assert await counts() == [2, 2, 1]


async def test_writer_tells_failures_from_the_last_successful_run(store: Store) -> None:
    """A failure is noted without a revision, and is not the last completed run."""
    await store.take_in([usage()])
    await store.writer.record_run(replace(store.receipt(), finished_at_ms=NOW_MS + 5), "ledger_not_found")
    async with store.reader.snapshot() as snapshot:
        (run,) = await snapshot.list_last_runs("cline")
    assert (run.revision, run.finished_at_ms, run.trigger) == (1, NOW_MS, "watch")
    assert read_rows(store.path, "SELECT revision, error_code FROM import_run ORDER BY id") == [
        (1, None),
        (None, "ledger_not_found"),
    ]


async def test_writer_keeps_the_last_runs_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of runs does not grow for ever."""
    monkeypatch.setattr(import_runs, "RUNS_KEPT", 3)
    for _ in range(5):
        await store.writer.record_run(store.receipt(), None)
    assert read_rows(store.path, "SELECT id FROM import_run ORDER BY id") == [(3,), (4,), (5,)]


async def test_checkpoint_is_remembered_by_the_database_that_took_it(store: Store) -> None:
    """Of each place only the last one counts, and none stays in a database from which something was removed."""
    first, second = (store.writer.positions_of("cline", place) for place in ("aa", "ab"))
    assert first.find_own() is None
    await store.writer.apply(store.batch([usage("a")], checkpoints=(("aa", "[1]"), ("ab", "[2]"))))
    await store.writer.apply(store.batch([], checkpoints=(("aa", "[3]"),)))
    assert (first.find_own(), second.find_own()) == ("[3]", "[2]")
    assert store.writer.positions_of("tool", "aa").find_own() is None
    forget(store.path, "cline", ["a"], store.now_ms)
    assert first.find_own() is None
    assert read_rows(store.path, "SELECT * FROM checkpoint") == []


async def test_checkpoints_of_files_are_found_by_the_place_that_they_are_a_part_of(store: Store) -> None:
    """Their names begin with its name; one that is taken away is gone, and what was asked for once is asked anew."""
    places = (("aa", "[1]"), ("aa00", "[2]"), ("aaff", "[3]"), ("ab00", "[4]"), ("a9ff", "[5]"))
    await store.writer.apply(store.batch([usage("a")], checkpoints=places))
    positions = store.writer.positions_of("cline", "aa")
    assert positions.find_own() == "[1]"
    assert dict(positions.read_all()) == {b"\0": "[2]", b"\xff": "[3]"}
    assert positions.find([b"\0", b"\1"]) == {b"\0": "[2]"}
    await store.writer.apply(store.batch([], checkpoints=(("aa00", None), ("aaff", "[6]"))))
    assert dict(positions.read_all()) == {b"\xff": "[6]"}
    assert positions.find([b"\0", b"\xff"]) == {b"\xff": "[6]"}
    forget(store.path, "cline", ["a"], store.now_ms)
    assert dict(positions.read_all()) == positions.find([b"\xff"]) == {}


async def test_checkpoints_that_cannot_be_read_are_none(store: Store) -> None:
    """Losing one costs time, and no money: whatever is wrong with the file, everything is read again."""
    await store.writer.apply(store.batch([usage("a")], checkpoints=(("aa", "[1]"), ("aa00", "[2]"))))
    errors: list[sqlite3.Error] = []
    nowhere = "file:/nowhere/at.all?mode=ro"
    positions = StoredPositions(lambda: sqlite3.connect(nowhere, uri=True), "cline", "aa", errors.append)
    assert (positions.find_own(), dict(positions.read_all()), positions.find([b"\0"])) == (None, {}, {})
    assert len(errors) == 3


async def test_forgotten_sessions_and_requests_are_passed_over(store: Store) -> None:
    """In whichever session a copy of them comes; others are stored, and what was forgotten is skipped."""
    await store.take_in([usage("a"), usage("b")])
    await store.take_in_of("tool", [request("1"), request("2", session="t")])
    forget(store.path, "cline", ["a"], NOW_MS)
    forget(store.path, "tool", ["s"], NOW_MS)
    receipt, committed = await store.writer.apply(store.batch([usage("a", tokens_in=5_000), usage("b")]))
    assert committed is None
    assert receipt.skipped_count == 2
    copied = await store.take_in_of("tool", [request("1"), request("1", session="fork"), request("3", session="fork")])
    assert copied is not None
    assert copied.receipt.skipped_count == 2
    assert read_rows(store.path, "SELECT key FROM session ORDER BY key") == [("b",), ("fork",), ("t",)]
    assert failed_checks(store.path) == []


async def test_a_source_seen_without_usage_between_other_transactions_is_known_afterwards(store: Store) -> None:
    """A reading of nothing has no revision of its own, and what it stores is no news to the one that follows."""
    await store.take_in_of("tool", [request("1")])

    async def label_twice() -> None:
        for label in ("one", "two"):
            await store.writer.set_label("tool", "s", label)

    await asyncio.gather(label_twice(), store.take_in_of("other", []))
    assert await store.take_in_of("other", [request("2")]) is not None
    assert read_rows(store.path, "SELECT name FROM source ORDER BY id") == [("cline",), ("tool",), ("other",)]
