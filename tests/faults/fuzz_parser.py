"""The rules of the parser for any bytes at all, and two ways to look for bytes that break one.

``python -m tests.faults.fuzz_parser -runs=100000 -seed=1 FOLDER`` lets atheris (libFuzzer) look for them, led by the
lines that the parser's own modules run through, from the ledgers in FOLDER on. It exists for Linux on x86_64. Any
argument is libFuzzer's.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from aico.core.usage import MeterReading
from aico.features.files.parsed import Parsed, Unparsable, keep_newest

CANARY = "CANARY-fuzz"
HAZARDS = (
    *(b"null", b"true", b"-0", b"0", b"7", b"1.0", b"1e3", b"1e400", b"-1e-400", b"9223372036854775808", b"9" * 400),
    *(b"NaN", b"Infinity", b"-Infinity", b"[]", b"{}", b'""', b'"7"', b'"NaN"', b'"2026-02-14T00:00:00Z"', b'"\xff"'),
    *(b'"\\ud83d"', b'"\\ud83d\\ude80"', b'"\\\\ud83d"', b'"\\u0000"', b'"\x7f"', b'"a\x00b"', b'"a\nb"', b'"\\\n"'),
    *(b"\x00", b"\x00" * 20, b'"', b"\\", b"\\u", b"\xef\xbb\xbf", b"[" * 70, b"]" * 70, b'{"a":' * 70, b"}" * 70),
    *(b"[" * 2000 + b"]" * 2000, b'"id":', b'"ts":', b'"tokensIn":', b'"totalCost":', b'"modelId":', b",", b" ", b"x"),
)
"""Raw pieces of JSON and of what is none."""
_KEYS = (b"id", b"ts", b"task", b"tokensIn", b"tokensOut", b"totalCost", b"modelId", b"size", b"i\\u0064")


def check(data: bytes) -> str:
    """Return what the parser says of ``data``: ``parsed`` or ``refused``. Raises AssertionError if that is wrong."""
    buffer = bytearray(data)
    error: Unparsable | None = None
    try:
        parsed = parse(buffer)
    except Unparsable as refusal:
        error = refusal
    assert len(buffer) == len(data)
    buffer.clear()  # fails while anything still looks into it
    length = _length_by_python(data)
    if error is not None:
        is_deep = error.reason == "it is nested too deeply"
        assert length is None or is_deep, "what Python reads as an array is a ledger"
        assert error.__cause__ is None
        assert error.__context__ is None
        assert CANARY not in repr(error)
        return "refused"
    assert length in {None, parsed.length}
    readings = readings_of(parsed)
    assert len({reading.session for reading in keep_newest(readings)}) == len(keep_newest(readings))
    for reading in readings:
        assert reading.ts is None or 0 < reading.ts < 10**15
        assert all(number is None or 0 <= number <= 10**12 for number in (reading.input, reading.output))
        assert reading.cost_usd is None or 0 <= reading.cost_usd <= 10**6
    for one, two in zip(parsed.rejections, parsed.rejections[1:], strict=False):
        assert one.index < two.index
    assert {each.index for each in parsed.rejections}.isdisjoint({each.index for each in parsed.partials})
    assert len({each.index for each in parsed.partials}) == parsed.partial_count
    assert CANARY not in repr((parsed.rejections, parsed.partials))
    if length:
        # An element that is refused takes the parser off its fast way: the others must say the same there.
        slower = parse(bytearray(b"[null," + data.removeprefix(b"\xef\xbb\xbf").lstrip()[1:]))
        assert readings_of(slower) == readings
        assert len(slower.rejections) == len(parsed.rejections) + 1
    return "parsed"


def parse(buffer: bytearray) -> Parsed:
    """Parse ``buffer`` as the service does. Raises Unparsable."""
    from aico.features.sources.cline.ledger import LedgerParser

    return LedgerParser().parse(buffer)


def readings_of(parsed: Parsed) -> list[MeterReading]:
    """Return what a ledger says of its tasks, which is all that it says."""
    readings = [record for record in parsed.records if isinstance(record, MeterReading)]
    assert len(readings) == len(parsed.records)
    return readings


def generate(rng: Random) -> Iterator[bytes]:
    """Yield ledgers without an end: good and bad entries, hazards anywhere, then bytes changed, lost or doubled."""
    while True:
        elements = [_entry(rng) for _ in range(rng.randrange(5))]
        data = bytearray(b"[" + b",".join(elements) + b"]")
        for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
            _damage(data, rng)
        yield bytes(data)


def _entry(rng: Random) -> bytes:
    if rng.random() < 0.1:
        return rng.choice(HAZARDS)
    fields = {
        b"id": b'"%d"' % rng.randrange(3),
        b"ts": b"%d" % rng.randrange(2 * 10**12),
        b"task": b'"%s %s"' % (CANARY.encode(), rng.choice((b"", b"\\ud83d", b"\x80", b"\\n", b"\x01"))),
        b"tokensIn": b"%d" % rng.randrange(10**6),
        b"tokensOut": b"%d" % rng.randrange(10**6),
        b"totalCost": b"%d.%d" % (rng.randrange(9), rng.randrange(10**9)),
    }
    for _ in range(rng.choice((0, 0, 1, 3))):
        fields[rng.choice(_KEYS)] = rng.choice(HAZARDS)
    return b"{" + b",".join(b'"%s":%s' % field for field in fields.items()) + b"}"


def _damage(data: bytearray, rng: Random) -> None:
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.randrange(1, 40))
    kind = rng.randrange(6)
    if kind == 0:
        data[start:end] = rng.choice(HAZARDS)
    elif kind == 1:
        data[start:start] = rng.choice(HAZARDS)
    elif kind == 2:
        del data[start:end]
    elif kind == 3:
        data[start:start] = data[start:end]
    elif kind == 4:
        data[start:end] = bytes(end - start)
    elif start < len(data):
        data[start] ^= 1 << rng.randrange(8)


def _length_by_python(data: bytes) -> int | None:
    """Return the length of the array that Python's decoder reads, or None when it reads none."""
    try:
        value: object = json.loads(data.decode().removeprefix("\ufeff"), parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return None
    return len(value) if isinstance(value, list) else None


def write_corpus(folder: Path, rng: Random, count: int) -> None:
    """Write ``count`` generated ledgers into ``folder``, for a search to begin with."""
    for number, data in zip(range(count), generate(rng), strict=False):
        (folder / f"{number}.json").write_bytes(data)


def main(arguments: list[str]) -> None:
    """Search; the process ends with another code than 0 when something was found."""
    # Not every system has it, and it brings no types.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["aico.features.sources.cline"]):
        from aico.features.sources.cline import fields, ledger, mending  # noqa: F401 - imported to be followed

    atheris.Setup(arguments, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
