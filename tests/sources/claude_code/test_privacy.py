"""Nothing that was said, and no place where, comes out of a transcript: only numbers, ids of sessions and models."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aico.core.usage import UsageEvent
from aico.features.files.line_format import LineFile
from aico.features.sources.claude_code.parser import FORMAT
from tests.sources.claude_code.claude_home import CANARY, SESSION, Clock, Json, Transcript, usage_of
from tests.sources.claude_code.transcript_driver import Home

PLACES: list[dict[str, Json]] = [
    {"sessionId": f"{CANARY}\n"},
    {"sessionId": [CANARY]},
    {"sessionId": CANARY, "timestamp": CANARY},
    {"requestSessionId": {"a": CANARY}},
    {"agentId": f"{CANARY} of blanks"},
    {"requestRef": CANARY},
    {"uuid": CANARY, "parentUuid": CANARY, "requestId": CANARY, "promptId": CANARY},
    {"version": CANARY},
    {"costUSD": CANARY, "durationMs": CANARY},
    {"forkedFrom": {"sessionId": CANARY}},
    {CANARY: CANARY, "toolUseResult": {CANARY: [CANARY]}},
    {"message": {"id": CANARY, "model": "m", "stop_reason": CANARY, "usage": usage_of(3)}},
    {"message": {"id": 7, "model": f"{CANARY}\n", "usage": usage_of(3)}},
    {"message": {"id": "m", "model": f"{CANARY}\u0007", "usage": {**usage_of(3), "speed": f"{CANARY} x"}}},
    {"message": {"id": "m", "model": "m", "usage": {**usage_of(3), "input_tokens": CANARY, CANARY: CANARY}}},
    {"message": {"id": "m", "model": "m", "usage": {**usage_of(3), "cache_creation": {CANARY: CANARY}}}},
    {"message": CANARY, "usage": CANARY},
]


def fill(session: Transcript) -> None:
    """Write a canary wherever the tool keeps text, and wherever a broken line may."""
    session.turn(1)
    for kind in ("assistant", "user"):
        template = next(line for line in session.lines if line["type"] == kind)
        for more in PLACES:
            session.write({**template, **more})
    request = next(line for line in session.lines if line["type"] == "api-request")
    odds: list[dict[str, Json]] = [
        {"id": CANARY},
        {"params": {"model": f"{CANARY}\n", "tail": CANARY}},
        {"timestamp": CANARY},
    ]
    for odd in odds:
        session.write({**request, **odd})
    session.write({"type": "ai-title", "aiTitle": CANARY, "usage": CANARY})
    session.write({"type": "summary", "summary": CANARY, "usage": {}})
    session.write({"type": "cost-state", "sessionId": SESSION, "modelUsage": {f"{CANARY}\n": {"inputTokens": CANARY}}})
    session.write({"type": "cost-state", "sessionId": SESSION, "modelUsage": {CANARY: 1}})
    whole = msgspec.json.encode(session.lines[2])
    for end in range(len(whole) - 1, len(whole) - 60, -7):
        session.write_raw(whole[:end])
    session.write_raw(whole.replace(b'"usage":{', b'"usage":{"\xff' + CANARY.encode() + b'":"\xff",'))


async def test_nothing_that_was_said_is_stored_or_told(session: Transcript, home: Home) -> None:
    """Neither in a table nor in a reason for a refusal, and what is good is counted."""
    fill(session)
    await home.read()
    assert home.total().requests > 0
    stored = b"".join(path.read_bytes() for path in home.store.path.parent.iterdir())
    assert b"SQLite format 3" in stored
    assert CANARY.encode() not in stored
    assert CANARY not in repr(home.refused())
    assert len(home.refused()) > 0


async def test_nothing_that_was_said_is_kept_in_a_state(session: Transcript) -> None:
    """A checkpoint after any line holds numbers, digests and names of sessions and models only."""
    fill(session)
    parser = FORMAT.open(LineFile(session.path.relative_to(session.path.parents[1]).parts, 1, 1), None)
    for index, line in enumerate(session.path.read_bytes().splitlines()):
        parser.parse(memoryview(line), index)
        assert CANARY not in repr(parser.state)


def test_no_text_of_a_request_or_of_a_refusal_is_kept_until_the_next_line() -> None:
    """A line's request, and the reason of an answer's end, are known again by a mark: they may hold conversation."""
    parser = FORMAT.open(LineFile(("slug", f"{SESSION}.jsonl"), 1, 1), None)
    at: dict[str, Json] = {"timestamp": "2026-11-28T16:21:29.000Z", "sessionId": SESSION}
    why: Json = {"type": "refusal", "explanation": CANARY}
    message: dict[str, Json] = {"id": "m1", "model": "m", "stop_details": why, "usage": usage_of(3)}
    request = {"type": "api-request", "id": "r1", **at, "params": {"model": "m", "system": CANARY}}
    answer = {"type": "assistant", **at, "message": message}
    for line in (request, request, answer, answer):
        said = parser.parse(memoryview(msgspec.json.encode(line)), 0)
        assert CANARY not in repr(said)
        kept = [bytes(each) if isinstance(each, msgspec.Raw) else each for each in vars(parser).values()]
        assert CANARY not in repr(kept)
        assert said or line is answer


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"7", b'"usage":', b'{"type":"user"', b"\xff\xfe", b"{}" * 9]
)
def test_no_line_whatever_raises(data: bytes, tmp_path: Path) -> None:
    """Any bytes are refused, or pass for nothing."""
    parser = FORMAT.open(LineFile((f"{tmp_path.name}.jsonl",), 1, 1), None)
    assert len(list(parser.parse(memoryview(data), 0))) <= 1


def test_state_of_a_long_file_stays_small() -> None:
    """However many answers, requests, agents and prompts it holds."""
    parser = FORMAT.open(LineFile(("slug", f"{SESSION}.jsonl"), 1, 1), None)
    for number in range(2_000):
        at = f'"timestamp":"2026-11-28T16:21:29.{number % 1000:03}Z","sessionId":"{SESSION}"'
        message = f'{{"id":"m{number}","model":"{"m" * 200}","usage":{{"input_tokens":{number},"output_tokens":9}}}}'
        lines = [
            f'{{"type":"user","uuid":"u{number}",{at}}}',
            f'{{"type":"api-request","id":"r{number}","agentId":"a{number}",{at}}}',
            f'{{"type":"assistant",{at},"message":{message}}}',
        ]
        for line in lines[: 1 + number % 3]:
            parser.parse(memoryview(line.encode()), number)
    assert len(msgspec.json.encode(parser.state)) < 8_192


def request_and_answer(number: int) -> tuple[bytes, bytes]:
    """Return the lines of an announced request and of its answer."""
    at: dict[str, Json] = {"timestamp": "2026-11-28T16:21:29.000Z", "sessionId": SESSION}
    ref = f"{number:032}"
    message: dict[str, Json] = {"id": f"m{number}", "model": "claude-opus-5-20270101", "usage": usage_of(3)}
    request = {"type": "api-request", "id": ref, **at, "params": {"model": "claude-opus-5-20270101"}}
    answer = {"type": "assistant", "requestRef": ref, **at, "message": message}
    return msgspec.json.encode(request), msgspec.json.encode(answer)


def test_state_of_a_session_is_read_with_its_row() -> None:
    """A page of the database holds some thousand bytes of a row: a start reads another page for each longer one."""
    parser = FORMAT.open(LineFile(("slug", f"{SESSION}.jsonl"), 1, 1), None)
    for number in range(200):
        for line in request_and_answer(number):
            parser.parse(memoryview(line), number)
    assert len(msgspec.json.encode(parser.state)) < 780


@pytest.mark.parametrize("is_known", [True, False])
def test_state_of_an_earlier_version_names_its_requests(*, is_known: bool) -> None:
    """It has all digits of their names: an answer to one of them is no other session's."""
    file = LineFile(("slug", f"{SESSION}.jsonl"), 1, 1)
    request, answer = request_and_answer(1)
    parser = FORMAT.open(file, None)
    [announced] = parser.parse(memoryview(request), 0)
    assert isinstance(announced, UsageEvent)
    assert isinstance(parser.state, dict)
    name = announced.key.hex() if is_known else announced.key[::-1].hex()
    later = FORMAT.open(file, parser.state | {"announced": [name]})
    later.parse(memoryview(answer), 1)
    assert isinstance(later.state, dict)
    assert later.state["foreign"] is not is_known
    last = FORMAT.open(file, later.state)
    assert last.state == later.state


@pytest.mark.parametrize("session_id", [None, 7])
@pytest.mark.parametrize(
    "path",
    [
        f"-home-{CANARY}/notes on {CANARY}.jsonl",
        f"-home-{CANARY}/subagents/agent-abc.jsonl",
        f"-home-{CANARY}/{CANARY}/subagents/agent-abc.jsonl",
        "subagents/agent-abc.jsonl",
    ],
)
async def test_name_on_the_path_that_is_no_session_names_none(
    root: Path, home: Home, path: str, session_id: Json
) -> None:
    """A line that does not say whose it is, in such a file, is refused; its prompts are not kept without end."""
    written = Transcript(root, SESSION, Clock(), path=root / path)
    for _ in range(40):
        written.prompt(sessionId=session_id)
    written.block(1, sessionId=session_id)
    await home.read()
    assert [each.field for each in home.refused()] == ["sessionId"]
    assert home.ask("SELECT key FROM session") == []
    parser = FORMAT.open(LineFile(tuple(path.split("/")), 1, 1), None)
    for index, line in enumerate(written.path.read_bytes().splitlines()):
        list(parser.parse(memoryview(line), index))
    assert isinstance(parser.state, dict)
    assert len(msgspec.json.encode(parser.state["waiting"])) < 2_000


@pytest.mark.parametrize("agent", [None, "a1ec4ab78d4941ea3", f"{CANARY}"])
async def test_name_on_the_path_that_is_an_id_names_a_session_and_its_agent(
    root: Path, home: Home, agent: str | None
) -> None:
    """The name counts if a line does not state them; another name of an agent's file is no id."""
    written = Transcript(root, SESSION, Clock(), agent=agent)
    written.block(1, sessionId=None, agentId=None)
    await home.read()
    name = {None: "", CANARY: "/sidechain"}.get(agent, f"/{agent}")
    assert [key for (key,) in home.ask("SELECT key FROM session WHERE first_ts IS NOT NULL")] == [f"{SESSION}{name}"]
