"""The databases that real runs left give what their API had sent, and name what no file holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.usage import RequestState
from aico.features.sources import copilot_cli, kilo, opencode
from aico.features.sources.source import Source
from tests.sources.sqlite_homes import DATA, events_of, read_all, restore, sent_in, sum_booked, sum_sent

HOMES = [
    (opencode.SOURCE, "opencode/resume"),
    (opencode.SOURCE, "opencode/tool"),
    (kilo.SOURCE, "kilo/hello"),
    (copilot_cli.SOURCE, "copilot_cli/compaction"),
    (copilot_cli.SOURCE, "copilot_cli/resume"),
]


def test_every_recorded_home_is_held_against_its_truth() -> None:
    """None is left out."""
    found = {
        f"{path.parent.name}/{path.name}"
        for tool in ("opencode", "kilo", "copilot_cli")
        for path in (DATA / tool).iterdir()
    }
    assert found == {name for _source, name in HOMES}


@pytest.mark.parametrize(("source", "name"), HOMES, ids=lambda each: each if isinstance(each, str) else "")
async def test_recorded_home_gives_what_was_sent(tmp_path: Path, source: Source, name: str) -> None:
    """By model and kind of token, forks counted once; only titles are in no file, and are a gap of their source."""
    home = DATA / name
    (dump,) = home.glob("*.sql")
    restore(tmp_path / "tool", dump)
    readings = await read_all(source, (tmp_path / "tool").resolve())
    events = events_of(readings)
    sent = sent_in(home)
    missing = [each for each in sent if each.role == "title"]
    assert sum_booked(events) == sum_sent([each for each in sent if each.role != "title"])
    assert {gap.id for gap in source.gaps} >= {f"{each.role}s" for each in missing}
    assert {event.state for event in events} == {RequestState.FINAL}
    assert all(reading.counts.rejections == reading.counts.partials == () for reading in readings)


async def test_cost_of_an_answer_is_what_the_tool_worked_out(tmp_path: Path) -> None:
    """In US dollars, to the billionth; 0 is no price, and what Copilot states are no dollars."""
    for name, source, nanos in (
        ("opencode/tool", opencode.SOURCE, [15_969_200, 15_997_400, 16_025_600]),
        ("copilot_cli/resume", copilot_cli.SOURCE, [None, None]),
    ):
        (dump,) = (DATA / name).glob("*.sql")
        folder = tmp_path / name
        restore(folder, dump)
        events = sorted(events_of(await read_all(source, folder.resolve())), key=lambda event: event.ts)
        assert [event.recorded_nano for event in events] == nanos
