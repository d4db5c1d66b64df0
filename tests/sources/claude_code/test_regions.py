"""Inference in the US alone: what a transcript says of it, and the price that comes of it, to the nano-dollar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aico.core.errors import OriginName, SourceErrors
from aico.core.own_prices import OwnPrice
from aico.core.settings import Settings
from aico.core.usage import Record, Rejection
from aico.features.files.line_format import LineFile, PlainState
from aico.features.files.lines import Lines
from aico.features.pricing.price_list import GenaiPriceList
from aico.features.sources.claude_code import SOURCE
from aico.features.sources.claude_code.parser import FORMAT, TranscriptParser
from aico.features.sources.source import Source
from aico.services.service import ObserverService
from tests.core.database_damage import failed_checks
from tests.core.repository_on_file import read_rows
from tests.e2e.fake_cline_ledger import now_ms
from tests.services.heard_service import running
from tests.sources.claude_code.claude_home import CANARY, Clock, Json, Transcript, usage_of, uuid_of
from tests.sources.claude_code.transcript_driver import Home

STORED = """
    SELECT context, list_nano, entry FROM usage_event LEFT JOIN price_ref ON price_ref.id = usage_event.price_ref
    WHERE kind = 0 ORDER BY ts
"""
ENTRY = "anthropic/claude-opus-5-5"
IN_THE_US = f"{ENTRY} * 1.1 (inference_geo us)"
# Opus 5.5 costs 4, 0.20, 5, 8 and 20 dollars a million: (100 + n) * 4,000 + (1,000 + n) * 200 + 20 * 5,000 + 10 * 8,000
# + (500 + n) * 20,000 nano-dollars.
PLAIN = {1: 10_804_200, 2: 10_828_400}
US = {1: 11_884_620, 2: 11_911_240}
"""A tenth more: 10,804,200 + 1,080,420, and 10,828,400 + 1,082,840."""


class WithoutRegions(TranscriptParser):
    """Reads as the parser did that knew no regions."""

    def parse(self, line: memoryview, index: int) -> list[Record | Rejection]:
        """Return what a line says without its region."""
        return list(super().parse(memoryview(bytes(line).replace(b'"inference_geo":"us"', b'"other":"us"')), index))


def open_without_regions(file: LineFile, state: PlainState) -> WithoutRegions:
    """Return the parser of a file as the version before made it."""
    return WithoutRegions(file, state)


def former_source() -> Source:
    """Return Claude Code as the version before read it."""
    errors = SourceErrors(OriginName("claude-code", "projects", "transcript folder"))
    lines = Lines(errors, ("**/*.jsonl",), replace(FORMAT, version=1, open=open_without_regions))
    return replace(SOURCE, origins=(replace(SOURCE.origins[0], open=lines.open),))


def service_of(root: Path, source: Source) -> ObserverService:
    """Return a service that reads ``root`` alone, and is not started."""
    settings = Settings.model_validate(
        {
            "ledger_path": str(root.parent / "nowhere" / "taskHistory.json"),
            "database_path": root.parent / "own" / "observer.db",
            "sources": {SOURCE.id: {"enabled": True, "roots": (str(root),)}},
            "tick_s": 0.1,
            "rescan_interval_s": 1,
            "debounce_ms": 10,
        }
    )
    return ObserverService(settings, "1.2.3", now_ms, sources=(source,))


def in_region(number: int, geo: Json) -> Json:
    """Return the usage of answer ``number`` with its region."""
    return {**usage_of(number), "inference_geo": geo}


@pytest.fixture
def priced(home: Home) -> Home:
    """Return what reads transcripts, and knows the real list."""
    home.store.pricer = GenaiPriceList()
    home.store.forget_what_is_known()
    return home


@pytest.mark.parametrize(
    ("geo", "context", "nano", "entry"),
    [
        ("us", "geo-us", US[1], IN_THE_US),
        ("global", "", PLAIN[1], ENTRY),
        ("not_available", "", PLAIN[1], ENTRY),
        ("", "", PLAIN[1], ENTRY),
        (None, "", PLAIN[1], ENTRY),
        # Nobody says what these cost.
        ("eu", "geo-eu", None, None),
        (f"{CANARY} of many words", "geo-other", None, None),
        (7, "geo-other", None, None),
        ({"region": "us"}, "geo-other", None, None),
    ],
)
async def test_region_of_an_answer_makes_its_price(
    session: Transcript, priced: Home, geo: Json, context: str, nano: int | None, entry: str | None
) -> None:
    """The US alone cost eleven tenths; anywhere is the plain price; any other region has none that is known."""
    session.block(1, ref="r1", usage=in_region(1, geo))
    session.block(1, ref="r1", usage=in_region(1, geo))
    await priced.read()
    assert priced.ask(STORED) == [(context, nano, entry)]
    assert priced.ask("SELECT SUM(unpriced) FROM usage_total") == [(int(nano is None),)]


async def test_region_stands_behind_tier_and_speed(session: Transcript, priced: Home) -> None:
    """The price of fast mode, twice the plain one, is multiplied; a tier without a price has none in the US either."""
    usage = {**usage_of(1), "inference_geo": "us"}
    session.block(1, ref="r1", usage={**usage, "speed": "fast"})
    session.block(1, ref="r2", usage={**usage, "service_tier": "priority"})
    await priced.read()
    assert priced.ask(STORED) == [("fast geo-us", 2 * US[1], IN_THE_US), ("priority geo-us", None, None)]


async def test_region_that_only_a_later_line_of_an_answer_names_counts(session: Transcript, priced: Home) -> None:
    """In one reading as in two, and the line behind it takes nothing away."""
    for number, ref in ((1, "r1"), (2, "r2")):
        session.block(number, ref=ref)
        if ref == "r2":
            await priced.read()
        session.block(number, ref=ref, usage=in_region(number, "us"))
        session.block(number, ref=ref)
    await priced.read()
    assert priced.ask(STORED) == [("geo-us", US[1], IN_THE_US), ("geo-us", US[2], IN_THE_US)]


async def test_own_price_stays_as_it_is_stated(session: Transcript, priced: Home) -> None:
    """A price of the user's own knows no region: 1,633 tokens at a dollar a million."""
    await priced.store.writer.change_own_prices(lambda _stored: [OwnPrice("claude-opus-5-5", 0, 10**6, 10**6)])
    session.block(1, ref="r1", usage=in_region(1, "us"))
    await priced.read()
    assert priced.ask("SELECT own_nano, list_nano FROM usage_event") == [(1_633_000, US[1])]


async def test_requests_that_were_stored_before_have_the_price_of_their_region_after_the_next_start(
    tmp_path: Path,
) -> None:
    """Transcripts are read again once: each request counts once, in its copies, too, and one without a region stays."""
    root = tmp_path / "projects"
    clock = Clock()
    session = Transcript(root, uuid_of("session", 1), clock)
    session.block(1, ref="r1", usage=in_region(1, "us"))
    session.block(2, ref="r2", usage=in_region(2, "not_available"))
    session.fork(root, uuid_of("session", 2))
    path = tmp_path / "own" / "observer.db"
    for source, nano, entry in ((former_source(), PLAIN[1], ENTRY), (SOURCE, US[1], IN_THE_US)):
        async with running(service_of(root, source)) as heard:
            expected = [(nano, entry), (PLAIN[2], ENTRY)]
            await heard.until_true(lambda expected=expected: [row[1:] for row in read_rows(path, STORED)] == expected)  # type: ignore[misc]  # the loop's
        sums = "SELECT requests, list_usd * 1000000000 + list_nano FROM usage_total WHERE requests > 0"
        assert read_rows(path, sums) == [(2, nano + PLAIN[2])]
        assert failed_checks(path) == []
