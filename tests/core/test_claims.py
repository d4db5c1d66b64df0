"""Requests and prompts that several sessions hold: whatever comes first, the best claim owns them, and sums follow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.booking import LOST_AFTER_MS
from aico.core.sums import Sums
from aico.core.usage import (
    SLOT_MS,
    GapReading,
    PromptSeen,
    Record,
    RequestState,
    Tokens,
    UsageEvent,
    answer_of,
    digest,
)
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import (
    NOW_MS,
    Row,
    Store,
    copy_of_template,
    open_store,
    read_rows,
    request,
)
from tests.core.test_accounts import read_sums

SESSIONS = ("s0", "s1", "s2")
_OWNERS = """
    SELECT e.kind, e.key_high, e.key_low, s.key, e.ts, m.name, e.state, e.input, e.output, e.claim FROM usage_event AS e
    JOIN session AS s ON s.id = e.session JOIN model AS m ON m.id = e.model ORDER BY 1, 2, 3
"""

_SPANS = """
    SELECT key, first_ts, last_ts FROM session AS s
    WHERE EXISTS (SELECT 1 FROM usage_event AS e WHERE e.session = s.id) ORDER BY 1
"""


def half(name: str) -> bytes:
    """Return the first half of the keys of a message."""
    return digest(name)[:8]


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Draw one record of a few requests and prompts, as one of three sessions tells it."""
    session = draw(st.sampled_from(SESSIONS))
    ts = NOW_MS - draw(st.integers(0, 100)) * SLOT_MS
    claim = draw(st.integers(0, 3))
    name = draw(st.sampled_from(("a", "b")))
    kind = draw(st.sampled_from(("request", "message", "bare", "prompt")))
    if kind == "prompt":
        return PromptSeen(digest("prompt", name), session, NOW_MS - SLOT_MS, f"model of {name}", claim=claim)
    state = draw(st.sampled_from(RequestState))
    event = UsageEvent(
        digest("request", name),
        session,
        ts,
        f"model of {name}",
        Tokens(draw(st.integers(0, 9)), 0, 0, 0, draw(st.integers(0, 9))),
        state=state,
        claim=claim,
    )
    if kind == "request":
        return event
    zeros = half(name) + bytes(8)
    if kind == "bare":
        return event._replace(key=zeros, tokens=Tokens(), state=RequestState.UNMEASURED, is_bare=True)
    low = draw(st.sampled_from((b"low 0000", b"low 1111")))
    measured = RequestState.FINAL if state in {RequestState.OPEN, RequestState.UNMEASURED} else state
    return event._replace(key=half(name) + low, state=measured, former_key=zeros)


async def store_in(folder: Path, listed: Sequence[Record], size: int) -> tuple[Path, list[Row]]:
    """Return a database that holds ``listed``, stored in batches of ``size``, and the owners of what it holds."""
    path = copy_of_template(folder)
    async with open_store(path) as store:
        for start in range(0, len(listed), size):
            await store.take_in_of("tool", listed[start : start + size])
            assert failed_checks(path) == []
    return path, read_rows(path, _OWNERS)


def sums_of(path: Path) -> dict[str, dict[Row, Sums]]:
    """Return every sum that is not one over nothing, by table."""
    return {
        table: {key: each for key, each in rows.items() if any(each.vector)} for table, rows in read_sums(path).items()
    }


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(records(), min_size=1, max_size=9).flatmap(
        lambda listed: st.tuples(st.just(listed), st.permutations(listed))
    ),
    st.integers(1, 4),
)
def test_best_claim_owns_in_every_order(orders: tuple[list[Record], list[Record]], size: int) -> None:
    """Owner, time, state, numbers and every table of sums are the same in any order; the owner has the best claim."""
    found = []
    for number, listed in enumerate(orders):
        with TemporaryDirectory() as folder:
            path, owners = asyncio.run(store_in(Path(folder), listed, size + 5 * number))
            found.append((owners, sums_of(path)))
    assert found[0] == found[1]
    owned = {(kind, high, low): (session, claim) for kind, high, low, session, *_rest, claim in found[0][0]}
    for name in ("a", "b"):
        told = [
            (record.claim or 0, record.session)
            for record in orders[0]
            if isinstance(record, UsageEvent) and record.key == digest("request", name)
        ]
        if told:
            claim, session = min(told)
            assert (session, claim) in owned.values()


async def test_request_moves_with_its_sums_to_a_better_claim(store: Store) -> None:
    """Sums by session follow; sums by model and slot stay, and the message tells what each session spent."""
    await store.take_in_of("tool", [request("1", session="copy", output=3)._replace(claim=5)])
    committed = await store.take_in_of("tool", [request("1", session="origin", output=3)._replace(claim=1)])
    assert committed is not None
    assert {row.session: row.spent.get("output") for row in committed.rows} == {"copy": -3, "origin": 3}
    days = "SELECT s.key, output FROM usage_session_day AS d JOIN session AS s ON s.id = d.session"
    assert read_rows(store.path, days) == [("origin", 3)]
    assert read_rows(store.path, "SELECT output, requests FROM usage_slot") == [(3, 1)]
    assert await store.take_in_of("tool", [request("1", session="copy", output=3)._replace(claim=5)]) is None


async def test_earliest_moment_counts(store: Store) -> None:
    """A copy with an earlier line takes the request to its own slot and day, with any owner."""
    await store.take_in_of("tool", [request("1")])
    await store.take_in_of("tool", [request("1", ts=NOW_MS - 200 * SLOT_MS)])
    assert read_rows(store.path, "SELECT slot, requests FROM usage_slot") == [((NOW_MS - 200 * SLOT_MS) // SLOT_MS, 1)]
    assert failed_checks(store.path) == []


async def test_open_request_is_lost_after_a_while(store: Store) -> None:
    """At the next reading of its tool, whatever that says; a request that is not too old stays open."""
    now = store.now_ms
    sent = request("1", ts=now)._replace(state=RequestState.OPEN, tokens=Tokens())
    await store.take_in_of("tool", [sent])
    store.now_ms = now + LOST_AFTER_MS
    assert await store.take_in_of("tool", []) is None
    store.now_ms += 1
    assert await store.take_in_of("other", []) is None
    assert read_rows(store.path, "SELECT SUM(unmeasured) FROM usage_total") == [(0,)]
    assert await store.take_in_of("tool", []) is not None
    assert read_rows(store.path, "SELECT SUM(unmeasured), SUM(requests) FROM usage_total") == [(1, 1)]
    assert await store.take_in_of("tool", [sent]) is None
    assert failed_checks(store.path) == []


async def test_gap_that_says_the_same_is_no_news(store: Store) -> None:
    """Of a kind, one of another moment stands beside it."""
    gap = GapReading("s", "m", "hidden", None, Tokens(1, 2, 3, 4, 5, 0), at=NOW_MS)
    await store.take_in_of("tool", [request("1", session="s"), gap])
    assert await store.take_in_of("tool", [gap]) is None
    assert await store.take_in_of("tool", [gap._replace(at=NOW_MS + 1)]) is not None
    assert read_rows(store.path, "SELECT COUNT(*) FROM gap") == [(2,)]


@pytest.mark.parametrize("state", [RequestState.FINAL, RequestState.AT_LEAST, RequestState.INTERRUPTED])
@pytest.mark.parametrize("claims", [(0, 2), (2, 0), (None, 2), (0, None), (None, None)])
@pytest.mark.parametrize("is_copied", [False, True])
async def test_answer_says_as_much_as_its_announcement_and_it(
    tmp_path: Path, state: RequestState, claims: tuple[int | None, int | None], *, is_copied: bool
) -> None:
    """Stored as one record, also behind a copy of another session: owner, time, state and every sum."""
    opened = request("1", session="s1", ts=NOW_MS - SLOT_MS)._replace(state=RequestState.OPEN, tokens=Tokens())
    opened = opened._replace(claim=claims[0], model="asked for")
    answer = request("1", session="s1", input=7, output=3, state=state)._replace(claim=claims[1])
    answered = answer_of(opened, answer)
    assert answered is not None
    copy = [request("1", session="s0", input=7, output=3)._replace(claim=1)] if is_copied else []
    found = []
    for number, listed in enumerate(([*copy, opened, answer], [*copy, answered])):
        folder = tmp_path / str(number)
        folder.mkdir()
        path, owners = await store_in(folder, listed, 9)
        spans = read_rows(path, _SPANS)
        found.append((owners, sums_of(path), spans))
    assert found[0] == found[1]


def test_answer_of_something_else_says_less() -> None:
    """Of another session or parent, without a model or numbers, renamed, or of what was answered: both are stored."""
    opened = request("1")._replace(state=RequestState.OPEN, tokens=Tokens())
    answer = request("1", output=3)
    assert answer_of(opened, answer) == answer
    others = (
        {"session": "s9"},
        {"parent": "s9"},
        {"key": digest("2")},
        {"model": None},
        {"state": RequestState.UNMEASURED},
        {"state": RequestState.OPEN},
        {"former_key": digest("2")},
        {"near_ms": 5},
        {"is_bare": True},
    )
    for other in others:
        assert answer_of(opened, answer._replace(**other)) is None
    assert answer_of(answer, answer) is None
