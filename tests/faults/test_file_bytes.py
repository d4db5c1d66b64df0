"""Bytes that a ledger may hold after an accident or by design: counted or refused, never a crash, never another's."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from aico.features.files.memory import FileBytes
from aico.features.files.parsed import Parsed, Unparsable
from aico.features.files.snapshot import read_snapshot
from aico.features.sources.cline.ledger import LedgerParser
from tests.faults.fault_counts import IS_SOAK, count_of, rng_of
from tests.faults.fuzz_parser import check, generate
from tests.files.places import NAME, guard_of
from tests.sources.cline.ledgers import GOOD, PARSER, entry, entry_of, ledger, ledger_of, parse, reading, tasks


def test_generated_ledgers_are_counted_or_refused() -> None:
    """The rules of the parser hold for any file made of bytes that a ledger could have."""
    count = count_of("generated ledgers", quick=10_000, soak=1_000_000)
    generated = generate(rng_of("generated ledgers"))
    outcomes = Counter(check(data) for _, data in zip(range(count), generated, strict=False))
    assert min(outcomes["parsed"], outcomes["refused"]) > count // 10


def test_check_of_generated_ledgers_notices_a_lost_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is awake: a parser that forgets one entry does not pass it."""
    whole = LedgerParser.parse

    def forgetful(parser: LedgerParser, buffer: FileBytes) -> Parsed:
        parsed = whole(parser, buffer)
        return replace(parsed, records=parsed.records[1:])

    monkeypatch.setattr(LedgerParser, "parse", forgetful)
    with pytest.raises(AssertionError):
        check(ledger(entry(), entry(id='"2"')))


def test_hole_of_zeros_never_makes_an_entry_that_did_not_stand_there() -> None:
    """Wherever zeros begin and end, each entry that comes out is one that was written, whole."""
    usages = tasks(3)
    whole = ledger_of(*usages)
    holes = list(combinations(range(len(whole) + 1), 2))
    count = count_of("holes of zeros", quick=4_000, soak=len(holes))
    for first, last in rng_of("holes").sample(holes, count):
        damaged = bytearray(whole)
        damaged[first:last] = bytes(last - first)
        with suppress(Unparsable):
            assert set(PARSER.parse(damaged).records) <= set(usages), (first, last)


@pytest.mark.parametrize("zeros", [1, 4096])
def test_beginning_of_a_ledger_followed_by_zeros_is_refused(zeros: int) -> None:
    """A file that has its length before its contents is never taken for a shorter ledger."""
    whole = ledger(*map(entry_of, tasks(2)), entry(task='"cut \\ud83d"', size="NaN"), entry(task=b'"a\nb"'))
    for end in range(len(whole)):
        with pytest.raises(Unparsable):
            parse(whole[:end] + bytes(zeros))


def test_entries_of_fifty_megabytes_are_passed_over(tmp_path: Path) -> None:
    """A prompt of any size costs no string, no entry and no neighbour."""
    count = count_of("prompts of 50 MB", quick=1, soak=4)
    path = tmp_path.resolve() / NAME
    prompt = b'"' + b'x\\n\\"\\ud83d\\ude80' * (50_000_000 // 17) + b'"'
    usages = tasks(count)
    with path.open("wb") as file:
        file.write(b"[")
        for usage in usages:
            file.write(entry_of(usage).replace(b'"CANARY-prompt"', prompt) + b",")
        file.write(entry() + b"]")
    snapshot = read_snapshot(guard_of(path, 1 << 28), 0)
    assert PARSER.parse(snapshot.buffer).records == [*usages, GOOD]


@pytest.mark.parametrize("is_strange", [False, True])
def test_many_small_entries_are_read(is_strange: bool) -> None:
    """The number of entries has no bound of its own, on the fast way and on the slow one."""
    count = count_of("small entries", quick=100_000, soak=1_000_000)
    small = b'{"id":"%d","ts":1,"tokensIn":1,"tokensOut":1,"totalCost":0}'
    elements = [small % number for number in range(count)]
    if is_strange:
        elements.append(b'{"task":"\\ud83d","x":NaN}')
    parsed = parse(ledger(*elements))
    assert parsed.length == count + is_strange
    assert parsed.records[-1] == reading(str(count - 1), 1000, None, (1, 1), 0.0)


@pytest.mark.parametrize("pattern", [b'"\n', b"\\\n", b"\\\\\n", b"\0[", b"{\0}", b'"\0"', b"NaN,", b"[", b'{"":'])
def test_hostile_pattern_takes_time_in_proportion_to_its_length(pattern: bytes) -> None:
    """No bytes make the parser go over the same ones again and again: megabytes of them come to an end."""
    length = 4_000_000 if IS_SOAK else 80_000
    for start in (b"[", b'["', b'[{"task":"'):
        data = start + pattern * (length // len(pattern))
        for end in (b"", b'"]', b'"}]', b"]" * 100):
            with suppress(Unparsable):
                parse(data + end)
