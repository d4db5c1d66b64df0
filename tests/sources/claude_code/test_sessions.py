"""The session of an answer: agents, forks in any order of reading, requests without one, prompts, hidden calls."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from aico.core.booking import LOST_AFTER_MS
from aico.core.usage import RequestState, Tokens
from tests.core.database_damage import failed_checks
from tests.sources.claude_code.claude_home import (
    BEGIN_S,
    FIRST,
    MODEL,
    NEW,
    PLACEHOLDERS,
    SESSION,
    TOTALS_ONLY,
    WITHOUT_ORIGIN,
    Clock,
    Json,
    Transcript,
    answer,
    usage_of,
    uuid_of,
)
from tests.sources.claude_code.transcript_driver import SOURCE, Home, home_of

FINAL, OPEN, INTERRUPTED, AT_LEAST, UNMEASURED = (state.value for state in RequestState)
OTHER, THIRD = uuid_of("session", 2), uuid_of("session", 3)
ALL_VERSIONS = [FIRST, PLACEHOLDERS, TOTALS_ONLY, WITHOUT_ORIGIN, NEW]


# Agents


@pytest.mark.parametrize("layout", ["folder", "beside", "inside"])
async def test_agent_stands_below_the_session_that_started_it(root: Path, home: Home, layout: str) -> None:
    """In a folder of its session, beside all sessions, or in the session's own lines: a child of it."""
    clock = Clock()
    main = Transcript(root, SESSION, clock, "2.1.120")
    main.turn(1)
    if layout == "inside":
        main.prompt(isSidechain=True)
        main.block(2, isSidechain=True)
    else:
        path = main.path.parent / "agent-a1.jsonl" if layout == "beside" else None
        agent = Transcript(root, SESSION, clock, "2.1.120", agent="a1", path=path)
        agent.prompt()
        agent.block(2)
    main.turn(3)
    await home.read()
    child = f"{SESSION}/{'sidechain' if layout == 'inside' else 'a1'}"
    assert home.by_session() == {SESSION: answer(1, 3), child: answer(2)}
    assert home.ask("SELECT key, parent_key FROM session WHERE parent_key IS NOT NULL") == [(child, SESSION)]
    assert home.prompts() == {SESSION: 2}


@pytest.mark.parametrize("version", ["2.0.20", "2.1.120", NEW])
@pytest.mark.parametrize("is_agent_first", [True, False])
async def test_copy_in_an_agent_of_an_answer_of_its_session_counts_there(
    root: Path, home: Home, version: str, is_agent_first: bool
) -> None:
    """An agent of type fork begins with the answer that started it: in any order it is the session's."""
    clock = Clock()
    main = Transcript(root, SESSION, clock, version)
    main.turn(1)
    agent = Transcript(root, SESSION, clock, version, agent="a1")
    ref = uuid_of("ref", 1) if version == NEW else None
    agent.write({"type": "fork-context-ref", "agentId": "a1", "parentSessionId": SESSION})
    agent.block(1, ref=ref)
    agent.block(2, ref=uuid_of("ref", 2) if version == NEW else None)
    agent.set_age(BEGIN_S - 100)
    paths = [agent.path, main.path] if is_agent_first else [main.path, agent.path]
    for path in paths:
        await home.read([path])
    assert home.by_session() == {SESSION: answer(1), f"{SESSION}/a1": answer(2)}


# Forks


@pytest.mark.parametrize("version", ALL_VERSIONS)
@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_copies_belong_to_the_session_that_made_them(
    root: Path, home: Home, version: str, order: tuple[int, ...]
) -> None:
    """A fork, and a fork of it, in any order of reading: each answer and prompt counts once, where it was made."""
    clock = Clock()
    origin = Transcript(root, SESSION, clock, version)
    origin.turn(1)
    fork = origin.fork(root, OTHER)
    fork.turn(2)
    second = fork.fork(root, THIRD)
    second.turn(3)
    for place in order:
        await home.read([(origin, fork, second)[place].path])
    assert home.by_session() == {SESSION: answer(1), OTHER: answer(2), THIRD: answer(3)}
    assert home.prompts() == {SESSION: 1, OTHER: 1, THIRD: 1}
    assert home.ask(
        "SELECT COUNT(*), SUM(s.first_ts = e.first AND s.last_ts = e.last) FROM session AS s JOIN "
        "(SELECT session, MIN(ts) AS first, MAX(ts) AS last FROM usage_event GROUP BY 1) AS e ON e.session = s.id"
    ) == [(3, 3)]


@pytest.mark.parametrize("version", [WITHOUT_ORIGIN, NEW])
async def test_fork_of_a_session_that_goes_on_leaves_it_its_answers(root: Path, home: Home, version: str) -> None:
    """The origin's file is the younger one then: its requests, or the copies, say whose they are."""
    origin = Transcript(root, SESSION, Clock(), version)
    origin.turn(1)
    fork = origin.fork(root, OTHER)
    origin.turn(2)
    await home.read([fork.path])
    await home.read([origin.path])
    assert home.by_session() == {SESSION: answer(1, 2)}


async def test_copy_counts_where_its_origin_is_gone(root: Path, home: Home) -> None:
    """Stated copies count for the session that they name; others for the session that holds them."""
    origin = Transcript(root, SESSION, Clock(), NEW)
    origin.turn(1)
    fork = origin.fork(root, OTHER)
    fork.turn(2)
    origin.path.unlink()
    await home.read()
    assert home.by_session() == {SESSION: answer(1), OTHER: answer(2)}


async def test_oldest_file_owns_what_nothing_states(root: Path, home: Home) -> None:
    """Without any mark the file that was written first, when it was first seen, is the origin; it stays that."""
    origin = Transcript(root, SESSION, Clock(), PLACEHOLDERS)
    origin.turn(1)
    await home.read()
    fork = origin.fork(root, OTHER)
    origin.turn(2)
    await home.read([fork.path])
    await home.read()
    assert home.by_session() == {SESSION: answer(1, 2)}


# Requests


async def test_request_is_open_until_it_is_answered(session: Transcript, home: Home) -> None:
    """It counts as a request of its model at once, and has no numbers."""
    home.store.now_ms = BEGIN_S * 1000
    session.prompt()
    session.request("r1")
    await home.read()
    assert (home.states(), home.prompts(), list(home.by_model())) == ({OPEN: 1}, {SESSION: 1}, [MODEL])
    session.block(1, ref="r1")
    await home.read()
    assert (home.states(), home.total()) == ({FINAL: 1}, answer(1))


@pytest.mark.parametrize("cause", ["request", "total", "time"])
async def test_request_without_an_answer_is_lost(session: Transcript, home: Home, cause: str) -> None:
    """When the same chain sends another one, the session ends, or 15 minutes pass; a later answer takes it back."""
    home.store.now_ms = BEGIN_S * 1000
    session.request("r1")
    await home.read()
    assert home.states() == {OPEN: 1}
    if cause == "request":
        session.request("r2")
    elif cause == "total":
        session.total([])
    else:
        home.store.now_ms = session.clock.now_s * 1000 + LOST_AFTER_MS + 1
    await home.read()
    assert home.states() == {UNMEASURED: 1, **({OPEN: 1} if cause == "request" else {})}
    assert home.ask("SELECT unmeasured FROM usage_total WHERE requests > 0") == [(1,)]
    session.block(1, ref="r1")
    await home.read()
    assert home.states() == {FINAL: 1, **({OPEN: 1} if cause == "request" else {})}
    assert home.total()[1:] == answer(1)[1:]


async def test_lost_request_stays_lost_when_it_is_read_again(session: Transcript, home: Home) -> None:
    """A lost checkpoint costs time, and changes nothing."""
    home.store.now_ms = BEGIN_S * 1000
    session.request("r1")
    session.request("r2")
    session.block(2, ref="r2")
    await home.read()
    before = await home.everything()
    home.readers.clear()
    await home.read()
    assert await home.everything() == before
    assert home.states() == {FINAL: 1, UNMEASURED: 1}


async def test_agents_requests_are_chains_of_their_own(root: Path, home: Home) -> None:
    """Another chain's request loses nothing."""
    home.store.now_ms = BEGIN_S * 1000
    clock = Clock()
    main, agent = Transcript(root, SESSION, clock), Transcript(root, SESSION, clock, agent="a1")
    main.request("r1")
    agent.request("r2")
    await home.read()
    assert home.states() == {OPEN: 2}
    assert home.ask("SELECT key FROM session ORDER BY key") == [(SESSION,), (f"{SESSION}/a1",)]


# Prompts


@pytest.mark.parametrize(
    "more",
    [
        {"toolUseResult": {"stdout": "x"}},
        {"toolUseResult": "Error"},
        {"isMeta": True},
        {"isSidechain": True},
        {"isCompactSummary": True},
    ],
)
async def test_user_line_that_is_no_prompt_is_not_counted(
    session: Transcript, home: Home, more: dict[str, Json]
) -> None:
    """Results of tools, the tool's own notes, prompts of agents and summaries are none."""
    session.turn(1)
    session.write({**session.lines[0], **more, "uuid": uuid_of("another")})
    session.turn(2)
    await home.read()
    assert home.prompts() == {SESSION: 2}


async def test_prompt_is_told_with_the_model_that_answers_it(session: Transcript, home: Home) -> None:
    """So sums by model hold no prompt of an unknown one; many without an answer are told without a model."""
    session.version = PLACEHOLDERS
    session.prompt()
    await home.read()
    assert home.prompts() == {}
    session.block(1, message={"model": "other"})
    for _ in range(40):
        session.prompt()
    await home.read()
    rows = home.ask(
        "SELECT m.name, SUM(prompts) FROM usage_total JOIN model AS m ON m.id = model "
        "GROUP BY 1 HAVING SUM(prompts) > 0"
    )
    assert rows == [("", 34), ("other", 1)]


# Hidden calls


def hidden(number: int) -> Tokens:
    """Return a gap of ``number`` tokens in and out."""
    return Tokens(number, 0, 0, 0, number, 0)


async def test_total_tells_what_no_transcript_holds(root: Path, home: Home) -> None:
    """Cumulative, agents included; what comes after it is not held against it."""
    clock = Clock()
    main, agent = Transcript(root, SESSION, clock), Transcript(root, SESSION, clock, agent="a1")
    main.turn(1)
    agent.turn(2)
    main.total([1, 2], 7)
    await home.read()
    assert await home.gap() == hidden(7)
    main.turn(3)
    await home.read()
    assert await home.gap() == hidden(7)
    main.total([1, 2, 3], 9)
    await home.read([main.path])
    assert await home.gap() == hidden(9)
    assert home.total() == answer(1, 2, 3)
    assert failed_checks(home.store.path) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_fork_begins_with_the_total_of_its_parent(root: Path, home: Home, order: tuple[int, int]) -> None:
    """The parent's usage by then is taken off, hidden calls included; its later usage is its own."""
    origin = Transcript(root, SESSION, Clock())
    origin.turn(1)
    origin.total([1], 7)
    fork = origin.fork(root, OTHER)
    fork.turn(2)
    fork.total([1, 2], 10)
    origin.turn(3)
    origin.total([1, 3], 20)
    for place in order:
        await home.read([(origin.path, fork.path)[place]])
    assert await home.gap() == hidden(20 + 3)


async def test_fork_of_an_unknown_total_tells_nothing(root: Path, home: Home) -> None:
    """If its parent is gone, nobody knows the total that it began with."""
    origin = Transcript(root, SESSION, Clock())
    origin.turn(1)
    origin.total([1], 7)
    fork = origin.fork(root, OTHER)
    fork.turn(2)
    fork.total([1, 2], 10)
    origin.path.unlink()
    await home.read()
    assert await home.gap() is None


async def test_branch_begins_at_nothing(root: Path, home: Home) -> None:
    """Its copies carry a mark, and its total is its own."""
    origin = Transcript(root, SESSION, Clock())
    origin.turn(1)
    branch = Transcript(root, OTHER, origin.clock)
    for line in origin.lines:
        if line["type"] in {"user", "assistant"}:
            branch.write(
                {**line, "sessionId": OTHER, "forkedFrom": {"sessionId": SESSION, "messageUuid": line["uuid"]}}
            )
    branch.turn(2)
    branch.total([2], 5)
    await home.read()
    assert home.by_session() == {SESSION: answer(1), OTHER: answer(2)}
    assert await home.gap() == hidden(5)


@pytest.mark.parametrize("version", [TOTALS_ONLY, WITHOUT_ORIGIN])
async def test_fork_without_marks_tells_nothing_twice(root: Path, home: Home, version: str) -> None:
    """Versions that did not say whose copies are: the parent's total is no gap of the fork."""
    origin = Transcript(root, SESSION, Clock(), version)
    origin.turn(1)
    origin.total([1], 7)
    fork = origin.fork(root, OTHER)
    fork.turn(2)
    fork.total([1, 2], 10)
    await home.read()
    assert home.by_session() == {SESSION: answer(1), OTHER: answer(2)}
    assert await home.gap() == hidden(7)


@pytest.mark.parametrize("case", ["old", "killed", "name", "broken"])
async def test_total_that_cannot_be_compared_tells_nothing(session: Transcript, home: Home, case: str) -> None:
    """A session that an older version began, a run that was killed, a model by another name, or no number."""
    session.version = "2.1.200" if case == "old" else NEW
    session.turn(1)
    session.version = NEW
    session.turn(2)
    if case == "broken":
        session.write({"type": "cost-state", "sessionId": SESSION, "modelUsage": {MODEL: {"inputTokens": "many"}}})
    else:
        session.total([1, 2] if case == "name" else [2], 7, model="other" if case == "name" else MODEL)
    await home.read()
    assert await home.gap() is None
    assert home.total() == answer(1, 2)


async def test_same_totals_again_change_nothing(session: Transcript, home: Home) -> None:
    """Neither a repeated line nor a second reading of the file is news."""
    session.turn(1)
    session.total([1], 7)
    session.total([1], 7)
    await home.read()
    revision = home.ask("SELECT revision FROM database_state")
    home.readers.clear()
    await home.read()
    assert home.ask("SELECT revision FROM database_state") == revision


async def test_forgotten_session_is_not_brought_back_by_a_fork(root: Path, home: Home) -> None:
    """Neither by its file, read again, nor by copies that name it."""
    origin = Transcript(root, SESSION, Clock())
    origin.turn(1)
    fork = origin.fork(root, OTHER)
    fork.turn(2)
    async with home_of(root) as other:
        await other.read([fork.path])
        assert set(other.by_session()) == {SESSION, OTHER}
    await home.store.database.write(
        lambda connection: connection.execute("INSERT INTO source (id, name) VALUES (90, ?)", (SOURCE,))
    )
    await home.store.database.write(
        lambda connection: connection.execute("INSERT INTO forgotten VALUES (90, ?, 1)", (SESSION,))
    )
    home.store.forget_what_is_known()
    await home.read()
    assert home.by_session() == {OTHER: answer(2)}


async def test_zeros_of_a_request_are_no_answer(session: Transcript, home: Home) -> None:
    """A stream that was cut before its first number leaves zeros: unmeasured, as a lost request is."""
    session.request("r1")
    session.block(1, ref="r1", usage=dict.fromkeys(usage_of(1), 0))
    await home.read()
    assert home.states() == {UNMEASURED: 1}
