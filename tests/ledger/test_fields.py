"""The rules of the six fields: what is accepted as what, and what is refused with which code."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aico.core.domain import Rejection, RejectionCode, TaskUsage
from aico.features.ledger.fields import judge_entry
from tests.ledger.handmade_ledgers import CANARY, GOOD, entry, judged, ledger, parse

CODE = RejectionCode
COUNT_FIELDS = ("tokensIn", "tokensOut")
LAST_MS = 253_402_300_799_999
DIGITS_5000 = "9" * 5000


def judged_both_ways(**fields: str | None) -> TaskUsage | tuple[RejectionCode, str | None]:
    """Return what an entry says, whether it is decoded at once or, for its time in quotes, field by field."""
    at_once = judged(entry(**fields))
    assert judged(entry(**fields, ts=f'"{GOOD.ts}"')) == at_once
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
    assert isinstance(usage, TaskUsage)
    assert (usage.tokens_in if field == "tokensIn" else usage.tokens_out) == count
    assert type(usage.tokens_in) is type(usage.tokens_out) is int


@pytest.mark.parametrize("field", COUNT_FIELDS)
@pytest.mark.parametrize(("text", "code"), COUNTS_REFUSED)
def test_count_is_refused_with_field_and_code(field: str, text: str | bytes | None, code: RejectionCode) -> None:
    """Everything else is refused, each for its own reason."""
    assert judged(entry(**{field: text})) == (code, field)


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
    assert usage == GOOD._replace(total_cost=cost)
    assert isinstance(usage, TaskUsage)
    assert type(usage.total_cost) is float
    assert math.copysign(1, usage.total_cost) == 1


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
def test_cost_is_refused_with_field_and_code(text: str | bytes | None, code: RejectionCode) -> None:
    """What is no price between zero and a million dollars is refused, each for its own reason."""
    assert judged(entry(totalCost=text)) == (code, "totalCost")


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("0", 0),
        ("1772000100000", 1_772_000_100_000),
        ("1772000100000.0", 1_772_000_100_000),
        ("1.7720001e12", 1_772_000_100_000),
        ('"1772000100000"', 1_772_000_100_000),
        (f"{LAST_MS}", LAST_MS),
        ('"2024-02-29T00:00:00Z"', 1_709_164_800_000),
        ('"2024-02-29T01:00:00+01:00"', 1_709_164_800_000),
        ('"2024-02-28T18:30:00-05:30"', 1_709_164_800_000),
        ('"2024-02-29 00:00:00+00:00"', 1_709_164_800_000),
        ('"20240229T000000Z"', 1_709_164_800_000),
        ('"2024-02-29T00:00Z"', 1_709_164_800_000),
        ('"2024-02-29T00:00:00.123Z"', 1_709_164_800_123),
        ('"2024-02-29T00:00:00.123999Z"', 1_709_164_800_123),
        ('"2024-02-29T00:00:00.123999999+00:00"', 1_709_164_800_123),
        ('"1970-01-01T00:00:00Z"', 0),
        ('"9999-12-31T23:59:59.999999Z"', LAST_MS),
    ],
)
def test_ts_is_accepted_as_milliseconds_or_iso_8601_with_a_zone(text: str, ts: int) -> None:
    """A count of milliseconds up to the year 9999, or a moment as text, cut to the millisecond."""
    assert judged(entry(ts=text)) == GOOD._replace(ts=ts)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, CODE.MISSING),
        ("null", CODE.WRONG_TYPE),
        ("true", CODE.WRONG_TYPE),
        ("{}", CODE.WRONG_TYPE),
        ("-1", CODE.NEGATIVE),
        ('"-1"', CODE.NEGATIVE),
        (f"{LAST_MS + 1}", CODE.TOO_LARGE),
        ("9223372036854775808", CODE.TOO_LARGE),
        ("1e400", CODE.TOO_LARGE),
        (DIGITS_5000, CODE.TOO_LARGE),
        ("1772000100000.5", CODE.NOT_AN_INTEGER),
        ('"1772000100000.0"', CODE.NOT_AN_INTEGER),
        ("NaN", CODE.NOT_FINITE),
        ('"Infinity"', CODE.NOT_FINITE),
        ('""', CODE.NOT_A_NUMBER),
        ('"today"', CODE.NOT_A_TIME),
        ('"2024-02-29"', CODE.NOT_A_TIME),
        ('"2024-02-29T00:00:00"', CODE.NOT_A_TIME),
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
    """What is no moment between 1970 and the year 9999 is refused, each for its own reason."""
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
    assert judged_both_ways(id=text) == GOOD._replace(task_id=task_id)


NAMES_REFUSED = [
    ("null", CODE.WRONG_TYPE),
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
    [(None, CODE.MISSING), ('""', CODE.EMPTY), ('"' + "x" * 129 + '"', CODE.TOO_LONG), *NAMES_REFUSED],
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
        ('" kept as it is "', " kept as it is "),
        ('"' + "x" * 200 + '"', "x" * 200),
        ('"' + "\\ud83d\\ude80" * 200 + '"', "🚀" * 200),
        ('"\\ude80\\ud83d"', "\ufffd\ufffd"),
    ],
)
def test_model_is_accepted_as_text_or_unknown(text: str | None, model_id: str | None) -> None:
    """Blank or absent is unknown; any other text of up to 200 characters is the model."""
    assert judged_both_ways(modelId=text) == GOOD._replace(model_id=model_id)


@pytest.mark.parametrize(("text", "code"), NAMES_REFUSED)
def test_model_is_refused_with_field_and_code(text: str | bytes, code: RejectionCode) -> None:
    """A null is not an absent model, and a number is not a name."""
    assert judged(entry(modelId=text)) == (code, "modelId")


@pytest.mark.parametrize("element", ["null", "true", "7", "1e400", "NaN", '"text"', "[]", "[[]]", '["id", "ts"]'])
def test_element_is_refused_when_it_is_no_object(element: str) -> None:
    """Anything but an object is refused as a whole."""
    assert judged(element.encode()) == (CODE.NOT_AN_OBJECT, None)


def test_entry_is_refused_for_the_first_of_several_reasons() -> None:
    """One rejection for one entry, in the order of the fields."""
    wrong = {"modelId": "5", "totalCost": "null", "tokensOut": "-1", "tokensIn": "1.5", "ts": '"x"', "id": '""'}
    named = []
    for count in range(1, len(wrong) + 1):
        outcome = judged(entry(**dict(list(wrong.items())[:count])))
        assert isinstance(outcome, tuple)
        named.append(outcome[1])
    assert named == list(wrong)


def test_last_one_of_two_equal_keys_counts() -> None:
    """As for JavaScript and Python, the later of two members of one name is the member."""
    twice = entry()[:-1]
    assert judged(twice + b',"id":"later","tokensIn":5}') == GOOD._replace(task_id="later", tokens_in=5)
    assert judged(twice + b',"tokensIn":null}') == (CODE.WRONG_TYPE, "tokensIn")
    assert judged(b'{"tokensIn":null,' + entry()[1:]) == GOOD


def test_key_written_with_escapes_is_the_same_key() -> None:
    """An escape in a key changes its spelling, not the key."""
    assert judged(entry().replace(b'"modelId"', b'"\\u006dodelId"')) == GOOD


def test_rejection_holds_no_text_of_the_entry() -> None:
    """A rejection names position, code and field; no value and no prompt is in it."""
    bad = entry(id=f'"{CANARY}\\n"', modelId=f'"{CANARY}"', totalCost=f'"{CANARY}"')
    parsed = parse(ledger(bad, entry(ts=f'"{CANARY}"'), entry(tokensIn=f'"{CANARY}"'), f'"{CANARY}"'.encode()))
    assert len(parsed.rejections) == 4
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
    st.sampled_from(["null", "true", "{}", "[]", '""']),
    st.none(),
)


@given(
    fields=st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "ts", "tokensIn", "totalCost", "modelId"], VALUES))
)
def test_fast_way_and_single_rules_say_the_same(fields: dict[str, str | None]) -> None:
    """Whether an entry stands among its like, beside a bad one, or is judged field by field: its value is the same."""
    element = entry(**fields)
    alone = judged(element)
    beside = parse(ledger(element, b"null"))
    single = judge_entry(msgspec.Raw(element), 0)
    if isinstance(single, Rejection):
        assert alone == (single.code, single.field)
        assert beside.rejections[0] == single
    else:
        assert alone == single
        assert beside.entries == (single,)
