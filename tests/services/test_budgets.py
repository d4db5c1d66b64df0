"""Budgets that are reached: told once for each period, whatever happens in between, and never taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aico.core.db.terms import Delivery, FiredKey, list_fired
from aico.core.db.terms_writer import note_fired
from aico.core.db.upkeep.forgetting import forget
from aico.core.db.upkeep.recovery import restore
from aico.core.db.writer import Batch
from aico.core.errors import BudgetUnknown, RequestInvalid, SettingFixed
from aico.core.terms import Budget, BudgetPeriod, Plan
from aico.core.usage import AnyRecord, ReadingCounts, Tokens, Trigger, UsageEvent, digest
from aico.services.budgets import BUDGETS_MAX
from aico.services.service import ObserverService
from tests.core.repository_on_file import copy_of_template
from tests.services.heard_service import observer, running

ZONE = ZoneInfo("Europe/Paris")
NANO = 10**9
DOLLAR_5 = Budget("five", BudgetPeriod.DAY, 5 * NANO)


class SetClock:
    """A clock that the test sets."""

    def __init__(self, text: str = "2026-03-28T12:00") -> None:
        self.now_ms = 0
        self.set(text)

    def set(self, text: str) -> int:
        """Set it to a local moment of Paris."""
        self.now_ms = int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)
        return self.now_ms

    def __call__(self) -> int:
        """Return the moment."""
        return self.now_ms


class Looked:
    """A service that is looked at step by step."""

    def __init__(self, service: ObserverService, clock: SetClock) -> None:
        self.service = service
        self.clock = clock

    async def spend(self, name: str, dollars: float | None, *, source: str = "codex", model: str = "m") -> None:
        """Store a request of now; None leaves its price unknown."""
        nano = None if dollars is None else round(dollars * NANO)
        event = UsageEvent(digest(name), "main", self.clock.now_ms, model, Tokens(1, 0, 0, 0, 1, None), nano)
        await store(self.service, source, event)

    async def look(self) -> list[tuple[str, int, float]]:
        """Return what a look tells: budget, threshold, dollars spent."""
        with self.service.hub.subscribe(None, None) as subscription:
            await self.service.budgets.look()
            self.service.hub.publish_notice({"type": "end"})
            told: list[tuple[str, int, float]] = []
            while (message := json.loads(await subscription.get() or ""))["type"] != "end":
                if message["type"] == "budget_reached":
                    told.append((message["budget"], message["threshold"], message["spent_usd"]))
            return told


async def store(service: ObserverService, source: str, *records: AnyRecord) -> None:
    """Store what a source says, and tell it."""
    _receipt, committed = await service.writer.apply(Batch(source, "log", "log", records, ReadingCounts(Trigger.WATCH)))
    assert committed is not None
    service.publish_commit(committed)


@asynccontextmanager
async def looked(folder: Path, clock: SetClock, **settings: object) -> AsyncIterator[Looked]:
    """Open a service on the database in ``folder``, as a start does, without what runs by itself."""
    own = folder / "own"
    if not own.exists():
        own.mkdir(mode=0o700)
        copy_of_template(own).chmod(0o600)
    service = observer(folder, clock, ledger_path=f"{folder}/taskHistory.json", **settings)
    await service.database.open()
    try:
        await service.budgets.load()
        service.hub.open(*await service.writer.get_position())
        yield Looked(service, clock)
    finally:
        await service.database.close()


@pytest.fixture(autouse=True)
def in_paris(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine stand in Paris."""
    monkeypatch.setenv("TZ", "Europe/Paris")


async def test_each_threshold_is_told_once_in_each_period(tmp_path: Path) -> None:
    """Over restarts, clocks that are set back and forth, a change of the clock's hour, and what is forgotten."""
    clock = SetClock("2026-03-28T23:00")
    async with looked(tmp_path, clock) as it:
        assert await it.look() == []
        await it.service.budgets.put_budget(DOLLAR_5)
        await it.spend("1", 3.999999999)
        assert await it.look() == []
        await it.spend("2", 0.000000001)
        assert await it.look() == [("five", 80, 4.0)]
        assert await it.look() == []
    async with looked(tmp_path, clock) as it:
        assert await it.look() == []
        await it.spend("3", 6)
        assert await it.look() == [("five", 100, 10.0)]
        clock.set("2026-03-29T00:00")  # a day of 23 hours
        assert await it.look() == []
        await it.spend("4", 5)
        assert await it.look() == [("five", 80, 5.0), ("five", 100, 5.0)]
        clock.set("2026-03-28T23:30")
        assert await it.look() == []
        await it.service.budgets.put_budget(DOLLAR_5._replace(amount_nano=11 * NANO))
        assert await it.look() == [("five", 80, 10.0)]
        await it.service.budgets.put_budget(DOLLAR_5)
        assert await it.look() == []
    forget(tmp_path / "own" / "observer.db", "codex", ["main"], clock.now_ms)
    async with looked(tmp_path, clock) as it:
        async with it.service.reader.snapshot() as snapshot:
            [standing] = await it.service.budgets.take_standings(snapshot)
        assert (standing.spent_nano, standing.reached) == (0, [])
        assert [each.key.threshold for each in it.service.budgets.list_told(standing)] == [80, 100]


async def test_move_to_another_zone_tells_only_what_a_new_day_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same local day is the same period; where it is tomorrow already, it is another one."""
    clock = SetClock("2026-03-28T20:00")
    async with looked(tmp_path, clock) as it:
        await it.service.budgets.put_budget(DOLLAR_5)
        await it.spend("1", 5)
        assert len(await it.look()) == 2
        monkeypatch.setenv("TZ", "Europe/Lisbon")
        assert await it.look() == []
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        assert await it.look() == [("five", 80, 5.0), ("five", 100, 5.0)]
        monkeypatch.setenv("TZ", "Europe/Paris")
        assert await it.look() == []


async def test_restore_of_an_older_backup_tells_nothing_twice(tmp_path: Path) -> None:
    """A budget that was told is not told again, though the backup does not know it."""
    clock = SetClock()
    path = tmp_path / "own" / "observer.db"
    async with looked(tmp_path, clock) as it:
        await it.service.budgets.put_budget(DOLLAR_5)
        await it.spend("1", 4)
    shutil.copy(path, tmp_path / "backup.db")
    async with looked(tmp_path, clock) as it:
        assert await it.look() == [("five", 80, 4.0)]
    restore(path, tmp_path / "backup.db", clock.now_ms, set())
    async with looked(tmp_path, clock) as it:
        assert await it.look() == []
        await it.spend("2", 1)
        assert await it.look() == [("five", 100, 5.0)]


async def test_restore_lets_counters_of_money_go_on(tmp_path: Path) -> None:
    """With any plans in the backup, an amount shown as money stays, and usage that a plan has paid for is none."""
    clock = SetClock()
    path = tmp_path / "own" / "observer.db"

    async def shown(it: Looked) -> tuple[float, float]:
        async with it.service.reader.snapshot() as snapshot:
            counters = await snapshot.list_counters()
            values = await snapshot.list_plan_values(counters)
        paid = sum(values.values())
        return (sum(each.cost_nano for each in counters.values()) - paid) / NANO, paid / NANO

    async with looked(tmp_path, clock) as it:
        await it.spend("1", None, source="claude-code", model="claude-opus-4-1")
        before = await shown(it)
        assert before[0] == pytest.approx(0.00009)
        assert before[1] == 0
    shutil.copy(path, tmp_path / "backup.db")
    async with looked(tmp_path, clock) as it:
        await it.service.budgets.put_plan(Plan("claude-code", 200 * NANO, "USD", 1))
        await it.spend("2", None, source="claude-code", model="claude-opus-4-1")
        after = await shown(it)
        assert after == (before[0], before[0])
    restore(path, tmp_path / "backup.db", clock.now_ms, set())
    async with looked(tmp_path, clock) as it:
        assert it.service.budgets.plans == []
        assert await shown(it) == after


async def test_budget_counts_money_and_says_what_it_lacks(tmp_path: Path) -> None:
    """Recorded costs of the part that it is of; unknown prices make it "at least", but for those a plan has paid."""
    clock = SetClock()
    async with looked(tmp_path, clock) as it:
        budgets = it.service.budgets
        for each in (
            DOLLAR_5,
            Budget("codex", BudgetPeriod.WEEK, NANO, source="codex"),
            Budget("model", BudgetPeriod.MONTH, NANO, model="n"),
            Budget("none", BudgetPeriod.MONTH, NANO, project="p"),
        ):
            await budgets.put_budget(each)
        clock.set("2026-03-23T00:00")
        await it.spend("1", 1)
        clock.set("2026-03-28T12:00")
        await it.spend("2", 2, source="claude-code", model="n")
        await it.spend("3", None, source="claude-code")

        async def standings() -> dict[str, tuple[int, bool, int]]:
            async with it.service.reader.snapshot() as snapshot:
                found = await budgets.take_standings(snapshot)
            return {
                each.budget.name: (each.spent_nano // NANO, each.is_at_least, each.per_hour_nano // NANO)
                for each in found
            }

        assert await standings() == {
            "codex": (1, False, 0),
            "five": (2, True, 2),
            "model": (2, False, 2),
            "none": (0, False, 0),
        }
        await budgets.put_plan(Plan("claude-code", 200 * NANO, "USD", 1))
        assert (await standings())["five"] == (2, False, 2)


async def test_plan_holds_for_what_is_told_from_its_revision_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that has read again adds nothing that the plan has paid for, however soon the next commit comes."""
    under_plan: list[frozenset[str]] = []
    async with looked(tmp_path, SetClock()) as it:
        service = it.service
        publish = service.hub.publish_change

        def note(revision: int, *messages: dict[str, object]) -> None:
            under_plan.append(service.budgets.sources_under_plan)
            publish(revision, *messages)

        monkeypatch.setattr(service.hub, "publish_change", note)
        await service.budgets.put_plan(Plan("codex", 200 * NANO, "USD", 1))
        await service.budgets.put_plan(Plan("codex", 20 * NANO, "USD", 2))
        await service.budgets.remove_plan("codex")
    assert under_plan == [{"codex"}, {"codex"}, set()]


async def test_configuration_has_its_way_and_nobody_else(tmp_path: Path) -> None:
    """A budget of a file is fixed, comes with the start and goes with it; the older settings are a budget each."""
    clock = SetClock()
    file = {"budgets": {"five": {"amount": 6, "period": "week"}}, "budget_daily_usd": 7.5}
    async with looked(tmp_path, clock) as it:
        await it.service.budgets.put_budget(DOLLAR_5)
        await it.service.budgets.put_budget(DOLLAR_5._replace(name="own"))
    async with looked(tmp_path, clock, **file, plans={"codex": {"price": 20, "renews_on": 31}}) as it:
        budgets = it.service.budgets
        assert [(each.name, each.amount_nano / NANO, each.fixed_by) for each in budgets.budgets] == [
            ("daily", 7.5, "budget_daily_usd"),
            ("five", 6.0, "budgets.five"),
            ("own", 5.0, None),
        ]
        assert [(each.source, each.fixed_by) for each in budgets.plans] == [("codex", "plans.codex")]
        revision = it.service.hub.revision
        with pytest.raises(SettingFixed):
            await budgets.put_budget(DOLLAR_5)
        with pytest.raises(SettingFixed):
            await budgets.remove_plan("codex")
        with pytest.raises(BudgetUnknown):
            await budgets.remove_budget("nobody's")
    async with looked(tmp_path, clock, **file, plans={"codex": {"price": 20, "renews_on": 31}}) as it:
        assert it.service.hub.revision == revision  # a start that changes nothing writes nothing
    async with looked(tmp_path, clock) as it:
        assert [each.name for each in it.service.budgets.budgets] == ["own"]
        assert it.service.budgets.plans == []
        many = [DOLLAR_5._replace(name=f"b{number}") for number in range(BUDGETS_MAX)]
        it.service.budgets.budgets = many
        with pytest.raises(RequestInvalid):
            await it.service.budgets.put_budget(DOLLAR_5)


async def test_process_that_dies_after_the_note_leaves_it_to_page_and_webhook(tmp_path: Path) -> None:
    """Two processes never tell the same: the note comes first, and names the address that is still to be called."""
    clock = SetClock()
    address = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret": "0123456789abcdef"}
    async with looked(tmp_path, clock, **address) as it:
        await it.service.budgets.put_budget(DOLLAR_5)
        await it.spend("1", 5)
        await it.look()
        async with it.service.database.asking() as ask:
            fired = await list_fired(ask, "2026-01-01")
        assert [(each.key, each.delivery) for each in fired] == [
            (FiredKey("five", DOLLAR_5.terms, "2026-03-28", threshold), Delivery.PENDING) for threshold in (80, 100)
        ]
        assert await note_fired(it.service.database, fired, "2026-03-28") == []
        # As if a second look had begun before the first one was noted.
        it.service.budgets._told.clear()
        assert await it.look() == []
        assert len(await note_fired(it.service.database, fired, "2026-03-29")) == 2


async def test_running_service_tells_its_sockets(tmp_path: Path) -> None:
    """After the commit that reaches it, by itself, and the budgets that changed."""
    clock = SetClock()
    (tmp_path / "own").mkdir(mode=0o700)
    copy_of_template(tmp_path / "own").chmod(0o600)
    service = observer(tmp_path, clock, ledger_path=f"{tmp_path}/taskHistory.json", tick_s=3_600, rescan_interval_s=0)
    async with running(service) as heard:
        await service.budgets.put_budget(DOLLAR_5)
        await Looked(service, clock).spend("1", 4.5)
        message = await heard.until(lambda each: each["type"] == "budget_reached")
        assert (message.pop("id"), message) == (
            digest("five", DOLLAR_5.terms, "2026-03-28", 80).hex(),
            {
                "type": "budget_reached",
                "budget": "five",
                "period": "day",
                "since": "2026-03-28",
                "threshold": 80,
                "amount_usd": 5.0,
                "spent_usd": 4.5,
                "at_least": False,
                "at": clock.now_ms,
            },
        )
        assert heard.of_kind("budgets_changed")
