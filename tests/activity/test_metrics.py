"""Activity in the words of the first twelve metrics, as the exporter asks for it."""

from __future__ import annotations

from pathlib import Path

from aico.core.activity import ActivitySpan
from aico.core.telemetry import INSTRUMENTS, Series, series
from aico.services.activity import ProgramState
from aico.services.activity_metrics import find_activity
from tests.core.repository_on_file import copy_of_template
from tests.services.heard_service import observer

WHEN = 1_779_012_000_000


async def test_metrics_are_totals_and_gauges_of_activity(tmp_path: Path) -> None:
    """Every kind has its metrics, commands of all shells are one count, and names of attributes are the seed's."""
    (tmp_path / "own").mkdir()
    copy_of_template(tmp_path / "own")
    service = observer(tmp_path, ledger_path=str(tmp_path / "taskHistory.json"))
    await service.database.open()
    try:
        await service.activity.store.add(
            [
                ActivitySpan("apps", "Cursor", "editor", WHEN, 5_000, cost_nano=7),
                ActivitySpan("commands", "claude", "coding", WHEN, 9_000, cost_nano=8),
                ActivitySpan("shell", "claude", "coding", WHEN, 0, 2, "zsh"),
                ActivitySpan("shell", "claude", "coding", WHEN, 0, 3, "fish"),
            ]
        )
        found = await find_activity(service.activity)
        assert (found.gauges, set(found.totals)) == ({}, {each for each in found.totals if each.metric in INSTRUMENTS})
        app, command = (
            {"app_name": "Cursor", "app_category": "editor"},
            {"cli_name": "claude", "cli_category": "coding"},
        )
        assert found.totals == {
            series("ai.app.active.duration", **app): 5_000,
            series("ai.app.estimated.cost", **app): 7,
            series("ai.cli.active.duration", **command): 9_000,
            series("ai.cli.estimated.cost", **command): 8,
            series("ai.cli.command.count", **command): 5,
        }
        watch = _FakeWatch({("apps", "Cursor"): ProgramState("apps", "Cursor", cpu_percent=12.5, memory_mb=300.25)})
        service.activity._seen.watches.append(watch)
        gauges = (await find_activity(service.activity)).gauges
        assert gauges == {
            series("ai.app.running", **app): 1_000,
            series("ai.app.cpu.usage", **app): 12_500,
            series("ai.app.memory.usage", **app): 300_250,
        }
        assert all(isinstance(each, Series) for each in gauges)
    finally:
        await service.database.close()


class _FakeWatch:
    """Fakes what sees apps."""

    def __init__(self, programs: dict[tuple[str, str], ProgramState]) -> None:
        self.programs = programs
        self.reasons: dict[str, str] = {}

    async def run(self) -> None:
        """See nothing."""
