"""Lines of which their beginning tells whether they are of use: what is not, is looked through for nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from aico.core.usage import AnyRecord, Rejection
from aico.features.files.line_bytes import PlainBytes
from aico.features.files.line_format import LineFile, LineFormat, PlainState
from aico.features.files.line_window import RECORD_BYTES_MAX, WINDOW_BYTES, LinePosition, LineReader
from aico.features.sources.claude_code.parser import FORMAT as CLAUDE_CODE
from aico.features.sources.codex.parser import FORMAT as CODEX

RESULT = '"message":{"role":"user","content":[{"tool_use_id":"toolu_1","type":"tool_result","content":"x"}]}'
MOMENT = '{"timestamp":"2026-11-28T14:31:49.432Z","ordinal":7,'


class _Parser:
    state: PlainState = None

    def parse(self, _line: memoryview, _index: int) -> Iterable[AnyRecord | Rejection]:
        return []


def open_parser(_file: LineFile, _state: PlainState) -> _Parser:
    """Open what parses nothing."""
    return _Parser()


FORMAT = LineFormat(1, (b"needle",), open_parser, re.compile(rb"(?P<other>no:)|yes:"))


def read(path: Path, data: bytes) -> tuple[list[tuple[int, int]], list[int], LinePosition]:
    """Return the number and length of each line that is taken, the numbers of those that are refused, and the end."""
    path.write_bytes(data)
    taken: list[tuple[int, int]] = []
    refused: list[int] = []

    def take(line: memoryview, index: int) -> bool:
        taken.append((index, len(line)))
        return True

    def refuse(index: int) -> bool:
        refused.append(index)
        return True

    reader = LineReader(FORMAT, take, refuse)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        end = reader.read(PlainBytes(descriptor), LinePosition(0, 0, is_done=True), len(data), len(data) + 1)
    finally:
        os.close(descriptor)
    return taken, refused, end


def test_head_decides_before_needles(tmp_path: Path) -> None:
    """A needle behind a head that passes the line by is no needle; a line without a head is looked through."""
    lines = [b"no: needle", b"yes: nothing", b"a needle", b"nothing", b"", b"yes:"]
    data = b"\n".join(lines) + b"\nyes: half a line"
    taken, refused, end = read(tmp_path / "log", data)
    assert taken == [(index, len(lines[index])) for index in (1, 2, 5)]
    assert refused == []
    assert end == LinePosition(data.rindex(b"\n") + 1, len(lines), is_done=True)


def test_head_decides_about_lines_that_are_longer_than_the_window(tmp_path: Path) -> None:
    """Also about one that is too long to be parsed: it is refused only if it is of use."""
    long, longest = b"needle".ljust(WINDOW_BYTES + 1), b"needle".ljust(RECORD_BYTES_MAX + 1)
    lines = [b"no:" + long, b"yes:" + bytes(WINDOW_BYTES), b"no:" + longest, b"yes:" + longest, b"no:", b"yes:"]
    taken, refused, end = read(tmp_path / "log", b"\n".join(lines) + b"\n")
    assert taken == [(1, len(lines[1])), (5, len(lines[5]))]
    assert refused == [3]
    assert end.lines == len(lines)


@pytest.mark.parametrize(
    ("line", "is_of_use"),
    [
        ('{"parentUuid":null,"isSidechain":false,"type":"user",' + RESULT + ',"toolUseResult":{}}', False),
        ('{"parentUuid":"a","cwd":"/x","sessionId":"s","type":"user",' + RESULT + "}", False),
        ('{"type":"file-history-snapshot","snapshot":{"usage":{"input_tokens":1}}}', False),
        ('{"parentUuid":null,"type":"user","message":{"role":"user","content":"tool_use_id"},"uuid":"u"}', True),
        ('{"parentUuid":null,"type":"user","message":{"role":"user","content":[{"type":"text"}]}}', True),
        ('{"parentUuid":null,"message":{"id":"m","usage":{}},"type":"assistant"}', True),
        ('{"cwd":"/a \\"type\\":\\"user\\" b","type":"assistant","message":{"usage":{}}}', True),
        ('{"type":"api-request","id":"r"}', True),
        ('{"type":"cost-state"}', True),
        ('{"odd":{"type":"other"},"message":{"role":"assistant","usage":{}}}', True),
    ],
)
def test_heads_of_claude_code(line: str, *, is_of_use: bool) -> None:
    """Results of tools and lines of other kinds say nothing; whatever else may be an answer or a prompt is read."""
    assert CLAUDE_CODE.is_of_use(line.encode(), 0, len(line)) is is_of_use


@pytest.mark.parametrize(
    ("line", "is_of_use"),
    [
        (MOMENT + '"type":"response_item","payload":{"type":"function_call_output","output":"x"}}', False),
        (MOMENT + '"type":"response_item","payload":{"type":"message","id":"m","role":"user","content":[]}}', False),
        (
            MOMENT + '"type":"event_msg","payload":{"type":"agent_reasoning","text":"\\"type\\":\\"token_count\\""}}',
            False,
        ),
        (MOMENT + '"type":"compacted","payload":{"replacement_history":[{"role":"assistant"}]}}', False),
        (MOMENT + '"type":"response_item","payload":{"type":"message","status":"x","role":"assistant"}}', True),
        (MOMENT + '"type":"response_item","payload":{"type":"function_call","name":"x"}}', True),
        (MOMENT + '"type":"event_msg","payload":{"type":"item_completed","item":{"type":"UserMessage"}}}', True),
        (MOMENT + '"type":"event_msg","payload":{"type":"item_completed","item":{"type":"AgentMessage"}}}', False),
        (MOMENT + '"type":"event_msg","payload":{"type":"token_count","info":null}}', True),
        (MOMENT + '"type":"token_usage_record","payload":{}}', True),
        (MOMENT + '"type":"session_meta","payload":{}}', True),
        ('{"id":"a","timestamp":"b","instructions":null}', True),
        ('{"record_type":"state"}', True),
        ('{"type":"message","role":"assistant","content":[]}', True),
    ],
)
def test_heads_of_codex(line: str, *, is_of_use: bool) -> None:
    """Results of tools, and messages of the user and the developer, say nothing of usage."""
    assert CODEX.is_of_use(line.encode(), 0, len(line)) is is_of_use
