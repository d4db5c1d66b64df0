"""The rules of the six fields: what is accepted as what, and what is refused with which code."""

from __future__ import annotations

import math
import time
from datetime import UTC
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aico.core.usage import MeterReading, Rejection, RejectionCode
from aico.features.sources.cline.fields import judge_entry
from aico.features.sources.cline.ledger import LedgerParser
from tests.hypothesis_profiles import examples
from tests.sources.cline.ledgers import CANARY, GOOD, GOOD_TS, entry, judged, ledger, parse, partial, rejections

CODE = RejectionCode
COUNT_FIELDS = ("tokensIn", "tokensOut")
LAST_MS = 253_402_300_799_999
DIGITS_5000 = "9" * 5000


def judged_both_ways(**fields: str | None) -> MeterReading | tuple[RejectionCode, str | None]:
    """Return what an entry says, whether it is decoded at once or, for its time in quotes, field by field."""
    at_once = judged(entry(**fields))
    assert judged(entry(**fields, ts=f'"{GOOD_TS}"')) == at_once
    return at_once


COUNTS_ACCEPTED = [
    ("0", 0),
    ("-0", 0),
    ("7", 7),
    ("7.0", 7),
    ("7.000", 7),
    ("-0.0", 0),
    ("1e3", 1000),
    ("1E+3", 1000),
    ("1.5e1", 15),
    ("70e-1", 7),
    ("1000000000000", 10**12),
    ("1e12", 10**12),
    ("1000000000000.0", 10**12),
    ('"7"', 7),
    ('"007"', 7),
    ('"-0"', 0),
    ('"1000000000000"', 10**12),
    ('"\\u0037"', 7),
]
COUNTS_REFUSED = [
    (None, CODE.MISSING),
    ("null", CODE.WRONG_TYPE),
    ("true", CODE.WRONG_TYPE),
    ("false", CODE.WRONG_TYPE),
    ("{}", CODE.WRONG_TYPE),
    ("[7]", CODE.WRONG_TYPE),
    ("7.5", CODE.NOT_AN_INTEGER),
    ("1e-3", CODE.NOT_AN_INTEGER),
    ("1.00000000000000000000000001", CODE.NOT_AN_INTEGER),
    ("-1", CODE.NEGATIVE),
    ("-1.0", CODE.NEGATIVE),
    ("-0.5", CODE.NEGATIVE),
    ("-1e400", CODE.NEGATIVE),
    ("-" + DIGITS_5000, CODE.NEGATIVE),
    ("1000000000001", CODE.TOO_LARGE),
    ("9223372036854775807", CODE.TOO_LARGE),
    ("9223372036854775808", CODE.TOO_LARGE),
    ("18446744073709551616", CODE.TOO_LARGE),
    ("1e13", CODE.TOO_LARGE),
    ("1e400", CODE.TOO_LARGE),
    ("1e999999999999999999999", CODE.TOO_LARGE),
    (DIGITS_5000, CODE.TOO_LARGE),
    ("NaN", CODE.NOT_FINITE),
    ("Infinity", CODE.NOT_FINITE),
    ("-Infinity", CODE.NOT_FINITE),
    ('"NaN"', CODE.NOT_FINITE),
    ('"nan"', CODE.NOT_FINITE),
    ('"Infinity"', CODE.NOT_FINITE),
    ('"-inf"', CODE.NOT_FINITE),
    ('""', CODE.NOT_A_NUMBER),
    ('" 7"', CODE.NOT_A_NUMBER),
    ('"7\\n"', CODE.NOT_A_NUMBER),
    ('"+7"', CODE.NOT_A_NUMBER),
    ('"0x7"', CODE.NOT_A_NUMBER),
    ('"1_000"', CODE.NOT_A_NUMBER),
    ('"1,000"', CODE.NOT_A_NUMBER),
    ('"seven"', CODE.NOT_A_NUMBER),
    ('"\\u0667"', CODE.NOT_A_NUMBER),
    ('"\\ud83d"', CODE.NOT_A_NUMBER),
    ('"7.0"', CODE.NOT_AN_INTEGER),
    ('"1e3"', CODE.NOT_AN_INTEGER),
    ('"-7"', CODE.NEGATIVE),
    ('"1000000000001"', CODE.TOO_LARGE),
    ('"' + "9" * 2000 + '"', CODE.TOO_LARGE),
    ('"' + DIGITS_5000 + '"', CODE.TOO_LONG),
    (b'"\xff"', CODE.NOT_UTF8),
]


@pytest.mark.parametrize("field", COUNT_FIELDS)
@pytest.mark.parametrize(("text", "count"), COUNTS_ACCEPTED)
def test_count_is_accepted_as_integer_in_any_notation(field: str, text: str, count: int) -> None:
    """A JSON integer, an integral float or integer text up to 10**12 is that count."""
    usage = judged_both_ways(**{field: text})
    assert isinstance(usage, MeterReading)
    assert (usage.input if field == "tokensIn" else usage.output) == count
    assert type(usage.input) is type(usage.output) is int


@pytest.mark.parametrize("field", COUNT_FIELDS)
@pytest.mark.parametrize(("text", "code"), COUNTS_REFUSED)
def test_count_is_unknown_with_field_and_code(field: str, text: str | bytes | None, code: RejectionCode) -> None:
    """Everything else is unknown, each for its own reason, and costs no other number of its entry."""
    usage, unusable = partial(entry(**{field: text}))
    expected = GOOD._replace(input=None) if field == "tokensIn" else GOOD._replace(output=None)
    assert usage == expected._replace(unknown=(field,))
    assert unusable == [(code, field)]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("0", 0.0),
        ("-0", 0.0),
        ("-0.0", 0.0),
        ("5", 5.0),
        ("0.12345600000000001", 0.12345600000000001),
        ("1e-7", 1e-7),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("-1e-400", 0.0),
        ("1e-999999999999999999999", 0.0),
        ("0e999999999999999999999", 0.0),
        ("1e6", 1e6),
        ("1000000", 1e6),
        ("1000000.00000000000001", 1e6),
        ("0.125" + "0" * 5000, 0.125),
        ('"36.88"', 36.88),
        ('"5"', 5.0),
        ('"1e-3"', 0.001),
        ('"-0.0"', 0.0),
    ],
)
def test_cost_is_accepted_as_number_or_numeric_text(text: str, cost: float) -> None:
    """A finite number or numeric text up to a million dollars is the nearest float, and never minus zero."""
    usage = judged_both_ways(totalCost=text)
    assert usage == GOOD._replace(cost_usd=cost)
    assert isinstance(usage, MeterReading)
    assert isinstance(usage.cost_usd, float)
    assert math.copysign(1, usage.cost_usd) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, CODE.MISSING),
        ("null", CODE.WRONG_TYPE),
        ("true", CODE.WRONG_TYPE),
        ("[]", CODE.WRONG_TYPE),
        ("{}", CODE.WRONG_TYPE),
        ("-0.01", CODE.NEGATIVE),
        ("-1e400", CODE.NEGATIVE),
        ("-" + DIGITS_5000, CODE.NEGATIVE),
        ('"-5"', CODE.NEGATIVE),
        ("1000000.01", CODE.TOO_LARGE),
        ("1e7", CODE.TOO_LARGE),
        ("9223372036854775808", CODE.TOO_LARGE),
        ("1e309", CODE.TOO_LARGE),
        ("1e400", CODE.TOO_LARGE),
        ("1e999999999999999999999", CODE.TOO_LARGE),
        (DIGITS_5000, CODE.TOO_LARGE),
        ('"1e400"', CODE.TOO_LARGE),
        ("NaN", CODE.NOT_FINITE),
        ("Infinity", CODE.NOT_FINITE),
        ("-Infinity", CODE.NOT_FINITE),
        ('"NaN"', CODE.NOT_FINITE),
        ('"-Infinity"', CODE.NOT_FINITE),
        ('"+inf"', CODE.NOT_FINITE),
        ('""', CODE.NOT_A_NUMBER),
        ('"$5"', CODE.NOT_A_NUMBER),
        ('"5,00"', CODE.NOT_A_NUMBER),
        ('".5"', CODE.NOT_A_NUMBER),
        ('"5."', CODE.NOT_A_NUMBER),
        ('"1e"', CODE.NOT_A_NUMBER),
        ('"' + DIGITS_5000 + '"', CODE.TOO_LONG),
        (b'"5\x80"', CODE.NOT_UTF8),
    ],
)
def test_cost_is_unknown_with_field_and_code(text: str | bytes | None, code: RejectionCode) -> None:
    """A cost that is no price between zero and a million dollars is unknown and never 0, each for its own reason."""
    usage, unusable = partial(entry(totalCost=text))
    assert usage == GOOD._replace(cost_usd=None, unknown=("totalCost",))
    assert unusable == [(code, "totalCost")]


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("0", None),
        ("-0", None),
        ("0.0", None),
        ('"0"', None),
        ("1772000100000", 1_772_000_100_000),
        ("1772000100000.0", 1_772_000_100_000),
        ("1772000100000.5", 1_772_000_100_000),
        ("1772000100000.999999999999999999999", 1_772_000_100_000),
        ('"1772000100000.5"', 1_772_000_100_000),
        ("1772000100", 1_772_000_100_000),
        ('"1772000100"', 1_772_000_100_000),
        ("1772000100.0", 1_772_000_100_000),
        ("1772000100.1239", 1_772_000_100_123),
        ("99999999999", 99_999_999_999_000),
        ("100000000000", 100_000_000_000),
        ("1", 1_000),
        ("1.7720001e12", 1_772_000_100_000),
        ('"1772000100000"', 1_772_000_100_000),
        (f"{LAST_MS}", LAST_MS),
        (f"{LAST_MS}.9", LAST_MS),
        ('"2024-02-29T00:00:00Z"', 1_709_164_800_000),
        ('"2024-02-29T01:00:00+01:00"', 1_709_164_800_000),
        ('"2024-02-28T18:30:00-05:30"', 1_709_164_800_000),
        ('"2024-02-29 00:00:00+00:00"', 1_709_164_800_000),
        ('"20240229T000000Z"', 1_709_164_800_000),
        ('"2024-02-29T00:00Z"', 1_709_164_800_000),
        ('"2024-02-29T00:00:00.123Z"', 1_709_164_800_123),
        ('"2024-02-29T00:00:00.123999Z"', 1_709_164_800_123),
        ('"2024-02-29T00:00:00.123999999+00:00"', 1_709_164_800_123),
        ('"1970-01-01T00:00:00Z"', None),
        ('"2024-02-29T00:00:00"', 1_709_164_800_000),
        ('"2024-02-29 00:00"', 1_709_164_800_000),
        ('"2024-02-29"', 1_709_164_800_000),
        ('"9999-12-31T23:59:59.999999Z"', LAST_MS),
    ],
)
def test_ts_is_accepted_as_number_or_iso_8601(text: str, ts: int | None) -> None:
    """Milliseconds up to the year 9999, seconds when that few, or a moment as text, cut to the millisecond; 0 is none.

    A moment without a time zone is local time: in these tests that of Greenwich.
    """
    assert judged(entry(ts=text)) == GOOD._replace(ts=ts)


@pytest.mark.parametrize(
    ("zone", "text", "ts"),
    [
        ("Europe/Paris", "2024-02-29T00:00:00", 1_709_161_200_000),
        ("Europe/Paris", "2024-07-01T00:00:00", 1_719_784_800_000),
        ("Asia/Kathmandu", "2024-02-29", 1_709_144_100_000),
        ("Asia/Kathmandu", "2024-02-29T00:00:00Z", 1_709_164_800_000),
    ],
)
def test_ts_without_a_zone_is_local_time(zone: str, text: str, ts: int) -> None:
    """The zone is that of the machine, summer time included, and never that of a text that names its own."""
    parsed = LedgerParser(ZoneInfo(zone)).parse(bytearray(ledger(entry(ts=f'"{text}"'))))
    assert parsed.records == [GOOD._replace(ts=ts)]


def test_local_time_is_asked_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody need name the zone."""
    monkeypatch.setenv("TZ", "XYZ-5:45")
    time.tzset()
    try:
        parsed = LedgerParser().parse(bytearray(ledger(entry(ts='"2024-02-29T00:00:00"'))))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert parsed.records == [GOOD._replace(ts=1_709_144_100_000)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, CODE.MISSING),
        ("null", CODE.WRONG_TYPE),
        ("true", CODE.WRONG_TYPE),
        ("{}", CODE.WRONG_TYPE),
        ("-1", CODE.NEGATIVE),
        ('"-1"', CODE.NEGATIVE),
        ("-0.5", CODE.NEGATIVE),
        (f"{LAST_MS + 1}", CODE.TOO_LARGE),
        ("9223372036854775808", CODE.TOO_LARGE),
        ("1e400", CODE.TOO_LARGE),
        (DIGITS_5000, CODE.TOO_LARGE),
        ("NaN", CODE.NOT_FINITE),
        ('"Infinity"', CODE.NOT_FINITE),
        ('""', CODE.NOT_A_NUMBER),
        ('"today"', CODE.NOT_A_TIME),
        ('" 2024-02-29"', CODE.NOT_A_TIME),
        ('"2023-02-29T00:00:00Z"', CODE.NOT_A_TIME),
        ('"2024-13-01T00:00:00Z"', CODE.NOT_A_TIME),
        ('"2016-12-31T23:59:60Z"', CODE.NOT_A_TIME),
        ('"10000-01-01T00:00:00Z"', CODE.NOT_A_TIME),
        ('"0000-01-01T00:00:00Z"', CODE.NOT_A_TIME),
        ('"2024-02-29T00:00:00Z\\u0000"', CODE.NOT_A_TIME),
        ('"2024-02-29\\u000000:00:00Z"', CODE.NOT_A_TIME),
        ('"2024-02-29\\ud83d00:00:00Z"', CODE.NOT_A_TIME),
        ('"1969-12-31T23:59:59.9999Z"', CODE.NEGATIVE),
        ('"1970-01-01T00:00:00+00:01"', CODE.NEGATIVE),
        ('"0001-01-01T00:00:00+23:59"', CODE.NEGATIVE),
        ('"9999-12-31T23:59:59-00:01"', CODE.TOO_LARGE),
        ('"' + "2" * 5000 + '"', CODE.TOO_LONG),
        (b'"2024\xff"', CODE.NOT_UTF8),
    ],
)
def test_ts_is_refused_with_field_and_code(text: str | bytes | None, code: RejectionCode) -> None:
    """A value that is no moment between 1970 and the year 9999 is refused, each for its own reason."""
    assert judged(entry(ts=text)) == (code, "ts")


@pytest.mark.parametrize(
    ("text", "task_id"),
    [
        ('"x"', "x"),
        ('"   "', "   "),
        ('"' + "x" * 128 + '"', "x" * 128),
        ('"' + "é" * 128 + '"', "é" * 128),
        ('"' + "\\ud83d\\ude80" * 128 + '"', "🚀" * 128),
        ('"a/b\\\\c\\"d"', 'a/b\\c"d'),
        ('"\\u202e\\u200d"', "\u202e\u200d"),
        ('"x\\ud83d"', "x\ufffd"),
    ],
)
def test_id_is_accepted_as_opaque_text(text: str, task_id: str) -> None:
    """Any text of 1 to 128 characters without control characters is an id, whatever it means."""
    assert judged_both_ways(id=text) == GOOD._replace(session=task_id, started_ts=None)


@pytest.mark.parametrize("task_id", ["1772000000000", "1000000000000"])
def test_id_of_thirteen_digits_is_the_start(task_id: str) -> None:
    """Cline names a task after the millisecond in which it was begun."""
    assert judged_both_ways(id=f'"{task_id}"') == GOOD._replace(session=task_id, started_ts=int(task_id))


@pytest.mark.parametrize("task_id", ["0772000000000", "17720000000001", "177200000000", "x1772000000000"])
def test_id_of_other_digits_is_no_start(task_id: str) -> None:
    """Nobody knows what they would mean."""
    assert judged_both_ways(id=f'"{task_id}"') == GOOD._replace(session=task_id, started_ts=None)


NAMES_REFUSED = [
    ("1772000000000", CODE.WRONG_TYPE),
    ("true", CODE.WRONG_TYPE),
    ("[]", CODE.WRONG_TYPE),
    ("{}", CODE.WRONG_TYPE),
    ("NaN", CODE.WRONG_TYPE),
    ("-Infinity", CODE.WRONG_TYPE),
    ('"a\\u0000b"', CODE.CONTROL_CHARACTER),
    ('"a\\nb"', CODE.CONTROL_CHARACTER),
    ('"a\\u001f"', CODE.CONTROL_CHARACTER),
    ('"a\x7f"', CODE.CONTROL_CHARACTER),
    ('"a\\u0085"', CODE.CONTROL_CHARACTER),
    ('"a\x9f"', CODE.CONTROL_CHARACTER),
    ('"' + "x" * 201 + '"', CODE.TOO_LONG),
    ('"' + "\\ud83d\\ude80" * 201 + '"', CODE.TOO_LONG),
    ('"' + "x" * 100_000 + '"', CODE.TOO_LONG),
    (b'"\xff"', CODE.NOT_UTF8),
    (b'"\xed\xa0\xbd"', CODE.NOT_UTF8),
    (b'"\xc3"', CODE.NOT_UTF8),
]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, CODE.MISSING),
        ("null", CODE.WRONG_TYPE),
        ('""', CODE.EMPTY),
        ('"' + "x" * 129 + '"', CODE.TOO_LONG),
        *NAMES_REFUSED,
    ],
)
def test_id_is_refused_with_field_and_code(text: str | bytes | None, code: RejectionCode) -> None:
    """Without a usable id an entry cannot be told from another one."""
    assert judged(entry(id=text)) == (code, "id")


@pytest.mark.parametrize(
    ("text", "model_id"),
    [
        (None, None),
        ('""', None),
        ('" "', None),
        ('"\\u00a0\\u2003"', None),
        ('"z-ai/glm-5"', "z-ai/glm-5"),
        ("null", None),
        ('" in  between "', "in  between"),
        ('"\\u2003x\\u00a0"', "x"),
        ('"' + " " * 200 + 'x"', "x"),
        ('"' + "x" * 200 + '"', "x" * 200),
        ('"' + "\\ud83d\\ude80" * 200 + '"', "🚀" * 200),
        ('"\\ude80\\ud83d"', "\ufffd\ufffd"),
    ],
)
def test_model_is_accepted_as_text_or_unknown(text: str | None, model_id: str | None) -> None:
    """Blank, null or absent is unknown; any other text of up to 200 characters, blanks around it cut, is the model."""
    assert judged_both_ways(modelId=text) == GOOD._replace(model=model_id)


@pytest.mark.parametrize(("text", "code"), NAMES_REFUSED)
def test_model_is_unknown_with_field_and_code(text: str | bytes, code: RejectionCode) -> None:
    """A number is not a name; an entry keeps its numbers without one."""
    usage, unusable = partial(entry(modelId=text))
    assert usage == GOOD._replace(model=None, unknown=("modelId",))
    assert unusable == [(code, "modelId")]


@pytest.mark.parametrize("element", ["null", "true", "7", "1e400", "NaN", '"text"', "[]", "[[]]", '["id", "ts"]'])
def test_element_is_refused_when_it_is_no_object(element: str) -> None:
    """Anything but an object is refused as a whole."""
    assert judged(element.encode()) == (CODE.NOT_AN_OBJECT, None)


def test_entry_is_refused_for_its_id_or_its_time_alone() -> None:
    """One rejection for one entry, the first of both; of an entry that is refused nothing else is told."""
    wrong = {"modelId": "5", "totalCost": "null", "tokensOut": "-1", "tokensIn": "1.5"}
    for fields, field in (({"ts": '"x"'}, "ts"), ({"id": '""'}, "id"), ({"id": '""', "ts": '"x"'}, "id")):
        parsed = parse(ledger(entry(**wrong, **fields)))
        assert [each.field for each in parsed.rejections] == [field]
        assert (parsed.records, parsed.partials, parsed.partial_count) == ([], (), 0)


def test_every_field_that_cannot_be_used_is_told() -> None:
    """An entry is counted once, its fields one by one; one that is not there is unknown, too."""
    wrong = entry(id='"2"', tokensIn="1.5", tokensOut=None, totalCost="NaN", modelId="{}")
    parsed = parse(ledger(entry(), wrong, entry(id='"3"')))
    assert parsed.partials == rejections(
        (1, CODE.NOT_AN_INTEGER, "tokensIn"),
        (1, CODE.MISSING, "tokensOut"),
        (1, CODE.NOT_FINITE, "totalCost"),
        (1, CODE.WRONG_TYPE, "modelId"),
    )
    assert parsed.partial_count == 1
    second = parsed.records[1]
    assert isinstance(second, MeterReading)
    assert second.unknown == ("tokensIn", "tokensOut", "totalCost", "modelId")
    assert second.is_silent


def test_money_of_entries_with_bad_fields_is_taken() -> None:
    """The seven entries of the contract: 1.40 dollars, one unknown cost, five partial entries."""
    now = GOOD_TS
    data = f"""[{{"id":"a","ts":{now},"tokensIn":null,"tokensOut":null,"totalCost":0.5}},
        {{"id":"b","ts":{now},"totalCost":0.5}},
        {{"id":"c","ts":{now},"tokensIn":5.5,"tokensOut":3,"totalCost":0.1}},
        {{"id":"d","ts":{now},"tokensIn":5,"tokensOut":3}},
        {{"id":"e","ts":{now}.5,"tokensIn":5,"tokensOut":3,"totalCost":0.1}},
        {{"id":"f","ts":{now},"tokensIn":5,"tokensOut":3,"totalCost":0.1,"modelId":{{"id":"m"}}}},
        {{"id":"g","ts":{now},"tokensIn":5,"tokensOut":3,"totalCost":0.1,"modelId":null}}]"""
    parsed = parse(data.encode())
    readings = [each for each in parsed.records if isinstance(each, MeterReading)]
    assert [each.session for each in readings] == list("abcdefg")
    assert [each.cost_usd for each in readings] == [0.5, 0.5, 0.1, None, 0.1, 0.1, 0.1]
    assert [each.input for each in readings] == [None, None, None, 5, 5, 5, 5]
    assert [each.output for each in readings] == [None, None, 3, 3, 3, 3, 3]
    assert {each.ts for each in readings} == {now}
    assert {each.model for each in readings} == {None}
    assert (parsed.rejections, parsed.partial_count) == ((), 5)
    assert {each.index for each in parsed.partials} == {0, 1, 2, 3, 5}


def test_last_one_of_two_equal_keys_counts() -> None:
    """As for JavaScript and Python, the later of two members of one name is the member."""
    twice = entry()[:-1]
    assert judged(twice + b',"id":"later","tokensIn":5}') == GOOD._replace(session="later", started_ts=None, input=5)
    assert judged(twice + b',"tokensIn":null}') == (CODE.WRONG_TYPE, "tokensIn")
    assert judged(b'{"tokensIn":null,' + entry()[1:]) == GOOD


def test_key_written_with_escapes_is_the_same_key() -> None:
    """An escape in a key changes its spelling, not the key."""
    assert judged(entry().replace(b'"modelId"', b'"\\u006dodelId"')) == GOOD


def test_rejection_holds_no_text_of_the_entry() -> None:
    """A rejection, of an entry or a field, names position, code and field; no value and no prompt is in it."""
    bad = entry(id=f'"{CANARY}\\n"', modelId=f'"{CANARY}"', totalCost=f'"{CANARY}"')
    parsed = parse(ledger(bad, entry(ts=f'"{CANARY}"'), entry(tokensIn=f'"{CANARY}"'), f'"{CANARY}"'.encode()))
    assert (len(parsed.rejections), len(parsed.partials)) == (3, 1)
    assert CANARY not in repr(parsed)


NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr).map(lambda text: text.replace("inf", "1e999").replace("nan", "null")),
    st.builds("{}{}e{}".format, st.sampled_from(["", "-"]), st.integers(0, 99), st.integers(-(10**25), 10**25)),
    st.builds("{}.{}".format, st.integers(0, 10**13), st.from_regex(r"[0-9]{1,30}", fullmatch=True)),
)
VALUES = st.one_of(
    NUMBERS,
    NUMBERS.map('"{}"'.format),
    st.text(max_size=210).map(lambda text: msgspec.json.encode(text).decode()),
    st.datetimes().map('"{}Z"'.format),
    st.datetimes().map('"{}"'.format),
    st.sampled_from(["null", "true", "{}", "[]", '""']),
    st.none(),
)


@settings(max_examples=examples(2))
@given(
    fields=st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "ts", "tokensIn", "totalCost", "modelId"], VALUES))
)
def test_fast_way_and_single_rules_say_the_same(fields: dict[str, str | None]) -> None:
    """An entry has the same value among its like, beside a bad one, and judged field by field."""
    element = entry(**fields)
    alone, beside = parse(ledger(element)), parse(ledger(element, b"null"))
    single = judge_entry(msgspec.Raw(element), 0, UTC)
    if isinstance(single, Rejection):
        assert alone.rejections == beside.rejections[:1] == (single,)
    else:
        assert alone.records == beside.records == [single.reading]
        assert alone.partials == beside.partials == single.partials
