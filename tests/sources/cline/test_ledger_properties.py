"""The parser against thousands of damaged ledgers: never a crash, never a good entry lost, every element counted."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import MeterReading
from aico.features.files.parsed import Unparsable, keep_newest
from tests.hypothesis_profiles import examples
from tests.sources.cline.ledgers import CANARY, entry, entry_of, ledger, parse, reading, tasks

FIELDS = ("id", "ts", "tokensIn", "tokensOut", "totalCost", "modelId", "task", "size")
HAZARDS = (
    *("null", "true", "7", "[]", "{}", '""', "NaN", "-Infinity", "1e400", "-1e-400", "9" * 5000, "9223372036854775808"),
    *('"\\ud83d"', '"\\ude80\\ud83d"', '"\\ud83d\\ude80"', '"\\\\ud83d"', '"\\u0000"', '"2024-02-29T00:00:00Z"'),
    *('"x"', '"7"', '"NaN"', "[" * 200 + "]" * 200, "[" * 600 + "]" * 600, '{"a":' * 100 + "1" + "}" * 100),
    *('[[1,"]"],{"a":"}"}]', "-0", "1.0", '"' + "é🚀" * 50 + '"', '"' + "x" * 3000 + '"', "0.1234567890123456789"),
)
TEXTS = st.text(st.characters(), max_size=20)
"""Lone surrogates among them."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS | st.sampled_from(FIELDS), inner, max_size=8),
    max_leaves=12,
)
BAD_ELEMENTS = st.one_of(
    st.sampled_from(HAZARDS).map(str.encode),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(HAZARDS), min_size=1).map(
        lambda fields: entry(**{"id": '"bad"', **fields})
    ),
    JSON.map(lambda value: json.dumps(value).encode()),
)
DAMAGES = st.lists(st.sampled_from(["flip", "digit", "cut", "drop", "double", "swap", "insert"]), max_size=4)


def python_length(data: bytes) -> int | None:
    """Return the length of the array that Python's decoder reads, or None when it does not."""
    try:
        value: object = json.loads(data.decode().removeprefix("\ufeff"), parse_int=len)
    except (ValueError, RecursionError):
        return None
    return len(value) if isinstance(value, list) else None


def damaged(data: bytes, kinds: list[str], rng: Random) -> bytes:
    """Return ``data`` with some bytes changed, lost, doubled or put elsewhere."""
    buffer = bytearray(data)
    for kind in kinds:
        if not buffer:
            break
        start = rng.randrange(len(buffer))
        end = min(len(buffer), start + rng.randrange(1, 30))
        if kind == "flip":
            buffer[start] ^= 1 << rng.randrange(8)
        elif kind == "digit":
            buffer[start] = rng.choice(b'0123456789-.eE"\\,:[]{} NI\x00\xff')
        elif kind == "cut":
            del buffer[start:]
        elif kind == "drop":
            del buffer[start:end]
        elif kind == "double":
            buffer[start:start] = buffer[start:end]
        elif kind == "swap":
            other = rng.randrange(len(buffer))
            buffer[start], buffer[other] = buffer[other], buffer[start]
        else:
            buffer[start:start] = rng.choice(HAZARDS).encode()
    return bytes(buffer)


@settings(max_examples=examples(3))
@given(
    elements=st.lists(BAD_ELEMENTS, max_size=4),
    count=st.integers(0, 3),
    kinds=DAMAGES,
    rng=st.randoms(use_true_random=False),
)
def test_damaged_ledger_is_parsed_or_refused_and_counted(
    elements: list[bytes], count: int, kinds: list[str], rng: Random
) -> None:
    """Nothing but Unparsable is ever raised, and what Python's decoder reads is a ledger of that length."""
    mixed = [*elements, *map(entry_of, tasks(count))]
    rng.shuffle(mixed)
    data = damaged(ledger(*mixed), kinds, rng)
    expected = python_length(data)
    try:
        parsed = parse(data)
    except Unparsable:
        assert expected is None
        return
    assert expected in {None, parsed.length}
    assert {each.index for each in parsed.partials} <= set(range(parsed.length))
    assert len({each.index for each in parsed.partials}) == parsed.partial_count
    assert CANARY not in repr((parsed.rejections, parsed.partials))


@settings(max_examples=examples(2))
@given(elements=st.lists(BAD_ELEMENTS, max_size=8), count=st.integers(1, 6), rng=st.randoms(use_true_random=False))
def test_good_entry_is_never_lost_beside_bad_ones(elements: list[bytes], count: int, rng: Random) -> None:
    """With anything between them, all good entries come out, in their order, and the rest is counted."""
    usages = tasks(count)
    places = sorted(rng.randrange(len(elements) + 1) for _ in usages)
    mixed = list(elements)
    for place, usage in reversed(list(zip(places, usages, strict=True))):
        mixed.insert(place, entry_of(usage))
    parsed = parse(ledger(*mixed))
    good_ids = {usage.session for usage in usages}
    assert [usage for usage in parsed.records if usage[0] in good_ids] == usages
    assert parsed.length == len(mixed)


@given(prompt=st.binary(max_size=60), others=st.lists(BAD_ELEMENTS, max_size=2))
def test_bytes_of_a_prompt_never_cost_an_entry(prompt: bytes, others: list[bytes]) -> None:
    """Any bytes that leave the string a string, of whatever encoding, are skipped."""
    harmless = bytes(byte for byte in prompt if byte >= 0x20 and byte not in b'"\\')
    (usage,) = tasks(1)
    element = entry_of(usage).replace(CANARY.encode(), harmless)
    assert usage in parse(ledger(element, *others)).records


@given(values=st.lists(JSON, max_size=6), is_ascii=st.booleans())
def test_any_array_of_python_is_a_ledger(values: list[object], is_ascii: bool) -> None:
    """Any array of Python's encoder is counted element by element, its NaN and surrogates included."""
    data = json.dumps(values, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert parse(data).length == len(values)


FIELD_VALUES = st.dictionaries(st.sampled_from(FIELDS[2:6]), st.sampled_from(HAZARDS[:16]))


@given(entries=st.lists(FIELD_VALUES, max_size=8), rng=st.randoms(use_true_random=False))
def test_order_of_the_entries_changes_no_sum(entries: list[dict[str, str]], rng: Random) -> None:
    """Entries of different ids say the same in any order, with any values in their fields."""
    elements = [entry(id=f'"{number}"', **fields) for number, fields in enumerate(entries)]
    shuffled = list(elements)
    rng.shuffle(shuffled)
    one, other = parse(ledger(*elements)), parse(ledger(*shuffled))
    assert sorted(one.records, key=str) == sorted(other.records, key=str)
    assert one.partial_count == other.partial_count
    assert sorted((each.code, each.field) for each in one.partials) == sorted(
        (each.code, each.field) for each in other.partials
    )


@given(fields=FIELD_VALUES)
def test_number_is_taken_or_told(fields: dict[str, str]) -> None:
    """A number of an entry is known, or the entry is partial and names its field: nothing is lost in silence."""
    (record,) = (parsed := parse(ledger(entry(**fields)))).records
    assert isinstance(record, MeterReading)
    unknown = {each.field for each in parsed.partials}
    numbers = {"tokensIn": record.input, "tokensOut": record.output, "totalCost": record.cost_usd}
    assert {field for field, number in numbers.items() if number is None} == unknown - {"modelId"}
    assert set(record.unknown) == unknown


@given(states=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8))
def test_newest_state_of_each_id_is_kept(states: list[tuple[int, int]]) -> None:
    """With any entries, repeated and in any order, the last of the newest of each id counts, and every id does."""
    records = [reading(str(name), ts or None, None, (place, 0), 0) for place, (name, ts) in enumerate(states)]
    expected = {
        str(name): max((ts, place) for place, (other, ts) in enumerate(states) if other == name) for name, _ in states
    }
    kept = keep_newest(records)
    assert {record[0]: (record[1] or 0, record[3]) for record in kept} == expected
