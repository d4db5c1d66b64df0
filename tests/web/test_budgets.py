"""The page stays small: what is sent has a budget, and what is written a ceiling, for it is also read by people."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.web.page_files import LANGUAGES, SCRIPTS, opening_scripts, page_files, size_of

FIRST_PARTY_SENT_BYTES = 60_000
PAGE_SENT_BYTES = 130_000
FIRST_PARTY_WRITTEN_BYTES = 151_000
PAGE_WRITTEN_BYTES = 311_000
LATER = {
    "activity.js",
    "chart_table.js",
    "choice.js",
    "help.js",
    "hours.js",
    "import_facts.js",
    "lacks.js",
    "notify.js",
    "pairings.js",
    "prices.js",
    "seen.js",
    "session.js",
    "sheet.js",
    "start.js",
    "statement.js",
    "switches.js",
    "terms.js",
    "tools.js",
}
LATER_SENT_BYTES = 30_500


def sent_size_of(paths: Iterable[Path]) -> int:
    """Return the bytes of ``paths`` as the service sends them, each compressed by itself."""
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


def test_first_party_scripts_stay_within_their_budget() -> None:
    """Our own modules do not grow beyond their budget, neither as sent nor as written."""
    assert sent_size_of(opening_scripts()) <= FIRST_PARTY_SENT_BYTES
    assert size_of(opening_scripts()) <= FIRST_PARTY_WRITTEN_BYTES


def test_what_opens_later_is_known_and_small() -> None:
    """Modules that wait until they are used are reached from nowhere else, and have a ceiling, too."""
    later = set(SCRIPTS) - set(opening_scripts())
    assert {path.name for path in later} <= LATER
    assert sent_size_of(later) <= LATER_SENT_BYTES


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_stays_within_its_budget(language: str) -> None:
    """Everything that a browser loads for one language stays within its budget."""
    assert sent_size_of(page_files(language)) <= PAGE_SENT_BYTES
    assert size_of(page_files(language)) <= PAGE_WRITTEN_BYTES
