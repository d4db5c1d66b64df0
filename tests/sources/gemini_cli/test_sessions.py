"""Sessions of Gemini CLI, as it writes them: each answer once, whatever is repeated, taken back or left out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import AnyRecord, Rejection, RejectionCode, RequestState, Tokens, UsageEvent
from aico.features.files.line_format import LineFile
from aico.features.sources.gemini_cli import SOURCE
from aico.features.sources.gemini_cli.chats import FORMAT
from aico.features.sources.gemini_cli.places import choose_outfiles, choose_roots
from aico.features.sources.source import Surroundings
from tests.sources.claude_code.claude_home import CANARY, Json
from tests.sources.gemini_cli.gemini_home import MODEL, Session, moment_of, spent, tokens_of, write_home
from tests.sources.home_reading import Spent, new_books, read

FINAL, UNMEASURED = RequestState.FINAL.value, RequestState.UNMEASURED.value
SESSION_ID = "86bc1952-6831-4d32-9897-401b2951ab1a"
PARTS = ("slug", "chats", "session-2026-11-28T14-24-86bc1952.jsonl")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home under its real path."""
    return tmp_path.resolve()


@pytest.fixture
def session(home: Path) -> Session:
    """Return a session that was just begun."""
    return Session(home / ".gemini" / "tmp", "s")


@pytest.mark.parametrize("is_bare", [False, True])
async def test_answer_counts_once_however_often_it_is_repeated(home: Path, session: Session, is_bare: bool) -> None:
    """On its own line, with its tools, in the history of a resumed session, bare; taken back, it was billed."""
    session.prompt(1)
    session.answer(2)
    session.tool(2)
    session.answer(3)
    session.begin()
    session.repeat(is_bare=is_bare)
    session.rewind()
    session.repeat(rewound=2)
    session.prompt(4)
    session.answer(5)
    async with new_books() as books:
        assert await read(books, SOURCE, home, origins=["chats"]) == [0, 0]
        assert books.by_session() == {session.id: spent(2, 3, 5)}
        assert (books.states(), books.prompts()) == ({FINAL: 3}, 2)


async def test_agent_stands_below_the_session_that_started_it(home: Path, session: Session) -> None:
    """Its file lies in a folder of that session's; what it is told is no prompt of the user's."""
    agent = Session(home / ".gemini" / "tmp", "a", parent=session.id)
    agent.prompt(1)
    agent.answer(2)
    session.answer(3)
    async with new_books() as books:
        await read(books, SOURCE, home, origins=["chats"])
        assert books.by_session() == {agent.id: spent(2), session.id: spent(3)}
        assert books.ask("SELECT parent_key FROM session WHERE parent_key IS NOT NULL") == [(session.id,)]
        assert books.prompts() == 0


async def test_session_that_an_older_version_wrote_as_a_whole_counts_once(home: Path, session: Session) -> None:
    """As a document that was written anew, and in the lines that it was turned into when it was resumed."""
    for number in (1, 2):
        session.answer(number)
        session.write_whole()
    session.answer(3, tokens=dict.fromkeys(tokens_of(0), 0))
    session.write_whole()
    lines = session.path.read_bytes()
    session.path.unlink()
    async with new_books() as books:
        assert await read(books, SOURCE, home, origins=["chats"]) == [0, 0]
        expected = {MODEL: Spent(*map(sum, zip(spent(1, 2), Spent(1), strict=True)))}
        assert (books.by_model(), books.states()) == (expected, {FINAL: 2, UNMEASURED: 1})
        session.path.write_bytes(lines)
        await read(books, SOURCE, home, origins=["chats"])
        assert books.by_model() == expected


# Single lines


def tell(*lines: bytes, parts: tuple[str, ...] = PARTS) -> list[AnyRecord | Rejection]:
    """Return what the lines of one file say."""
    parser = FORMAT.open(LineFile(parts, 1, 1), None)
    return [each for index, line in enumerate(lines) for each in parser.parse(memoryview(line), index)]


def header() -> bytes:
    """Return the first line of a session."""
    return msgspec.json.encode({"sessionId": SESSION_ID, "projectHash": CANARY, "kind": "main"})


def line(**more: Json) -> bytes:
    """Return the line of an answer."""
    fields: dict[str, Json] = {"id": "i", "timestamp": moment_of(7), "type": "gemini", "content": CANARY}
    return msgspec.json.encode({**fields, "tokens": dict(tokens_of(1)), "model": MODEL, **more})


@pytest.mark.parametrize(
    ("numbers", "tokens"),
    [
        ({}, Tokens(6_009, 4_001, 0, 0, 372, 71)),
        ({"tool": 50, "total": 10_432}, Tokens(6_059, 4_001, 0, 0, 372, 71)),
        ({"tool": 50}, Tokens(6_009, 4_001, 0, 0, 372, 71)),
        ({"cached": None}, Tokens(10_010, None, 0, 0, 372, 71)),
        ({"thoughts": None}, Tokens(6_009, 4_001, 0, 0, 301, None)),
        ({"cached": 20_000}, Tokens(None, 20_000, 0, 0, 372, 71)),
        ({"output": -1}, Tokens(6_009, 4_001, 0, 0, None, None)),
        ({"input": "many"}, Tokens(None, 4_001, 0, 0, 372, 71)),
        ({"cached": -1}, Tokens(None, None, 0, 0, 372, 71)),
        ({"thoughts": -1}, Tokens(6_009, 4_001, 0, 0, None, None)),
    ],
)
def test_numbers_are_those_that_are_billed(numbers: dict[str, Json], tokens: Tokens) -> None:
    """The prompt holds the cache, the output no thoughts; what cannot be used is unknown, and named."""
    event, *partials = tell(header(), line(tokens={**tokens_of(1), "input": 10_010, **numbers}))
    assert isinstance(event, UsageEvent)
    assert (event.tokens, event.state) == (tokens, RequestState.FINAL)
    is_odd = {"cached": 20_000}.items() <= numbers.items() or not {-1, "many"}.isdisjoint(numbers.values())
    assert (len(partials), len(event.unknown)) == (is_odd, is_odd)


@pytest.mark.parametrize("tokens", [None, {}, dict.fromkeys(tokens_of(0), 0), "none", 7])
def test_answer_without_numbers_was_not_measured(tokens: Json) -> None:
    """Null, zeros and what is no object: one call of which nothing more is known."""
    event = tell(header(), line(tokens=tokens))[0]
    assert isinstance(event, UsageEvent)
    assert (event.tokens, event.state, event.model) == (Tokens(), RequestState.UNMEASURED, MODEL)


@pytest.mark.parametrize(
    ("more", "field"),
    [({"id": None}, "id"), ({"timestamp": None}, "timestamp"), ({"timestamp": CANARY}, "timestamp")],
)
def test_answer_without_a_name_or_a_moment_is_refused(more: dict[str, Json], field: str) -> None:
    """With the field that is missing, and never with what stands there."""
    (refused,) = tell(header(), line(**more))
    assert isinstance(refused, Rejection)
    assert refused.field == field
    (refused,) = tell(line())
    assert refused == Rejection(0, RejectionCode.MISSING, "sessionId")


def test_what_the_tool_says_in_the_place_of_the_model_is_no_answer() -> None:
    """Nor is a bare repetition, of which the answer itself says more."""
    assert tell(header(), line(tokens=None, model=None)) == []


def test_nothing_that_was_said_is_kept_in_a_state(home: Path) -> None:
    """A checkpoint after any line holds numbers, digests and names of sessions and models only."""
    write_home(home, 1)
    odd = line(id=CANARY, timestamp=CANARY, model=f"{CANARY}\n", tokens={"input": CANARY, CANARY: CANARY}), b'{"a'
    for path in (home / ".gemini" / "tmp").rglob("session-*"):
        parser = FORMAT.open(LineFile(path.relative_to(home).parts, 1, 1), None)
        for index, each in enumerate((*path.read_bytes().splitlines(), *odd)):
            parser.parse(memoryview(each), index)
            assert CANARY not in repr(parser.state)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3)), max_size=8))
def test_broken_lines_cost_no_good_one(breaks: list[tuple[int, bytes, int]]) -> None:
    """A line with any bytes is read, refused with a reason, or says nothing; its neighbours count."""
    lines = [header()]
    for number, (place, junk, length) in enumerate(breaks):
        good = line(id=f"good-{number}")
        bad = line(id="bad")
        lines += [bad[:place] + junk + bad[place + length :], good]
    said = tell(*(each.replace(b"\n", b" ") for each in lines))
    found = {each.key for each in said if isinstance(each, UsageEvent)}
    for number in range(len(breaks)):
        (expected,) = tell(header(), line(id=f"good-{number}"))
        assert isinstance(expected, UsageEvent)
        assert expected.key in found or b"sessionId" in b"".join(lines[1::2])
    assert CANARY not in repr([each for each in said if isinstance(each, Rejection)])


# Places


def test_variables_and_settings_name_the_places() -> None:
    """The tool's own variables, else the usual folder; what the operator names replaces both."""
    around = Surroundings(Path("/home/dev"), {})
    assert [place.path for place in choose_roots(around)] == ["/home/dev/.gemini/tmp"]
    assert [place.path for place in choose_outfiles(around)] == ["/home/dev/.gemini/telemetry.log"]
    around = Surroundings(Path("/home/dev"), {"GEMINI_CLI_HOME": "/g/", "GEMINI_TELEMETRY_OUTFILE": "/t/x.json"})
    assert [*choose_roots(around), *choose_outfiles(around)] == [
        ("/g/.gemini/tmp", "GEMINI_CLI_HOME"),
        ("/t/x.json", "GEMINI_TELEMETRY_OUTFILE"),
    ]
    around = Surroundings(Path("/home/dev"), {"GEMINI_CLI_HOME": "/g"}, {"": ("/a/.gemini/", "/b/tmp", "/c/t.log")})
    assert [place.path for place in choose_roots(around)] == ["/a/.gemini/tmp", "/b/tmp"]
    assert [place.path for place in choose_outfiles(around)] == ["/c/t.log", "/a/.gemini/telemetry.log"]
