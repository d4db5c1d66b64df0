"""The page stays small: what is sent has a budget, and what is written a ceiling, for it is also read by people."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.web.page_files import LANGUAGES, LATER, SCRIPTS, page_files, size_of

FIRST_PARTY_SENT_BYTES = 66_000
PAGE_SENT_BYTES = 150_000
FIRST_PARTY_WRITTEN_BYTES = 190_000
PAGE_WRITTEN_BYTES = 345_000


def sent_size_of(paths: Iterable[Path]) -> int:
    """Return the bytes of ``paths`` as the service sends them, each compressed by itself."""
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


def test_first_party_scripts_stay_within_their_budget() -> None:
    """Our own modules do not grow beyond their budget, neither as sent for a first sight nor as written."""
    assert sent_size_of(path for path in SCRIPTS if path not in LATER) <= FIRST_PARTY_SENT_BYTES
    assert size_of(SCRIPTS) <= FIRST_PARTY_WRITTEN_BYTES


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_stays_within_its_budget(language: str) -> None:
    """Everything that a browser loads for one language stays within its budget."""
    assert sent_size_of(page_files(language)) <= PAGE_SENT_BYTES
    assert size_of(page_files(language)) <= PAGE_WRITTEN_BYTES
