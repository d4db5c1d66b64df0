"""The rules of pi: forks told by their time, costs, answers that were cut."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from aico.core.usage import RequestState
from tests.sources.claude_code.claude_home import CANARY
from tests.sources.fake_wires import (
    BEGIN_MS,
    Json,
    id_of,
    iso_of,
    pi_answer,
    pi_entry,
    pi_header,
    pi_turn,
    write_lines,
)
from tests.sources.line_homes import Home, Sum

SESSION, FORK, SECOND = id_of("session"), id_of("fork"), id_of("second")


def put(root: Path, session: str, lines: list[bytes]) -> Path:
    """Write the file of a session."""
    path = root / "--home--" / f"2026_{session}.jsonl"
    write_lines(path, lines)
    return path


def of(*numbers: int) -> Sum:
    """Return what the answers called ``numbers`` come to."""
    sums = [(1, 100 + each, 1_000, each, 0, 10) for each in numbers]
    return Sum(*map(sum, zip(*sums, strict=True)))


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_fork_and_its_fork_leave_everybody_what_is_theirs(root: Path, pi: Home, order: tuple[int, ...]) -> None:
    """In any order of reading: requests, prompts and compactions, also where the original went on since."""
    one, two = pi_turn(BEGIN_MS, 1), pi_turn(BEGIN_MS + 2_000, 2)
    one.append(pi_entry(BEGIN_MS + 100, "compaction", "0000000c", summary="s"))
    paths = [
        put(root, SESSION, [pi_header(BEGIN_MS - 1, SESSION), *one, *pi_turn(BEGIN_MS + 9_000, 4)]),
        put(root, FORK, [pi_header(BEGIN_MS + 1_000, FORK, "/x"), *one, *two]),
        put(root, SECOND, [pi_header(BEGIN_MS + 3_000, SECOND, "/y"), *one, *two, *pi_turn(BEGIN_MS + 4_000, 3)]),
    ]
    for place in order:
        await pi.read([paths[place]])
    assert pi.by_session() == {SESSION: of(1, 4), FORK: of(2), SECOND: of(3)}
    assert pi.prompts() == {SESSION: 2, FORK: 1, SECOND: 1}
    assert (await pi.gaps())["compaction"][0] == 1


async def test_cost_is_the_tools_and_none_where_no_price_is_known(root: Path, pi: Home) -> None:
    """0 is what pi writes for a model of one's own."""
    free: Json = {"input": 5, "output": 5, "cacheRead": 0, "cacheWrite": 0, "cost": {"total": 0}}
    put(root, SESSION, [pi_header(BEGIN_MS, SESSION), pi_answer(BEGIN_MS, 1), pi_answer(BEGIN_MS + 1, 2, usage=free)])
    await pi.read()
    assert pi.ask("SELECT recorded_nano FROM usage_event ORDER BY ts") == [(250_000_000,), (None,)]


BESIDE: Json = {
    "input": 1_000,
    "output": 100,
    "cacheRead": 7,
    "cacheWrite": 50,
    "cacheWrite1h": 20,
    "reasoning": 30,
    "cost": {"total": 0.0045},
}


def beside(kind: str) -> bytes:
    """Return a line of pi 1.6 with a usage that is no answer's."""
    if kind == "toolResult":
        message: Json = {"role": kind, "toolCallId": "t", "content": CANARY, "usage": BESIDE, "timestamp": BEGIN_MS}
        return pi_entry(BEGIN_MS + 9, "message", "0000000c", message=message)
    more: dict[str, Json] = {"provider": "p", "model": "warm"} if kind == "usage" else {}
    return pi_entry(BEGIN_MS + 9, kind, "0000000c", summary=CANARY, usage=BESIDE, **more)


@pytest.mark.parametrize(
    ("kind", "model"), [("compaction", "m"), ("branch_summary", "m"), ("usage", "warm"), ("toolResult", "")]
)
async def test_usage_beside_answers_counts_once(root: Path, pi: Home, kind: str, model: str) -> None:
    """Of summaries, of work that a tool had done, and of lines of their own, also where a fork copies them: no gap."""
    one = [*pi_turn(BEGIN_MS - 100, 1), beside(kind)]
    put(root, SESSION, [pi_header(BEGIN_MS - 200, SESSION), *one])
    put(root, FORK, [pi_header(BEGIN_MS + 1_000, FORK, "/x"), *one])
    await pi.read()
    assert pi.by_session() == {SESSION: Sum(2, 1_101, 1_007, 31, 20, 110)}
    assert await pi.gaps() == {}
    found = pi.ask(
        "SELECT e.cache_write_5m, e.cache_write_1h, e.reasoning, e.recorded_nano, m.name "
        "FROM usage_event AS e JOIN model AS m ON m.id = e.model WHERE e.input = 1000"
    )
    assert found == [(30, 20, 30, 4_500_000, model)]


async def test_summary_without_numbers_was_not_measured_and_an_idle_tool_asked_nobody(root: Path, pi: Home) -> None:
    """Zeros of a summary are those of an API without usage."""
    zeros: Json = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "cost": {"total": 0}}
    idle: Json = {"role": "toolResult", "usage": zeros, "timestamp": BEGIN_MS}
    lines = [
        pi_entry(BEGIN_MS + 1, "compaction", "0000000c", usage=zeros),
        pi_entry(BEGIN_MS + 2, "message", "0000000d", message=idle),
    ]
    put(root, SESSION, [pi_header(BEGIN_MS, SESSION), *lines])
    await pi.read()
    assert pi.states() == {RequestState.UNMEASURED: 1}


@pytest.mark.parametrize("stop", ["aborted", "error"])
async def test_answer_that_was_cut_has_its_input_or_nothing(root: Path, pi: Home, stop: str) -> None:
    """With tokens it is interrupted, with zeros nothing was measured."""
    zeros: Json = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
    lines = [pi_answer(BEGIN_MS, 1, stop), pi_answer(BEGIN_MS + 1, 2, stop, usage=zeros, responseId=None)]
    put(root, SESSION, [pi_header(BEGIN_MS, SESSION), *lines])
    await pi.read()
    assert pi.states() == {RequestState.INTERRUPTED: 1, RequestState.UNMEASURED: 1}


async def test_constant_id_of_responses_is_no_constant_key(root: Path, pi: Home) -> None:
    """A relay gives every answer one; the moment of the message tells them apart."""
    lines = [pi_answer(BEGIN_MS + at, 1, responseId="same") for at in range(3)]
    put(root, SESSION, [pi_header(BEGIN_MS, SESSION), *lines])
    await pi.read()
    assert pi.total() == of(1, 1, 1)


async def test_file_of_the_first_version_counts_once_when_it_gets_ids(root: Path, pi: Home) -> None:
    """Such a file is rewritten when it is opened."""
    lines = [pi_header(BEGIN_MS, SESSION), *pi_turn(BEGIN_MS, 1)]
    old = [line.replace(b'"id":"00000001",', b"") for line in lines]
    path = put(root, SESSION, old)
    await pi.read()
    write_lines(path, lines)
    pi.readers.clear()
    await pi.read()
    assert pi.total() == of(1)


async def test_file_without_a_first_line_is_named_after_its_name(root: Path, pi: Home) -> None:
    """It is named so if its name is an id; any other name is digested."""
    put(root, SESSION, pi_turn(BEGIN_MS, 1))
    write_lines(root / "notes on a secret.jsonl", pi_turn(BEGIN_MS + 5, 2))
    await pi.read()
    keys = set(pi.by_session())
    assert SESSION in keys
    assert len(keys) == 2
    assert "secret" not in repr(keys)


def test_moment_is_written_as_javascript_does() -> None:
    """The fake writes moments as the tool does."""
    assert iso_of(1_795_876_236_936) == "2026-11-28T14:30:36.936Z"
