"""Activity in the words of the first twelve metrics: totals of all time, and how things are now."""

from __future__ import annotations

from collections import Counter

from aico.core.activity import APPS, COMMANDS, KINDS, SubjectType
from aico.core.db.activity import SubjectTotal, list_totals
from aico.core.db.sums_reader import Ask
from aico.core.errors import StorageError
from aico.core.telemetry import Activity, Series, series
from aico.services.activity import ActivityService, ProgramState

EXTENSION = "extension"
_MILLI = 1_000
_NAMES = {APPS.id: "app", COMMANDS.id: "cli"}
"""How the metrics of programs begin, by kind."""


async def find_activity(service: ActivityService) -> Activity:
    """Return every total, and gauges of what runs. While the database does not answer, nothing is known."""
    try:
        async with service.database.asking() as ask:
            totals = await read_totals(ask)
    except StorageError:
        return Activity()
    gauges: dict[Series, int] = {}
    for state in service.list_programs().values():
        definition = service.definitions.find(state.kind, state.name)
        gauges |= _gauges_of(state, "" if definition is None else definition.category)
    return Activity(totals, gauges)


async def read_totals(ask: Ask) -> dict[Series, int]:
    """Return every total. Raises sqlite3.Error."""
    found: Counter[Series] = Counter()
    for total in await list_totals(ask):
        if total.kind in KINDS:
            found.update(_totals_of(total))
    return dict(found)


def _totals_of(total: SubjectTotal) -> dict[Series, int]:
    if KINDS[total.kind].of is SubjectType.DOMAIN:
        names = {"ai_domain": total.name, "ai_category": total.category}
        source = "extension" if total.kind == EXTENSION else "history"
        where = {**names, "browser_name": total.place, "usage_source": source}
        return {
            series("ai.browser.domain.active.duration", **where): total.duration_ms,
            series("ai.browser.domain.visit.count", **where): total.count,
            series("ai.browser.domain.estimated.cost", **names): total.cost_nano,
        }
    name = _NAMES.get(total.kind, "cli")
    labels = {f"{name}_name": total.name, f"{name}_category": total.category}
    if total.kind not in _NAMES:
        return {series("ai.cli.command.count", **labels): total.count}
    return {
        series(f"ai.{name}.active.duration", **labels): total.duration_ms,
        series(f"ai.{name}.estimated.cost", **labels): total.cost_nano,
    }


def _gauges_of(state: ProgramState, category: str) -> dict[Series, int]:
    name = _NAMES[state.kind]
    labels = {f"{name}_name": state.name, f"{name}_category": category}
    running = {series(f"ai.{name}.running", **labels): _MILLI}
    if state.kind != APPS.id:
        return running
    return running | {
        series("ai.app.cpu.usage", **labels): round(state.cpu_percent * _MILLI),
        series("ai.app.memory.usage", **labels): round(state.memory_mb * _MILLI),
    }
