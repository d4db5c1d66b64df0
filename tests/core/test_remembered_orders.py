"""An order of sessions that is remembered and mended after commits is the one that somebody would get who asks anew."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.db import questions
from aico.core.db.driver import Value
from aico.core.db.orders import Link, Number, Numbered
from aico.core.db.reader import FoundSessions, Sort, UsageReader, UsageSnapshot
from aico.core.db.terms_writer import store_plans
from aico.core.db.touched import TOUCHED_MAX, Touched
from aico.core.errors import SessionUnknown, StorageError
from aico.core.filters import UsageFilter
from aico.core.terms import Plan
from aico.core.usage import SLOT_MS, ProjectSeen, PromptSeen, RequestState, Tokens, UsageEvent, digest
from tests.core.repository_on_file import NOW_MS, Store, open_store, request, temporary_database, usage
from tests.hypothesis_profiles import examples

SESSIONS = st.sampled_from([f"s{number}" for number in range(7)])
MOMENTS = st.sampled_from([NOW_MS - number * SLOT_MS * 50 for number in range(4)])
SLOT = NOW_MS // SLOT_MS


class Labelled(NamedTuple):
    """The user's own name for a session."""

    session: str
    label: str | None


class Planned(NamedTuple):
    """A plan that begins or ends."""

    is_there: bool


class Question(NamedTuple):
    """What somebody asks again and again."""

    wanted: UsageFilter
    sort: Sort
    descending: bool
    is_folded: bool
    limit: int
    offset: int


REQUESTS = st.builds(
    UsageEvent,
    key=st.sampled_from([digest(number) for number in range(12)]),
    session=SESSIONS,
    ts=MOMENTS,
    model=st.sampled_from(["m", "n"]),
    tokens=st.sampled_from([Tokens(0, output=5), Tokens(5, 5, output=0), Tokens(5, output=5)]),
    recorded_nano=st.sampled_from([None, 0, 7, 7_000_000_000]),
    state=st.just(RequestState.FINAL),
    parent=st.one_of(st.none(), SESSIONS),
    unknown=st.just(()),
    former_key=st.none(),
    context=st.just(""),
    claim=st.sampled_from([None, 0, 1]),
    is_bare=st.just(value=False),
    near_ms=st.none(),
)
PROMPTS = st.builds(
    PromptSeen,
    key=st.sampled_from([digest("prompt", number) for number in range(3)]),
    session=SESSIONS,
    ts=MOMENTS,
    model=st.just("m"),
    parent=st.one_of(st.none(), SESSIONS),
    claim=st.none(),
)
PROJECTS = st.builds(ProjectSeen, SESSIONS, st.sampled_from(["here", "there"]))
TASKS = st.builds(
    usage,
    SESSIONS,
    MOMENTS,
    st.sampled_from(["m", "n"]),
    st.sampled_from([1, 9]),
    total_cost=st.sampled_from([0.0, 7.0]),
)
CHANGES = st.one_of(
    st.lists(st.one_of(REQUESTS, PROMPTS, PROJECTS), min_size=1, max_size=4),
    st.lists(TASKS, min_size=1, max_size=3),
    st.builds(Labelled, SESSIONS, st.sampled_from([None, "own name"])),
    st.builds(Planned, st.booleans()),
)
QUESTIONS = st.builds(
    Question,
    st.sampled_from(
        [
            UsageFilter(),
            UsageFilter(),
            UsageFilter(sources=("tool",)),
            UsageFilter(models=("m",)),
            UsageFilter(projects=("here",)),
            UsageFilter(text="own"),
            UsageFilter(first_slot=SLOT - 70),
            UsageFilter(end_slot=SLOT - 70),
            UsageFilter(origin="ledger"),
        ]
    ),
    st.sampled_from(Sort),
    st.booleans(),
    st.booleans(),
    st.sampled_from([2, 3, 100]),
    st.sampled_from([0, 0, 1, 4]),
)


async def change(store: Store, wanted: object) -> None:
    """Let one thing happen."""
    if isinstance(wanted, Labelled):
        try:
            await store.writer.set_label("tool", wanted.session, wanted.label)
        except SessionUnknown:
            return
    elif isinstance(wanted, Planned):
        plans = [Plan("tool", 1_000, "USD", 1)] if wanted.is_there else []
        await store_plans(store.database, NOW_MS, put_=plans, removed=() if wanted.is_there else ("tool",))
    elif isinstance(wanted, list) and isinstance(wanted[0], UsageEvent | PromptSeen | ProjectSeen):
        await store.take_in_of("tool", wanted)
    elif isinstance(wanted, list):
        await store.take_in(wanted)


async def list_by(snapshot: UsageSnapshot, question: Question) -> FoundSessions:
    """Return the answer to a question, in which sessions are counted as the page has it."""
    wanted, sort, descending, is_folded, limit, offset = question
    return await snapshot.list_sessions(
        wanted, sort, descending=descending, limit=limit, offset=offset, is_folded=is_folded, is_brief=True
    )


async def ask(reader: UsageReader, question: Question) -> FoundSessions:
    """Return the answer of a reader, whose number of sessions is looked at."""
    async with reader.snapshot() as snapshot:
        found = await list_by(snapshot, question)
        assert found.counts == await snapshot.count_sessions(question.wanted, is_brief=True)
        return found


@settings(max_examples=examples(4))
@given(
    st.lists(CHANGES, min_size=2, max_size=12), st.lists(QUESTIONS, min_size=1, max_size=3), st.sampled_from([1, 100])
)
def test_answers_are_those_of_somebody_who_asks_anew(changes: list[object], asked: list[Question], many: int) -> None:
    """Families that join, ties, sessions that lose all that they had, plans, labels; looked up, or all of them read."""

    async def live() -> None:
        with temporary_database() as path, patch("aico.core.db.reader._MANY", many):
            async with open_store(path) as store:
                for each in changes:
                    await change(store, each)
                    for question in asked:
                        assert await ask(store.reader, question) == await ask(UsageReader(store.database), question)

    asyncio.run(live())


class Recorded:
    """The statements that a snapshot asks."""

    def __init__(self, snapshot: UsageSnapshot) -> None:
        self._ask = snapshot.ask
        self.statements: list[str] = []
        snapshot.ask = self

    async def __call__(self, statement: str, values: Sequence[Value] = (), /) -> list[sqlite3.Row]:
        """Note and run a statement."""
        self.statements.append(statement)
        return await self._ask(statement, values)


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize("sort", [Sort.LAST, Sort.COST, Sort.TOKENS])
async def test_after_a_commit_only_its_sessions_are_asked_for(store: Store, sort: Sort, is_folded: bool) -> None:
    """The whole order is asked for once; that the next commit made no other is seen in its place."""
    sessions = [f"s{number}" for number in range(9)]
    await store.take_in_of("tool", [request(name, name, nano=5) for name in sessions])
    await store.take_in_of("tool", [request("agent", "agent")._replace(parent="s3")])
    question = Question(UsageFilter(), sort, descending=True, is_folded=is_folded, limit=20, offset=0)
    whole, _values = questions.session_numbers(UsageFilter(), sort.value)
    asked = []
    for number in range(3):
        async with store.reader.snapshot() as snapshot:
            recorded = Recorded(snapshot)
            found = await list_by(snapshot, question)
            asked.append(whole in recorded.statements)
        assert found == await ask(UsageReader(store.database), question)
        later = request(f"later {number}", f"s{number + 3}", NOW_MS + 1_000 + number, nano=9)
        await store.take_in_of("tool", [later])
    assert asked == [True, False, False]
    assert {item.key for item in found.items if item.last_ts > NOW_MS} == {"s3", "s4"}
    # A plan decides what all of them cost.
    await store_plans(store.database, NOW_MS, put_=[Plan("tool", 1_000, "USD", 1)])
    async with store.reader.snapshot() as snapshot:
        recorded = Recorded(snapshot)
        await list_by(snapshot, question)
        assert whole in recorded.statements


@pytest.mark.parametrize("is_folded", [True, False])
@pytest.mark.parametrize("sort", list(Sort))
async def test_the_first_page_makes_the_order_of_all_others(store: Store, sort: Sort, is_folded: bool) -> None:
    """Also an order of texts, of which none is mended."""
    await store.take_in_of("tool", [request(str(number), f"s{number}", nano=number % 3) for number in range(9)])
    first = Question(UsageFilter(), sort, descending=True, is_folded=is_folded, limit=2, offset=0)
    whole, _values = questions.session_numbers(UsageFilter(), sort.value)
    async with store.reader.snapshot() as snapshot:
        recorded = Recorded(snapshot)
        pages = [await list_by(snapshot, first._replace(offset=offset)) for offset in range(0, 10, 2)]
        assert recorded.statements.count(whole) == 1
    everything = await ask(UsageReader(store.database), first._replace(limit=100))
    assert [item for page in pages for item in page.items] == everything.items


async def test_families_that_join_later_are_one_row(store: Store) -> None:
    """A session stored before the one that has started it, its own agents with it; and one that learns its parent."""
    question = Question(UsageFilter(), Sort.COST, descending=True, is_folded=True, limit=20, offset=0)

    async def rows() -> dict[str, tuple[int, int]]:
        found = await ask(store.reader, question)
        assert found == await ask(UsageReader(store.database), question)
        return {item.key: (item.folded_count, item.spent.cost_nano) for item in found.items}

    await store.take_in_of("tool", [request("other", "other", nano=1), request("old", "old", nano=4)])
    await store.take_in_of("tool", [request("1", "agent", nano=5)._replace(parent="task")])
    await store.take_in_of("tool", [request("2", "its agent", nano=6)._replace(parent="agent")])
    assert await rows() == {"agent": (1, 11), "old": (0, 4), "other": (0, 1)}
    await store.take_in_of("tool", [request("3", "task", nano=7)])
    assert await rows() == {"task": (2, 18), "old": (0, 4), "other": (0, 1)}
    await store.take_in_of("tool", [request("4", "task", nano=1)._replace(parent="old")])
    assert await rows() == {"old": (3, 23), "other": (0, 1)}
    await store.take_in_of("tool", [request("5", "its agent", nano=2)])
    assert await rows() == {"old": (3, 25), "other": (0, 1)}


LINKS = st.dictionaries(st.integers(1, 9), st.integers(1, 9), max_size=9)
NUMBERS = st.dictionaries(st.integers(1, 9), st.integers(0, 5), min_size=1)


def head_of(session: int, parents: Mapping[int, int]) -> int | None:
    """Return the session above all; None in a ring."""
    for _ in range(20):
        if session not in parents:
            return session
        session = parents[session]
    return None


@settings(max_examples=examples(1))
@given(NUMBERS, LINKS, st.sampled_from([sum, max, itemgetter(0)]))
def test_sessions_stand_under_the_one_above_all(
    numbers: dict[int, int], parents: dict[int, int], join: Callable[[Sequence[Number]], Number]
) -> None:
    """Each one inside is told once, in a row or under one; however deep, in rings, and where heads are not inside."""
    links = [Link(session, parent, 10 * session, 10 * parent, 0) for session, parent in parents.items()]
    rows = Numbered.fold(dict(numbers), links, join)
    under = {session: head_of(session, parents) for session in numbers}
    folded = {session: head for session, head in under.items() if head not in {None, session}}
    assert {session: head for head, those in rows.members.items() for session in those} == folded
    assert rows.numbers.keys() == {*numbers, *folded.values()} - folded.keys()
    assert rows.absent == set(folded.values()) - numbers.keys()
    for session, number in rows.numbers.items():
        those = [each for each, head in folded.items() if head == session]
        assert sorted(rows.members.get(session, ())) == sorted(those)
        if those:
            assert number == join([numbers.get(session, 0), *map(numbers.__getitem__, those)])
            assert rows.late[session] == 10 * max(session, *those)
        else:
            assert number == numbers[session]


def test_a_long_line_of_sessions_is_walked_once() -> None:
    """Each began the next: the way up from one is known to those below it."""
    size = 50_000
    links = [Link(session, session - 1, session, session - 1, 0) for session in range(size, 1, -1)]
    rows = Numbered.fold(dict.fromkeys(range(1, size + 1), 1), links, sum)
    assert rows.numbers == {1: size}
    assert rows.late == {1: size}


async def test_whoever_sees_a_commit_knows_what_it_touched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before its writer hears of it; and nobody does of one that failed, whose number another may take."""
    write = store.database.write
    known: list[frozenset[int] | None] = []
    fails = False

    async def noticed(work: Callable[[sqlite3.Connection], object]) -> object:
        def run(connection: sqlite3.Connection) -> object:
            result = work(connection)
            if fails:
                raise sqlite3.OperationalError("disk I/O error")
            return result

        try:
            return await write(run)
        finally:
            known.append(store.database.touched.find_between(epoch, revision, revision + 1))

    await store.take_in_of("tool", [request("1", "s1")])
    epoch, revision = await store.writer.get_position()
    monkeypatch.setattr(store.database, "write", noticed)
    fails = True
    with pytest.raises(StorageError):
        await store.take_in_of("tool", [request("2", "s2")])
    fails = False
    await store.take_in_of("tool", [request("3", "s1", NOW_MS + 1)])
    assert known == [None, frozenset({1})]


def test_touched_sessions_are_those_of_all_commits_between() -> None:
    """Before the first that is known, behind a gap, of another database and backwards nothing is known."""
    touched = Touched()
    touched.note("e", 4, {1, 2})
    touched.note("e", 5, {2, 3})
    assert touched.find_between("e", 3, 5) == frozenset({1, 2, 3})
    assert touched.find_between("e", 5, 5) == frozenset()
    touched.note("e", 7, {9})
    assert touched.find_between("e", 6, 7) == frozenset({9})
    unknown = [("e", 2, 4), ("e", 5, 7), ("e", 7, 8), ("e", 5, 4), ("other", 3, 4)]
    assert [touched.find_between(*each) for each in unknown] == [None] * 5
    touched.note("other", 5, {1})
    assert touched.find_between("e", 4, 5) is None
    assert touched.find_between("other", 4, 5) == frozenset({1})


def test_too_many_touched_sessions_are_not_told() -> None:
    """One commit alone, or many together; and old ones are let go."""
    touched = Touched()
    touched.note("e", 1, range(TOUCHED_MAX))
    touched.note("e", 2, range(TOUCHED_MAX, TOUCHED_MAX + 1))
    touched.note("e", 3, range(TOUCHED_MAX + 1))
    assert touched.find_between("e", 0, 1) is not None
    assert touched.find_between("e", 1, 2) is not None
    assert touched.find_between("e", 0, 2) is None
    assert touched.find_between("e", 2, 3) is None
    for revision in range(4, 1_000):
        touched.note("e", revision, {revision})
    assert touched.find_between("e", 3, 4) is None
    assert touched.find_between("e", 899, 999) == frozenset(range(900, 1_000))
