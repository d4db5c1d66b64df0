"""One answer, whatever lines it stands on: its key, its numbers, and how much of it is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from aico.core.usage import RejectionCode, RequestState
from tests.sources.claude_code.claude_home import (
    CANARY,
    FIRST,
    MODEL,
    NEW,
    PLACEHOLDERS,
    SESSION,
    Clock,
    Json,
    Transcript,
    answer,
    usage_of,
    uuid_of,
)
from tests.sources.claude_code.transcript_driver import Home

FINAL, OPEN, INTERRUPTED, AT_LEAST, UNMEASURED = (state.value for state in RequestState)


@pytest.mark.parametrize("version", [FIRST, PLACEHOLDERS, "2.1.120", "2.1.280", "2.1.310", NEW])
async def test_answer_counts_once_whatever_version_wrote_it(root: Path, home: Home, version: str) -> None:
    """One line, a line for each block, placeholders before the last one: the final numbers, once."""
    written = Transcript(root, SESSION, Clock(), version)
    written.turn(1)
    written.turn(2, blocks=4)
    await home.read()
    assert (home.total(), home.states(), home.prompts()) == (answer(1, 2), {FINAL: 2}, {SESSION: 2})


async def test_session_lives_through_updates_in_both_directions(root: Path, home: Home) -> None:
    """Lines of old and new versions in one file: each answer once."""
    written = Transcript(root, SESSION, Clock())
    for number, version in enumerate([PLACEHOLDERS, NEW, "2.1.200", "2.1.310", PLACEHOLDERS, NEW], 1):
        written.version = version
        written.turn(number)
    await home.read()
    assert home.total() == answer(1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("is_known", [True, False])
async def test_split_of_cache_writes_counts_only_if_it_adds_up(session: Transcript, home: Home, is_known: bool) -> None:
    """If an API sends no split, zeros stand beside the right total: all of it counts with the shorter life."""
    session.block(1, usage=usage_of(1, is_split=is_known))
    await home.read()
    assert home.total()[3:5] == ((20, 10) if is_known else (30, 0))


async def test_split_that_only_one_line_tells_is_kept_with_its_line(session: Transcript, home: Home) -> None:
    """The two halves of one number are never taken from two lines."""
    session.block(1, usage=usage_of(1, is_split=False))
    session.block(1, usage=usage_of(1))
    session.block(1, usage=usage_of(1, is_split=False))
    await home.read()
    assert home.total() == answer(1)


async def test_request_id_of_a_gateway_makes_no_difference(root: Path, home: Home) -> None:
    """A gateway that sends none, or another one with each copy: the message and its input are the key."""
    written = Transcript(root, SESSION, Clock(), "2.1.120")
    for request in (None, "req_a", "req_b"):
        written.block(1, requestId=request)
    await home.read()
    assert home.total() == answer(1)


async def test_relay_that_gives_every_answer_one_id_loses_none(root: Path, home: Home) -> None:
    """Answers of one id with other inputs are other answers; their lines without a final output join the last one."""
    written = Transcript(root, SESSION, Clock(), PLACEHOLDERS)
    for number in (1, 2, 3):
        written.block(number, id="chatcmpl-0")
        written.block(number, id="chatcmpl-0", stop=None, usage=usage_of(number, output=1))
    await home.read()
    assert home.total() == answer(1, 2, 3)


async def test_line_without_an_end_joins_the_last_answer_of_its_id(root: Path, home: Home) -> None:
    """A relay that repeats an answer with other counts, but without a reason to stop, or with no output: one answer."""
    written = Transcript(root, SESSION, Clock(), PLACEHOLDERS)
    written.block(1)
    written.block(1, stop=None, usage={**usage_of(1), "input_tokens": 0, "output_tokens": 3})
    written.block(1, usage={**usage_of(1), "input_tokens": 0, "output_tokens": 1})
    await home.read()
    assert (home.total(), home.states()) == (answer(1), {FINAL: 1})


async def test_placeholders_alone_are_a_lower_bound(root: Path, home: Home) -> None:
    """Up to 2.1.96 complete answers, too, may keep a placeholder on all their lines: the largest, "at least"."""
    written = Transcript(root, SESSION, Clock(), PLACEHOLDERS)
    for output in (1, 29, 8):
        written.block(1, stop=None, usage=usage_of(1, output=output))
    await home.read()
    assert (home.total().output, home.states()) == (29, {AT_LEAST: 1})


async def test_placeholder_of_a_newer_version_is_an_interrupted_answer(session: Transcript, home: Home) -> None:
    """Its input is real; what stands for its output is stored as written and said to be unknown."""
    session.block(1, stop=None, usage=usage_of(1, output=4), ref="r1")
    await home.read()
    assert (home.total().input, home.total().output, home.states()) == (101, 4, {INTERRUPTED: 1})


@pytest.mark.parametrize(("output", "state"), [(1, INTERRUPTED), (13, AT_LEAST)])
async def test_reason_to_stop_without_details_is_no_end(
    session: Transcript, home: Home, output: int, state: int
) -> None:
    """2.1.332 writes "end_turn" beside an output of 1 when a stream breaks, but no details of the stop.

    Nor does it where it asked again without a stream, and the API sent none: that answer is whole.
    """
    session.block(1, usage=usage_of(1, output=output), ref="r1")
    line = session.lines[-1]
    message = line["message"]
    assert isinstance(message, dict)
    del message["stop_details"]
    session.path.unlink()
    session.write(line)
    session.block(2, usage=usage_of(2, output=9), ref="r2")
    session.block(3, usage=usage_of(3, output=1), ref="r3")
    await home.read()
    assert home.states() == {state: 1, FINAL: 2}


async def test_final_line_of_an_answer_ends_its_uncertainty(session: Transcript, home: Home) -> None:
    """That holds for a line in a later reading, too."""
    session.version = PLACEHOLDERS
    session.block(1, stop=None, usage=usage_of(1, output=2))
    await home.read()
    assert home.states() == {AT_LEAST: 1}
    session.block(1)
    await home.read()
    assert (home.total(), home.states()) == (answer(1), {FINAL: 1})


async def test_time_of_an_answer_is_the_earliest_of_its_lines(root: Path, home: Home) -> None:
    """Also when the later line is read first, from another file."""
    clock = Clock()
    first = Transcript(root, SESSION, clock)
    first.block(1, ref="r1")
    second = Transcript(root, uuid_of("session", 2), clock)
    second.block(1, ref="r1")
    await home.read([second.path])
    await home.read([first.path])
    assert home.ask("SELECT ts % 100000 FROM usage_event WHERE kind = 0") == [(1_000,)]
    assert home.total() == answer(1)


async def test_what_is_no_answer_is_not_counted(session: Transcript, home: Home) -> None:
    """Synthetic lines, usages in tool results, and the numbers of a compaction are none."""
    session.block(1, message={"model": "<synthetic>"})
    session.tool_result()
    session.write({"type": "system", "subtype": "compact_boundary", "usage": usage_of(1), "compactMetadata": {}})
    session.write({"type": "summary", "summary": CANARY})
    session.write({"type": "assistant", "message": CANARY, "usage": usage_of(1)})
    await home.read()
    assert (home.total().requests, home.refused()) == (0, [])


@pytest.mark.parametrize("ref", [None, "r1"])
async def test_answer_without_any_number_is_unmeasured(session: Transcript, home: Home, ref: str | None) -> None:
    """Zeros mean that nothing was measured, never that nothing was spent."""
    session.block(1, ref=ref, usage=dict.fromkeys(usage_of(1), 0))
    await home.read()
    assert home.states() == {UNMEASURED: 1}
    assert home.ask("SELECT input, output FROM usage_event WHERE kind = 0") == [(None, None)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("is_apart", [True, False])
async def test_empty_copy_of_a_known_answer_makes_no_row(
    root: Path,
    home: Home,
    order: tuple[int, int],
    is_apart: bool,
) -> None:
    """A fork after a compaction copies answers with zeros: in any order, and in one file, they count for nothing."""
    clock = Clock()
    origin = Transcript(root, SESSION, clock, "2.1.120")
    fork = Transcript(root, uuid_of("session", 2), clock, "2.1.120")
    origin.turn(1)
    fork.block(1, usage={"input_tokens": 0, "output_tokens": 0})
    fork.block(9, usage={"input_tokens": 0, "output_tokens": 0})
    paths = [(origin.path, fork.path)[place] for place in order]
    if is_apart:
        for path in paths:
            await home.read([path])
    else:
        await home.read(paths)
    assert (home.total()[1:], home.states()) == (answer(1)[1:], {FINAL: 1, UNMEASURED: 1})


async def test_reasoning_speed_and_tier_are_told(session: Transcript, home: Home) -> None:
    """Thinking is a part of the output; words are kept where they are not the ordinary ones."""
    details: dict[str, Json] = {"output_tokens_details": {"thinking_tokens": 77}}
    session.block(1, ref="r1", usage={**usage_of(1), **details, "speed": "fast", "service_tier": "priority"})
    session.block(2, ref="r2", usage={**usage_of(2), "speed": "standard"})
    session.block(3, ref="r3", usage={**usage_of(3), "speed": f"{CANARY} of many words", "service_tier": "batch"})
    await home.read()
    rows = home.ask("SELECT reasoning, context FROM usage_event WHERE kind = 0 ORDER BY ts")
    assert rows == [(77, "priority fast"), (None, ""), (None, "batch")]


async def test_cost_of_the_first_versions_is_the_largest(root: Path, home: Home) -> None:
    """A copy states 0, which says nothing; an answer that only ever had 0 has no cost that is known."""
    clock = Clock()
    first = Transcript(root, SESSION, clock, FIRST)
    first.turn(1)
    first.block(2, costUSD=0, durationMs=0)
    copy = first.fork(root, uuid_of("session", 2))
    await home.read([copy.path])
    await home.read([first.path])
    assert home.ask("SELECT recorded_nano FROM usage_event WHERE kind = 0 ORDER BY ts") == [(250_000_000,), (None,)]
    assert (home.total().requests, home.prompts()) == (2, {SESSION: 1})


@pytest.mark.parametrize(
    ("model", "nano"),
    [
        ("claude-sonnet-4-20250514", 250_000_000),
        ("us.anthropic.Claude-opus-4-20250514-v1:0", 250_000_000),
        ("glm-4.6", None),
        ("kimi-k2", None),
    ],
)
async def test_first_versions_know_the_cost_of_their_own_models_alone(
    root: Path, home: Home, model: str, nano: int | None
) -> None:
    """Behind a gateway they state what an answer of Sonnet would have cost."""
    Transcript(root, SESSION, Clock(), FIRST, model=model).turn(1)
    await home.read()
    assert home.ask("SELECT recorded_nano FROM usage_event WHERE kind = 0") == [(nano,)]


ODD: list[tuple[str, Json, str]] = [
    ("input_tokens", -1, "input_tokens"),
    ("output_tokens", "many", "output_tokens"),
    ("output_tokens", 1.5, "output_tokens"),
    ("cache_read_input_tokens", True, "cache_read_input_tokens"),
    ("cache_read_input_tokens", [CANARY], "cache_read_input_tokens"),
    ("cache_creation_input_tokens", {"a": CANARY}, "cache_creation_input_tokens"),
    ("cache_creation", CANARY, "cache_creation"),
    ("output_tokens_details", 7, "output_tokens_details"),
    ("input_tokens", 10**13, "input_tokens"),
]


@pytest.mark.parametrize(("field", "value", "name"), ODD)
async def test_number_that_cannot_be_used_is_unknown(
    session: Transcript, home: Home, field: str, value: Json, name: str
) -> None:
    """The others are taken, and the field is named; never its text."""
    session.block(1, ref="r1", usage={**usage_of(1), field: value})
    session.turn(2)
    await home.read()
    assert [each.field for each in home.refused()] == [name]
    assert home.total().requests == 2
    known = answer(1, 2)
    assert [a == b for a, b in zip(home.total(), known, strict=True)].count(False) <= 2
    assert home.ask("SELECT unknown FROM usage_event WHERE kind = 0 ORDER BY ts LIMIT 1") == [(name,)]


async def test_number_may_be_an_integral_float_or_a_text_of_digits(session: Transcript, home: Home) -> None:
    """Relays write both."""
    session.block(1, ref="r1", usage={**usage_of(1), "input_tokens": 101.0, "output_tokens": "501"})
    await home.read()
    assert (home.total(), home.refused()) == (answer(1), [])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": CANARY}, "timestamp"),
        ({"message": {"id": None, "model": MODEL, "usage": usage_of(1)}}, "message.id"),
        ({"message": {"id": 7, "model": MODEL, "usage": usage_of(1)}}, "message.id"),
    ],
)
async def test_answer_without_identity_or_time_is_refused(
    session: Transcript, home: Home, more: dict[str, Json], field: str
) -> None:
    """Nothing can be said of it; the next one counts."""
    session.block(1)
    line = {**session.lines[-1], **more}
    session.path.unlink()
    session.write(line)
    session.turn(2)
    await home.read()
    assert [each.field for each in home.refused()] == [field]
    assert home.total() == answer(2)


async def test_session_without_a_name_in_its_lines_is_called_by_its_file(session: Transcript, home: Home) -> None:
    """A name that cannot be one is named, and not told."""
    session.block(1, ref="r1", sessionId=None)
    session.block(2, ref="r2", sessionId="x" * 300)
    session.block(3, ref="r3", message={"model": None})
    await home.read()
    assert home.by_session() == {SESSION: answer(1, 2, 3)}
    assert [(each.field, each.code) for each in home.refused()] == [("sessionId", RejectionCode.TOO_LONG)]
    assert set(home.by_model()) == {MODEL, ""}


async def test_broken_line_is_refused_and_the_next_one_read(session: Transcript, home: Home) -> None:
    """A line that a crash cut short, or that is no object, is counted as refused by its number."""
    session.write_raw(b'{"type":"assistant","message":{"usage":{"input_tokens":1}')
    session.write_raw(b'["usage":{}]')
    session.turn(1)
    await home.read()
    assert [(each.index, each.field) for each in home.refused()] == [(0, None), (1, None)]
    assert home.total() == answer(1)


@pytest.mark.parametrize("kind", ["user", "assistant"])
async def test_line_nested_without_end_is_refused_and_the_next_is_read(
    session: Transcript, home: Home, kind: str
) -> None:
    """Nothing of it is decoded; the session goes on."""
    nested = b"[" * 100_000 + b"]" * 100_000
    session.write_raw(b'{"type":"%s","toolUseResult":%s,"message":{"usage":%s}}' % (kind.encode(), nested, nested))
    session.block(1)
    await home.read()
    assert [each.code for each in home.refused()] == [RejectionCode.NOT_AN_OBJECT]
    assert home.total() == answer(1)
