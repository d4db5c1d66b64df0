"""Budgets and plans as they are set, and the notices of reached budgets: once for each period, and for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from aico.core.db.database import Database
from aico.core.db.reader import UsageReader, UsageSnapshot
from aico.core.db.terms import Delivery, Fired, FiredKey, list_budgets, list_fired, list_plans
from aico.core.db.terms_writer import note_fired, store_budgets, store_plans
from aico.core.errors import BudgetUnknown, PlanUnknown, RequestInvalid, SettingFixed, StorageError
from aico.core.local_zone import find_local_zone
from aico.core.money import usd
from aico.core.receipts import UsageCommitted
from aico.core.settings import Settings
from aico.core.terms import Budget, BudgetPeriod, Plan
from aico.features.budgets.periods import local_day
from aico.services.budget_standings import BudgetStanding, take_budgets
from aico.services.complaint import Complaint
from aico.services.hub import Hub
from aico.services.limit_windows import LimitWindow, take_limits
from aico.services.webhook import WebhookCaller, fired_fields, id_of

BUDGETS_MAX = 100
_LOOK_S = 300.0
"""A new period may begin with what was dated ahead."""
_PAUSE_S = 0.25
"""Between two looks: a burst of commits costs one."""
_RETRY_S = 5.0
_KEPT_DAYS = 400
"""Notices of older periods are dropped."""

_log = logging.getLogger(__name__)


class BudgetsService:
    """The budgets that are set, and the loop that looks at them after each commit. Without one it looks at nothing."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        reader: UsageReader,
        hub: Hub,
        now_ms: Callable[[], int],
        version: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._reader = reader
        self._hub = hub
        self._now_ms = now_ms
        self.webhook = WebhookCaller(settings, database, now_ms, version)
        self.budgets: list[Budget] = []
        self.plans: list[Plan] = []
        self._told: dict[FiredKey, Fired] = {}
        self._news = asyncio.Event()
        self._complaint = Complaint(_log, "budgets could not be looked at: %s")

    @property
    def sources_under_plan(self) -> frozenset[str]:
        """The sources that are paid by subscription."""
        return frozenset(plan.source for plan in self.plans)

    async def load(self, *, only_looks: bool = False) -> None:
        """Read what is stored, and let the configuration have its way. Raises StorageBusy, StorageError.

        With ``only_looks`` nothing is written, and the result is that of the next start.
        """
        async with self._database.asking() as ask:
            stored_budgets, stored_plans = await list_budgets(ask), await list_plans(ask)
        budgets, plans = self._settings.list_fixed_budgets(), self._settings.list_fixed_plans()
        now = self._now_ms()
        names = {each.name for each in budgets}
        if only_looks:
            await self._read()
            own = [each for each in stored_budgets if not each.fixed_by and each.name not in names]
            self.budgets = sorted([*own, *budgets])
            named = {each.source for each in plans}
            self.plans = sorted(
                [*(each for each in stored_plans if not each.fixed_by and each.source not in named), *plans]
            )
            return
        gone = [each.name for each in stored_budgets if each.fixed_by and each.name not in names]
        fresh = [each for each in budgets if each not in stored_budgets]
        if gone or fresh:
            await store_budgets(self._database, now, put_=fresh, removed=gone)
        sources = {each.source for each in plans}
        gone = [each.source for each in stored_plans if each.fixed_by and each.source not in sources]
        fresh_plans = [each for each in plans if each not in stored_plans]
        if gone or fresh_plans:
            await store_plans(self._database, now, put_=fresh_plans, removed=gone)
        await self._read()

    async def _read(self) -> None:
        since = (local_day(self._now_ms(), await self.find_zone()) - timedelta(days=_KEPT_DAYS)).isoformat()
        async with self._database.asking() as ask:
            self.budgets, self.plans = await list_budgets(ask), await list_plans(ask)
            self._told = {each.key: each for each in await list_fired(ask, since)}
        self._news.set()

    def note_change(self) -> None:
        """Say that something was spent."""
        if self.budgets:
            self._news.set()

    async def run(self) -> None:
        """Look at the start and after each change until cancelled, and tell what is reached."""
        self._news.set()
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self.look()
                self._complaint.end()
                await asyncio.sleep(_PAUSE_S)
            except StorageError as error:
                self._complaint.note(error)
                self._news.set()
                await asyncio.sleep(_RETRY_S)

    async def look(self) -> None:
        """Tell what was reached and not told yet. Raises StorageBusy, StorageError.

        It is noted before it is told: a process that dies in between has told the webhook's queue and the page's list,
        and nobody is told twice.
        """
        if not self.budgets:
            return
        zone = await self.find_zone()
        async with self._reader.snapshot() as snapshot:
            standings = await take_budgets(snapshot, self._now_ms(), zone, self.budgets, self.sources_under_plan)
        reached = [fired for standing in standings for fired in _list_fired(standing) if fired.key not in self._told]
        if not reached:
            return
        try:
            is_called = await self.webhook.find_target() is not None
        except StorageError as error:
            _log.warning("the webhook is not called: %s", error)
            is_called = False
        if is_called:
            reached = [each._replace(delivery=Delivery.PENDING) for each in reached]
        oldest = local_day(self._now_ms(), zone) - timedelta(days=_KEPT_DAYS)
        for fired in await note_fired(self._database, reached, oldest.isoformat()):
            _log.info("%d %% of a budget reached", fired.key.threshold)
            self._hub.publish_notice({**fired_fields(fired), "id": id_of(fired)})
        self._told |= {each.key: each for each in reached}
        if is_called:
            self.webhook.note_pending()

    # The settings

    async def put_budget(self, budget: Budget) -> None:
        """Set a budget, or set it anew. Raises SettingFixed, RequestInvalid, StorageError."""
        self._check_free(budget.name, self.budgets)
        if len(self.budgets) >= BUDGETS_MAX and budget.name not in {each.name for each in self.budgets}:
            raise RequestInvalid("name", f"would be one more than the {BUDGETS_MAX} budgets that there may be")
        await store_budgets(self._database, self._now_ms(), put_=[budget])
        await self._read()
        self._hub.publish_notice({"type": "budgets_changed"})

    async def remove_budget(self, name: str) -> None:
        """Remove a budget. Raises BudgetUnknown, SettingFixed, StorageError."""
        if name not in {each.name for each in self.budgets}:
            raise BudgetUnknown
        self._check_free(name, self.budgets)
        await store_budgets(self._database, self._now_ms(), removed=[name])
        await self._read()
        self._hub.publish_notice({"type": "budgets_changed"})

    async def put_plan(self, plan: Plan) -> None:
        """Mark a source as paid by subscription; every page reads again. Raises SettingFixed, StorageError."""
        self._check_plan_free(plan.source)
        await self._store_plans(put_=[plan])

    async def remove_plan(self, source: str) -> None:
        """Take the mark back. Raises PlanUnknown, SettingFixed, StorageError."""
        if source not in self.sources_under_plan:
            raise PlanUnknown
        self._check_plan_free(source)
        await self._store_plans(removed=[source])

    async def _store_plans(self, put_: Sequence[Plan] = (), removed: Sequence[str] = ()) -> None:
        epoch, revision = await store_plans(self._database, self._now_ms(), put_=put_, removed=removed)
        # Nothing is awaited in between: revisions are published in the order in which they were committed, and the
        # facts of the next ones count as these plans say.
        changed = {*removed, *(each.source for each in put_)}
        self.plans = sorted([*(each for each in self.plans if each.source not in changed), *put_])
        self._hub.publish_change(revision, {"type": "resync", "epoch": epoch, "revision": revision})
        await self._read()

    def _check_free(self, name: str, budgets: Iterable[Budget]) -> None:
        fixed = next((each.fixed_by for each in budgets if each.name == name and each.fixed_by), None)
        if fixed is not None:
            raise SettingFixed(fixed)

    def _check_plan_free(self, source: str) -> None:
        fixed = next((each.fixed_by for each in self.plans if each.source == source and each.fixed_by), None)
        if fixed is not None:
            raise SettingFixed(fixed)

    # How it stands

    async def find_zone(self) -> ZoneInfo:
        """Return the time zone in which periods begin: that of this machine."""
        return (await asyncio.to_thread(find_local_zone)).zone

    async def take_standings(self, snapshot: UsageSnapshot) -> list[BudgetStanding]:
        """Return how the budgets stand now. Raises StorageBusy, StorageError."""
        zone = await self.find_zone()
        return await take_budgets(snapshot, self._now_ms(), zone, self.budgets, self.sources_under_plan)

    async def take_limits(self) -> list[LimitWindow]:
        """Return every known window, the budgets among them. Raises StorageBusy, StorageError."""
        async with self._reader.snapshot() as snapshot:
            standings = await self.take_standings(snapshot)
            return await take_limits(snapshot, self._now_ms(), self.plans, standings)

    def find_whole_usd(self, period: BudgetPeriod) -> float | None:
        """Return the smallest budget of everything in ``period``, in US dollars; None where there is none."""
        amounts = [each.amount_nano for each in self.budgets if each.is_whole and each.period is period]
        return usd(min(amounts)) if amounts else None

    def list_told(self, standing: BudgetStanding) -> list[Fired]:
        """Return what was told of a budget in the period that it is now."""
        since = standing.stretch.first_day.isoformat()
        found = [
            fired
            for key, fired in self._told.items()
            if (key.budget, key.terms, key.since) == (standing.budget.name, standing.budget.terms, since)
        ]
        return sorted(found, key=lambda fired: fired.key.threshold)


def as_value(event: UsageCommitted) -> UsageCommitted:
    """Return a commit of a source that is under a plan: its list prices are no money."""
    rows = (replace(row, spent=row.spent.without_list(), total=row.total.without_list()) for row in event.rows)
    return replace(event, rows=tuple(rows))


def _list_fired(standing: BudgetStanding) -> list[Fired]:
    budget = standing.budget
    return [
        Fired(
            FiredKey(budget.name, budget.terms, standing.stretch.first_day.isoformat(), threshold),
            budget.period,
            budget.amount_nano,
            standing.spent_nano,
            standing.is_at_least,
            standing.now_ms,
            Delivery.NOT_WANTED,
            0,
        )
        for threshold in standing.reached
    ]
