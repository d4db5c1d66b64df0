"""Restoring a backup: what was shown, forgotten and agreed to holds on; nothing else of the replaced database does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.db.database import Database
from aico.core.db.sums_reader import LaterUse
from aico.core.db.upkeep.backups import get_position, write_backup
from aico.core.db.upkeep.forgetting import forget
from aico.core.db.upkeep.recovery import restore
from aico.core.db.upkeep.sqlite_files import remove
from aico.core.errors import StorageForeign
from aico.core.sums import Sums
from tests.core.database_damage import close_log, contents, failed_checks, set_contents
from tests.core.old_databases import NAMES, open_old, read_answers
from tests.core.repository_on_file import NOW_MS, copy_of_template, list_names, open_store, read_rows, request, usage

CHOICES = "SELECT source, origin, machine, root, is_on, changed_at FROM source_choice ORDER BY 1, 2, 3, 4"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a database of two tasks and a request, of which there is a backup."""
    path = copy_of_template(tmp_path)
    path.chmod(0o600)
    async with open_store(path) as store:
        await store.take_in([usage("a", total_cost=3.0), usage("b", total_cost=1.0)])
        await store.take_in_of("tool", [request("1", nano=5)])
    write_backup(path, backup_of(path))
    return path


def backup_of(path: Path) -> Path:
    """Return where the backup of ``path`` lies."""
    return path.with_name("copy.db")


async def read_counters(path: Path) -> dict[tuple[str, str], Sums]:
    """Return what the counters show."""
    async with open_store(path) as store:
        return await store.list_counters()


def switch(path: Path, origin: str, *, is_on: bool, machine: str = "here", root: str = "r") -> None:
    """Set a switch of the user's."""
    with closing(sqlite3.connect(path)) as connection, connection:
        values = ("tool", origin, machine, root, is_on)
        connection.execute("INSERT OR REPLACE INTO source_choice VALUES (?, ?, ?, ?, ?, 1)", values)


async def test_restore_takes_the_backup_as_it_is(path: Path) -> None:
    """Under another epoch and a later revision; the database before it lies aside, whole."""
    rows = read_rows(path, "SELECT * FROM usage_event")
    async with open_store(path) as store:
        await store.take_in([usage("c")])
    before = get_position(path)
    restored = restore(path, backup_of(path), NOW_MS)
    assert restored.set_aside is not None
    assert read_rows(path, "SELECT * FROM usage_event") == rows
    assert read_rows(restored.set_aside, "SELECT COUNT(*) FROM cline_task_usage") == [(3,)]
    after = get_position(path)
    assert after.epoch not in {before.epoch, get_position(backup_of(path)).epoch}
    assert after.revision > before.revision
    assert failed_checks(path) == []


async def test_restore_lets_no_counter_fall_or_count_twice(path: Path) -> None:
    """Usage after the backup was shown as growth before: when it is read again, only usage beyond it is."""
    later = [usage("a", tokens_in=5_000, total_cost=5.0), usage("c", tokens_in=70, total_cost=7.0)]
    async with open_store(path) as store:
        await store.take_in(later)
        await store.take_in_of("tool", [request("2", nano=9)])
    shown = await read_counters(path)
    for _ in range(2):
        restore(path, backup_of(path), NOW_MS)
        assert await read_counters(path) == shown
        async with open_store(path) as store:
            await store.take_in(later)
            await store.take_in_of("tool", [request("2", nano=9)])
            assert await store.list_counters() == shown
            async with store.reader.snapshot() as snapshot:
                assert await snapshot.list_totals() == shown
    async with open_store(path) as store:
        await store.take_in([usage("a", tokens_in=5_001, total_cost=6.0)])
        grown = await store.list_counters()
    key = ("cline", "m")
    assert grown[key].get("input") == shown[key].get("input") + 1
    assert grown[key].cost_nano == shown[key].cost_nano + 10**9
    assert failed_checks(path) == []


async def test_restore_of_another_history_counts_everything(path: Path) -> None:
    """Usage that only the backup knows is shown from now on, and no counter falls."""
    remove(path)
    copy_of_template(path.parent)
    async with open_store(path) as store:
        await store.take_in([usage("c", tokens_in=500, total_cost=7.0, model_id="theirs")])
    restore(path, backup_of(path), NOW_MS)
    counters = await read_counters(path)
    assert counters["cline", "theirs"].get("input") == 500
    assert counters["cline", "m"].get("input") == 200
    assert failed_checks(path) == []


async def test_restore_keeps_away_what_was_forgotten_since(path: Path) -> None:
    """The backup still holds it: it goes there too, no reading brings it back, and counters stay as they were."""
    forget(path, "cline", ["a"], NOW_MS)
    forget(path, "tool", ["s"], NOW_MS)
    shown = await read_counters(path)
    restore(path, backup_of(path), NOW_MS + 5)
    assert read_rows(path, "SELECT task_id FROM cline_task_usage") == [("b",)]
    assert read_rows(path, "SELECT key FROM session") == [("b",)]
    assert read_rows(path, "SELECT key, forgotten_at FROM forgotten ORDER BY 1") == [("a", NOW_MS), ("s", NOW_MS)]
    assert await read_counters(path) == shown
    async with open_store(path) as store:
        assert await store.take_in([usage("a", tokens_in=900), usage("b", total_cost=1.0)]) == []
        assert await store.take_in_of("tool", [request("1", session="fork", nano=5)]) is None
    assert failed_checks(path) == []


@pytest.mark.parametrize(("keeps", "told"), [(True, {"tool": LaterUse(1, 1)}), (False, {})])
async def test_restore_tells_of_later_use_as_long_as_its_session_is_forgotten(
    path: Path, told: dict[str, LaterUse], *, keeps: bool
) -> None:
    """A session that is back takes in what its tool has added; before that, the restored database still tells of it."""
    forget(path, "tool", ["s"], NOW_MS)
    later = request("9", session="s", nano=5, ts=NOW_MS + 1)
    async with open_store(path) as store:
        await store.take_in_of("tool", [later])
    restore(path, backup_of(path), NOW_MS, keeps_forgotten=keeps)
    async with open_store(path) as store:
        async with store.reader.snapshot() as snapshot:
            assert await snapshot.list_later_uses() == told
        assert (await store.take_in_of("tool", [later]) is None) is keeps
    assert failed_checks(path) == []


async def test_restore_keeps_away_copies_of_forgotten_requests(path: Path) -> None:
    """In another history a forgotten request may stand in another session; that session keeps the others."""
    other, folder = path.with_name("other.db"), path.parent / "elsewhere"
    folder.mkdir()
    async with open_store(copy_of_template(folder)) as store:
        await store.take_in_of("tool", [request("1", session="fork", nano=5), request("2", session="fork", nano=2)])
    write_backup(folder / "observer.db", other)
    forget(path, "tool", ["s"], NOW_MS)
    restore(path, other, NOW_MS)
    assert read_rows(path, "SELECT recorded_nano FROM usage_event") == [(2,)]
    assert read_rows(path, "SELECT recorded_nano FROM usage_session_day") == [(2,)]
    assert failed_checks(path) == []


async def test_restore_switches_on_nothing_that_was_off(path: Path) -> None:
    """A switch of the backup stays on only if the same one was on before: a backup is nobody's consent."""
    switch(path, "both", is_on=True)
    switch(path, "elsewhere", is_on=True)
    switch(path, "since", is_on=False)
    switch(path, "off", is_on=False)
    backup_of(path).unlink()
    write_backup(path, backup_of(path))
    switch(path, "off", is_on=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE source_choice SET is_on = 1 WHERE origin = 'since'")
        connection.execute("UPDATE source_choice SET machine = 'there' WHERE origin = 'elsewhere'")
    restored = restore(path, backup_of(path), NOW_MS)
    assert restored.switched_off == ("tool (elsewhere)",)
    assert read_rows(path, CHOICES) == [
        ("tool", "both", "here", "r", 1, 1),
        ("tool", "off", "here", "r", 0, 1),
        ("tool", "since", "here", "r", 0, 1),
    ]


@pytest.mark.parametrize("lost", ["absent", "garbage"])
async def test_restore_without_a_database_before_switches_everything_off(path: Path, lost: str) -> None:
    """Nobody can say what was agreed to on this machine."""
    switch(path, "one", is_on=True)
    backup_of(path).unlink()
    write_backup(path, backup_of(path))
    if lost == "absent":
        remove(path)
    else:
        close_log(path)
        set_contents(path, b"my diary\n" * 1_000)
    restored = restore(path, backup_of(path), NOW_MS)
    assert (restored.set_aside is None) is (lost == "absent")
    assert restored.switched_off == ("tool (one)",)
    assert read_rows(path, CHOICES) == []
    assert failed_checks(path) == []


@pytest.mark.parametrize("backed_up", [None, True, False])
async def test_restore_takes_no_refusal_back(path: Path, backed_up: bool | None) -> None:
    """A source that was switched off stays off, be it on, off or at its default in the backup, or on by default."""
    if backed_up is not None:
        switch(path, "ledger", is_on=backed_up)
        backup_of(path).unlink()
        write_backup(path, backup_of(path))
    switch(path, "ledger", is_on=False)
    restored = restore(path, backup_of(path), NOW_MS, {("tool", "ledger")})
    assert restored.switched_off == (("tool (ledger)",) if backed_up else ())
    assert read_rows(path, CHOICES) == [("tool", "ledger", "here", "r", 0, 1)]


async def test_restore_leaves_on_what_is_on_by_default(path: Path) -> None:
    """It was read before, without a switch, and is read after."""
    switch(path, "ledger", is_on=True)
    backup_of(path).unlink()
    write_backup(path, backup_of(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM source_choice")
    assert restore(path, backup_of(path), NOW_MS, {("tool", "ledger")}).switched_off == ()
    assert read_rows(path, CHOICES) == [("tool", "ledger", "here", "r", 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_restore_migrates_a_backup_of_an_older_schema(path: Path, name: str) -> None:
    """The backup itself stays as it was; what it held takes the database's place, in the present schema."""
    folder = path.parent / "old"
    folder.mkdir()
    origin = open_old(name, folder)
    close_log(origin)
    before = contents(origin)
    restore(path, origin, NOW_MS)
    assert contents(origin) == before
    assert read_rows(path, "SELECT COUNT(*) FROM cline_task_usage") == [(len(read_answers()[name].rows),)]
    assert failed_checks(path) == []


@pytest.mark.slow
async def test_restore_over_a_database_of_an_older_schema_keeps_what_it_has_shown(path: Path) -> None:
    """Also before the new version was started once: counters, and what was forgotten."""
    backup = backup_of(path).rename(path.with_name("kept.db"))
    remove(path)
    open_old("0007", path.parent)
    forgotten = read_rows(path, "SELECT task_id FROM forgotten_task ORDER BY 1")
    restore(path, backup, NOW_MS)
    counters = {model: sums for (_source, model), sums in (await read_counters(path)).items()}
    for model, (tokens_in, tokens_out, nano) in read_answers()["0007"].counters.items():
        shown = counters[model]
        assert (shown.get("input"), shown.get("output"), shown.cost_nano) == (tokens_in, tokens_out, nano)
    assert read_rows(path, "SELECT key FROM forgotten ORDER BY 1") == forgotten
    assert read_rows(path, "SELECT task_id FROM cline_task_usage ORDER BY 1") == [("a",), ("b",)]
    assert not [name for name in list_names(path.parent) if name.startswith(".")]
    assert failed_checks(path) == []


async def test_restore_never_replaces_another_programs_database(path: Path) -> None:
    """A wrong setting does not move somebody else's file."""
    remove(path)
    read_rows(path, "CREATE TABLE notes (text)")
    before = contents(path)
    with pytest.raises(StorageForeign):
        restore(path, backup_of(path), NOW_MS)
    assert contents(path) == before


async def test_restored_database_opens_and_goes_on(path: Path) -> None:
    """It is a database like any other."""
    restore(path, backup_of(path), NOW_MS)
    database = Database(path)
    await database.open()
    assert database.recovery is None
    await database.close()
    async with open_store(path) as store:
        (event,) = await store.take_in([usage("c")])
    assert event.session_count == 3
