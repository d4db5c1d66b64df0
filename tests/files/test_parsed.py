"""Records of every kind are told apart by their keys and ordered by their times."""

from __future__ import annotations

from pathlib import Path

from aico.core.usage import GapReading, MeterReading, PromptSeen, Record, Tokens, Trigger, UsageEvent, digest
from aico.features.files.feed import ReadLimits
from aico.features.files.parsed import Parsed, keep_newest, keys_of
from aico.features.files.whole_file import WholeFile
from tests.files.places import ERRORS, MAX_BYTES, NAME

KEY = digest("one")
EVENT = UsageEvent(KEY, "s", 2_000, None, Tokens(input=1))
METER = MeterReading("s", None, None, 1, None, None, None, None, None, None)
PROMPT = PromptSeen(KEY, "s", 3_000)
GAP = GapReading("s", None, "title", 2)
EVERY: list[Record] = [METER, GAP, EVENT, PROMPT]


def test_records_of_different_kinds_never_share_a_key() -> None:
    """One session, one digest, and four things that are said of them."""
    assert len(set(keys_of(EVERY))) == len(EVERY)
    assert keys_of([EVENT, METER]) == [KEY, "s"] == [keys_of(EVERY)[2], keys_of(EVERY)[0]]


def test_gaps_of_different_kinds_or_models_are_different() -> None:
    """A gap replaces an earlier one of the same kind and model in the same session."""
    gaps = [GAP, GAP._replace(kind="other"), GAP._replace(model="m"), GAP._replace(session="t")]
    assert len(set(keys_of(gaps))) == len(gaps)
    assert keep_newest([*gaps, GAP._replace(requests=3)]) == [GAP._replace(requests=3), *gaps[1:]]


def write(path: Path, text: str) -> None:
    """Let the file be another one."""
    path.write_text(text, encoding="utf-8")


async def test_records_of_every_kind_are_handed_over_and_known(path: Path) -> None:
    """The newest first; what has no time comes last; each kind is known again and told when it changes."""
    write(path, "first")
    says: list[Record] = list(EVERY)
    feed = WholeFile(ERRORS, (NAME,), lambda _buffer: Parsed(says)).open(str(path), ReadLimits(MAX_BYTES, 1, lambda: 0))
    first = await feed.read(Trigger.STARTUP)
    assert list(first.records) == [PROMPT, EVENT, METER, GAP]
    feed.complete(first)
    changes: list[Record] = [
        METER._replace(output=0),
        GAP._replace(requests=None),
        EVENT._replace(ts=2_001),
        PROMPT._replace(model="m"),
    ]
    for place, changed in enumerate(changes):
        says[place] = changed
        write(path, str(place))
        reading = await feed.read(Trigger.WATCH)
        assert list(reading.records) == [changed]
        feed.complete(reading)
