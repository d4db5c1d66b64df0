"""The meaning of rows of Copilot CLI's session store."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.usage import RejectionCode, RequestState, Tokens, UsageEvent
from aico.features.files.sqlite import Judged
from aico.features.files.sqlite_process import Row
from aico.features.sources.copilot_cli import COUNTS, SOURCE, judge_rows
from tests.sources.copilot_cli.fake_session_store import CopilotStore
from tests.sources.feeds import NOW_MS
from tests.sources.sqlite_homes import events_of, read_all

WHEN = "2026-11-28T14:40:53.811Z"


def row(*counts: object, session: object = "s", agent: object = None, model: object = "m", at: object = WHEN) -> Row:
    """Return the cells of one call: input, output, cache reads and writes, reasoning."""
    return [session, agent, model, at, *counts]  # type: ignore[list-item]  # whatever a database may hold


def judge_one(one: Row) -> UsageEvent:
    """Return the one record."""
    (event,) = judge_rows([one]).records
    assert isinstance(event, UsageEvent)
    return event


def test_input_is_without_the_cache() -> None:
    """The output holds reasoning; nothing is said to cost dollars."""
    event = judge_one(row(1_000, 50, 300, 100, 20))
    assert event.tokens == Tokens(600, 300, 100, None, 50, 20)
    assert (event.recorded_nano, event.state, event.ts) == (None, RequestState.FINAL, 1_795_876_853_811)


def test_counts_that_contradict_each_other_are_unknown() -> None:
    """More from the cache than was sent at all, and more reasoning than output: no 0 and no sum is made of them."""
    event = judge_one(row(100, 50, 300, 0, 60))
    assert event.tokens == Tokens(None, 300, 0, None, 50, None)
    assert event.unknown == ("input_tokens",)


@pytest.mark.parametrize("counts", [(None,) * 5, (None, None, 0, 0, None), (0, 0, 0, 0, 0)])
def test_call_without_counts_is_unmeasured(counts: tuple[int | None, ...]) -> None:
    """Never free; also where the cache's counts are zeros beside nothing."""
    event = judge_one(row(*counts))
    assert (event.tokens, event.state) == (Tokens(), RequestState.UNMEASURED)


def test_cache_that_cannot_be_used_leaves_the_input_unknown() -> None:
    """The others are taken."""
    judged = judge_rows([row(1_000, 50, "text", 0, None)])
    (event,) = judged.records
    assert isinstance(event, UsageEvent)
    assert (event.tokens.input, event.tokens.output, event.unknown) == (None, 50, ("cache_read_tokens",))
    assert [each.code for each in judged.partials] == [RejectionCode.WRONG_TYPE]


def test_time_without_a_zone_is_utc() -> None:
    """The default of the column does not say so."""
    assert judge_one(row(1, 1, 0, 0, 0, at="2026-11-28 14:40:53")).ts == 1_795_876_853_000


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Return two folders."""
    return [tmp_path.resolve() / name for name in ("one", "two")]


async def test_store_that_was_built_anew_counts_nothing_twice(folders: list[Path]) -> None:
    """Its rows have other numbers; the calls of two agents at the same time are two."""
    keys = []
    for folder, order in zip(folders, (range(5), reversed(range(5))), strict=True):
        store = CopilotStore(folder / "session-store.db")
        for number in order:
            store.call("s", NOW_MS + number, (100 + number, 5, 0, 0, None))
        store.close()
        keys.append({event.key for event in events_of(await read_all(SOURCE, folder))})
    assert keys[0] == keys[1]
    assert len(keys[0]) == 5
    assert judge_one(row(1, 1, 0, 0, 0)).key != judge_one(row(1, 1, 0, 0, 0, agent="a")).key


CELLS = st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


@given(st.lists(st.tuples(st.integers(0, 3 + len(COUNTS)), CELLS), max_size=5))
def test_mutated_row_takes_no_good_one_along(changes: list[tuple[int, str | int | float | None]]) -> None:
    """Any value in any cell: a record, or a reason."""
    bad = row(1, 2, 3, 4, 5)
    for place, cell in changes:
        bad[place] = cell
    good = row(7, 7, 7, 7, 7)
    judged: Judged = judge_rows([good, bad, good])
    assert len(judged.records) + len(judged.rejections) == 3
    assert sum(record == judge_one(good) for record in judged.records) >= 2
