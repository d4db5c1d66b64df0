"""The rules of Kimi CLI: steps, agents that are written twice, forks without a mark, numbers that cannot be."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import pytest

from aico.core.usage import RequestState
from tests.sources.fake_wires import (
    BEGIN_MS,
    cli_event,
    cli_repeated,
    cli_status,
    cli_turn,
    cli_usage,
    id_of,
    write_lines,
)
from tests.sources.line_homes import Home, Sum

SESSION, FORK, AGENT = id_of("session"), id_of("fork"), "a096de074"


def put(root: Path, session: str, lines: list[bytes], agent: str | None = None, age: int = 0) -> Path:
    """Write the wire of a session or of its agent, as it was written ``age`` seconds later than others."""
    folder = root / "work" / session
    path = (folder / "subagents" / agent if agent else folder) / "wire.jsonl"
    write_lines(path, lines)
    os.utime(path, (BEGIN_MS // 1000 + age,) * 2)
    return path


def of(*numbers: int) -> Sum:
    """Return what the answers called ``numbers`` come to."""
    sums = [(1, 100 + each, 1_000 + each, each, 0, 10 + each) for each in numbers]
    return Sum(*map(sum, zip(*sums, strict=True)))


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_agent_counts_once_and_its_repetition_while_its_file_is_gone(
    root: Path, kimi_cli: Home, order: tuple[int, ...]
) -> None:
    """In any order: the agent's file, its session's, and that of a fork, which has no folder of the agent."""
    own = cli_turn(BEGIN_MS + 100, 2)
    lines = [*cli_turn(BEGIN_MS, 1), *(cli_repeated(AGENT, line) for line in own)]
    paths = [
        put(root, SESSION, lines),
        put(root, SESSION, own, AGENT),
        put(root, FORK, [*lines, *cli_turn(BEGIN_MS + 900, 3)], age=60),
    ]
    for place in order:
        await kimi_cli.read([paths[place]])
    assert kimi_cli.by_session() == {SESSION: of(1), f"{SESSION}/{AGENT}": of(2), FORK: of(3)}
    assert kimi_cli.prompts() == {SESSION: 1, FORK: 1}
    assert kimi_cli.states() == {0: 3}
    assert ("parent", SESSION) in [("parent", *row) for row in kimi_cli.ask("SELECT parent_key FROM session")]


async def test_repeated_agent_counts_in_a_fork_whose_original_is_gone(root: Path, kimi_cli: Home) -> None:
    """Below the fork; two forks of it say the same."""
    lines = [*cli_turn(BEGIN_MS, 1), *(cli_repeated(AGENT, line) for line in cli_turn(BEGIN_MS + 100, 2))]
    put(root, FORK, lines)
    put(root, id_of("another"), lines, age=60)
    await kimi_cli.read()
    assert kimi_cli.by_session() == {FORK: of(1), f"{FORK}/{AGENT}": of(2)}


async def test_step_is_open_until_its_answer_and_lost_when_the_tool_goes_on(root: Path, kimi_cli: Home) -> None:
    """A compaction within a step does not end it; an interruption, another step or another turn does."""
    kimi_cli.store.now_ms = BEGIN_MS + 1_000
    begin = cli_event(BEGIN_MS + 1, "StepBegin", n=1)
    put(root, SESSION, [begin, cli_event(BEGIN_MS + 2, "CompactionBegin")])
    await kimi_cli.read()
    assert kimi_cli.states() == {RequestState.OPEN: 1}
    more = [
        begin,
        cli_event(BEGIN_MS + 2, "CompactionBegin"),
        cli_status(BEGIN_MS + 3, 1),
        cli_event(BEGIN_MS + 4, "StepBegin", n=2),
        cli_event(BEGIN_MS + 5, "StepInterrupted"),
        cli_event(BEGIN_MS + 6, "StepBegin", n=1),
        cli_event(BEGIN_MS + 7, "StepBegin", n=2),
    ]
    put(root, SESSION, more)
    await kimi_cli.read()
    assert kimi_cli.states() == {0: 1, RequestState.UNMEASURED: 2, RequestState.OPEN: 1}
    assert (await kimi_cli.gaps())["compaction"][0] == 1


async def test_lost_step_of_an_agent_counts_once(root: Path, kimi_cli: Home) -> None:
    """Its repetition says nothing of steps."""
    own = [cli_event(BEGIN_MS, "StepBegin", n=1), cli_event(BEGIN_MS + 9, "StepInterrupted")]
    put(root, SESSION, own, AGENT)
    put(root, SESSION, [cli_repeated(AGENT, line) for line in own])
    await kimi_cli.read()
    assert kimi_cli.states() == {RequestState.UNMEASURED: 1}


async def test_step_that_a_fork_copied_before_its_answer_is_no_second_one(root: Path, kimi_cli: Home) -> None:
    """Whichever file is read first."""
    lines = cli_turn(BEGIN_MS, 1)
    original, fork = put(root, SESSION, lines), put(root, FORK, [*lines[:3], *cli_turn(BEGIN_MS + 900, 2)], age=60)
    for paths in ([fork, original], [original, fork]):
        kimi_cli.readers.clear()
        await kimi_cli.read(paths)
        assert (kimi_cli.by_session(), kimi_cli.states()) == ({SESSION: of(1), FORK: of(2)}, {0: 2})


@pytest.mark.parametrize("message_id", ["constant", None])
async def test_answers_with_one_id_or_none_count_each(root: Path, kimi_cli: Home, message_id: str | None) -> None:
    """Also when they have the same counts; a status that tells of no answer is none."""
    lines = [cli_status(BEGIN_MS + 10 * number, number // 2, message_id=message_id) for number in range(4)]
    lines.append(cli_event(BEGIN_MS + 50, "StatusUpdate", token_usage=None, message_id=None, plan_mode=True))
    put(root, SESSION, lines)
    await kimi_cli.read()
    assert kimi_cli.by_session() == {SESSION: of(0, 0, 1, 1)}


async def test_negative_input_is_unknown_and_the_cache_as_written(root: Path, kimi_cli: Home) -> None:
    """Behind a proxy whose prompt leaves the cache out; the row is marked, and counted as partial."""
    put(root, SESSION, [cli_status(BEGIN_MS, 1, cli_usage(1, input_other=-899))])
    await kimi_cli.read()
    assert kimi_cli.ask("SELECT input, cache_read, cache_write_5m, output, state, unknown FROM usage_event") == [
        (None, 1001, 1, 11, 0, "input_other")
    ]
    assert [(each.code.value, each.field) for each in kimi_cli.refused()] == [("negative", "input_other")]


@pytest.mark.parametrize("usage", [cli_usage(0, **dict.fromkeys(cli_usage(0), 0)), "nothing"])
async def test_zeros_and_what_is_no_usage_are_not_measured(root: Path, kimi_cli: Home, usage: str) -> None:
    """Never free."""
    put(root, SESSION, [cli_event(BEGIN_MS, "StatusUpdate", token_usage=usage, message_id="m")])
    await kimi_cli.read()
    assert kimi_cli.states() == {RequestState.UNMEASURED: 1}


async def test_compaction_that_forks_copied_counts_once(root: Path, kimi_cli: Home) -> None:
    """It is no request, and its moment tells it from another one."""
    lines = [cli_event(BEGIN_MS + at, "CompactionBegin") for at in (0, 9)]
    put(root, SESSION, lines)
    put(root, FORK, [*lines, cli_event(BEGIN_MS + 20, "CompactionBegin")])
    put(root, SESSION, lines[:1], AGENT)
    await kimi_cli.read()
    assert (await kimi_cli.gaps())["compaction"][0] == 3
    assert kimi_cli.states() == {}
