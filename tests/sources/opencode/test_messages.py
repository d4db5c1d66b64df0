"""The meaning of OpenCode's messages: answers that grow, forks, zeros, values that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.db.upkeep.forgetting import forget
from aico.core.usage import PromptSeen, RejectionCode, RequestState, UsageEvent
from aico.features.files.sqlite_process import Row
from aico.features.sources.opencode import SOURCE
from aico.features.sources.opencode.messages import COUNTS, judge_rows, name_model
from tests.sources import sqlite_homes
from tests.sources.feeds import NOW_MS
from tests.sources.opencode.fake_message_store import MessageStore
from tests.sources.opencode.message_driver import booked, rows_in
from tests.sources.sqlite_homes import read_all

T = NOW_MS - 3_600_000
USED = (100, 20, 5, 40, 3)


@pytest.fixture
def store() -> Iterator[MessageStore]:
    """Open a database with one session."""
    store = MessageStore()
    store.session("one", T)
    yield store
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder under its real path."""
    return tmp_path.resolve()


def events_of(store: MessageStore) -> list[UsageEvent]:
    """Return the answers, the oldest first."""
    records = judge_rows(rows_in(store.connection)).records
    return [record for record in records if isinstance(record, UsageEvent)][::-1]


async def sums_of(*parts: list[Row]) -> tuple[dict[str, tuple[int, ...]], ...]:
    """Return what ``parts`` come to when they are read one after the other."""
    async with booked() as book:
        for part in parts:
            await book.take(part)
        return book.everything


def test_answer_is_read_in_our_words(store: MessageStore) -> None:
    """Output includes reasoning; the cost is in nano-dollars; the seller stands before the model."""
    store.answer("one", T, T + 5, USED, cost=0.25)
    (event,) = events_of(store)
    assert event.tokens == (100, 40, 3, None, 25, 5)
    assert (event.session, event.ts, event.model) == ("one", T, "fake/fake-model")
    assert (event.recorded_nano, event.state, event.claim) == (250_000_000, RequestState.FINAL, 0)


def test_cost_of_zero_is_no_price(store: MessageStore) -> None:
    """Nothing says that the answer was free."""
    store.answer("one", T, T + 5, USED, cost=0)
    assert events_of(store)[0].recorded_nano is None


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [
        ("anthropic", "claude-opus-5", "claude-opus-5"),
        ("openrouter", "anthropic/claude-opus-5", "openrouter/anthropic/claude-opus-5"),
        (None, "qwen3", "qwen3"),
        ("ollama", None, None),
    ],
)
def test_name_of_a_model_says_who_sells_it(provider: str | None, model: str | None, name: str | None) -> None:
    """Its maker alone needs not be named."""
    assert name_model(provider, model) == name


@pytest.mark.parametrize(
    ("completed", "tokens", "more", "state"),
    [
        (None, (0, 0, 0, 0, 0), {}, RequestState.OPEN),
        (T + 5, (0, 0, 0, 0, 0), {}, RequestState.UNMEASURED),
        (T + 5, (0, 0, 0, 0, 0), {"finish": "unknown"}, RequestState.UNMEASURED),
        (T + 5, (0, 0, 0, 0, 0), {"error": {"name": "MessageAbortedError"}}, RequestState.UNMEASURED),
        (None, (0, 0, 0, 0, 0), {"error": {"name": "APIError"}}, RequestState.UNMEASURED),
        (T + 5, (9, 0, 0, 0, 0), {"error": {"name": "MessageAbortedError"}}, RequestState.INTERRUPTED),
        (T + 5, (9, 1, 0, 0, 0), {"error": {"name": "MessageAbortedError"}}, RequestState.FINAL),
        (None, (9, 1, 0, 0, 0), {}, RequestState.FINAL),
    ],
)
def test_zeros_are_not_measured(
    store: MessageStore,
    completed: int | None,
    tokens: tuple[int, int, int, int, int],
    more: dict[str, object],
    state: RequestState,
) -> None:
    """Never free: an answer that runs is open, any other without tokens is unmeasured."""
    store.answer("one", T, completed, tokens, more=more)
    (event,) = events_of(store)
    assert event.state is state
    assert any(event.tokens) is any(tokens)


async def test_answer_that_grows_counts_once(store: MessageStore) -> None:
    """Open, with tokens, completed: one request under three sights of it."""
    steps = []
    for completed, tokens in ((None, (0, 0, 0, 0, 0)), (None, USED), (T + 5, USED)):
        store.answer("one", T, completed, tokens, name="msg_1")
        steps.append(rows_in(store.connection))
    expected = {"one": (1, 0, 100, 40, 25, 5)}
    for order in (steps, steps[::-1], [steps[0], steps[2], steps[1], steps[2]]):
        assert (await sums_of(*order))[1] == expected


async def test_row_with_more_than_a_line_may_have_is_refused_alone(folder: Path) -> None:
    """Beyond 16 MB it is not looked into: of such rows the process that reads would run out of memory."""
    store = MessageStore(folder / "opencode.db")
    store.session("one", T)
    store.answer("one", T, T + 5, USED)
    store.answer("one", T + 10, T + 15, USED, more={"pad": "x" * (16 << 20)})
    store.answer("one", T + 20, T + 25, USED)
    readings = await read_all(SOURCE, folder)
    store.close()
    assert sorted(event.ts for event in sqlite_homes.events_of(readings)) == [T, T + 20]
    assert [each.code for reading in readings for each in reading.counts.rejections] == [RejectionCode.NOT_AN_OBJECT]


async def test_fork_counts_once_and_belongs_to_the_session_that_made_it(store: MessageStore) -> None:
    """Also a fork of a fork, and whichever is read first; its own answers count for itself."""
    store.answer("one", T + 1, T + 5, USED)
    store.answer("one", T + 7, T + 9, USED)
    store.fork("one", "two", T + 1_000)
    store.answer("two", T + 1_001, T + 1_002, USED)
    store.fork("two", "three", T + 2_000)
    rows = rows_in(store.connection)
    expected = {"one": (2, 0, 200, 80, 50, 10), "two": (1, 0, 100, 40, 25, 5)}
    assert (await sums_of(rows))[1] == (await sums_of(*([row] for row in rows[::-1])))[1] == expected


async def test_fork_counts_where_its_original_is_gone(store: MessageStore) -> None:
    """The session was deleted before we came, or after."""
    store.prompt("one", T)
    store.answer("one", T + 1, T + 5, USED)
    store.fork("one", "two", T + 1_000)
    before = rows_in(store.connection)
    store.drop("one")
    after = rows_in(store.connection)
    assert (await sums_of(after))[1] == {"two": (1, 0, 100, 40, 25, 5)}
    assert (await sums_of(before, after))[1] == {"one": (1, 0, 100, 40, 25, 5)}


async def test_copy_of_an_answer_that_had_not_ended_counts_only_alone(store: MessageStore) -> None:
    """A fork that was made while its parent's answer ran holds a row that never ends."""
    store.answer("one", T + 1, None, name="msg_1")
    store.fork("one", "two", T + 1_000)
    running = rows_in(store.connection)
    store.answer("one", T + 1, T + 5, USED, name="msg_1")
    ended = rows_in(store.connection)
    expected = {"one": (1, 0, 100, 40, 25, 5)}
    assert (await sums_of(running, ended))[1] == expected
    assert (await sums_of(ended))[1] == (await sums_of(*([row] for row in ended)))[1] == expected
    store.drop("one")
    assert sum(each[0] for each in (await sums_of(rows_in(store.connection)))[1].values()) == 1


async def test_forgotten_session_stays_so_though_a_fork_holds_its_answers(store: MessageStore) -> None:
    """Neither the fork, nor the database of another machine, brings them back."""
    store.answer("one", T + 1, T + 5, USED)
    store.answer("one", T + 7)
    store.fork("one", "two", T + 1_000)
    store.answer("two", T + 1_001, T + 1_002, USED)
    rows = rows_in(store.connection)
    async with booked() as book:
        await book.take(rows)
        forget(book.store.path, "opencode", ["one"], NOW_MS)
        book.store.forget_what_is_known()
        for _ in range(2):
            await book.take(rows)
            assert book.by("s.key") == {"two": (1, 0, 100, 40, 25, 5)}


def test_agents_are_sessions_below_theirs_and_prompts_are_the_users(store: MessageStore) -> None:
    """The program's own message to an agent is no prompt."""
    store.session("agent", T, parent="one")
    store.prompt("one", T)
    store.prompt("agent", T)
    store.answer("agent", T, T + 5, USED)
    store.put("one", T, {"role": "system", "time": {"created": T}})
    judged = judge_rows(rows_in(store.connection))
    assert judged.skipped_count == 2
    event, prompt = judged.records
    assert isinstance(prompt, PromptSeen)
    assert (event.session, getattr(event, "parent", None), prompt.session) == ("agent", "one", "one")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("input", -1, RejectionCode.NEGATIVE),
        ("input", "7", RejectionCode.WRONG_TYPE),
        ("output", 1.5, RejectionCode.NOT_AN_INTEGER),
        ("reasoning", 10**13, RejectionCode.TOO_LARGE),
    ],
)
def test_number_that_cannot_be_used_is_unknown(
    store: MessageStore, field: str, value: object, code: RejectionCode
) -> None:
    """And named; its neighbours are taken. Without reasoning the output cannot be told."""
    tokens = {"input": 1, "output": 2, "reasoning": 3, "cache": {"read": 4, "write": 5}, field: value}
    data = {"role": "assistant", "time": {"created": T, "completed": T + 5}, "modelID": "m", "tokens": tokens}
    store.put("one", T, data)
    judged = judge_rows(rows_in(store.connection))
    (event,) = judged.records
    assert isinstance(event, UsageEvent)
    assert event.unknown == (f"tokens.{field}",)
    assert [each.code for each in judged.partials] == [code]
    known = {"input": event.tokens.input, "output": event.tokens.output, "reasoning": event.tokens.reasoning}
    assert known.pop(field) is None
    assert event.tokens.cache_read == 4
    if field == "reasoning":
        assert event.tokens.output is None


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        ("no json", RejectionCode.NOT_AN_OBJECT, None),
        ({"role": 7}, RejectionCode.WRONG_TYPE, None),
        ({"role": "assistant"}, RejectionCode.MISSING, "time.created"),
        ({"role": "assistant", "time": {"created": "now"}}, RejectionCode.WRONG_TYPE, "time.created"),
    ],
)
def test_row_without_a_role_or_a_time_is_refused(
    store: MessageStore, data: object, code: RejectionCode, field: str | None
) -> None:
    """With the reason; the others are read."""
    store.put("one", T, data)
    store.answer("one", T, T + 5, USED)
    judged = judge_rows(rows_in(store.connection))
    assert [(each.code, each.field) for each in judged.rejections] == [(code, field)]
    assert len(judged.records) == 1


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.integers(0, 30),
        st.sampled_from([None, 1, 40]),
        st.sampled_from([(0, 0, 0, 0, 0), USED, (7, 0, 0, 1, 0)]),
    ),
    max_size=8,
    unique_by=lambda each: each[:2],
)


@pytest.mark.slow
@given(messages=MESSAGES, forks=st.integers(0, 2), seed=st.integers(0, 1_000), is_gone=st.booleans())
async def test_order_and_repetition_of_rows_make_no_difference(
    messages: list[tuple[str, int, int | None, tuple[int, int, int, int, int]]], forks: int, seed: int, is_gone: bool
) -> None:
    """Rows of sessions and their forks, in any order, in any parts, some of them twice."""
    store = MessageStore()
    connection = store.connection
    for name in ("one", "two"):
        store.session(name, T)
    for session, at, took, tokens in messages:
        store.answer(session, T + at, None if took is None else T + at + took, tokens, model=session)
    for number in range(forks):
        store.fork("one", f"fork{number}", T + 1_000 + number)
    if is_gone:
        store.drop("two")
    rows = rows_in(connection)
    store.close()
    chance = Random(seed)  # noqa: S311  # no secret
    mixed = [*rows, *chance.choices(rows, k=len(rows))] if rows else []
    chance.shuffle(mixed)
    cut = chance.randrange(len(mixed) + 1)
    assert await sums_of(mixed[:cut], mixed[cut:]) == await sums_of(rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = ("role", "time", "time.created", "time.completed", "providerID", "modelID", "error", "cost", "tokens", *COUNTS)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), max_size=4), st.integers(0, 60), st.binary(max_size=4))
def test_mutated_rows_take_no_good_one_along(changes: list[tuple[str, object]], place: int, noise: bytes) -> None:
    """Values of any type anywhere, or bytes within the text: a record, or a reason; both neighbours are read."""
    store = MessageStore()
    connection = store.connection
    store.session("one", T)
    store.answer("one", T, T + 5, USED)
    data: dict[str, object] = {
        "role": "assistant",
        "time": {"created": T + 50, "completed": T + 51},
        "tokens": {"input": 1, "output": 1, "reasoning": 0, "cache": {"read": 0, "write": 0}},
    }
    for path, value in changes:
        *folders, name = path.split(".")
        inner: object = data
        for folder in folders:
            inner = inner.get(folder) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[name] = value
    text = json.dumps(data).encode()
    store.put("one", T + 50, {})
    connection.execute(
        "UPDATE message SET data = CAST(? AS TEXT) WHERE time_created = ?",
        (text[:place] + noise + text[place:], T + 50),
    )
    store.answer("one", T + 90, T + 95, USED)
    judged = judge_rows(rows_in(connection))
    store.close()
    good = [record for record in judged.records if isinstance(record, UsageEvent) and record.ts in {T, T + 90}]
    assert {record.ts for record in good} == {T, T + 90}
    assert len(judged.records) + len(judged.rejections) + judged.skipped_count == 3
