"""Exported counters never fall, and nothing enters them twice, through any loss of database, file and machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.db.export_reader import read_usage
from aico.core.errors import StorageError
from aico.core.export_file import ExportDamagedError, ExportFile
from aico.core.exported import GONE_CYCLES, PAIRS_MAX, Exported, Growth, Instance, Usage
from aico.core.sums import COUNTS, MONEY, Sums
from aico.core.telemetry import INSTRUMENTS, Activity, Kind, Sending, Series, series
from aico.core.units import TOKENS
from tests.core.repository_on_file import Store, request

NAMES = (*TOKENS, *COUNTS, *MONEY)
COST = "ai.tokens.cost_usd_total"
INPUT = series("ai.tokens.input_total", tool_name="codex", model_name="gpt-x")
VISITS = series("ai.browser.domain.visit.count", ai_domain="claude.ai", ai_category="chat")
RUNNING = series("ai.app.running", app_name="Claude", app_category="chat")


def sums(**amounts: int) -> Sums:
    """Return sums that are 0 but for ``amounts``."""
    return Sums(tuple(amounts.get(name, 0) for name in NAMES))


def usage(**by_model: Sums) -> Usage:
    """Return what a database says of Codex, whose first reading has ended; underscores in names are dashes."""
    counters = {("codex", model.replace("_", "-")): each for model, each in by_model.items()}
    return Usage(counters, {}, ("codex",), 1)


class Machine:
    """A machine with its file: restarted, copied, and asked what it would send."""

    def __init__(self, folder: Path, name: str = "here") -> None:
        self.file = ExportFile(folder / "observer.db")
        self.name = name
        self._state: tuple[Exported, Instance, Growth] | None = None

    def restart(self) -> None:
        """Forget everything that is not in the file."""
        self._state = None

    def export(
        self, said: Usage, activity: Activity | None = None, *, is_accepted: bool = True, is_lost: bool = False
    ) -> dict[Series, int]:
        """Export once and return the points that were sent."""
        if self._state is None:
            exported = self.file.load() or Exported()
            instance = exported.begin(self.name, f"id-of-{self.name}", 1_000, said, is_lost=is_lost)
            self._state = exported, instance, Growth(exported, instance, lambda model: model)
        exported, instance, growth = self._state
        growth.take(said)
        growth.take_activity(activity or Activity())
        self.file.save(exported)
        points = growth.make_points((activity or Activity()).gauges)
        if is_accepted:
            growth.note_accepted(points)
        return points


def of_basis(points: Mapping[Series, int], metric: str) -> dict[str, int]:
    """Return the sums of a metric by model."""
    found: dict[str, int] = {}
    for each, amount in points.items():
        if each.metric == metric:
            found[each.labels["model.name"]] = found.get(each.labels["model.name"], 0) + amount
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for all examples of a test, which empties it."""
    return tmp_path_factory.mktemp("machine")


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["spend", "restore", "restart", "replace", "outage", "forget"]),
            st.sampled_from(["gpt_x", "o_mini"]),
            st.integers(0, 5 * 10**9),
        ),
        max_size=12,
    )
)
def test_totals_never_fall_and_hold_what_was_the_highest(folder: Path, steps: list[tuple[str, str, int]]) -> None:
    """Any life of a database ends in totals that are the highest it ever had, each counted once."""
    machine = Machine(folder)
    machine.file.path.unlink(missing_ok=True)
    present: dict[str, dict[str, int]] = {}
    older: dict[str, dict[str, int]] = {}
    shown: dict[Series, int] = {}
    highest: dict[str, int] = {}
    cost: dict[str, int] = {}
    for what, model, amount in steps:
        now = {name: dict(numbers) for name, numbers in present.items()}
        if what == "spend":
            known = now.setdefault(model, {"input": 0, "recorded": 0, "listed": 0})
            known["input"] += amount // 10**6
            known["listed"] += amount
        elif what == "replace" and model in now:
            # The tool's own cost takes the place of a list price: more or less than that.
            now[model]["recorded"] += now[model]["listed"] * amount // (4 * 10**9)
            now[model]["listed"] = 0
        elif what == "restore":
            now, older = older, now
        elif what == "restart":
            machine.restart()
        present = now
        said = {name: sums(**numbers) for name, numbers in present.items()}
        with patch("os.fsync"):
            points = machine.export(usage(**said), is_accepted=what != "outage")
        for name, each in said.items():
            label = name.replace("_", "-")
            highest[label] = max(highest.get(label, 0), each.get("input"))
            cost[label] = max(cost.get(label, 0), each.cost_nano)
        assert all(points[one] >= before for one, before in shown.items())
        shown = points
    # A second export tells what the first one has announced.
    said = {name: sums(**numbers) for name, numbers in present.items()}
    machine.export(usage(**said))
    machine.restart()
    points = machine.export(usage(**said))
    assert of_basis(points, "ai.tokens.input_total") == highest
    assert of_basis(points, COST) == cost
    assert of_basis(points, "ai.tokens.cost") == {label: nano for label, nano in cost.items() if nano}


def test_history_is_told_at_once_and_what_is_new_begins_at_0(tmp_path: Path) -> None:
    """A first reading that goes on is waited for; a model that comes later is first told as 0, until that is taken."""
    machine = Machine(tmp_path)
    reading = Usage({("codex", "gpt-x"): sums(input=5)}, {}, (), 1)
    assert machine.export(reading) == {}
    assert machine.export(usage(gpt_x=sums(input=9)))[INPUT] == 9
    both = usage(gpt_x=sums(input=9), o3=sums(input=4, cache_read=2))
    other = series("ai.tokens.input_total", tool_name="codex", model_name="o3")
    assert machine.export(both, is_accepted=False)[other] == 0
    machine.restart()
    assert machine.export(both)[other] == 0
    points = machine.export(both)
    assert (points[other], points[series("ai.tokens.cache_read", tool_name="codex", model_name="o3")]) == (4, 2)


def test_copied_home_begins_as_another_instance(tmp_path: Path) -> None:
    """Another machine tells only what grows there; the first one goes on when it comes back, without what was told."""
    here = Machine(tmp_path)
    here.export(usage(gpt_x=sums(input=100)))
    there = Machine(tmp_path, "there")
    assert there.export(usage(gpt_x=sums(input=120))) == {}
    assert there.export(usage(gpt_x=sums(input=125)))[INPUT] == 0
    assert there.export(usage(gpt_x=sums(input=125)))[INPUT] == 5
    here.restart()
    assert here.export(usage(gpt_x=sums(input=130)))[INPUT] == 105
    lost = Machine(tmp_path / "new", "here")
    lost.file.path.parent.mkdir()
    assert lost.export(usage(gpt_x=sums(input=100)), is_lost=True) == {}


def test_value_of_a_plan_is_no_cost(tmp_path: Path) -> None:
    """The value that a plan has paid for is told by itself, and takes nothing from the cost that was told before."""
    machine = Machine(tmp_path)
    value = series("ai.tokens.value", tool_name="codex", model_name="gpt-x")
    money = series(COST, tool_name="codex", model_name="gpt-x")
    for listed, paid, told in ((7, 0, (0, 7)), (7, 5, (0, 7)), (7, 5, (5, 7)), (9, 4, (5, 9))):
        points = machine.export(replace(usage(gpt_x=sums(listed=listed)), plan_values={("codex", "gpt-x"): paid}))
        assert (points.get(value, 0), points[money]) == told


def test_labels_are_bounded(tmp_path: Path) -> None:
    """Beyond a number of models, the others are told together."""
    machine = Machine(tmp_path)
    counters = {("codex", f"m{number}"): sums(input=1) for number in range(PAIRS_MAX + 5)}
    points = machine.export(Usage(counters, {}, ("codex",), 1))
    told = {each.labels["model.name"]: amount for each, amount in points.items() if each.metric == INPUT.metric}
    assert (len(told), told["other"]) == (PAIRS_MAX + 1, 5)


def test_activity_grows_and_gauges_end(tmp_path: Path) -> None:
    """Totals of activity begin with a 0 as well; a gauge that has ended is 0 for a while, and then no more."""
    machine = Machine(tmp_path)
    calls = series("ai.cli.command.count", cli_name="codex", cli_category="agent")
    assert machine.export(usage(), Activity({calls: 7})) == {calls: 7}
    runs = Activity({VISITS: 3}, {RUNNING: 1_000})
    assert machine.export(usage(), runs) == {calls: 7, VISITS: 0, RUNNING: 1_000}
    assert machine.export(usage(), Activity({VISITS: 5}, {RUNNING: 1_000}))[VISITS] == 5
    ended = [machine.export(usage(), Activity({VISITS: 4})) for _ in range(GONE_CYCLES + 1)]
    assert ended == [{calls: 7, VISITS: 5, RUNNING: 0}] * GONE_CYCLES + [{calls: 7, VISITS: 5}]
    there = Machine(tmp_path, "there")
    assert there.export(usage(), Activity({VISITS: 6, calls: 7})) == {}
    assert there.export(usage(), Activity({VISITS: 8, calls: 7})) == {VISITS: 0}


def test_values_are_in_units_and_bounded() -> None:
    """A number that would have the whole export refused is cut, and money is correctly rounded."""
    money = series(COST, tool_name="codex", model_name="o3")
    values = Sending({}, 0, 0, {INPUT: 2**70, money: 100_000_000, RUNNING: 1_000}).list_values()
    assert [value for points in values.values() for _, value in points] == [1.0, 2**63 - 1, 0.1]
    assert all(each.scale > 1 for each in INSTRUMENTS.values() if each.kind is Kind.GAUGE)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 2}', b"\xff", b"[" * 100_000, b'{"format":1,"begun":[],"seen":1}']
)
def test_damaged_file_is_no_beginning(tmp_path: Path, content: bytes) -> None:
    """A content that was not written here is told apart from none, and is kept under another name."""
    file = ExportFile(tmp_path / "observer.db")
    assert file.load() is None
    file.path.write_bytes(content)
    with pytest.raises(ExportDamagedError):
        file.load()
    file.set_aside()
    assert file.load() is None
    assert [path.read_bytes() for path in file.list_all() if path.exists()] == [content]


def test_large_file_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off, it would count as damaged, and everything would be told again; one that is no file of ours is left."""
    machine = Machine(tmp_path)
    machine.export(usage(gpt_x=sums(input=3)))
    path = machine.file.path
    path.write_bytes(b" " * (33 * 1024**2) + path.read_bytes())
    machine.restart()
    assert machine.export(usage(gpt_x=sums(input=4)))[INPUT] == 4
    size = path.stat().st_size
    monkeypatch.setattr("aico.core.export_file._BYTES_MAX", size - 1)
    machine.restart()
    with pytest.raises(StorageError, match="is left as it is"):
        machine.export(usage(gpt_x=sums(input=5)))
    assert path.stat().st_size == size


def test_file_is_private_and_another_version_may_count_more(tmp_path: Path) -> None:
    """It is for its user alone, no link is followed, and columns are known by their names."""
    machine = Machine(tmp_path)
    machine.export(usage(gpt_x=sums(input=3)))
    path = machine.file.path
    assert (path.name, path.stat().st_mode & 0o777) == ("observer.export.json", 0o600)
    kept = json.loads(path.read_bytes())
    kept["columns"] = ["images", *kept["columns"]]
    kept["seen"] = [[source, model, [8, *numbers]] for source, model, numbers in kept["seen"]]
    path.write_text(json.dumps(kept), encoding="utf-8")
    machine.restart()
    assert machine.export(usage(gpt_x=sums(input=4)))[INPUT] == 4
    path.replace(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    machine.restart()
    with pytest.raises(StorageError):
        machine.export(usage())
    with pytest.raises(StorageError):
        machine.file.save(Exported())


async def test_tokens_without_a_price_of_a_first_reading_are_told_at_its_end(store: Store) -> None:
    """They are asked for when their source is complete, although there are no more of them than before."""
    await store.writer.apply(store.batch([request("1")], "files", "tool", remaining_count=1))
    async with store.database.asking() as ask:
        _usage, before = await read_usage(ask, {})
    await store.take_in_of("tool", [])
    async with store.database.asking() as ask:
        whole, _counts = await read_usage(ask, before)
    assert whole.complete == {"tool"}
    assert whole.unpriced_tokens == {("tool", "m"): 110}
