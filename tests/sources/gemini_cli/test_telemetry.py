"""The telemetry of Gemini CLI beside its sessions: one answer counts once, in whatever order both are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aico.core.usage import AnyRecord, Rejection, RequestState
from aico.features.files.line_format import LineFile
from aico.features.sources.gemini_cli import SOURCE
from aico.features.sources.gemini_cli.telemetry import FORMAT
from tests.sources.claude_code.claude_home import CANARY, Json
from tests.sources.gemini_cli.gemini_home import (
    BEGIN_MS,
    MODEL,
    ROUTER,
    Session,
    Telemetry,
    moment_of,
    spent,
    tokens_of,
)
from tests.sources.home_reading import Spent, new_books, read

ORDERS = [["chats", "telemetry"], ["telemetry", "chats"], ["telemetry", "chats", "telemetry"], ["telemetry"]]
ZEROS: Json = dict.fromkeys(tokens_of(0), 0)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home under its real path."""
    return tmp_path.resolve()


def write_both(home: Path) -> tuple[Session, Session]:
    """Write a session with an agent, and telemetry of all its calls."""
    session = Session(home / ".gemini" / "tmp", "s")
    agent = Session(home / ".gemini" / "tmp", "a", parent=session.id)
    telemetry = Telemetry(home / ".gemini" / "telemetry.log")
    for number in range(1, 20, 4):
        session.prompt(number)
        telemetry.answer(session, number, "utility_router")
        session.answer(number + 1)
        telemetry.answer(session, number + 1)
        agent.answer(number + 2)
        telemetry.answer(agent, number + 2, "subagent")
        session.answer(number + 3, tokens=ZEROS)
        telemetry.answer(session, number + 3, counts=ZEROS)
    return session, agent


@pytest.mark.parametrize("size", [10_000, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("origins", ORDERS, ids=" ".join)
async def test_answer_that_both_tell_of_counts_once(home: Path, origins: list[str], size: int) -> None:
    """The telemetry alone is complete; session files add nothing to it, and nothing is booked before them twice."""
    session, agent = write_both(home)
    main, sub, routed = range(2, 20, 4), range(3, 20, 4), range(1, 20, 4)
    async with new_books() as books:
        for _ in range(2):
            assert await read(books, SOURCE, home, origins=origins, size=size) == [0, 0]
            unmeasured = Spent(len(main))
            answered = Spent(*map(sum, zip(spent(*main), spent(*sub), unmeasured, strict=True)))
            assert books.by_model() == {MODEL: answered, ROUTER: spent(*routed)}
            assert books.by_session()[agent.id] == spent(*sub)
            assert books.states() == {RequestState.FINAL.value: 15, RequestState.UNMEASURED.value: 5}
            assert books.ask("SELECT parent_key FROM session WHERE parent_key IS NOT NULL") == [(session.id,)]
            books.lose_checkpoints()


@pytest.mark.slow
async def test_result_is_the_same_to_the_byte_in_both_orders(home: Path) -> None:
    """By session, model, day, state and parent."""
    write_both(home)
    found = []
    for origins in ORDERS[:3]:
        async with new_books() as books:
            await read(books, SOURCE, home, origins=origins)
            found.append((books.everything(), books.ask("SELECT key_high, key_low, ts FROM usage_event ORDER BY 1, 2")))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("origins", ORDERS[:2], ids=" ".join)
async def test_answers_with_the_same_numbers_are_told_apart_by_their_moments(home: Path, origins: list[str]) -> None:
    """An API that states the same usage for all: nothing is taken for a copy that is none."""
    session = Session(home / ".gemini" / "tmp", "s")
    telemetry = Telemetry(home / ".gemini" / "telemetry.log")
    for number in range(6):
        session.answer(number, tokens=dict(tokens_of(7)))
        if number != 3:
            # Telemetry was off meanwhile.
            telemetry.answer(session, number, counts=dict(tokens_of(7)))
    async with new_books() as books:
        await read(books, SOURCE, home, origins=origins)
        assert books.by_model() == {MODEL: spent(*(7,) * 6)}


@pytest.mark.parametrize("origins", ORDERS[:2], ids=" ".join)
async def test_two_answers_with_the_same_numbers_in_one_moment_are_two(home: Path, origins: list[str]) -> None:
    """The telemetry tells of the second one alone, under a name that is the lesser one by chance."""
    telemetry = Telemetry(home / ".gemini" / "telemetry.log")
    for name in range(8):
        session = Session(home / ".gemini" / "tmp", f"s{name}")
        for second in range(2):
            number = 2 * name + second
            session.answer(number, tokens=dict(tokens_of(7)), timestamp=moment_of(BEGIN_MS + 2_000 * second))
        moment = moment_of(BEGIN_MS + 2_000 - 3)
        telemetry.answer(session, number, counts=dict(tokens_of(7)), **{"event.timestamp": moment})
    async with new_books() as books:
        for _ in range(2):
            await read(books, SOURCE, home, origins=origins)
            assert books.by_model() == {MODEL: spent(*(7,) * 16)}
            books.lose_checkpoints()


def test_nothing_that_was_said_is_kept_in_a_state(home: Path) -> None:
    """Nor is it told in a reason for a refusal."""
    session, _agent = write_both(home)
    telemetry = Telemetry(home / ".gemini" / "telemetry.log")
    odd: dict[str, Json] = {"event.timestamp": f"{CANARY} x", "session.id": f"{CANARY}\n", "model": [CANARY]}
    telemetry.answer(session, 1, "main", None, **odd)
    parser = FORMAT.open(LineFile(("telemetry.log",), 1, 1), None)
    said: list[AnyRecord | Rejection] = []
    for index, line in enumerate(telemetry.path.read_bytes().splitlines()):
        if any(needle in line for needle in FORMAT.needles):
            said += parser.parse(memoryview(line), index)
            assert CANARY not in repr(parser.state)
    assert CANARY not in repr(said)
    assert len(said) == 21


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=30), st.booleans()), max_size=6))
def test_broken_record_costs_no_other(tmp_path: Path, breaks: list[tuple[int, bytes, bool]]) -> None:
    """With any bytes in one record's lines, or in the place of some, the record behind it counts as it is."""
    telemetry, session = Telemetry(tmp_path / "telemetry.log"), Session(tmp_path / "tmp", "s")
    telemetry.path.unlink(missing_ok=True)
    telemetry.answer(session, 1)
    broken = telemetry.path.read_bytes().splitlines()
    telemetry.answer(session, 2)
    whole = telemetry.path.read_bytes().splitlines()[len(broken) :]
    for place, junk, is_replaced in breaks:
        broken[place : place + is_replaced] = [junk.replace(b"\n", b" ")]
    parser, alone = (FORMAT.open(LineFile(("telemetry.log",), 1, 1), None) for _ in range(2))
    said = [each for line in broken for each in parser.parse(memoryview(line), 0)]
    assert CANARY not in repr([each for each in said if isinstance(each, Rejection)])
    said = [each for index, line in enumerate(whole) for each in parser.parse(memoryview(line), index)]
    assert said == [each for index, line in enumerate(whole) for each in alone.parse(memoryview(line), index)]
    assert len(said) == 1
