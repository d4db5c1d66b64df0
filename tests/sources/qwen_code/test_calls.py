"""Calls of Qwen Code, as it writes them: each once, in the ledger, in session files and in copies of them."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import AnyRecord, PromptSeen, Rejection, RequestState, Tokens, UsageEvent
from aico.features.files.line_format import LineFile, LineFormat
from aico.features.sources.qwen_code import SOURCE
from aico.features.sources.qwen_code.calls import LEDGER, SESSIONS
from aico.features.sources.qwen_code.places import choose_ledgers, choose_sessions
from aico.features.sources.source import Surroundings
from tests.sources.claude_code.claude_home import CANARY, Json
from tests.sources.gemini_cli.gemini_home import BEGIN_MS, moment_of
from tests.sources.home_reading import new_books, read, set_order
from tests.sources.qwen_code.qwen_home import MODEL, Session, numbers_of, spent, write_home

ORIGINS = ["usage", "chats"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home under its real path."""
    return tmp_path.resolve()


@pytest.fixture
def session(home: Path) -> Session:
    """Return a session without a line."""
    return Session(home / ".qwen", "s")


@pytest.mark.parametrize("origins", [ORIGINS, ORIGINS[::-1]], ids=" ".join)
async def test_call_whose_moments_differ_a_little_counts_once(home: Path, session: Session, origins: list[str]) -> None:
    """In most lines both say the same millisecond, in some they do not; another call is seconds away."""
    for number in (1, 2, 3):
        moment: dict[str, Json] = {"event.timestamp": moment_of(BEGIN_MS + 60_000 * number + (4 if number == 2 else 0))}
        session.call(number, is_in_ledger=True, numbers=dict(numbers_of(7)), **moment)
    session.fork("f").fork("ff")
    async with new_books() as books:
        for _ in range(2):
            await read(books, SOURCE, home, origins=origins)
            assert books.by_session() == {session.id: spent(7, 7, 7)}
            books.lose_checkpoints()


@pytest.mark.parametrize(
    ("order", "is_gone"),
    [
        ((2, 1, 0), False),
        *(pytest.param(order, gone, marks=pytest.mark.slow) for order in permutations(range(3)) for gone in (0, 1)),
    ],
)
async def test_copy_counts_only_where_the_call_is_gone(
    home: Path, session: Session, order: tuple[int, ...], is_gone: bool
) -> None:
    """In any order of reading, with a fork of a fork; a copy names only the session that it was made from."""
    session.prompt(1)
    session.call(1, is_in_ledger=False)
    fork = session.fork("f")
    fork.call(2)
    last = fork.fork("ff")
    if is_gone:
        session.path.unlink()
    set_order([each.path for each in (session, fork, last) if each.path.exists()][i] for i in order if i < 3 - is_gone)
    async with new_books() as books:
        await read(books, SOURCE, home, origins=["chats"])
        assert books.by_model() == {MODEL: spent(1, 2)}
        assert books.prompts() == 1
        if not is_gone:
            assert books.by_session() == {session.id: spent(1), fork.id: spent(2)}


# Single lines


def tell(form: LineFormat, *lines: bytes) -> list[AnyRecord | Rejection]:
    """Return what the lines of one file say."""
    parser = form.open(LineFile(("x.jsonl",), 1, 1), None)
    return [each for index, line in enumerate(lines) for each in parser.parse(memoryview(line), index)]


def ledger_line(**more: Json) -> bytes:
    """Return a line of the ledger."""
    fields: dict[str, Json] = {"timestamp": moment_of(7), "sessionId": "s", "model": MODEL, "source": CANARY}
    return msgspec.json.encode({**fields, **numbers_of(1), **more})


@pytest.mark.parametrize(
    ("numbers", "tokens"),
    [
        ({}, Tokens(6_009, 4_001, None, None, 301, 71)),
        ({"totalTokens": 10_382}, Tokens(6_009, 4_001, None, None, 372, 71)),
        ({"totalTokens": 0}, Tokens(6_009, 4_001, None, None, 301, 71)),
        ({"thoughtsTokens": 400}, Tokens(6_009, 4_001, None, None, 301, None)),
        ({"inputTokens": 0}, Tokens(0, 4_001, None, None, 301, 71)),
        ({"cachedTokens": 20_000}, Tokens(None, 20_000, None, None, 301, 71)),
        ({"outputTokens": 1.5}, Tokens(6_009, 4_001, None, None, None, 71)),
        ({"inputTokens": -1}, Tokens(None, 4_001, None, None, 301, 71)),
        ({"cachedTokens": -1}, Tokens(None, None, None, None, 301, 71)),
    ],
)
def test_numbers_are_those_that_are_billed(numbers: dict[str, Json], tokens: Tokens) -> None:
    """The input holds the cache, the output its reasoning if the total says so; what cannot be used is named."""
    event, *partials = tell(LEDGER, ledger_line(**numbers))
    assert isinstance(event, UsageEvent)
    assert (event.tokens, event.state) == (tokens, RequestState.FINAL)
    assert len(partials) == len(event.unknown) == (not {20_000, 1.5, -1}.isdisjoint(numbers.values()))


@pytest.mark.parametrize("field", ["sessionId", "timestamp"])
@pytest.mark.parametrize("value", [None, 7.5e300, {"a": CANARY}, ""])
def test_call_without_a_session_or_a_moment_is_refused(field: str, value: Json) -> None:
    """With the field that is missing, and never with what stands there."""
    (refused,) = tell(LEDGER, ledger_line(**{field: value}))
    assert isinstance(refused, Rejection)
    assert refused.field == field


def test_only_lines_of_the_user_are_prompts(session: Session) -> None:
    """Results of tools and what the tool says for itself are none."""
    session.prompt(1)
    session.prompt(2, provenance="system")
    session.prompt(3, type="tool_result")
    session.call(4)
    said = tell(SESSIONS, *session.path.read_bytes().splitlines())
    assert [(each.model, each.session) for each in said if isinstance(each, PromptSeen)] == [(MODEL, session.id)]


def test_nothing_that_was_said_is_kept_in_a_state(home: Path) -> None:
    """A checkpoint after any line holds digests and names of sessions only."""
    write_home(home, 1)
    for path in (home / ".qwen" / "projects").rglob("*.jsonl"):
        parser = SESSIONS.open(LineFile((path.name,), 1, 1), None)
        for index, line in enumerate((*path.read_bytes().splitlines(), b'{"type":"user","' + CANARY.encode())):
            said = list(parser.parse(memoryview(line), index))
            assert CANARY not in repr((parser.state, [each for each in said if isinstance(each, Rejection)]))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3), st.integers(0, 3)), max_size=8))
def test_broken_lines_cost_no_good_one(breaks: list[tuple[int, bytes, int]]) -> None:
    """A line with any bytes is read or refused with a reason; its neighbours count."""
    for number, (place, junk, length) in enumerate(breaks):
        bad, good = ledger_line(inputTokens=99_999), ledger_line(inputTokens=20_000 + number)
        broken = (bad[:place] + junk + bad[place + length :]).replace(b"\n", b" ")
        said = tell(LEDGER, broken, good)
        assert said[-1:] == tell(LEDGER, good)
        assert 1 < len(said) <= 2 + len(numbers_of(0))
        assert CANARY not in repr([each for each in said if isinstance(each, Rejection)])


def test_variables_and_settings_name_the_places() -> None:
    """The tool's own variables, else the usual folder; what the operator names replaces both."""
    for environment, named, expected in (
        ({}, (), ("/home/dev/.qwen", "default")),
        ({"QWEN_HOME": "/q/"}, (), ("/q", "QWEN_HOME")),
        ({"QWEN_HOME": "/q", "QWEN_RUNTIME_DIR": "/r"}, (), ("/r", "QWEN_RUNTIME_DIR")),
        ({"QWEN_HOME": "/q"}, ("/x/",), ("/x", "[sources.qwen-code] roots")),
    ):
        around = Surroundings(Path("/home/dev"), environment, {"": named})
        assert choose_ledgers(around) == ((f"{expected[0]}/usage", expected[1]),)
        assert choose_sessions(around) == ((f"{expected[0]}/projects", expected[1]),)
