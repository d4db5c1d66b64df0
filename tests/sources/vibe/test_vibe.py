"""The totals of Mistral Vibe's sessions: what was recorded, what grows, and what reading a pointer can meet."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import MeterReading, SessionState, Trigger
from aico.features.files.feed import TreeFeed
from aico.features.files.memory import FileBytes
from aico.features.files.parsed import Unparsable
from aico.features.files.pointers import FILE_BYTES_MAX, Pointers
from aico.features.sources.vibe import PATTERNS, SOURCE, TOTALS
from aico.features.sources.vibe.parser import FORMAT, follow
from tests.hypothesis_profiles import examples
from tests.sources.feeds import FeedDriver, open_feed
from tests.sources.pipeline import pipeline, stored_events, stored_sums
from tests.sources.vibe.fake_vibe import ROOT, FakeSession, total

DATA = Path(__file__).parents[2] / "data" / "vibe" / "tool_resume"
SESSION = "c9a0c7cb-5ad2-e935-2747-f0ed0b81c03a"


@pytest.fixture
def early(tmp_path: Path) -> Path:
    """Return a copy of the recorded home, under its real path."""
    return Path(shutil.copytree(DATA, tmp_path.resolve() / "early"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty root under its real path."""
    folder = tmp_path.resolve() / ROOT
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def driver(root: Path) -> FeedDriver:
    """Return what reads it."""
    return FeedDriver(open_feed(SOURCE.origins[0], root))


def notes(driver: FeedDriver) -> tuple[str, ...]:
    """Return what is said of what is not read."""
    assert isinstance(driver.feed, TreeFeed)
    return driver.feed.notes


def totals(driver: FeedDriver) -> list[tuple[int | None, int | None, int | None]]:
    """Return the totals that are known, by session."""
    readings = [each for each in driver.stored.values() if isinstance(each, MeterReading)]
    return [(each.input, each.cache_read, each.output) for each in sorted(readings)]


async def test_recorded_home_is_booked_exactly_however_early_it_was_read(tmp_path: Path, early: Path) -> None:
    """At the generation before and then at the last one, or at the last one alone: what the API had sent."""
    whole, twice = tmp_path / "whole", tmp_path / "twice"
    pointer = early / ROOT / SESSION / "CURRENT"
    last = pointer.read_bytes()
    pointer.write_bytes(last.replace(b"0042", b"0034"))
    for folder, homes in ((whole, [DATA]), (twice, [early, early])):
        folder.mkdir()
        for home in homes:
            async with pipeline(folder, [SOURCE], home) as reading:
                await reading.read()
            pointer.write_bytes(last)
    sent, cached, output = 40_150, 16_015, 1_215
    for folder in (whole, twice):
        sums = [0] * 4
        for (source, model, _day), numbers in stored_sums(folder).items():
            assert (source, model) == ("vibe", "fake-model")
            sums = [a + b for a, b in zip(sums, numbers[:4], strict=True)]
        assert sums == [sent - cached, cached, 0, output]
    assert (len(stored_events(whole)), len(stored_events(twice))) == (1, 1)


async def test_start_of_a_session_is_that_of_its_file(early: Path) -> None:
    """It is told beside the last change, by which its usage is dated."""
    (reading,) = (await FeedDriver(open_feed(SOURCE.origins[0], early / ROOT)).take_in()).records
    assert isinstance(reading, MeterReading)
    assert (reading.started_ts, reading.ts) == (1_795_876_571_843, 1_795_876_798_690)


async def test_total_that_grew_is_read_again_and_old_generations_may_go(root: Path, driver: FeedDriver) -> None:
    """Only the session that has changed; a restart reads nothing again."""
    one, other = FakeSession(root, "one"), FakeSession(root, "other")
    one.write(1, total(100, 40, 5))
    other.write(1, total(7, 0, 1))
    assert len((await driver.take_in()).records) == 2
    one.write(9, total(300, 90, 8), keep=1)
    reading = await driver.take_in(Trigger.RESCAN)
    assert [each.session for each in reading.records if isinstance(each, MeterReading)] == [one.id]
    driver.restart(open_feed(SOURCE.origins[0], root))
    assert (await driver.take_in()).records == []
    assert sorted(totals(driver)) == [(7, 0, 1), (210, 90, 8)]


async def test_agent_stands_below_its_session_and_a_fork_by_itself(root: Path, driver: FeedDriver) -> None:
    """Both have totals of their own; forgetting the original is not forgetting its fork."""
    main = FakeSession(root, "main")
    agent, fork = FakeSession(root, "agent", main.id), FakeSession(root, "fork", main.id, import_provenance={"a": 1})
    for session in (main, agent, fork):
        session.write(1, total(10, 0, 1))
    await driver.take_in()
    readings = [each for each in driver.stored.values() if isinstance(each, MeterReading)]
    assert {each.session: each.parent for each in readings} == {main.id: None, agent.id: main.id, fork.id: None}
    assert {each.state for each in readings} == {SessionState.DONE}


async def test_number_that_cannot_be_used_is_unknown(root: Path, driver: FeedDriver) -> None:
    """Without what was cached, the input is not known; no total at all says nothing."""
    FakeSession(root, "a").write(1, {**total(10, 0, 1), "cachedInputTokens": -1})
    FakeSession(root, "b").write(1, None)
    reading = await driver.take_in()
    assert totals(driver) == [(None, None, 1)]
    assert [(each.code.value, each.field) for each in reading.counts.partials] == [("negative", "cachedInputTokens")]


async def test_more_from_the_cache_than_was_sent_leaves_the_input_unknown(root: Path, driver: FeedDriver) -> None:
    """Never 0 in silence."""
    FakeSession(root, "a").write(1, {**total(10, 0, 1), "cachedInputTokens": 12})
    reading = await driver.take_in()
    assert totals(driver) == [(None, 12, 1)]
    assert [each.field for each in reading.counts.partials] == ["inputTokens"]


@pytest.mark.parametrize(
    "pointer", [b"{", b"[]", b'{"generation":"../../x"}', b'{"generation":7}', b"\xff", b'{"generation":"1/2"}']
)
async def test_pointer_that_names_nothing_is_told_and_costs_no_other(
    root: Path, driver: FeedDriver, pointer: bytes
) -> None:
    """It is read as soon as it is whole."""
    broken, good = FakeSession(root, "broken"), FakeSession(root, "good")
    broken.write(1, total(5, 0, 1))
    (broken.folder / "CURRENT").write_bytes(pointer)
    good.write(1, total(7, 0, 1))
    await driver.take_in()
    assert totals(driver) == [(7, 0, 1)]
    assert len(notes(driver)) == 1
    broken.point(1)
    await driver.take_in(Trigger.REQUEST)
    assert (sorted(totals(driver)), notes(driver)) == ([(5, 0, 1), (7, 0, 1)], ())


async def test_generation_that_is_not_there_yet_is_tried_again(root: Path, driver: FeedDriver) -> None:
    """Without any change of the pointer."""
    session = FakeSession(root, "s")
    session.write(1, total(5, 0, 1))
    session.point(2)
    await driver.take_in()
    assert (totals(driver), len(notes(driver))) == ([], 1)
    shutil.copytree(session.folder / "generations" / f"{1:016}", session.folder / "generations" / f"{2:016}")
    await driver.take_in(Trigger.RESCAN)
    assert (totals(driver), notes(driver)) == ([(5, 0, 1)], ())


def test_any_bytes_are_a_total_or_told() -> None:
    """Any bytes cut out of a generation, put into it or behind it cause no crash, and nothing is left out unsaid."""
    projection = next(DATA.rglob("0000000000000042/projection-state.json")).read_bytes()
    meta = next(DATA.rglob("meta.json")).read_bytes()

    @settings(max_examples=examples(1))
    @given(st.integers(0, 4_000), st.integers(0, 60), st.binary(max_size=12), st.booleans())
    def hold(at: int, length: int, put: bytes, is_meta: bool) -> None:
        data = meta if is_meta else projection
        first = at % (len(data) + 1)
        mutated = bytearray(data[:first] + put + data[first + length :])
        files = [bytearray(projection), mutated] if is_meta else [mutated, bytearray(meta)]
        with suppress(Unparsable):
            assert FORMAT.parse(files).length == 1

    hold()


@pytest.mark.parametrize("name", ["CURRENT", "generations", "projection-state.json", "meta.json"])
async def test_no_link_is_followed(root: Path, driver: FeedDriver, name: str) -> None:
    """Neither for the pointer nor for what it names, at no step."""
    session = FakeSession(root, "s")
    session.write(1, total(5, 0, 1))
    path = next(session.folder.rglob(name))
    outside = root.parent / f"outside {name}"
    path.rename(outside)
    path.symlink_to(outside)
    await driver.take_in()
    assert (totals(driver), len(notes(driver))) == ([], 1)


async def test_file_that_is_too_long_is_not_read(root: Path, driver: FeedDriver) -> None:
    """It is told by its size."""
    session = FakeSession(root, "s")
    session.write(1, total(5, 0, 1))
    with next(session.folder.rglob("projection-state.json")).open("r+b") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    await driver.take_in()
    assert totals(driver) == []
    assert str(FILE_BYTES_MAX) in notes(driver)[0]


@pytest.mark.parametrize("changes", [1, 99])
async def test_pointer_that_changes_while_it_is_read_is_read_again(root: Path, changes: int) -> None:
    """Never the old generation under the new name; one that never stands still is told, and tried again."""
    session = FakeSession(root, "s")
    session.write(1, total(5, 0, 1))
    seen = []

    def follow_while_it_changes(pointer: FileBytes) -> tuple[str, ...]:
        names = follow(pointer)
        seen.append(names)
        if len(seen) <= changes:
            session.write(len(seen) + 1, total(5 + len(seen), 0, 1))
        return names

    how = replace(FORMAT, follow=follow_while_it_changes)
    driver = FeedDriver(open_feed(replace(SOURCE.origins[0], open=Pointers(TOTALS.errors, PATTERNS, how).open), root))
    await driver.take_in()
    if changes == 1:
        assert (len(seen), totals(driver), notes(driver)) == (2, [(6, 0, 1)], ())
        return
    assert (len(seen), totals(driver), len(notes(driver))) == (6, [], 1)
    seen += [()] * 99
    await driver.take_in(Trigger.REQUEST)
    assert totals(driver) == [(11, 0, 1)]
