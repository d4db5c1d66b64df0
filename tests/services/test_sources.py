"""The sources of one machine: their switches, several places at once, and what is told of all of them."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aico.core.db.upkeep.verification import verify
from aico.core.errors import LedgerFormat, SourceFixed, SourceOff, SourceUnknown
from aico.core.events import WatcherState
from aico.core.usage import Trigger
from aico.features.files import whole_file
from aico.features.files.feed import Look
from aico.features.files.sqlite import SqliteFeed
from aico.features.sources.cline import hub as hub_module
from aico.features.sources.cline import sessions as sessions_module
from aico.services import source_choices
from aico.services.intake import IntakeKey
from aico.services.service import ObserverService
from aico.services.sources import _worst_there
from aico.services.status import list_sources
from bench.fake_session_store import FIRST_MS, SessionStore, core_metadata, usage
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import LedgerFile, entry
from tests.emulator.fake_hub_events import HubEventsStore, usage_payload
from tests.files.folder_witness import Deed, witnessing
from tests.services.heard_service import CLINE, HANG_S, observer, running
from tests.sources.cline.homes import DATA, recorded_home, truth_of
from tests.sources.cline.test_recorded_databases import numbers_of, readings_of

WATCHING = WatcherState.WATCHING
HUB_NAME = "hub-events-hub-production.db"


class Machine:
    """A home with a place for everything of Cline's, and its observer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "home" / ".cline" / "data" / "db"
        self.ledger = LedgerFile(folder / "home" / ".cline" / "data" / "state" / "taskHistory.json")
        self.sessions = self.db / "sessions.db"
        self.db.mkdir(parents=True)

    def service(self, **settings: object) -> ObserverService:
        """Return a service that is not started."""
        known = {"ledger_path": str(self.ledger.path), "sessions_path": str(self.sessions)}
        return observer(self.folder, **{**known, **settings})  # type: ignore[arg-type]  # no clock among them


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine on which Cline was installed a moment ago."""
    return Machine(tmp_path.resolve())


@pytest.fixture
def store(machine: Machine) -> Iterator[SessionStore]:
    """Open the session store as Cline does, with one session of half a dollar."""
    store = SessionStore(machine.sessions)
    store.put("s", core_metadata(usage(300, 20, 0.5, read=100)))
    yield store
    store.close()


def spent_nano(service: ObserverService) -> int:
    """Return what was ever booked, in nano-dollars."""
    statement = "SELECT IFNULL(SUM(recorded_nano), 0) FROM usage_event"
    [(nano,)] = read_rows(service.database.path, statement)
    return int(nano or 0)


def failed_checks(service: ObserverService) -> list[str]:
    """Return what does not add up."""
    return [check.name for check in verify(service.database.path) if not check.ok]


async def test_switch_opens_and_closes_a_place_at_run_time(machine: Machine, store: SessionStore) -> None:
    """On: it is read and watched from then on. Off: not any more, what was counted stays, and it says since when."""
    machine.ledger.write(entry("old"))
    service = machine.service()
    async with running(service) as heard:
        await heard.until_stored(lambda costs: costs == {"old": 0.5})
        assert service.sources.find_watcher(CLINE, "sessions") is None
        assert (await heard.origin("sessions")).state == "off"
        await service.sources.switch(CLINE, origins={"sessions": True})
        await heard.until_stored(lambda costs: costs == {"old": 0.5, "s": 0.5})
        await heard.until_state("sessions", WATCHING)
        store.put("s", core_metadata(usage(600, 40, 0.75)))
        await heard.until_stored(lambda costs: costs == {"old": 0.5, "s": 0.75})
        before_ms = service.now_ms()
        await service.sources.switch(CLINE, origins={"sessions": False})
        assert service.sources.find_watcher(CLINE, "sessions") is None
        with witnessing(machine.db) as witness:
            store.put("s", core_metadata(usage(900, 60, 1.5)))
            await service.sources.read(Trigger.REQUEST)
            assert {deed.kind for deed in witness.deeds()} <= {"modify"}
        state = await heard.origin("sessions")
        assert (state.enabled, state.found is not None, state.state) == (False, True, "off")
        assert state.off_since_ms is not None
        assert before_ms <= state.off_since_ms <= service.now_ms()
        assert heard.costs() == {"old": 0.5, "s": 0.75}
        with pytest.raises(SourceOff):
            await service.sources.read(Trigger.REQUEST, CLINE, "sessions")
        await service.sources.switch(CLINE, origins={"sessions": True})
        await heard.until_stored(lambda costs: costs == {"old": 0.5, "s": 1.5})
    assert spent_nano(service) == 2 * 10**9
    assert failed_checks(service) == []


async def test_switch_is_known_after_a_restart(machine: Machine, store: SessionStore) -> None:
    """The user's choice holds until another one; it says nothing about other origins."""
    async with running(machine.service()) as heard:
        await heard.service.sources.switch(CLINE, origins={"sessions": True, "ledger": False})
    machine.ledger.write(entry("old"))
    async with running(machine.service()) as heard:
        await heard.until_stored(lambda costs: costs == {"s": 0.5})
        watched = {intake.origin.id for intake, _ in heard.service.sources.list_watched()}
        assert watched == {"sessions"}
        assert (await heard.origin("ledger")).off_since_ms is not None
        assert (await heard.origin("hub")).off_since_ms is None


async def test_first_looks_are_waited_for_but_not_for_ever(
    machine: Machine, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks at all places are there as soon as each was looked at once; one that takes too long is left out."""
    go_on = threading.Event()
    machine.ledger.write(entry("old"))
    service = machine.service(cline_sessions=True)
    look = SqliteFeed.look

    def slow_look(feed: SqliteFeed) -> Look:
        go_on.wait(HANG_S)
        return look(feed)

    monkeypatch.setattr(SqliteFeed, "look", slow_look)
    async with running(service) as heard:
        await heard.until_state("ledger", WATCHING)
        ledger = IntakeKey(CLINE, "ledger", str(machine.ledger.path))
        assert (await service.sources.find_seen(0.05)).keys() == {ledger}
        go_on.set()
        seen = await service.sources.find_seen(HANG_S)
        assert {key.origin for key in seen} == {"ledger", "sessions"}
        found = seen[ledger]
        assert isinstance(found, Look)
        assert found.size_bytes == machine.ledger.path.stat().st_size


async def test_switch_of_a_source_is_that_of_all_its_origins(machine: Machine, store: SessionStore) -> None:
    """*Read all* reads all, and off is off; a request then says that nothing is read."""
    service = machine.service()
    async with running(service) as heard:
        await service.sources.switch(CLINE, enabled=True)
        assert {intake.origin.id for intake, _ in service.sources.list_watched()} == {"ledger", "sessions", "hub"}
        await heard.until_stored(lambda costs: costs == {"s": 0.5})
        await heard.until_state("hub", WatcherState.WAITING, "source_not_found")
        await service.sources.switch(CLINE, enabled=False)
        assert service.sources.list_watched() == []
        assert service.list_problems() == []
        with pytest.raises(SourceOff):
            await service.sources.read(Trigger.REQUEST, CLINE)
        assert await service.sources.read(Trigger.REQUEST) == []
        (cline,) = [each for each in await list_sources(service) if each.state.id == CLINE]
        assert (cline.state.enabled, cline.state.state, cline.session_count) == (False, "off", 1)


async def test_switch_is_told_to_every_socket_once(machine: Machine, store: SessionStore) -> None:
    """A page that is open hears of what is read no more without asking; the old messages have no word for it."""
    service = machine.service()
    async with running(service) as heard:
        await service.sources.switch(CLINE, enabled=True)
        await heard.until_state("sessions", WATCHING)
        await service.sources.switch(CLINE, origins={"sessions": False})
        await service.sources.switch(CLINE, origins={"sessions": False})
        await heard.until(lambda message: message.get("state") == "off")
        off = {"type": "source_state", "source": CLINE, "origin": "sessions", "state": "off"}
        assert [message for message in heard.received if message.get("state") == "off"] == [
            {**off, "since": None, "reason": None}
        ]


async def test_switch_during_a_large_first_reading_keeps_what_is_stored(machine: Machine, store: SessionStore) -> None:
    """Off in the middle of it: no further part comes, and nothing is booked twice when it is on again."""
    for number in range(40):
        store.put(f"t{number}", core_metadata(usage(10, 1, 0.25)), updated_ms=FIRST_MS + number)
    service = machine.service(max_entries_per_run=10)
    async with running(service) as heard:
        await service.sources.switch(CLINE, origins={"sessions": True})
        await heard.until(lambda message: message["type"] == "usage_updated")
        await service.sources.switch(CLINE, origins={"sessions": False})
        count = len(heard.costs())
        assert 10 <= count <= 41
        await service.sources.switch(CLINE, origins={"sessions": True})
        await heard.until_stored(lambda costs: len(costs) == 41)
    assert spent_nano(service) == 10_500_000_000
    assert failed_checks(service) == []


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"cline_sessions": True}, "cline_sessions"),
        ({"sources": {CLINE: {"origins": ["ledger", "sessions"]}}}, "sources.cline.origins"),
        ({"enabled_sources": [CLINE]}, "enabled_sources"),
    ],
)
async def test_what_configuration_fixes_no_switch_changes(
    machine: Machine, store: SessionStore, settings: dict[str, object], setting: str
) -> None:
    """It says which setting decides; to switch on what is on is no contradiction."""
    service = machine.service(**settings)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: costs == {"s": 0.5})
        assert (await heard.origin("sessions")).fixed_by == setting
        with pytest.raises(SourceFixed, match=setting):
            await service.sources.switch(CLINE, origins={"sessions": False})
        await service.sources.switch(CLINE, origins={"sessions": True})
        assert service.sources.find_watcher(CLINE, "sessions") is not None
        assert read_rows(service.database.path, "SELECT COUNT(*) FROM source_choice") == [(0,)]


async def test_refused_switch_changes_nothing_at_all(machine: Machine) -> None:
    """Neither an unknown name nor one that is fixed lets the others of the same request through."""
    service = machine.service(cline_sessions=False)
    async with running(service):
        for source, origins, error in (
            ("nobody", {"ledger": False}, SourceUnknown),
            (CLINE, {"ledger": False, "nothing": True}, SourceUnknown),
            (CLINE, {"ledger": False, "sessions": True}, SourceFixed),
        ):
            with pytest.raises(error):
                await service.sources.switch(source, origins=origins)
        assert [intake.origin.id for intake, _ in service.sources.list_watched()] == ["ledger"]
        assert read_rows(service.database.path, "SELECT COUNT(*) FROM source_choice") == [(0,)]


@pytest.mark.parametrize("change", ["machine", "place"])
async def test_consent_is_bound_to_machine_and_place(
    machine: Machine, store: SessionStore, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A copied database switches nothing on elsewhere, and one place's consent opens no other."""
    async with running(machine.service()) as heard:
        await heard.service.sources.switch(CLINE, origins={"sessions": True})
        await heard.until_stored(lambda costs: costs == {"s": 0.5})
    other = machine.folder / "elsewhere" / "sessions.db"
    other.parent.mkdir()
    settings: dict[str, object] = {"sessions_path": str(other)} if change == "place" else {}
    if change == "machine":
        monkeypatch.setattr(source_choices, "machine_of", lambda _surroundings: "another machine")
    with witnessing(machine.db, other.parent) as witness:
        async with running(machine.service(**settings)) as heard:
            await heard.until_state("ledger", WatcherState.WAITING, "ledger_not_found")
            assert heard.service.sources.find_watcher(CLINE, "sessions") is None
            assert (await heard.origin("sessions")).off_since_ms is None
        assert witness.deeds() == set()


async def test_nothing_but_the_ledger_is_opened_before_a_switch(machine: Machine, store: SessionStore) -> None:
    """Status, imports and the list of sources look at metadata alone; the kernel sees nobody in the other folder."""
    hub = HubEventsStore(machine.db / HUB_NAME)
    hub.add("usage.updated", "h", FIRST_MS, usage_payload("h", usage(10, 1, 0.5)))
    machine.ledger.write(entry("old"))
    service = machine.service()
    with witnessing(machine.db) as elsewhere, witnessing(machine.ledger.folder) as witness:
        async with running(service) as heard:
            await heard.until_stored(lambda costs: costs == {"old": 0.5})
            machine.ledger.write(entry("old"), entry("new"))
            await heard.until_stored(lambda costs: set(costs) == {"old", "new"})
            await service.sources.read(Trigger.REQUEST)
            cline = next(each for each in await service.sources.list_states() if each.id == "cline")
            found = {origin.id: origin.found for origin in cline.origins}
            assert found["sessions"]
            assert found["hub"]
            assert Deed("open", "taskHistory.json") in witness.deeds()
        assert elsewhere.deeds() == set()
        async with running(service2 := machine.service()) as heard:
            await service2.sources.switch(CLINE, origins={"hub": True})
            await heard.until_true(lambda: spent_nano(service2) == 1_500_000_000)
        assert Deed("open", HUB_NAME) in (deeds := elsewhere.deeds())
        assert "sessions.db" not in {deed.name for deed in deeds}
    hub.close()


class TwoEditors:
    """Two living editors, each with a ledger of its own."""

    def __init__(self, machine: Machine) -> None:
        folder = machine.folder
        self.one = LedgerFile(folder / "one" / "taskHistory.json")
        self.two = LedgerFile(folder / "two" / "taskHistory.json")
        paths = [str(self.one.path), str(self.two.path)]
        self.settings: dict[str, object] = {"ledger_path": paths[0], "sources": {CLINE: {"ledgers": paths}}}


async def test_two_living_editors_cost_three_dollars(machine: Machine) -> None:
    """Each is read and watched by itself, and their sum is exact to the last digit, over a restart, too."""
    editors = TwoEditors(machine)
    editors.one.write(entry("a", cost=0.5))
    editors.two.write(entry("b", cost=0.25))
    async with running(machine.service(**editors.settings)) as heard:
        await heard.until_stored(lambda costs: costs == {"a": 0.5, "b": 0.25})
        for step in range(1, 5):
            editors.two.write(entry("b", cost=step / 2))
            editors.one.write(entry("a", cost=0.5 + step / 8))
            await heard.until_stored(lambda costs, step=step: costs == {"a": 0.5 + step / 8, "b": step / 2})  # type: ignore[misc]  # the loop's
    service = machine.service(**editors.settings)
    async with running(service) as heard:
        receipts = await service.sources.read(Trigger.REQUEST, CLINE)
        assert [receipt.skipped_count for receipt in receipts] == [1, 1]
        assert heard.costs() == {"a": 1.0, "b": 2.0}
        assert (await heard.origin("ledger")).found
    assert spent_nano(service) == 3 * 10**9
    assert failed_checks(service) == []


async def test_two_ledgers_with_one_task_count_the_greater_number_once(machine: Machine) -> None:
    """A copied ledger says less: that is no fall, and reading both again changes nothing. Another task falls."""
    editors = TwoEditors(machine)
    editors.one.write(entry("a", cost=3.0))
    editors.two.write(entry("a", cost=5.0))
    service = machine.service(**editors.settings)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: costs == {"a": 5.0})
        # A stored fact may not be told yet: a request for a reading waits for earlier ones.
        await service.sources.read(Trigger.REQUEST, CLINE)
        revision = service.hub.revision
        for _ in range(2):
            receipts = await service.sources.read(Trigger.REQUEST, CLINE)
            assert [receipt.skipped_count for receipt in receipts] == [1, 1]
        assert service.hub.revision == revision
        editors.one.write(entry("a", cost=4.0))
        await service.sources.read(Trigger.REQUEST, CLINE)
        assert heard.costs() == {"a": 5.0}
        editors.one.write(entry("a", cost=6.0))
        await heard.until_stored(lambda costs: costs == {"a": 6.0})
        # A task in one of them alone falls as it does with a single ledger.
        for cost in (2.0, 1.5):
            editors.two.write(entry("a", cost=5.0), entry("b", cost=cost))
            await heard.until_stored(lambda costs, cost=cost: costs == {"a": 6.0, "b": cost})  # type: ignore[misc]  # the loop's
    again = machine.service(**editors.settings)
    async with running(again):
        await again.sources.read(Trigger.REQUEST, CLINE)
        assert again.hub.revision == service.hub.revision
    assert spent_nano(service) == 8 * 10**9
    assert failed_checks(service) == []


@pytest.mark.slow
async def test_place_that_fails_delays_no_other_and_backs_off_by_itself(machine: Machine) -> None:
    """One editor's ledger is no ledger: it says so, is tried again ever later, and the other one is live as before."""
    editors = TwoEditors(machine)
    editors.one.overwrite(b"{}")
    editors.two.write(entry("b", cost=0.25))
    service = machine.service(**editors.settings, rescan_interval_s=0.05, backoff_max_s=3600)
    async with running(service) as heard:
        await heard.until_state("ledger", WatcherState.DEGRADED, "ledger_format")
        broken, well = [service.sources._open[key].watcher for key in service.sources._open]
        for number in range(3):
            editors.two.write(entry("b", cost=number))
            await heard.until_stored(lambda costs, number=number: costs == {"b": number})  # type: ignore[misc]  # the loop's
        assert (broken.state.state, well.state.state) == (WatcherState.DEGRADED, WATCHING)
        assert broken._rescan_delay_s > 0.05
        assert well._rescan_delay_s == 0.05
        assert {key.path: error.code for key, error in service.ingest.failures.items()} == {
            str(editors.one.path): "ledger_format"
        }
        state = await heard.origin("ledger")
        assert (state.state, state.reason) == ("degraded", "ledger_format")
        with pytest.raises(LedgerFormat):
            await service.sources.read(Trigger.REQUEST, CLINE)
        editors.one.write(entry("a"))
        await heard.until_stored(lambda costs: costs == {"a": 0.5, "b": 2.0})
        await heard.until_state("ledger", WATCHING)


@pytest.mark.slow
@pytest.mark.parametrize("is_first", [True, False])
async def test_place_that_fails_is_named_among_several(machine: Machine, is_first: bool) -> None:
    """Of two ledgers, state, request and error say which one is broken; the other's path stands in none of them."""
    editors = TwoEditors(machine)
    broken, well = (editors.one, editors.two) if is_first else (editors.two, editors.one)
    broken.overwrite(b"{}")
    well.write(entry("b"))
    service = machine.service(**editors.settings)
    sentence = f"Not a known ledger {broken.path}: it is JSON, but no array."
    async with running(service) as heard:

        async def is_told() -> bool:
            return (await heard.origin("ledger")).problem == sentence

        await heard.until_true(is_told)
        state = await heard.origin("ledger")
        assert (state.state, state.reason, state.paths) == ("degraded", "ledger_format", (str(broken.path),))
        assert state.since_ms is not None
        outcome = await service.sources.read_each(Trigger.REQUEST, CLINE)
        assert [str(error) for error in outcome.failures.values()] == [sentence]


@pytest.mark.slow
async def test_unfinished_ledger_is_waited_for_by_nobody_else(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one editor's file waits to be read again because it is torn, the other one's change is stored."""
    monkeypatch.setattr(whole_file, "FIRST_RETRY_S", 10 * HANG_S)
    editors = TwoEditors(machine)
    for each, task in ((editors.one, "a"), (editors.two, "b")):
        each.write(entry(task))
    service = machine.service(**editors.settings, rescan_interval_s=0)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: len(costs) == 2)
        await heard.until_well()
        torn, _other = list(service.sources._open)
        editors.one.overwrite(b'[{"id":')
        lane = service.ingest._lanes[torn]
        async with asyncio.timeout(60):
            while not lane.is_busy:  # noqa: ASYNC110 - nobody tells that a reading has begun
                await asyncio.sleep(0)
        editors.two.write(entry("b", cost=2))
        await service.ingest.run(Trigger.WATCH, [key for key in service.sources._open if key != torn])
        assert heard.costs()["b"] == 2.0
        assert torn not in service.ingest.failures
        lane.intake.feed.hurry()
        assert await service.ingest.finish(torn) is not None


async def test_bug_in_one_reader_stops_no_other(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its watcher says so and begins anew; the service, its sockets and the other ledger go on."""
    editors = TwoEditors(machine)
    editors.one.write(entry("a"))
    editors.two.write(entry("b"))
    service = machine.service(**editors.settings)
    async with running(service) as heard:
        await heard.until_stored(lambda costs: len(costs) == 2)
        await heard.until_well()
        feed = next(
            intake.feed for intake, _ in service.sources.list_watched() if intake.feed.path == str(editors.one.path)
        )

        def break_down(*_arguments: object) -> object:
            raise KeyError("an injected bug")

        with monkeypatch.context() as patched:
            patched.setattr(feed, "read", break_down)
            editors.one.write(entry("a", cost=1))
            await heard.until_state("ledger", WatcherState.FAILED, "internal_error")
            editors.two.write(entry("b", cost=2))
            await heard.until_stored(lambda costs: costs == {"a": 0.5, "b": 2.0})
            assert service.list_problems() == ["internal_error"]
        await heard.until_stored(lambda costs: costs == {"a": 1.0, "b": 2.0})
        await heard.until_well()


async def test_totals_that_fall_book_nothing_and_the_row_says_so(machine: Machine) -> None:
    """A restored checkpoint or a rebuilt file shows less: what was spent stays spent, and so does the way back up."""
    service = machine.service()
    machine.ledger.write(entry("1", cost=1.0))
    told = []
    async with running(service) as heard:
        await heard.until_stored(lambda costs: costs == {"1": 1.0})
        for cost in (0.25, 0.75, 1.5):
            machine.ledger.write(entry("1", cost=cost))
            old = await heard.until(lambda message, cost=cost: row_of(message, "cline_usage_updated", cost))  # type: ignore[misc]  # the loop's
            (row,) = rows_in(old)
            assert (row["total_cost"], row["spent"]) == (
                cost,
                {"tokens_in": 1000, "tokens_out": 100, "total_cost": max(1.0, cost)},
            )
            told.append((row["has_fallen"], spent_nano(service)))
    assert told == [(True, 10**9), (True, 10**9), (False, 1_500_000_000)]
    assert failed_checks(service) == []


def rows_in(message: dict[str, object]) -> list[dict[str, object]]:
    """Return the rows that a message carries."""
    rows = message["rows"]
    assert isinstance(rows, list)
    return rows


def row_of(message: dict[str, object], kind: str, cost: float) -> bool:
    """Return whether a message of ``kind`` shows a task at ``cost``."""
    return message["type"] == kind and any(row["total_cost"] == cost for row in rows_in(message))


Sums = tuple[int, int, int]
"""Gross input, output and cache reads."""
TURN = "1795875689242_csb8e"
"""A recorded session of one turn with three calls."""


def booked(service: ObserverService) -> dict[str, Sums]:
    """Return what is booked for each session."""
    statement = """
        SELECT s.key, SUM(IFNULL(e.input, 0) + IFNULL(e.cache_read, 0) + IFNULL(e.cache_write_5m, 0)),
            SUM(IFNULL(e.output, 0)), SUM(IFNULL(e.cache_read, 0))
        FROM usage_event AS e JOIN session AS s ON s.id = e.session GROUP BY s.key
    """
    return {
        str(key): (int(gross or 0), int(out or 0), int(read or 0))
        for key, gross, out, read in read_rows(service.database.path, statement)
    }


@pytest.mark.slow
async def test_running_turn_is_seen_call_by_call_and_booked_once(machine: Machine) -> None:
    """The hub tells each call while the store only says that the session runs; at its end the store says it all again.

    The events are recorded ones of Cline itself.
    """
    truth = truth_of("mix")[TURN]
    events = (DATA / "mix" / "hub-events-hub-production.sql").read_text(encoding="utf-8").split(";\n")
    calls = [statement for statement in events if f"'{TURN}'" in statement]
    with closing(sqlite3.connect(machine.sessions)) as sessions, closing(sqlite3.connect(machine.db / HUB_NAME)) as hub:
        sessions.executescript((DATA / "mix" / "sessions.sql").read_text(encoding="utf-8"))
        ended = sessions.execute(
            "SELECT status, ended_at, metadata_json FROM sessions WHERE session_id = ?", (TURN,)
        ).fetchone()
        write = "UPDATE sessions SET status = ?, ended_at = ?, metadata_json = ? WHERE session_id = ?"
        with sessions:
            sessions.execute(write, ("running", None, None, TURN))
        hub.executescript(";\n".join(statement for statement in events if not statement.strip().startswith("INSERT")))
        service = machine.service(sources={CLINE: {"enabled": True}})
        async with running(service) as heard:
            await heard.until_true(lambda: len(booked(service)) == len(truth_of("mix")))
            assert booked(service)[TURN] == (0, 0, 0)
            for number, statement in enumerate(calls, 1):
                with hub:
                    hub.execute(statement)
                gross = (1_000, 3_000, 6_000)[number - 1]
                await heard.until_true(lambda gross=gross: booked(service)[TURN][0] == gross)  # type: ignore[misc]  # the loop's
                message = await heard.until(
                    lambda message: (
                        message["type"] == "usage_updated"
                        and any(row["session_id"] == TURN and row["output_tokens"] for row in rows_in(message))
                    )
                )
                (row,) = [row for row in rows_in(message) if row["session_id"] == TURN]
                assert (row["state"], row["output_tokens"]) == ("running", 10 * (1, 3, 6)[number - 1])
            with sessions:
                sessions.execute(write, (*ended, TURN))
            done = await heard.until(
                lambda message: (
                    message["type"] == "usage_updated"
                    and any(row["session_id"] == TURN and row["state"] == "done" for row in rows_in(message))
                )
            )
            assert done["rows"]
            await service.sources.read(Trigger.REQUEST, CLINE)
            assert booked(service)[TURN] == (truth.input_gross, truth.output, truth.cache_read)
    assert len(calls) == 3
    assert failed_checks(service) == []


async def test_both_databases_of_real_runs_come_to_each_amount_once(machine: Machine, tmp_path: Path) -> None:
    """Of every number the greater one of row and events is booked, whichever was read first, and never their sum."""
    with recorded_home("mix", tmp_path) as folder:
        rows = await readings_of(sessions_module.QUERY, folder / "sessions.db")
        events = await readings_of(hub_module.QUERY, folder / HUB_NAME)
        service = machine.service(sessions_path=str(folder / "sessions.db"), sources={CLINE: {"enabled": True}})
        async with running(service) as heard:
            await heard.until_true(lambda: len(booked(service)) == len(rows.keys() | events.keys()))
            for _ in range(2):
                # An absent ledger is no failure.
                assert len(await service.sources.read(Trigger.REQUEST, CLINE)) == 2
            found = booked(service)
    for session in rows.keys() | events.keys():
        told = [numbers_of(each[session])[:3] for each in (rows, events) if session in each]
        assert found[session] == tuple(max(number or 0 for number in column) for column in zip(*told, strict=True))
    assert failed_checks(service) == []


async def test_known_place_that_never_was_there_is_no_line_in_the_log(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of several known places a tool uses some. One that goes away is told, and so is a named one that is missing."""
    caplog.set_level(logging.INFO, "aico.services.watcher")
    home = machine.folder / "home"
    monkeypatch.setenv("HOME", str(home))
    used, unused, named = home / ".claude/projects", home / ".config/claude/projects", machine.folder / "named"
    used.mkdir(parents=True)
    sources = {"claude-code": {"enabled": True}, "codex": {"enabled": True, "roots": [str(named)]}}
    service = machine.service(sources=sources)
    places = {str(used): WATCHING, str(unused): WatcherState.WAITING, str(named): WatcherState.WAITING}

    def states() -> dict[str, WatcherState]:
        opened = [*service.sources._opened("claude-code", "projects"), *service.sources._opened("codex", "sessions")]
        return {each.intake.feed.path: each.watcher.state.state for each in opened}

    async with running(service) as heard:
        await heard.until_true(lambda: states() == places)
        assert f"waiting for the rollout folder {named}" in caplog.text
        assert str(unused) not in caplog.text
        used.rmdir()
        await heard.until_true(lambda: states() == places | {str(used): WatcherState.WAITING})
        assert f" {used}" in caplog.text.partition("waiting for the transcript folder")[2]


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([("watching", None), ("waiting", "source_not_found")], ("watching", None)),
        ([("waiting", "ledger_not_found"), ("degraded", "sessions_format")], ("degraded", "sessions_format")),
        ([("waiting", "ledger_not_found")], ("waiting", "ledger_not_found")),
        ([], ("off", None)),
    ],
)
def test_source_waits_only_where_all_of_it_waits(
    states: list[tuple[str, str | None]], worst: tuple[str, str | None]
) -> None:
    """A kind of file that this user does not have is no state of the tool."""
    assert _worst_there(states) == worst
