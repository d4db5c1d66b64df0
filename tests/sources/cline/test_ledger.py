"""The parser: which bytes are a ledger, and how its entries, duplicates and rejections are counted."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from aico.core.usage import RejectionCode
from aico.features.files.parsed import Parsed, Unparsable, keep_newest
from tests.emulator.broken_entries import BROKEN_ENTRIES
from tests.sources.cline.ledgers import (
    CANARY,
    GOOD,
    PARSER,
    entry,
    ledger,
    ledger_of,
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
    assert parse(ledger_of(*usages)) == Parsed(usages)


def test_empty_array_is_a_ledger_without_entries() -> None:
    """Cline writes ``[]`` when everything is deleted."""
    assert parse(b"[]") == Parsed([])


@pytest.mark.parametrize(
    "data", [BOM + ledger(entry()), b" \t\r\n" + ledger(entry()) + b"\r\n\t ", BOM + b"\n" + ledger(entry())]
)
def test_ledger_may_stand_between_blanks_and_behind_a_mark(data: bytes) -> None:
    """A UTF-8 byte order mark and white space around the array change nothing."""
    assert parse(data).records == [GOOD]


def test_ledger_may_be_printed_over_many_lines() -> None:
    """Current builds of Cline print it with two spaces after a deletion."""
    usages = tasks(5)
    pretty = json.dumps(json.loads(ledger_of(*usages)), indent=2).encode()
    assert parse(pretty).records == usages


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
        (b"\0" * 4096, "no JSON"),
        (b"\0" * 4096 + ledger(entry()), "no JSON"),
        (ledger(entry())[:-1] + b"\0" * 4096, "no JSON"),
        (ledger(entry()) + b"\0" * 4096, "no JSON"),
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
    """Bytes that are no JSON array in UTF-8 are no ledger. The error says why; no error behind it holds their text."""
    with pytest.raises(Unparsable, match=reason) as caught:
        parse(data)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize(
    "flaw",
    [b"\x01", b"\n", b"\x1b[31m", b"\\\n", b"\\x41", b"C:\\Users\\me", b"\\u12", b"\\u12g4", b"\\'", b"\0"],
)
def test_bytes_that_no_encoder_of_json_writes_into_a_string_are_refused(flaw: bytes) -> None:
    """Cline's encoder escapes control bytes and backslashes; Cline itself cannot read such a file either."""
    for field in ("task", "id", "modelId"):
        with pytest.raises(Unparsable, match="no JSON"):
            parse(ledger(entry(), entry(**{field: b'"a' + flaw + b'b"'})))


def test_torn_ledger_is_refused_wherever_it_is_cut() -> None:
    """Every proper beginning of a ledger is no ledger: half a file never passes as a whole one."""
    data = ledger(entry(), entry(task='"cut \\ud83d"', size="NaN"), b"null")
    assert parse(data).length == 3
    for end in range(len(data)):
        with pytest.raises(Unparsable):
            parse(data[:end])


def test_bad_elements_are_counted_beside_the_good_ones() -> None:
    """Each broken element of the emulator's list is refused or partial at its own place and costs nothing else."""
    usages = tasks(len(BROKEN_ENTRIES))
    elements: list[bytes] = []
    for usage, broken in zip(usages, BROKEN_ENTRIES, strict=True):
        elements += [ledger_of(usage)[1:-1], json.dumps(broken).encode()]
    parsed = parse(ledger(*elements))
    whole = {usage.session for usage in usages}
    assert [each for each in parsed.records if each[0] in whole] == usages
    unusable = {each.index for each in (*parsed.rejections, *parsed.partials)}
    assert unusable == set(range(1, 2 * len(usages), 2))
    assert len(parsed.rejections) + parsed.partial_count == len(usages)


def test_rejections_name_position_code_and_field() -> None:
    """The position is the one in the array, from 0."""
    parsed = parse(ledger(b"null", entry(), entry(id=None), entry(id='"2"', ts="-1")))
    assert parsed.records == [GOOD]
    assert parsed.rejections == rejections(
        (0, RejectionCode.NOT_AN_OBJECT, None),
        (2, RejectionCode.MISSING, "id"),
        (3, RejectionCode.NEGATIVE, "ts"),
    )


def test_newest_of_several_entries_with_one_id_wins() -> None:
    """The greatest ``ts`` counts wherever it stands, at equal ``ts`` the later; one without a time is the oldest."""
    old, new, last = (
        entry(ts=ts, tokensIn=tokens) for ts, tokens in (("0", "10"), ("1772000000000", "20"), ("1772000000000", "30"))
    )
    for elements, tokens in [
        ((old, new), 20),
        ((new, old), 20),
        ((new, last), 30),
        ((last, new), 20),
        ((old, last, new, old), 20),
        ((new, old, last), 30),
        ((old, entry(ts="0", tokensIn="40")), 40),
    ]:
        parsed = parse(ledger(*elements))
        assert len(parsed.records) == len(elements)
        assert [each[3] for each in keep_newest(parsed.records)] == [tokens]


def test_duplicates_keep_the_place_of_the_first() -> None:
    """Entries come in the order of first appearance."""
    first, second = tasks(2)
    later = first._replace(ts=(second.ts or 0) + 1)
    assert keep_newest(parse(ledger_of(first, second, later)).records) == [later, second]


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
    """With any prompt, and with bytes in it that could not become text, its entry and the others are good."""
    other = GOOD._replace(session="other", started_ts=None)
    for fields in ({"task": prompt}, {"cwdOnTaskInitialization": prompt, "size": prompt}):
        assert parse(ledger(entry(**fields), ledger_of(other)[1:-1])).records == [GOOD, other]
        assert parse(ledger(entry(**fields), b"null")).records == [GOOD]


def test_key_of_invalid_utf8_is_skipped_with_its_value() -> None:
    """A key that is none of the six is not judged either."""
    assert parse(ledger(entry()[:-1] + b',"\xff\xfe":"\xff"}')).records == [GOOD]


def test_bad_field_of_one_entry_is_found_beside_a_cut_prompt() -> None:
    """All hazards in one file: each costs what it must and no more."""
    parsed = parse(
        ledger(
            entry(id='"1"', task='"\\ud83d"'),
            entry(id='"2"', totalCost="NaN"),
            entry(id='"3"', x=deep(500)),
            entry(id='"\\ud83d"'),
            entry(id='"5"', modelId='"\\ude80x"', totalCost='"0.5"'),
            b"-Infinity",
            deep(300, kind="{}"),
        )
    )
    named = GOOD._replace(session="5", started_ts=None, model="\ufffdx", cost_usd=0.5)
    silent = GOOD._replace(session="2", started_ts=None, cost_usd=None, unknown=("totalCost",))
    assert parsed.records == [
        GOOD._replace(session="1", started_ts=None),
        silent,
        *(GOOD._replace(session=each, started_ts=None) for each in "3\ufffd"),
        named,
    ]
    assert parsed.partials == rejections((1, RejectionCode.NOT_FINITE, "totalCost"))
    assert parsed.rejections == rejections(
        (5, RejectionCode.NOT_AN_OBJECT, None),
        (6, RejectionCode.MISSING, "id"),
    )


@pytest.mark.parametrize("kind", ["[]", "{}"])
@pytest.mark.parametrize("depth", [1, 64, 65, 500])
def test_deep_nesting_in_an_unknown_key_costs_nothing(depth: int, kind: str) -> None:
    """However deep something that nobody looks at goes, its entry and its neighbours are good."""
    nested = deep(depth, kind=kind)
    other = GOOD._replace(session="other", started_ts=None)
    parsed = parse(ledger(entry(x=nested, y=nested), ledger_of(other)[1:-1]))
    assert parsed == Parsed([GOOD, other])


@pytest.mark.parametrize("kind", ["[]", "{}"])
def test_nesting_beyond_what_decoders_bear_is_refused(kind: str) -> None:
    """No version of Cline nests anything in an entry; the file is refused by name, and nothing crashes."""
    with pytest.raises(Unparsable, match="nested too deeply"):
        parse(ledger(entry(x=deep(100_000, kind=kind))))


@pytest.mark.parametrize("depth", [2, 65, 500])
def test_deep_nesting_at_the_top_is_one_refused_element(depth: int) -> None:
    """Arrays in arrays are an array with an element that is no object."""
    other = GOOD._replace(session="other", started_ts=None)
    parsed = parse(b"[" + deep(depth, inside='"]",{}') + b"," + ledger_of(other)[1:])
    assert parsed.records == [other]
    assert parsed.rejections == rejections((0, RejectionCode.NOT_AN_OBJECT, None))


def test_deep_nesting_in_a_field_is_a_wrong_type() -> None:
    """One of the six fields that is a deep array is unusable like a flat one."""
    parsed = parse(ledger(entry(ts=deep(500)), entry()))
    assert parsed.records == [GOOD]
    assert parsed.rejections == rejections((0, RejectionCode.WRONG_TYPE, "ts"))


@pytest.mark.parametrize(
    "data", [ledger(entry()), ledger(entry(), entry(task='"\\ud83d"', size="NaN", x=deep(500))), b"[{]"]
)
def test_buffer_stays_the_callers_with_its_length(data: bytes) -> None:
    """The buffer is mended in place: its length stays, and it can be resized afterwards because nothing holds it."""
    buffer = bytearray(data)
    with suppress(Unparsable):
        PARSER.parse(buffer)
    assert len(buffer) == len(data)
    buffer.clear()
