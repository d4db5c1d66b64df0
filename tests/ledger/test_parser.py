"""The parser: which bytes are a ledger, and how its entries, duplicates and rejections are counted."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from aico.core.domain import RejectionCode
from aico.core.errors import LedgerFormat
from aico.features.ledger.parser import ParsedLedger, parse_ledger
from tests.emulator.broken_entries import BROKEN_ENTRIES
from tests.ledger.handmade_ledgers import (
    CANARY,
    GOOD,
    entry,
    entry_of,
    ledger,
    ledger_of,
    length_of,
    parse,
    rejections,
    tasks,
)

BOM = b"\xef\xbb\xbf"


def deep(depth: int, *, kind: str = "[]", inside: str = "") -> bytes:
    """Return containers in containers: arrays, or objects with a key."""
    opening = "[" if kind == "[]" else '{"a":'
    return (opening * depth + (inside or ("" if kind == "[]" else "1")) + kind[1] * depth).encode()


def test_ledger_is_read_whole_in_the_order_of_the_file() -> None:
    """Good entries come out as they stand there, nothing else does."""
    usages = tasks(50)
    assert parse(ledger_of(*usages)) == ParsedLedger(tuple(usages), 0, ())


def test_empty_array_is_a_ledger_without_entries() -> None:
    """Cline writes ``[]`` when everything is deleted."""
    assert parse(b"[]") == ParsedLedger((), 0, ())


@pytest.mark.parametrize(
    "data", [BOM + ledger(entry()), b" \t\r\n" + ledger(entry()) + b"\r\n\t ", BOM + b"\n" + ledger(entry())]
)
def test_ledger_may_stand_between_blanks_and_behind_a_mark(data: bytes) -> None:
    """A UTF-8 byte order mark and white space around the array change nothing."""
    assert parse(data).entries == (GOOD,)


def test_ledger_may_be_printed_over_many_lines() -> None:
    """Current builds of Cline print it with two spaces after a deletion."""
    usages = tasks(5)
    pretty = json.dumps(json.loads(ledger_of(*usages)), indent=2).encode()
    assert parse(pretty).entries == tuple(usages)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b" \n\t\r", "it is empty"),
        (BOM, "it is empty"),
        (b"{}", "no array"),
        (b'{"taskHistory": []}', "no array"),
        (b"null", "no array"),
        (b'"[]"', "no array"),
        (b"7", "no array"),
        (b"NaN", "no array"),
        (b"\0" * 4096, "it is empty"),
        (b"\0" * 4096 + ledger(entry()), "no JSON"),
        (ledger(entry())[:-1] + b"\0" * 4096, "no JSON"),
        (ledger(entry(), b"\0", entry()), "no JSON"),
        (ledger(entry()) * 2, "no JSON"),
        (ledger(entry()) + b"]", "no JSON"),
        (b"[" + entry() + b",]", "no JSON"),
        (b"[,]", "no JSON"),
        (b"['x']", "no JSON"),
        (b"[] // end", "no JSON"),
        (b"\x0c[]", "no JSON"),
        (b"[\xff]", "no JSON"),
        (BOM + BOM + b"[]", "no JSON"),
        (ledger(entry()).decode().encode("utf-16"), "no JSON"),
        (ledger(entry()).decode().encode("utf-16-le"), "no JSON"),
        (ledger(entry()).decode().encode("utf-32-be"), "no JSON"),
        (ledger(entry(size="-NaN")), "no JSON"),
        (ledger(entry(size="01")), "no JSON"),
        (ledger(entry(task='"\\"')), "no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'[{"x":' * 100_000, "nested too deeply"),
    ],
)
def test_bytes_that_are_no_array_are_refused(data: bytes, reason: str) -> None:
    """What is no JSON array in UTF-8 is no ledger, says why, and has no other error behind it that holds its text."""
    with pytest.raises(LedgerFormat, match=reason) as caught:
        parse(data)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert CANARY not in repr(caught.value)


def test_zeros_behind_the_ledger_cost_nothing() -> None:
    """After a power cut a file may have its length and end in zeros: what stands before them is whole."""
    assert parse(ledger(entry()) + b"\0" * 4096).entries == (GOOD,)


@pytest.mark.parametrize(
    "flaw",
    [
        *(b"\x01", b"\n", b"\t\r\n", b"\x1b[31m", b"\\\n", b"\\\\\n", b'\\"\n'),
        *(b"\\x41", b"C:\\Users\\me", b"\\u12", b"\\u12g4", b"\\'", b"\\\\\\x", b"\\u\\u0041"),
    ],
)
def test_what_may_not_stand_in_a_string_costs_at_most_its_own_entry(flaw: bytes) -> None:
    """What no JSON encoder writes is passed over in a prompt, and refuses the entry in one of its six fields."""
    other = GOOD._replace(task_id="other")
    raw = b'"a' + flaw + b'b"'
    assert parse(ledger(entry(task=raw, x=raw), ledger_of(other)[1:-1])).entries == (GOOD, other)
    for field in ("id", "modelId"):
        parsed = parse(ledger(entry(**{field: raw}), ledger_of(other)[1:-1]))
        assert parsed.entries == (other,)
        assert parsed.rejections == rejections((0, RejectionCode.CONTROL_CHARACTER, field))


@pytest.mark.parametrize(("first", "last"), [(2, 9), (30, 31), (60, 200), (80, 85), (150, 170)])
def test_zeros_inside_of_an_entry_refuse_it_and_no_other(first: int, last: int) -> None:
    """Where a block was never written, its entry is refused whole, because its ends may be those of two entries."""
    whole = ledger(*map(entry_of, tasks(4)))
    start = whole.index(b'{"id":"task-0001"')
    damaged = bytearray(whole)
    damaged[start + first : start + last] = bytes(last - first)
    with suppress(LedgerFormat):
        good = parse(bytes(damaged)).entries
        assert all(usage in tasks(4) for usage in good)
        assert tasks(1)[0] in good


def test_hole_from_one_entry_into_another_never_joins_them() -> None:
    """The beginning of one entry and the end of another make no third one."""
    first, second, third = tasks(3)
    whole = ledger(entry_of(first), entry_of(second), entry_of(third))
    prompts = [place for place in range(len(whole)) if whole.startswith(CANARY.encode(), place)]
    damaged = bytearray(whole)
    damaged[prompts[0] + 2 : prompts[1] + 2] = bytes(prompts[1] - prompts[0])
    parsed = parse(bytes(damaged))
    assert parsed.entries == (third,)
    assert parsed.rejections == rejections((0, RejectionCode.NOT_AN_OBJECT, None))


def test_torn_ledger_is_refused_wherever_it_is_cut() -> None:
    """Every proper beginning of a ledger is no ledger: half a file never passes as a whole one."""
    data = ledger(entry(), entry(task='"cut \\ud83d"', size="NaN"), b"null")
    assert length_of(parse(data)) == 3
    for end in range(len(data)):
        with pytest.raises(LedgerFormat):
            parse(data[:end])


def test_bad_elements_are_counted_beside_the_good_ones() -> None:
    """Each broken element of the emulator's list becomes one rejection at its own place and costs nothing else."""
    usages = tasks(len(BROKEN_ENTRIES))
    elements: list[bytes] = []
    for usage, broken in zip(usages, BROKEN_ENTRIES, strict=True):
        elements += [ledger_of(usage)[1:-1], json.dumps(broken).encode()]
    parsed = parse(ledger(*elements))
    assert parsed.entries == tuple(usages)
    assert [rejection.index for rejection in parsed.rejections] == list(range(1, 2 * len(usages), 2))


def test_rejections_name_position_code_and_field() -> None:
    """The position is the one in the array, from 0."""
    parsed = parse(ledger(b"null", entry(), entry(id=None), entry(id='"2"', tokensIn="-1")))
    assert len(parsed.entries) == 1
    assert parsed.rejections == rejections(
        (0, RejectionCode.NOT_AN_OBJECT, None),
        (2, RejectionCode.MISSING, "id"),
        (3, RejectionCode.NEGATIVE, "tokensIn"),
    )


def test_newest_of_several_entries_with_one_id_wins() -> None:
    """The greatest ``ts`` counts wherever it stands, at equal ``ts`` the later; the others are counted."""
    old, new, last = (entry(ts=ts, tokensIn=tokens) for ts, tokens in (("1", "10"), ("2", "20"), ("2", "30")))
    for elements, tokens in [
        ((old, new), 20),
        ((new, old), 20),
        ((new, last), 30),
        ((last, new), 20),
        ((old, last, new, old), 20),
        ((new, old, last), 30),
    ]:
        parsed = parse(ledger(*elements))
        assert [usage.tokens_in for usage in parsed.entries] == [tokens]
        assert parsed.duplicate_count == len(elements) - 1


def test_invalid_entry_never_wins_over_a_valid_one_of_its_id() -> None:
    """A newer entry that is refused leaves the older valid one in place."""
    parsed = parse(ledger(entry(ts="1"), entry(ts="2", totalCost="-1"), entry(ts="3", modelId="null")))
    assert parsed.entries == (GOOD._replace(ts=1),)
    assert parsed.duplicate_count == 0
    assert [rejection.index for rejection in parsed.rejections] == [1, 2]


def test_duplicates_keep_the_place_of_the_first() -> None:
    """Entries come in the order of first appearance."""
    first, second = tasks(2)
    parsed = parse(ledger_of(first, second, first._replace(ts=second.ts + 1)))
    assert [usage.task_id for usage in parsed.entries] == [first.task_id, second.task_id]


@pytest.mark.parametrize(
    "prompt",
    [
        b'"\xff\xfe\x80\xc3"',
        b'"\xed\xa0\xbd"',
        b'"\\ud83d"',
        b'"\\ude80 \\ud83d \\uD83D\\uDE80 \\ud83d"',
        b'"\\\\ud83d \\\\\\ud83d"',
        b'"\x7f\\u0000 ]} , {["',
        b'"\\"},{\\"id\\":\\"x\\""',
        b'""',
        b"null",
        b"7",
        b"[[], {}]",
        b'{"id": null, "ts": NaN}',
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"9" * 5000,
    ],
)
def test_prompt_is_never_judged(prompt: bytes) -> None:
    """Whatever the prompt is, and bytes that could not become text among it, its entry and the others are good."""
    other = GOOD._replace(task_id="other")
    for fields in ({"task": prompt}, {"cwdOnTaskInitialization": prompt, "size": prompt}):
        assert parse(ledger(entry(**fields), ledger_of(other)[1:-1])).entries == (GOOD, other)
        assert parse(ledger(entry(**fields), b"null")).entries == (GOOD,)


def test_key_of_invalid_utf8_is_skipped_with_its_value() -> None:
    """A key that is none of the six is not judged either."""
    assert parse(ledger(entry()[:-1] + b',"\xff\xfe":"\xff"}')).entries == (GOOD,)


def test_bad_field_of_one_entry_is_found_beside_a_cut_prompt() -> None:
    """All hazards in one file: each costs what it must and no more."""
    parsed = parse(
        ledger(
            entry(id='"1"', task='"\\ud83d"'),
            entry(id='"2"', totalCost="NaN"),
            entry(id='"3"', x=deep(2000)),
            entry(id='"\\ud83d"'),
            entry(id='"5"', modelId='"\\ude80x"', totalCost='"0.5"'),
            b"-Infinity",
            deep(300, kind="{}"),
        )
    )
    assert [usage.task_id for usage in parsed.entries] == ["1", "3", "\ufffd", "5"]
    assert parsed.entries[3].model_id == "\ufffdx"
    assert parsed.rejections == rejections(
        (1, RejectionCode.NOT_FINITE, "totalCost"),
        (5, RejectionCode.NOT_AN_OBJECT, None),
        (6, RejectionCode.MISSING, "id"),
    )


@pytest.mark.parametrize("kind", ["[]", "{}"])
@pytest.mark.parametrize("depth", [1, 61, 62, 63, 64, 65, 500, 990, 5000, 100_000])
def test_deep_nesting_in_an_unknown_key_costs_nothing(depth: int, kind: str) -> None:
    """However deep something that nobody looks at goes, its entry and its neighbours are good."""
    nested = deep(depth, kind=kind)
    other = GOOD._replace(task_id="other")
    parsed = parse(ledger(entry(x=nested, y=nested), ledger_of(other)[1:-1]))
    assert parsed == ParsedLedger((GOOD, other), 0, ())


@pytest.mark.parametrize("depth", [2, 63, 64, 65, 900, 100_000])
def test_deep_nesting_at_the_top_is_one_refused_element(depth: int) -> None:
    """Arrays in arrays are an array with an element that is no object."""
    other = GOOD._replace(task_id="other")
    parsed = parse(b"[" + deep(depth, inside='"]",{}') + b"," + ledger_of(other)[1:])
    assert parsed.entries == (other,)
    assert parsed.rejections == rejections((0, RejectionCode.NOT_AN_OBJECT, None))


def test_deep_nesting_in_a_field_is_a_wrong_type() -> None:
    """One of the six fields that is a deep array is refused like a flat one."""
    parsed = parse(ledger(entry(ts=deep(5000)), entry()))
    assert parsed.entries == (GOOD,)
    assert parsed.rejections == rejections((0, RejectionCode.WRONG_TYPE, "ts"))


@pytest.mark.parametrize(
    "data", [ledger(entry()), ledger(entry(), entry(task='"\\ud83d"', size="NaN", x=deep(5000))), b"[{]"]
)
def test_buffer_stays_the_callers_with_its_length(data: bytes) -> None:
    """The buffer is mended in place: its length stays, and it can be resized afterwards because nothing holds it."""
    buffer = bytearray(data)
    with suppress(LedgerFormat):
        parse_ledger(buffer)
    assert len(buffer) == len(data)
    buffer.clear()
