"""The rules of Kimi Code: aliases, forks, requests without a record, a home that was migrated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aico.core.usage import RequestState
from tests.sources.fake_wires import (
    BEGIN_MS,
    code_record,
    code_request,
    code_turn,
    code_usage,
    id_of,
    line_of,
    write_lines,
)
from tests.sources.line_homes import Home, Sum

SESSION, FORK = f"session_{id_of('session')}", f"session_{id_of('fork')}"


def put(root: Path, session: str, lines: list[bytes], agent: str = "main", age: int = 0) -> Path:
    """Write the wire of an agent, as it was written ``age`` seconds later than others."""
    path = root / "wd" / session / "agents" / agent / "wire.jsonl"
    write_lines(path, lines)
    os.utime(path, (BEGIN_MS // 1000 + age,) * 2)
    return path


def of(*numbers: int) -> Sum:
    """Return what the answers called ``numbers`` come to."""
    sums = [(1, 100 + each, 1_000 + each, each, 0, 10 + each) for each in numbers]
    return Sum(*map(sum, zip(*sums, strict=True)))


async def test_alias_is_that_of_the_request_before(root: Path, kimi_code: Home) -> None:
    """It may name another model later; without any request the alias itself is all that is known."""
    lines = [
        code_record(BEGIN_MS, 0, alias="early"),
        code_request(BEGIN_MS + 1, "fm", "k2"),
        code_record(BEGIN_MS + 2, 1),
        code_request(BEGIN_MS + 3, "fm", "k3"),
        code_record(BEGIN_MS + 4, 2),
    ]
    put(root, SESSION, lines)
    await kimi_code.read()
    assert kimi_code.by_model() == {"early": of(0), "k2": of(1), "k3": of(2)}


async def test_request_is_open_and_lost_when_its_turn_ends_or_another_is_sent(root: Path, kimi_code: Home) -> None:
    """A compaction's may outlive the turn."""
    kimi_code.store.now_ms = BEGIN_MS + 1_000
    lines = [
        code_request(BEGIN_MS + 1),
        line_of({"type": "turn.ended", "agentId": "main", "time": BEGIN_MS + 2}),
        code_request(BEGIN_MS + 3, attempt="1/3"),
        code_request(BEGIN_MS + 4, attempt="2/3"),
        code_record(BEGIN_MS + 5, 1),
        code_request(BEGIN_MS + 6, kind="compaction"),
        line_of({"type": "turn.ended", "agentId": "main", "time": BEGIN_MS + 7}),
    ]
    put(root, SESSION, lines)
    await kimi_code.read()
    assert kimi_code.states() == {0: 1, RequestState.UNMEASURED: 2, RequestState.OPEN: 1}
    put(root, SESSION, [*lines, code_record(BEGIN_MS + 8, 2)])
    await kimi_code.read()
    assert kimi_code.states() == {0: 2, RequestState.UNMEASURED: 2}
    assert kimi_code.by_session() == {SESSION: Sum(4, *of(1, 2)[1:])}


async def test_fork_of_a_running_turn_loses_nothing_of_the_original(root: Path, kimi_code: Home) -> None:
    """The copy of a request without its record is not a second request, whichever file is read first."""
    lines = [*code_turn(BEGIN_MS, 1), code_request(BEGIN_MS + 500)]
    forked = line_of({"type": "forked", "agentId": "main", "time": BEGIN_MS + 501})
    original = put(root, SESSION, [*lines, code_record(BEGIN_MS + 502, 2)])
    fork = put(root, FORK, [*lines, forked, *code_turn(BEGIN_MS + 900, 3)], age=60)
    for paths in ([fork, original], [original, fork]):
        kimi_code.readers.clear()
        await kimi_code.read(paths)
        assert kimi_code.by_session() == {SESSION: of(1, 2), FORK: of(3)}
        assert (kimi_code.states(), kimi_code.prompts()) == ({0: 3}, {SESSION: 1, FORK: 1})


async def test_agent_is_a_session_below_its_session(root: Path, kimi_code: Home) -> None:
    """Its prompts are not the user's."""
    put(root, SESSION, code_turn(BEGIN_MS, 1))
    put(root, SESSION, code_turn(BEGIN_MS + 1, 2, "a096de074"), "a096de074")
    await kimi_code.read()
    assert kimi_code.by_session() == {SESSION: of(1), f"{SESSION}/a096de074": of(2)}
    assert kimi_code.prompts() == {SESSION: 1}
    assert kimi_code.ask("SELECT parent_key FROM session WHERE parent_key IS NOT NULL") == [(SESSION,)]


async def test_sessions_that_send_at_one_moment_count_each(root: Path, kimi_code: Home) -> None:
    """Nothing but their records tells them apart."""
    for name in ("one", "two"):
        number = len(name)
        lines = [
            code_request(BEGIN_MS),
            code_record(BEGIN_MS + 9, number, {**code_usage(number), "output": ord(name[0])}),
        ]
        put(root, f"session_{id_of(name)}", lines)
    await kimi_code.read()
    assert (kimi_code.total().requests, kimi_code.states()) == (2, {0: 2})


async def test_negative_input_is_unknown_and_the_cache_as_written(root: Path, kimi_code: Home) -> None:
    """Of an older answer, too: an input of 0 beside a cache is stored as it stands."""
    usages = [{**code_usage(1), "inputOther": -899}, {**code_usage(2), "inputOther": 0}]
    put(root, SESSION, [code_record(BEGIN_MS + at, at, usage) for at, usage in enumerate(usages)])
    await kimi_code.read()
    assert kimi_code.ask("SELECT input, cache_read, output, state, unknown FROM usage_event ORDER BY ts") == [
        (None, 1001, 11, 0, "inputOther"),
        (0, 1002, 12, 0, ""),
    ]


@pytest.mark.parametrize("usage", [dict.fromkeys(code_usage(0), 0), "nothing", {"inputOther": None}])
async def test_zeros_and_what_is_no_usage_are_not_measured(root: Path, kimi_code: Home, usage: str) -> None:
    """Never free, and told with its model."""
    put(root, SESSION, [code_request(BEGIN_MS), code_record(BEGIN_MS + 1, 0, usage)])
    await kimi_code.read()
    assert kimi_code.states() == {RequestState.UNMEASURED: 1}
    assert list(kimi_code.by_model()) == ["k2"]
