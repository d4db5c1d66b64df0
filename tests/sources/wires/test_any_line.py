"""Any line at all: no crash, no good record lost, every bad line with a reason; and what was forgotten stays so."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.db.upkeep.forgetting import forget
from aico.features.files.line_format import LineFile
from tests.hypothesis_profiles import examples
from tests.sources import fake_wires
from tests.sources.claude_code.claude_home import CANARY
from tests.sources.line_homes import Tool, home_of
from tests.sources.recorded_logs import HOMES, KIMI_CLI, KIMI_CODE, PI

WRITERS = {KIMI_CLI: fake_wires.write_kimi_cli, KIMI_CODE: fake_wires.write_kimi_code, PI: fake_wires.write_pi}
ROOTS = {home.tool: home.root for home in HOMES}
TOOLS = pytest.mark.parametrize("tool", WRITERS, ids=lambda tool: tool.source)
PLACE = LineFile(("work", "session", "agents", "main", "wire.jsonl"), 1, 1)


def lines_of(tool: Tool) -> list[bytes]:
    """Return every line of the recorded homes that holds a needle."""
    logs = [path for home in HOMES if home.tool is tool for path in tool.logs_of(home.path)]
    lines = [line for path in logs for line in path.read_bytes().splitlines()]
    return [line for line in lines if any(needle in line for needle in tool.format.needles)]


class _Object(msgspec.Struct):
    """An object with nothing in it that anybody looks at; what is skipped is not held against UTF-8."""


def is_object(line: bytes) -> bool:
    """Return whether a line is one JSON object."""
    try:
        msgspec.json.decode(line, type=_Object)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@TOOLS
def test_mutated_line_never_raises_and_costs_no_other(tool: Tool) -> None:
    """Bytes are cut, doubled, exchanged or put in anywhere; the line after it says what it says alone."""
    lines = lines_of(tool)

    @settings(max_examples=examples(1))
    @given(
        st.sampled_from(lines),
        st.integers(0, 4_000),
        st.integers(0, 40),
        st.binary(max_size=12),
        st.sampled_from(lines),
    )
    def hold(line: bytes, at: int, length: int, put: bytes, good: bytes) -> None:
        first = at % (len(line) + 1)
        mutated = line[:first] + put + line[first + length :]
        parser = tool.format.open(PLACE, None)
        said = list(parser.parse(memoryview(mutated), 0))
        assert said or is_object(mutated)
        state = msgspec.json.decode(msgspec.json.encode(parser.state))
        alone, after = tool.format.open(PLACE, None), tool.format.open(PLACE, state)
        keys = [each[0] for each in alone.parse(memoryview(good), 1) if isinstance(each, tuple)]
        told = [each[0] for each in after.parse(memoryview(good), 1) if isinstance(each, tuple)]
        assert len(told) >= len(keys)

    hold()


@TOOLS
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"7", b'"usage":', b"\xff\xfe", b"{}" * 9, b"[" * 9_999])
def test_no_line_whatever_raises(tool: Tool, data: bytes) -> None:
    """Any bytes are refused, or pass for nothing."""
    assert len(list(tool.format.open(PLACE, None).parse(memoryview(data), 0))) <= 1


@TOOLS
def test_state_stays_small_and_holds_nothing_that_was_said(tool: Tool, tmp_path: Path) -> None:
    """That holds for each line of a file of any content and length."""
    WRITERS[tool](tmp_path, 9)
    for path in tmp_path.rglob(tool.names):
        parser = tool.format.open(LineFile(path.relative_to(tmp_path).parts, 1, 1), None)
        for index, line in enumerate(path.read_bytes().splitlines()):
            parser.parse(memoryview(line), index)
            assert CANARY not in repr(parser.state)
        assert len(msgspec.json.encode(parser.state)) < 4_096


@TOOLS
async def test_forgotten_session_does_not_come_back_from_its_fork(tool: Tool, tmp_path: Path) -> None:
    """A request that stands in a fork, too, goes with the session that made it, and nothing else does."""
    WRITERS[tool](tmp_path, 0)
    root = tmp_path / ROOTS[tool]
    async with home_of(tool, root) as home:
        await home.read()
        before = home.by_session()
        gone = max(before, key=lambda key: before[key].requests).partition("/")[0]
        kept = {key: each for key, each in before.items() if key.partition("/")[0] != gone}
        forget(home.store.path, tool.source, [gone], 1)
        home.store.forget_what_is_known()
        assert home.by_session() == kept
        home.readers.clear()
        await home.read()
        assert home.by_session() == kept
